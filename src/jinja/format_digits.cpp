#include "jinja/format_digits.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "jinja/text.h"

namespace circuitdiff::jinja {

[[noreturn]] void bad_format(std::string message) { raise("ValueError", std::move(message)); }

// A float in one of the types e E f F g G %, without sign. `precision` is at least 0.
std::string real_digits(double magnitude, char type, int precision, bool alternate) {
  if (std::isnan(magnitude)) return type < 'a' && type != '%' ? "NAN" : "nan";
  if (std::isinf(magnitude)) return type < 'a' && type != '%' ? "INF" : "inf";
  // The C library rounds the exact binary value, as Python does.
  const std::string format = std::string(alternate ? "%#.*" : "%.*") + (type == '%' ? 'f' : type);
  std::string out(static_cast<size_t>(precision) + 400, '\0');
  const int size = std::snprintf(out.data(), out.size(), format.c_str(), precision, magnitude);
  out.resize(static_cast<size_t>(std::max(size, 0)));
  return out;
}

// Without a type a float shows that it is one: "g", but with ".0" added, and with an exponent one digit
// earlier.
std::string untyped_digits(double magnitude, int precision) {
  std::string out = real_digits(magnitude, 'g', precision, false);
  if (out.find_first_of(".en") != out.npos) return out;
  if (out.size() != static_cast<size_t>(precision)) return out + ".0";
  const std::string all = real_digits(magnitude, 'e', precision - 1, false);
  std::string mantissa = all.substr(0, all.find('e'));
  if (mantissa.find('.') != mantissa.npos) {
    while (mantissa.back() == '0') mantissa.pop_back();
    if (mantissa.back() == '.') mantissa.pop_back();
  }
  return mantissa + all.substr(all.find('e'));
}

std::string integer_digits(const BigInt& value, char type) {
  const BigInt magnitude = value.negative() ? -value : value;
  const unsigned base = type == 'x' || type == 'X' ? 16 : type == 'o' ? 8 : type == 'b' ? 2 : 10;
  if (base == 10 && value.bits() > kMaxIntegerDigits * 34 / 10)
    raise("ValueError", "Exceeds the limit (4300 digits) for integer string conversion");
  std::string out = magnitude.to_text(base);
  return type == 'X' ? upper(out) : out;
}

std::string digit_prefix(char type) {
  return type == 'x' ? "0x" : type == 'X' ? "0X" : type == 'o' ? "0o" : type == 'b' ? "0b" : "";
}

std::string sign_of(bool negative, bool plus, bool space) {
  return negative ? "-" : plus ? "+" : space ? " " : "";
}

std::string ascii_only(const std::string& text) {
  std::string out;
  for (size_t pos = 0; pos < text.size();) {
    const char32_t c = next_code_point(text, pos);
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if (c < 0x100) {
      out += fmt::format("\\x{:02x}", static_cast<uint32_t>(c));
    } else if (c < 0x10000) {
      out += fmt::format("\\u{:04x}", static_cast<uint32_t>(c));
    } else {
      out += fmt::format("\\U{:08x}", static_cast<uint32_t>(c));
    }
  }
  return out;
}

std::string cut(const std::string& text, int64_t precision) {
  return precision < 0 ? text : text.substr(0, byte_offset(text, static_cast<size_t>(precision)));
}

}  // namespace circuitdiff::jinja
