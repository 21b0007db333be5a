#include "grade/labelled_parts.h"

#include <algorithm>
#include <array>

namespace circuitdiff {
namespace {

constexpr std::array<std::string_view, 6> kRoman = {"i", "ii", "iii", "iv", "v", "vi"};

// The label after `label` in its own row: b after a, 2 after 1, ii after i.
std::string next_label(const std::string& label) {
  if (const auto it = std::find(kRoman.begin(), kRoman.end(), label); it != kRoman.end())
    return it + 1 == kRoman.end() ? std::string() : std::string(*(it + 1));
  if (label.size() != 1 || label == "9" || label == "z") return {};
  return {static_cast<char>(label[0] + 1)};
}

std::string_view without_ends(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\n,;:");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n,;.") - begin + 1);
}

// No operation begins or ends it; a minus sign may begin it.
bool is_whole(std::string_view text) {
  constexpr std::string_view kSigns = "+*/^_=<>-";
  return !text.empty() && (text[0] == '-' || kSigns.find(text[0]) == std::string_view::npos) &&
         kSigns.find(text.back()) == std::string_view::npos && text != "-";
}

// "\\text{(a) }" as "(a)".
std::string with_bare_labels(std::string_view text) {
  constexpr std::string_view kDress = "\\text{";
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    const size_t close = rest.starts_with(kDress) ? rest.substr(0, 16).find('}') : std::string_view::npos;
    const std::string_view content = close == std::string_view::npos
                                         ? ""
                                         : without_ends(rest.substr(kDress.size(), close - kDress.size()));
    if (content.size() > 2 && content.front() == '(' && content.back() == ')') {
      out += content;
      i += close + 1;
    } else {
      out += text[i++];
    }
  }
  return out;
}

}  // namespace

std::vector<LabelledPart> labelled_parts(std::string_view written) {
  std::vector<LabelledPart> out;
  if (written.find('(') == std::string_view::npos) return out;
  const std::string bare = with_bare_labels(written);
  const std::string_view text = bare;
  for (std::string label : {"a", "A", "1", "i"}) {
    std::string mark = "(" + label + ")";
    if (!text.starts_with(mark)) continue;
    for (size_t at = mark.size();;) {
      const std::string next = next_label(label);
      const std::string next_mark = "(" + next + ")";
      const size_t end = next.empty() ? std::string_view::npos : text.find(next_mark, at);
      out.push_back({label, std::string(without_ends(text.substr(at, end - at)))});
      if (end == std::string_view::npos) break;
      at = end + next_mark.size();
      label = next;
    }
    break;
  }
  if (out.size() < 2 || !std::all_of(out.begin(), out.end(), [](const auto& p) { return is_whole(p.text); }))
    out.clear();
  return out;
}

}  // namespace circuitdiff
