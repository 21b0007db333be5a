#include "grade/labelled_parts.h"

#include <algorithm>
#include <array>

#include "formula/letters.h"

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

// "and", "& 3", "only": what stands behind a choice in brackets, not behind the label of a part.
bool continues_choices(std::string_view text) {
  if (text == "only" || text.starts_with("&")) return true;
  for (const std::string_view word : {"and", "or"})
    if (text.starts_with(word) && (text.size() == word.size() || !is_letter(text[word.size()]))) return true;
  return false;
}

// "3 and" as "3".
std::string_view without_last_and(std::string_view text) {
  for (const std::string_view word : {" and", " &"})
    if (text.ends_with(word)) return without_ends(text.substr(0, text.size() - word.size()));
  return text;
}

// No operation begins or ends it; a minus sign may begin it.
bool is_whole(std::string_view text) {
  constexpr std::string_view kSigns = "+*/^_=<>-";
  return !text.empty() && (text[0] == '-' || kSigns.find(text[0]) == std::string_view::npos) &&
         kSigns.find(text.back()) == std::string_view::npos && text != "-" && !continues_choices(text);
}

// "\\text{(a) }", "\\textbf{(a)}" as "(a)".
std::string with_bare_labels(std::string_view text) {
  static constexpr std::array<std::string_view, 6> kDress = {"\\text{",   "\\textbf{", "\\textit{",
                                                             "\\textrm{", "\\mathrm{", "\\mathbf{"};
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i, 24);
    const auto dress =
        std::find_if(kDress.begin(), kDress.end(), [&](const auto& d) { return rest.starts_with(d); });
    const size_t close = dress == kDress.end() ? std::string_view::npos : rest.find('}');
    const std::string_view content = close == std::string_view::npos
                                         ? ""
                                         : without_ends(rest.substr(dress->size(), close - dress->size()));
    if (content.size() > 2 && content.front() == '(' && content.back() == ')') {
      out += out.empty() ? "" : " ";
      out += content;
      i += close + 1;
    } else {
      out += text[i++];
    }
  }
  return out;
}

// Where the mark stands next as a label of its own, or anywhere.
size_t find_mark(std::string_view text, std::string_view mark, size_t from, bool glued) {
  for (size_t at = text.find(mark, from); at != std::string_view::npos; at = text.find(mark, at + 1)) {
    const char before = at > 0 ? text[at - 1] : ' ';
    const bool behind_value = is_letter(before) || is_digit(before) || before == ')' || before == ']' ||
                              before == '}' || before == '\'';
    if (glued || !behind_value) return at;
  }
  return std::string_view::npos;
}

}  // namespace

std::vector<LabelledPart> labelled_parts(std::string_view written, bool glued) {
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
      const size_t end = next.empty() ? std::string_view::npos : find_mark(text, next_mark, at, glued);
      out.push_back({label, std::string(without_last_and(without_ends(text.substr(at, end - at))))});
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
