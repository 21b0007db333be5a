// Oniguruma's character sets by their names, as what stands inside a PCRE2 set. Written out where PCRE2's own
// escape or property means a slightly different set. What the names stand for in a pattern is oniguruma.h's.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace circuitdiff {

inline constexpr std::string_view kSpaceSet =
    R"(\x09-\x0d\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
inline constexpr std::string_view kNotSpaceSet =
    R"(\x00-\x08\x0e-\x1f\x21-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e})"
    R"(\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";
inline constexpr std::string_view kHexSet = "0-9A-Fa-f";
inline constexpr std::string_view kNotHexSet = R"(\x00-/:-@G-`g-\x{10ffff})";

// A property of PCRE2 and what later versions of Unicode added to it.
std::string property_set(const std::string& name);
// \w.
const std::string& word_set();
// PCRE2's name of the property `name`, which is in lower case without _, - and blanks.
std::string pcre2_property(const std::string& name);
// [:name:], or [:^name:] where negated; nullopt where there is no such set or it cannot be negated.
std::optional<std::string> posix_set(std::string_view name, bool negated);

}  // namespace circuitdiff
