// What both ways of formatting share: digits of numbers without their sign, signs and prefixes, escapes.
#pragma once

#include <cstdint>
#include <string>

#include "jinja/big_int.h"
#include "jinja/limits.h"

namespace circuitdiff::jinja {

inline constexpr int64_t kMaxWidth = static_cast<int64_t>(kMaxTextBytes);
inline constexpr int kMaxPrecision = 100'000;

[[noreturn]] void bad_format(std::string message);
// A float in one of the types e E f F g G %, without sign.
std::string real_digits(double magnitude, char type, int precision, bool alternate);
// Without a type a float shows that it is one: "g", but with ".0" added, and with an exponent one digit
// earlier.
std::string untyped_digits(double magnitude, int precision);
std::string integer_digits(const BigInt& value, char type);  // types d x X o b
std::string digit_prefix(char type);                         // "0x", ...
std::string sign_of(bool negative, bool plus, bool space);
std::string ascii_only(const std::string& text);              // what is not ASCII as \\x, \\u or \\U
std::string cut(const std::string& text, int64_t precision);  // the first code points; all where negative

}  // namespace circuitdiff::jinja
