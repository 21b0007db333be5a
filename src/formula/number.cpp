#include "formula/number.h"

#include <algorithm>
#include <memory>

#include "formula/letters.h"

namespace circuitdiff {

std::optional<slong> Rational::small_integer() const {
  if (!is_integer() || fmpz_bits(fmpq_numref(value_)) > 60) return std::nullopt;
  return fmpz_get_si(fmpq_numref(value_));
}

slong Rational::bits() const {
  return static_cast<slong>(std::max(fmpz_bits(fmpq_numref(value_)), fmpz_bits(fmpq_denref(value_))));
}

std::string Rational::text() const {
  const std::unique_ptr<char, void (*)(void*)> text(fmpq_get_str(nullptr, 10, value_), flint_free);
  return text.get();
}

std::optional<Rational> parse_decimal(std::string_view text) {
  std::string digits;
  size_t decimals = 0;
  bool point = false, negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  for (const char c : text) {
    if (c == '.' && !point) {
      point = true;
    } else if (is_digit(c)) {
      digits += c;
      decimals += point;
    } else {
      return std::nullopt;
    }
  }
  if (digits.empty()) return std::nullopt;
  Rational out;
  fmpz_set_str(fmpq_numref(out.get()), digits.c_str(), 10);
  if (negative) fmpz_neg(fmpq_numref(out.get()), fmpq_numref(out.get()));
  return scaled_by_ten(std::move(out), -static_cast<slong>(decimals));
}

Rational scaled_by_ten(Rational value, slong exponent) {
  fmpz_t power;
  fmpz_init_set_ui(power, 10);
  fmpz_pow_ui(power, power, static_cast<ulong>(exponent < 0 ? -exponent : exponent));
  if (exponent < 0)
    fmpq_div_fmpz(value.get(), value.get(), power);
  else
    fmpq_mul_fmpz(value.get(), value.get(), power);
  fmpz_clear(power);
  return value;
}

}  // namespace circuitdiff
