// The little of Unicode that tokenizers need: UTF-8 in and out, and the character classes their parts are
// defined by. Strings are UTF-8; functions taking a position assume valid text and a position at a
// character's first byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace circuitdiff {

// Where the first byte stands that no valid UTF-8 text could have there; empty if the text is valid.
std::optional<size_t> invalid_utf8_at(std::string_view text);
// Each maximal part of an ill-formed sequence becomes one U+FFFD (as Rust's from_utf8_lossy does).
std::string lossy_utf8(std::string bytes);

inline bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0u) == 0x80u; }
// Bytes of the character that begins with `lead`.
inline size_t utf8_length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}
char32_t code_point_at(std::string_view text, size_t position);
void append_utf8(std::string& out, char32_t c);
size_t count_code_points(std::string_view text);
bool is_ascii(std::string_view text);

bool is_white_space(char32_t c);  // the White_Space property
bool is_numeric(char32_t c);      // categories Nd, Nl, No
bool is_punctuation(char32_t c);  // categories P* of the library's tables, and ASCII's symbols
char32_t to_lower(char32_t c);    // the simple mapping (U+0130 has a longer one: the caller's)

// The characters that stand for the 256 bytes in byte-level vocabularies: printable Latin-1 for itself, the
// rest from U+0100 on in order.
char32_t byte_to_char(unsigned char byte);
std::optional<unsigned char> char_to_byte(char32_t c);
// The bytes that a byte-level token spells; empty if it has a character outside the alphabet.
std::optional<std::string> byte_level_bytes(std::string_view token);

}  // namespace circuitdiff
