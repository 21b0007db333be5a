#include "grade/harness/units.h"

#include <utility>
#include <vector>

#include "formula/letters.h"

namespace circuitdiff {
namespace {

// Words that the harness takes for units, in its order; '.' stands for any character.
const std::vector<std::string>& unit_patterns() {
  static const std::vector<std::string> kPatterns = [] {
    std::vector<std::string> out = {"east",
                                    "degree",
                                    "mph",
                                    "kmph",
                                    "ft",
                                    "m sqaure",
                                    " m east",
                                    "sq m",
                                    "deg",
                                    "mile",
                                    "q .",
                                    "monkey",
                                    "prime",
                                    "ratio",
                                    "profit of rs",
                                    "rd",
                                    "o",
                                    "gm",
                                    "p . m",
                                    "lb",
                                    "tile",
                                    "per",
                                    "dm",
                                    "lt",
                                    "gain",
                                    "ab",
                                    "way",
                                    "west",
                                    "a .",
                                    "b .",
                                    "c .",
                                    "d .",
                                    "e .",
                                    "f .",
                                    "g .",
                                    "h .",
                                    "t",
                                    "a",
                                    "h",
                                    "no change",
                                    "men",
                                    "soldier",
                                    "pie",
                                    "bc",
                                    "excess",
                                    "st",
                                    "inches",
                                    "noon",
                                    "percent",
                                    "by",
                                    "gal",
                                    "kmh",
                                    "c",
                                    "acre",
                                    "rise",
                                    "a . m",
                                    "th",
                                    "\u03C0 r 2",
                                    "sq",
                                    "mark",
                                    "l",
                                    "toy",
                                    "coin",
                                    "sq . m",
                                    "gallon",
                                    "\u00B0 f",
                                    "profit",
                                    "minw",
                                    "yr",
                                    "women",
                                    "feet",
                                    "am",
                                    "pm",
                                    "hr",
                                    "cu cm",
                                    "square",
                                    "v \u00E2 \u20AC \u2122",
                                    "are",
                                    "rupee",
                                    "rounds",
                                    "cubic",
                                    "cc",
                                    "mtr",
                                    "s",
                                    "ohm",
                                    "number",
                                    "kmph",
                                    "day",
                                    "hour",
                                    "minute",
                                    "min",
                                    "second",
                                    "man",
                                    "woman",
                                    "sec",
                                    "cube",
                                    "mt",
                                    "sq inch",
                                    "mp",
                                    "\u220F cm \u00B3",
                                    "hectare",
                                    "more",
                                    "sec",
                                    "unit",
                                    "cu . m",
                                    "cm 2",
                                    "rs .",
                                    "rs",
                                    "kg",
                                    "g",
                                    "month",
                                    "km",
                                    "m",
                                    "cm",
                                    "mm",
                                    "apple",
                                    "liter",
                                    "loss",
                                    "yard",
                                    "pure",
                                    "year",
                                    "increase",
                                    "decrease",
                                    "d",
                                    "less",
                                    "Surface",
                                    "litre",
                                    "pi sq m",
                                    "s .",
                                    "metre",
                                    "meter",
                                    "inch"};
    const size_t n = out.size();
    for (size_t i = 0; i < n; ++i) out.push_back(out[i] + "s");
    return out;
  }();
  return kPatterns;
}

// re.sub(r"(^|\W)" + unit + r"($|\W)", r"\1\2", text)
std::string without_unit(const std::string& text, const std::string& unit) {
  // Most units are not in most texts.
  size_t plain = unit.find(" .");
  if (plain == std::string::npos) plain = unit.size();
  if (text.find(unit.substr(0, plain)) == std::string::npos) return text;
  std::string out;
  size_t at = 0;
  while (at <= text.size()) {
    // An optional non-word character (or the beginning), the unit, then a non-word character or the end.
    size_t match_end = std::string::npos;
    for (const size_t lead : {size_t{0}, size_t{1}}) {
      // '^' is tried first, then \W.
      if (lead == 0 && at != 0) continue;
      if (lead == 1 && (at >= text.size() || is_python_word(text, at))) continue;
      const size_t begin = at + lead;
      if (begin + unit.size() > text.size()) continue;
      bool fits = true;
      for (size_t k = 0; k < unit.size() && fits; ++k)
        fits = (unit[k] == '.' && text[begin + k] != '\n' &&
                static_cast<unsigned char>(text[begin + k]) < 0x80) ||
               unit[k] == text[begin + k];
      if (!fits) continue;
      const size_t end = begin + unit.size();
      if (end < text.size() && is_python_word(text, end)) continue;
      out.append(text, at, lead);
      if (end < text.size()) out += text[end];
      match_end = end < text.size() ? end + 1 : end;
      break;
    }
    if (match_end != std::string::npos) {
      at = match_end;
      if (at >= text.size()) return out;
      continue;
    }
    if (at < text.size()) out += text[at];
    ++at;
  }
  return out;
}

}  // namespace

bool is_python_word(std::string_view text, size_t at) {
  const auto c = static_cast<unsigned char>(text[at]);
  if (c < 0x80) return is_letter(text[at]) || is_digit(text[at]) || c == '_';
  size_t lead = at;
  while (lead > 0 && (static_cast<unsigned char>(text[lead]) & 0xC0) == 0x80) --lead;
  const auto first = static_cast<unsigned char>(text[lead]);
  return (first >= 0xC3 && first <= 0xDF) || (first >= 0xE3 && first <= 0xE9);
}

void remove_harness_units(std::string& text) {
  for (const auto& unit : unit_patterns())
    if (std::string without = without_unit(text, unit); !without.empty()) text = std::move(without);
}

}  // namespace circuitdiff
