// Python's view of text over UTF-8 bytes: code points, white space, letter case, character classes, repr().
// Unicode facts come from utf8proc and case_table.h. All input is valid UTF-8 (checked where text enters).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace circuitdiff::jinja {

// The code point at `pos`, which moves past it.
char32_t next_code_point(std::string_view text, size_t& pos);
void append_code_point(std::string& out, char32_t c);
bool is_ascii(std::string_view text);
bool is_valid_utf8(std::string_view text);  // no surrogates, no overlong forms
size_t count_code_points(std::string_view text);
std::u32string decode(std::string_view text);
std::string encode(std::u32string_view text);
// Byte offset of code point `index` (the end, where index is the length).
size_t byte_offset(std::string_view text, size_t index);

bool is_space(char32_t c);       // str.isspace
bool is_line_break(char32_t c);  // str.splitlines
bool is_printable(char32_t c);   // str.isprintable
bool is_alpha(char32_t c);       // str.isalpha
bool is_decimal(char32_t c);     // str.isdecimal
bool is_digit(char32_t c);       // str.isdigit
bool is_numeric(char32_t c);     // str.isnumeric
bool is_alnum(char32_t c);       // str.isalnum; with "_" it is re's \w
bool is_lower(char32_t c);
bool is_upper(char32_t c);
bool is_title(char32_t c);
bool is_identifier(std::string_view text);
int decimal_value(char32_t c);  // 0..9 for any Unicode decimal digit, else -1

std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string title(std::string_view text);  // str.title
std::string capitalize(std::string_view text);
std::string swapcase(std::string_view text);
std::string casefold(std::string_view text);

// str.strip: of white space, or of the characters in `chars`.
enum class Side { left, right, both };
std::string_view strip(std::string_view text, Side side = Side::both);
std::string_view strip(std::string_view text, std::string_view chars, Side side);

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends = false);
std::string repr(std::string_view text);         // 'it\'s' as Python prints it
std::string escape_html(std::string_view text);  // markupsafe.escape
std::string repr(double value);                  // 1e+16, 0.1, inf

}  // namespace circuitdiff::jinja
