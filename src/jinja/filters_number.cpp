// The filters that make or shape numbers: int and float read text as Python does, round rounds exact binary
// values.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <unordered_map>

#include "jinja/arguments.h"
#include "jinja/filters.h"
#include "jinja/operators.h"
#include "jinja/runtime.h"
#include "jinja/text.h"

namespace circuitdiff::jinja {
namespace {

// The digits of an integer literal as Python's int() reads it: sign, underscores, a prefix that fits the
// base.
std::optional<BigInt> parse_integer(std::string_view text, int64_t base) {
  std::string ascii;
  text = strip(text);
  for (size_t pos = 0; pos < text.size();) {
    const char32_t c = next_code_point(text, pos);
    const int digit = decimal_value(c);
    if (digit >= 0) {
      ascii += static_cast<char>('0' + digit);
    } else if (c < 0x80) {
      ascii += static_cast<char>(c);
    } else {
      return std::nullopt;
    }
  }
  std::string_view rest = ascii;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest.size() > 1 && rest[0] == '0') {
    const char letter = static_cast<char>(rest[1] | 0x20);
    const int64_t named = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
    if (named && (base == 0 || base == named)) {
      base = named;
      rest.remove_prefix(2);
      if (rest.starts_with('_')) rest.remove_prefix(1);
    }
  }
  if (base == 0) {
    base = 10;
    if (rest.size() > 1 && rest[0] == '0' && rest.find_first_not_of("0_") != rest.npos) return std::nullopt;
  }
  if (base < 2 || base > 36) raise("ValueError", "int() base must be >= 2 and <= 36, or 0");
  std::string digits;
  for (size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] == '_') {
      if (i == 0 || i + 1 == rest.size() || rest[i + 1] == '_') return std::nullopt;
    } else {
      digits += rest[i];
    }
  }
  if (digits.size() > kMaxIntegerDigits) return std::nullopt;
  auto out = BigInt::from_digits(digits, static_cast<int>(base));
  if (out && negative) out = -*out;
  return out;
}

std::optional<double> parse_real(std::string_view text) {
  std::string ascii;
  text = strip(text);
  char before = 0;
  for (size_t pos = 0; pos < text.size();) {
    const char32_t c = next_code_point(text, pos);
    const int digit = decimal_value(c);
    const char as_char = digit >= 0 ? static_cast<char>('0' + digit) : c < 0x80 ? static_cast<char>(c) : '?';
    if (as_char == '_') {
      const bool between =
          before >= '0' && before <= '9' && pos < text.size() && text[pos] >= '0' && text[pos] <= '9';
      if (!between) return std::nullopt;
    } else {
      ascii += as_char;
    }
    before = as_char;
  }
  std::string_view rest = ascii;
  if (rest.starts_with('-') || rest.starts_with('+')) rest.remove_prefix(1);
  const std::string word = lower(rest);
  const bool named = word == "inf" || word == "infinity" || word == "nan";
  if (!named) {
    if (rest.empty() || rest.find_first_not_of("0123456789.eE+-") != rest.npos) return std::nullopt;
    if (rest[0] == '+' || rest[0] == '-') return std::nullopt;
  }
  char* end = nullptr;
  const double value = std::strtod(ascii.c_str(), &end);
  if (end != ascii.c_str() + ascii.size()) return std::nullopt;
  return value;
}

Value filesizeformat(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_filesizeformat", {"binary"});
  if (value.is_undefined()) raise_undefined(value);
  double bytes = 0;
  if (value.is_text()) {
    const auto real = parse_real(value.bytes());
    if (!real) raise("ValueError", "could not convert string to float: " + repr(value.bytes()));
    bytes = *real;
  } else if (value.is_number()) {
    bytes = to_double(value);
  } else {
    raise("TypeError",
          fmt::format("float() argument must be a string or a real number, not '{}'", type_name(value)));
  }
  if (std::isnan(bytes)) raise("ValueError", "cannot convert float NaN to integer");
  if (std::isinf(bytes) && bytes < 0) raise("OverflowError", "cannot convert float infinity to integer");
  const double base = bound.flag(0) ? 1024 : 1000;
  if (bytes == 1) return Value("1 Byte");
  if (bytes < base) return Value(fmt::format("{} Bytes", static_cast<int64_t>(bytes)));
  double unit = base;
  const char* names[] = {"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
  const char* binary[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"};
  size_t i = 0;
  for (unit *= base; i < 7 && bytes >= unit; ++i) unit *= base;
  return modulo(rt, Value("%.1f %s"),
                Value::tuple({Value(base * bytes / unit), Value(bound.flag(0) ? binary[i] : names[i])}));
}

Value to_int(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_int", {"default", "base"});
  const Value otherwise = bound.given(0) ? bound[0] : Value(0);
  if (value.is_undefined()) raise_undefined(value);
  if (value.is_text()) {
    rt.budget.copy(value.bytes().size() * 4);
    const int64_t base = bound.integer(1, 10);
    const bool base_fits = base == 0 || (base >= 2 && base <= 36);
    if (base_fits)
      if (const auto whole = parse_integer(value.bytes(), base)) return Value(*whole);
    const auto real = parse_real(value.bytes());
    if (!real || !std::isfinite(*real)) return otherwise;
    return Value(BigInt::from_double(*real));
  }
  if (value.is_integer()) return Value(to_big(value));
  if (const double* d = value.get<double>()) {
    if (std::isinf(*d)) raise("OverflowError", "cannot convert float infinity to integer");
    if (std::isnan(*d)) return otherwise;
    return Value(BigInt::from_double(*d));
  }
  return otherwise;
}

Value to_float(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_float", {"default"});
  if (value.is_undefined()) raise_undefined(value);
  if (value.is_number()) return Value(to_double(value));
  if (value.is_text()) {
    rt.budget.copy(value.bytes().size() * 4);
    if (const auto real = parse_real(value.bytes())) return Value(*real);
  }
  return bound.given(0) ? bound[0] : Value(0.0);
}

Value absolute_filter(Runtime& rt, const Value& value, const Arguments& arguments) {
  Bound(rt, arguments, "abs", {});
  return absolute(value);
}

// round() of a float to `digits` decimals: of its exact binary value, ties to even.
double round_real(double value, int64_t digits) {
  if (!std::isfinite(value) || digits > 330) return value;
  if (digits < -310) return std::copysign(0.0, value);
  if (digits >= 0) {
    std::string text(static_cast<size_t>(digits) + 400, '\0');
    std::snprintf(text.data(), text.size(), "%.*f", static_cast<int>(digits), value);
    return std::strtod(text.c_str(), nullptr);
  }
  const double unit = std::pow(10.0, static_cast<double>(-digits));
  return std::nearbyint(value / unit) * unit;
}

Value round_filter(Runtime& rt, const Value& value, const Arguments& arguments) {
  const Bound bound(rt, arguments, "do_round", {"precision", "method"});
  const std::string method = bound.text(1, "common");
  if (method != "common" && method != "ceil" && method != "floor")
    raise("FilterArgumentError", "method must be common, ceil or floor");
  if (value.is_undefined()) raise_undefined(value);
  const Value precision = bound.given(0) ? bound[0] : Value(0);
  if (!value.is_number())
    raise("TypeError", fmt::format("type {} doesn't define __round__ method", type_name(value)));
  if (method == "common") {
    if (precision.is_none()) {
      const double d = to_double(value);
      return value.is_integer() ? Value(to_big(value)) : Value(BigInt::from_double(std::nearbyint(d)));
    }
    const int64_t digits = bound.integer(0, 0);
    if (const double* d = value.get<double>()) {
      const double rounded = round_real(*d, digits);
      if (std::isinf(rounded) && std::isfinite(*d))
        raise("OverflowError", "rounded value too large to represent");
      return Value(rounded);
    }
    if (digits >= 0) return Value(to_big(value));
    if (digits < -static_cast<int64_t>(kMaxIntegerDigits)) return Value(0);
    // To a multiple of 10^-digits, ties to the even multiple.
    const Value unit = power(rt, Value(10), Value(-digits));
    const BigInt size = to_big(unit);
    BigInt quotient, remainder;
    BigInt::divide(to_big(value), size, quotient, remainder);
    const int half = (remainder + remainder).compare(size);
    const bool odd = !(quotient - quotient.shifted_right(1) * BigInt(2)).zero();
    if (half > 0 || (half == 0 && odd)) quotient = quotient + BigInt(1);
    return Value(quotient * size);
  }
  const Value scale = power(rt, Value(10), precision);
  const Value scaled = multiply(rt, value, scale);
  Value whole = scaled;
  if (const double* d = scaled.get<double>()) {
    if (!std::isfinite(*d)) raise("OverflowError", "cannot convert float infinity to integer");
    whole = Value(BigInt::from_double(method == "ceil" ? std::ceil(*d) : std::floor(*d)));
  }
  return true_divide(rt, whole, scale);
}

}  // namespace

Filter find_number_filter(std::string_view name) {
  static const std::unordered_map<std::string_view, Filter> table{
      {"filesizeformat", filesizeformat}, {"int", to_int},         {"float", to_float},
      {"abs", absolute_filter},           {"round", round_filter},
  };
  const auto at = table.find(name);
  return at == table.end() ? nullptr : at->second;
}

}  // namespace circuitdiff::jinja
