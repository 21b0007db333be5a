#include "jinja/text.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace circuitdiff::jinja {
namespace {

bool is_continuation(char c) { return (c & 0xC0) == 0x80; }

bool is_line_break(char32_t c) {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

// str.isprintable: no control, format, separator, private or unassigned character but the space.
bool is_printable(char32_t c) {
  if (c < 0x7F) return c >= 0x20;
  const auto k = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return k != UTF8PROC_CATEGORY_CN && (k < UTF8PROC_CATEGORY_ZS || k > UTF8PROC_CATEGORY_CO);
}

// Where the last code point of `text` begins.
size_t last_start(std::string_view text) {
  size_t start = text.size() - 1;
  while (start > 0 && is_continuation(text[start])) --start;
  return start;
}

template <class Drop>
std::string_view strip_where(std::string_view text, Side side, const Drop& drop) {
  while (side != Side::right && !text.empty()) {
    size_t pos = 0;
    if (!drop(next_code_point(text, pos))) break;
    text.remove_prefix(pos);
  }
  while (side != Side::left && !text.empty()) {
    const size_t start = last_start(text);
    size_t pos = start;
    if (!drop(next_code_point(text, pos))) break;
    text = text.substr(0, start);
  }
  return text;
}

std::vector<std::string_view> cut_at_space_from_right(std::string_view text, int64_t most) {
  std::vector<std::string_view> pieces;
  for (text = strip(text, Side::right); !text.empty(); text = strip(text, Side::right), --most) {
    size_t start = most == 0 ? 0 : text.size();
    while (start > 0) {
      size_t at = last_start(text.substr(0, start));
      const size_t before = at;
      if (is_space(next_code_point(text, at))) break;
      start = before;
    }
    pieces.push_back(text.substr(start));
    text = text.substr(0, start);
  }
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

}  // namespace

char32_t next_code_point(std::string_view text, size_t& pos) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned first = byte(pos);
  if (first < 0x80) {
    ++pos;
    return first;
  }
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  char32_t c = first & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) c = c << 6 | (byte(pos + i) & 0x3Fu);
  pos = std::min(pos + length, text.size());
  return c;
}

void append_code_point(std::string& out, char32_t c) {
  utf8proc_uint8_t bytes[4];
  const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
}

bool is_valid_utf8(std::string_view text) {
  for (size_t pos = 0; pos < text.size();) {
    utf8proc_int32_t c = 0;
    const utf8proc_ssize_t used =
        utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + pos,
                         static_cast<utf8proc_ssize_t>(text.size() - pos), &c);
    if (used <= 0) return false;
    pos += static_cast<size_t>(used);
  }
  return true;
}

size_t count_code_points(std::string_view text) {
  return text.size() - static_cast<size_t>(std::count_if(text.begin(), text.end(), is_continuation));
}

std::u32string decode(std::string_view text) {
  std::u32string out;
  for (size_t pos = 0; pos < text.size();) out += next_code_point(text, pos);
  return out;
}

std::string encode(std::u32string_view text) {
  std::string out;
  for (const char32_t c : text) append_code_point(out, c);
  return out;
}

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

std::string_view strip(std::string_view text, Side side) { return strip_where(text, side, is_space); }

std::string_view strip(std::string_view text, std::string_view chars, Side side) {
  const std::u32string set = decode(chars);
  return strip_where(text, side, [&](char32_t c) { return set.find(c) != std::u32string::npos; });
}

std::vector<std::string_view> cut_at(std::string_view text, std::string_view separator, int64_t most,
                                     bool from_right) {
  std::vector<std::string_view> pieces;
  for (; most != 0; --most) {
    const size_t at = from_right ? text.rfind(separator) : text.find(separator);
    if (at == text.npos) break;
    const std::string_view before = text.substr(0, at), after = text.substr(at + separator.size());
    pieces.push_back(from_right ? after : before);
    text = from_right ? before : after;
  }
  pieces.push_back(text);
  if (from_right) std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

// What is left after `most` cuts keeps the white space at its far end.
std::vector<std::string_view> cut_at_space(std::string_view text, int64_t most, bool from_right) {
  if (from_right) return cut_at_space_from_right(text, most);
  std::vector<std::string_view> pieces;
  for (text = strip(text, Side::left); !text.empty(); text = strip(text, Side::left), --most) {
    size_t end = most == 0 ? text.size() : 0;
    for (size_t after = 0; end < text.size() && !is_space(next_code_point(text, after));) end = after;
    pieces.push_back(text.substr(0, end));
    text = text.substr(end);
  }
  return pieces;
}

std::vector<std::string_view> cut_at_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  size_t start = 0;
  for (size_t pos = 0; pos < text.size();) {
    const size_t at = pos;
    const char32_t c = next_code_point(text, pos);
    if (!is_line_break(c)) continue;
    if (c == '\r' && pos < text.size() && text[pos] == '\n') ++pos;
    lines.push_back(text.substr(start, at - start));
    start = pos;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

std::string replace_text(std::string_view text, std::string_view from, std::string_view to, int64_t most,
                         size_t bound) {
  std::string out;
  size_t at = 0;
  for (; most != 0 && out.size() <= bound; --most) {
    const size_t found = text.find(from, at);
    if (found == text.npos) break;
    out += text.substr(at, found - at);
    out += to;
    at = found + from.size();
    if (!from.empty()) continue;
    // Python puts `to` before every character and at the end.
    if (at >= text.size()) break;
    const size_t start = at;
    next_code_point(text, at);
    out += text.substr(start, at - start);
  }
  out += text.substr(at);
  return out;
}

std::string repr(std::string_view text) {
  const bool double_quoted = text.find('\'') != text.npos && text.find('"') == text.npos;
  const char quote = double_quoted ? '"' : '\'';
  std::string out(1, quote);
  for (size_t pos = 0; pos < text.size();) {
    const size_t start = pos;
    const char32_t c = next_code_point(text, pos);
    const uint32_t point = static_cast<uint32_t>(c);
    if (c == static_cast<unsigned char>(quote) || c == '\\') {
      out += {'\\', static_cast<char>(c)};
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (is_printable(c)) {
      out += text.substr(start, pos - start);
    } else {
      out += point < 0x100     ? fmt::format("\\x{:02x}", point)
             : point < 0x10000 ? fmt::format("\\u{:04x}", point)
                               : fmt::format("\\U{:08x}", point);
    }
  }
  return out + quote;
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// The shortest digits that give the same value, with an exponent below 1e-4 and from 1e16 on.
std::string repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  const double size = std::fabs(value);
  const bool exponent = size != 0 && (size < 1e-4 || size >= 1e16);
  char buffer[64];
  const auto format = exponent ? std::chars_format::scientific : std::chars_format::fixed;
  std::string out(buffer, std::to_chars(buffer, buffer + sizeof buffer, value, format).ptr);
  if (!exponent && out.find('.') == out.npos) out += ".0";
  return out;
}

}  // namespace circuitdiff::jinja
