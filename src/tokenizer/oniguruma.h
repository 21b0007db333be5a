// Oniguruma's regular-expression syntax rewritten for PCRE2, to match the same strings: \s \d \w \h, POSIX
// brackets and property names mean Oniguruma's character sets; options set inside a group hold to the group's
// end; (?m) is "dot matches newline"; an interval followed by + or ? repeats the interval; {,n} is {0,n};
// sets may be nested in sets. Left out, each with an error: intersections of sets (&&), negated sets inside
// sets, absent groups, callouts.
#pragma once

#include <string>
#include <string_view>

namespace circuitdiff {

// To be compiled with UTF, UCP and MULTILINE. `where` begins the message of the
// Error thrown for what is left out.
std::string oniguruma_to_pcre2(std::string_view pattern, std::string_view where);

}  // namespace circuitdiff
