#include "tokenizer/unicode.h"

#include <utf8proc.h>

#include <array>
#include <cstring>

#include "tokenizer/unicode_additions.h"

namespace circuitdiff {

namespace {

// Bytes of the well-formed character at `i`, or 0 and in `bad` how many bytes
// belong together as one ill-formed part.
size_t well_formed(std::string_view text, size_t i, size_t& bad) {
  const auto at = [&](size_t k) {
    return k < text.size() ? static_cast<unsigned char>(text[k]) : static_cast<unsigned char>(0);
  };
  const unsigned char lead = at(i);
  bad = 1;
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  const size_t length = utf8_length(text[i]);
  // The second byte's range keeps out overlong forms, surrogates and what lies above U+10FFFF.
  const unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (at(i + 1) < low || at(i + 1) > high) return 0;
  for (size_t k = 2; k < length; ++k) {
    if ((at(i + k) & 0xC0u) != 0x80u) {
      bad = k;
      return 0;
    }
  }
  return length;
}

// Length of the run of ASCII at `i`, eight bytes at a time.
size_t ascii_run(std::string_view text, size_t i) {
  const size_t start = i;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    if (word & 0x8080808080808080ull) break;
  }
  while (i < text.size() && static_cast<unsigned char>(text[i]) < 0x80) ++i;
  return i - start;
}

struct ByteAlphabet {
  std::array<char32_t, 256> chars{};
  std::array<int16_t, 512> bytes{};
  ByteAlphabet() {
    bytes.fill(-1);
    char32_t next = 256;
    for (unsigned b = 0; b < 256; ++b) {
      const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
      chars[b] = printable ? static_cast<char32_t>(b) : next++;
      bytes[chars[b]] = static_cast<int16_t>(b);
    }
  }
};
const ByteAlphabet kByteAlphabet;

}  // namespace

std::optional<size_t> invalid_utf8_at(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    i += ascii_run(text, i);
    if (i == text.size()) break;
    size_t bad;
    const size_t length = well_formed(text, i, bad);
    if (length == 0) return i;
    i += length;
  }
  return std::nullopt;
}

std::string lossy_utf8(std::string bytes) {
  if (!invalid_utf8_at(bytes)) return bytes;
  std::string out;
  for (size_t i = 0; i < bytes.size();) {
    size_t bad;
    const size_t length = well_formed(bytes, i, bad);
    if (length) {
      out.append(bytes, i, length);
      i += length;
    } else {
      out += "\uFFFD";
      i += bad;
    }
  }
  return out;
}

char32_t code_point_at(std::string_view text, size_t position) {
  const auto byte = [&](size_t k) {
    return static_cast<char32_t>(static_cast<unsigned char>(text[position + k]));
  };
  switch (utf8_length(text[position])) {
    case 1:
      return byte(0);
    case 2:
      return (byte(0) & 0x1Fu) << 6 | (byte(1) & 0x3Fu);
    case 3:
      return (byte(0) & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
    default:
      return (byte(0) & 0x07u) << 18 | (byte(1) & 0x3Fu) << 12 | (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu);
  }
}

void append_utf8(std::string& out, char32_t c) {
  const auto push = [&](char32_t byte) {
    out.push_back(static_cast<char>(static_cast<unsigned char>(byte)));
  };
  if (c < 0x80) {
    push(c);
  } else if (c < 0x800) {
    push(0xC0u | c >> 6);
    push(0x80u | (c & 0x3Fu));
  } else if (c < 0x10000) {
    push(0xE0u | c >> 12);
    push(0x80u | (c >> 6 & 0x3Fu));
    push(0x80u | (c & 0x3Fu));
  } else {
    push(0xF0u | c >> 18);
    push(0x80u | (c >> 12 & 0x3Fu));
    push(0x80u | (c >> 6 & 0x3Fu));
    push(0x80u | (c & 0x3Fu));
  }
}

size_t count_code_points(std::string_view text) {
  size_t n = 0;
  for (const char byte : text) n += !is_continuation(byte);
  return n;
}

bool is_ascii(std::string_view text) { return ascii_run(text, 0) == text.size(); }

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool is_numeric(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO) || is_added_numeric(c);
}

bool is_punctuation(char32_t c) {
  if (c < 0x80)
    return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) ||
           (c >= 0x7B && c <= 0x7E);
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  if (category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO) return !is_later_punctuation(c);
  return is_former_punctuation(c);
}

char32_t to_lower(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 0x20 : c;
  if (const char32_t added = added_lower_case(c); added != c) return added;
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

char32_t byte_to_char(unsigned char byte) { return kByteAlphabet.chars[byte]; }

std::optional<unsigned char> char_to_byte(char32_t c) {
  if (c >= 512 || kByteAlphabet.bytes[c] < 0) return std::nullopt;
  return static_cast<unsigned char>(kByteAlphabet.bytes[c]);
}

std::optional<std::string> byte_level_bytes(std::string_view token) {
  std::string out;
  for (size_t i = 0; i < token.size(); i += utf8_length(token[i])) {
    const auto byte = char_to_byte(code_point_at(token, i));
    if (!byte) return std::nullopt;
    out.push_back(static_cast<char>(*byte));
  }
  return out;
}

}  // namespace circuitdiff
