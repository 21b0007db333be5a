// Python's view of text over UTF-8 bytes: code points, white space, letter case, pieces, repr(). Unicode
// facts come from utf8proc. All input is valid UTF-8 (checked where text enters).
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
bool is_valid_utf8(std::string_view text);  // no surrogates, no overlong forms
size_t count_code_points(std::string_view text);
std::u32string decode(std::string_view text);
std::string encode(std::u32string_view text);
bool is_space(char32_t c);  // str.isspace

// Letter case (text_case.cpp). Letters whose upper case is several letters are an error, but for ß.
std::string upper(std::string_view text);
std::string lower(std::string_view text);
std::string title(std::string_view text);  // str.title
std::string capitalize(std::string_view text);

// str.strip: of white space, or of the characters in `chars`.
enum class Side { left, right, both };
std::string_view strip(std::string_view text, Side side = Side::both);
std::string_view strip(std::string_view text, std::string_view chars, Side side);

// All pieces between occurrences of `separator`, at most `most` cuts (negative: all), from the left or the
// right; the same between runs of white space, without empty pieces; the lines. They point into `text`.
std::vector<std::string_view> cut_at(std::string_view text, std::string_view separator, int64_t most,
                                     bool from_right);
std::vector<std::string_view> cut_at_space(std::string_view text, int64_t most, bool from_right);
std::vector<std::string_view> cut_at_lines(std::string_view text);

std::string repr(std::string_view text);         // 'it\'s' as Python prints it
std::string repr(double value);                  // 1e+16, 0.1, inf
std::string escape_html(std::string_view text);  // markupsafe.escape

// Text in which `from` is replaced, at most `most` times where that is not negative; stops where it has
// become longer than `bound` bytes.
std::string replace_text(std::string_view text, std::string_view from, std::string_view to, int64_t most,
                         size_t bound);

}  // namespace circuitdiff::jinja
