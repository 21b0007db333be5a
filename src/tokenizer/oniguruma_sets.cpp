#include "tokenizer/oniguruma_sets.h"

#include <algorithm>
#include <array>

#include "tokenizer/unicode_additions.h"

namespace circuitdiff {
namespace {

struct Names {
  std::string_view from, to;
};
// Names of general categories and POSIX classes that PCRE2 10.42 spells otherwise,
// in lower case without _ and blanks.
constexpr std::array kProperties{Names{"letter", "L"},
                                 Names{"uppercaseletter", "Lu"},
                                 Names{"lowercaseletter", "Ll"},
                                 Names{"titlecaseletter", "Lt"},
                                 Names{"modifierletter", "Lm"},
                                 Names{"otherletter", "Lo"},
                                 Names{"mark", "M"},
                                 Names{"combiningmark", "M"},
                                 Names{"nonspacingmark", "Mn"},
                                 Names{"spacingmark", "Mc"},
                                 Names{"enclosingmark", "Me"},
                                 Names{"number", "N"},
                                 Names{"decimalnumber", "Nd"},
                                 Names{"letternumber", "Nl"},
                                 Names{"othernumber", "No"},
                                 Names{"punctuation", "P"},
                                 Names{"connectorpunctuation", "Pc"},
                                 Names{"dashpunctuation", "Pd"},
                                 Names{"openpunctuation", "Ps"},
                                 Names{"closepunctuation", "Pe"},
                                 Names{"initialpunctuation", "Pi"},
                                 Names{"finalpunctuation", "Pf"},
                                 Names{"otherpunctuation", "Po"},
                                 Names{"symbol", "S"},
                                 Names{"mathsymbol", "Sm"},
                                 Names{"currencysymbol", "Sc"},
                                 Names{"modifiersymbol", "Sk"},
                                 Names{"othersymbol", "So"},
                                 Names{"separator", "Z"},
                                 Names{"spaceseparator", "Zs"},
                                 Names{"lineseparator", "Zl"},
                                 Names{"paragraphseparator", "Zp"},
                                 Names{"other", "C"},
                                 Names{"control", "Cc"},
                                 Names{"format", "Cf"},
                                 Names{"surrogate", "Cs"},
                                 Names{"privateuse", "Co"},
                                 Names{"unassigned", "Cn"},
                                 Names{"alpha", "Alphabetic"},
                                 Names{"alphabetic", "Alphabetic"},
                                 Names{"uppercase", "Uppercase"},
                                 Names{"lowercase", "Lowercase"},
                                 Names{"whitespace", "White_Space"},
                                 Names{"digit", "Nd"},
                                 Names{"upper", "Uppercase"},
                                 Names{"lower", "Lowercase"},
                                 Names{"cntrl", "Cc"},
                                 Names{"space", "White_Space"}};
constexpr std::array<std::string_view, 37> kCategories{
    "l",  "lu", "ll", "lt", "lm", "lo", "m",  "mn", "mc", "me", "n",  "nd", "nl",
    "no", "p",  "pc", "pd", "ps", "pe", "pi", "pf", "po", "s",  "sm", "sc", "sk",
    "so", "z",  "zs", "zl", "zp", "c",  "cc", "cf", "cs", "co", "cn"};
constexpr std::array<std::string_view, 4> kFlags{"any", "emoji", "ascii", "ideographic"};

}  // namespace

std::string property_set(const std::string& name) { return "\\p{" + name + "}" + added_set_content(name); }

// Oniguruma's \w has Latin-1's superscript digits and fractions too.
const std::string& word_set() {
  static const std::string content = property_set("Alphabetic") + property_set("M") + property_set("Nd") +
                                     "\\p{Pc}" + "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}";
  return content;
}

std::string pcre2_property(const std::string& name) {
  for (const auto& [from, to] : kProperties)
    if (name == from) return std::string(to);
  if (std::find(kCategories.begin(), kCategories.end(), name) != kCategories.end()) {
    std::string out = name;
    out[0] = static_cast<char>(out[0] - 'a' + 'A');
    return out;
  }
  if (std::find(kFlags.begin(), kFlags.end(), name) != kFlags.end()) return name;
  return "sc:" + name;  // a script: PCRE2 would take the bare name for its extensions too
}

std::optional<std::string> posix_set(std::string_view name, bool negated) {
  const auto one = [&](const std::string& p) { return negated ? "\\P{" + p + "}" : property_set(p); };
  if (name == "alpha") return one("Alphabetic");
  if (name == "digit") return one("Nd");
  if (name == "upper") return one("Uppercase");
  if (name == "lower") return one("Lowercase");
  if (name == "cntrl") return one("Cc");
  if (name == "space") return std::string(negated ? kNotSpaceSet : kSpaceSet);
  if (name == "xdigit") return std::string(negated ? kNotHexSet : kHexSet);
  if (name == "alnum" && !negated) return property_set("Alphabetic") + property_set("Nd");
  if (name == "word" && !negated) return word_set();
  if (name == "ascii") return negated ? "\\x{80}-\\x{10ffff}" : "\\x00-\\x7f";
  return std::nullopt;
}

}  // namespace circuitdiff
