#include "jinja/text_pieces.h"

#include <algorithm>

#include "jinja/methods.h"
#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {

std::vector<std::string_view> cut_at(std::string_view text, std::string_view separator, int64_t most,
                                     bool from_right) {
  std::vector<std::string_view> pieces;
  if (from_right) {
    while (most != 0) {
      const size_t at = text.rfind(separator);
      if (at == text.npos) break;
      pieces.push_back(text.substr(at + separator.size()));
      text = text.substr(0, at);
      --most;
    }
    pieces.push_back(text);
    std::reverse(pieces.begin(), pieces.end());
    return pieces;
  }
  while (most != 0) {
    const size_t at = text.find(separator);
    if (at == text.npos) break;
    pieces.push_back(text.substr(0, at));
    text = text.substr(at + separator.size());
    --most;
  }
  pieces.push_back(text);
  return pieces;
}

std::vector<std::string_view> cut_at_space(std::string_view text, int64_t most, bool from_right) {
  std::vector<std::string_view> pieces;
  if (!from_right) {
    text = strip(text, Side::left);
    while (!text.empty()) {
      if (most == 0) {
        pieces.push_back(strip(text, Side::right));
        break;
      }
      size_t end = 0, after = 0;
      while (end < text.size() && !is_space(next_code_point(text, after))) end = after;
      pieces.push_back(text.substr(0, end));
      text = strip(text.substr(end), Side::left);
      --most;
    }
    return pieces;
  }
  text = strip(text, Side::right);
  while (!text.empty()) {
    if (most == 0) {
      pieces.push_back(strip(text, Side::left));
      break;
    }
    size_t start = text.size();
    while (start > 0) {
      size_t before = start - 1;
      while (before > 0 && (text[before] & 0xC0) == 0x80) --before;
      size_t at = before;
      if (is_space(next_code_point(text, at))) break;
      start = before;
    }
    pieces.push_back(text.substr(start));
    text = strip(text.substr(0, start), Side::right);
    --most;
  }
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

std::string replace_text(Runtime& rt, std::string_view text, std::string_view from, std::string_view to,
                         int64_t count) {
  std::string out;
  size_t at = 0;
  rt.budget.copy(text.size());
  if (from.empty()) {
    // Python puts `to` before every character and at the end.
    for (; count != 0; --count) {
      out += to;
      if (at >= text.size()) break;
      const size_t start = at;
      next_code_point(text, at);
      out += text.substr(start, at - start);
      if (out.size() > kMaxTextBytes) rt.budget.text(out.size());
    }
    out += text.substr(at);
    rt.budget.text(out.size());
    return out;
  }
  for (; count != 0; --count) {
    const size_t found = text.find(from, at);
    if (found == text.npos) break;
    out += text.substr(at, found - at);
    out += to;
    at = found + from.size();
    if (out.size() > kMaxTextBytes) rt.budget.text(out.size());
  }
  out += text.substr(at);
  rt.budget.text(out.size());
  return out;
}

}  // namespace circuitdiff::jinja
