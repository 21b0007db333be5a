// Differences between Unicode's versions. Tokenizers were made with, and are defined by, libraries of
// several ages; PCRE2 and utf8proc have versions of their own (Unicode 14 in Debian 12). These tables
// hold what the former know and the latter do not, or the other way round, so that the same text
// gives the same tokens everywhere.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace circuitdiff {

struct CodeRange {
  char32_t first, last;
};

// Characters that Unicode 15 and 16 added to a general category ("L", "Lu"), to a property ("Alphabetic") or
// to a script
// ("sc:han"), in order.
std::span<const CodeRange> characters_added_to(std::string_view property);
// The same as the content of a PCRE2 set: "\\x{1c89}\\x{a7cb}-\\x{a7cc}".
std::string added_set_content(std::string_view property);

bool is_added_numeric(char32_t c);           // Nd, Nl, No since Unicode 15
bool is_later_punctuation(char32_t c);       // P* in today's Unicode, not in the library's table
bool is_former_punctuation(char32_t c);      // the other way round
bool has_later_decomposition(char32_t c);    // decomposes today, not by the library's table
bool has_later_combining_class(char32_t c);  // combines today, 0 in the library's table
char32_t added_lower_case(char32_t c);       // of capitals since Unicode 15; else `c`

}  // namespace circuitdiff
