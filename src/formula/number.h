// Exact rational numbers (FLINT's fmpq) and complex balls (Arb's acb) as C++ values. A ball is a midpoint
// with a radius that holds the true value; what cannot be computed, or is too large, is a ball that is not
// finite.
#pragma once

#include <acb.h>
#include <flint/fmpq.h>

#include <optional>
#include <string>
#include <string_view>

namespace circuitdiff {

class Rational {
 public:
  Rational() { fmpq_init(value_); }
  explicit Rational(slong integer) : Rational() { fmpq_set_si(value_, integer, 1); }
  Rational(slong top, ulong bottom) : Rational() { fmpq_set_si(value_, top, bottom); }
  ~Rational() { fmpq_clear(value_); }
  Rational(const Rational& other) : Rational() { fmpq_set(value_, other.value_); }
  Rational(Rational&& other) noexcept : Rational() { fmpq_swap(value_, other.value_); }
  Rational& operator=(Rational other) noexcept {
    fmpq_swap(value_, other.value_);
    return *this;
  }
  fmpq* get() { return value_; }
  const fmpq* get() const { return value_; }

  bool is_zero() const { return fmpq_is_zero(value_); }
  bool is_integer() const { return fmpz_is_one(fmpq_denref(value_)); }
  int sign() const { return fmpq_sgn(value_); }
  std::optional<slong> small_integer() const;  // an integer of at most 60 bits
  slong bits() const;                          // of the larger of numerator and denominator
  std::string text() const;                    // "-3/4"
  friend bool operator==(const Rational& a, const Rational& b) { return fmpq_equal(a.value_, b.value_); }

 private:
  fmpq_t value_;
};

// "12", "-1.5", ".25", "12.": digits with at most one point. nullopt where it is anything else.
std::optional<Rational> parse_decimal(std::string_view digits);
// value * 10^exponent; |exponent| <= 5000.
Rational scaled_by_ten(Rational value, slong exponent);

class Ball {
 public:
  Ball() { acb_init(value_); }
  ~Ball() { acb_clear(value_); }
  Ball(const Ball& other) : Ball() { acb_set(value_, other.value_); }
  Ball(Ball&& other) noexcept : Ball() { acb_swap(value_, other.value_); }
  Ball& operator=(Ball other) noexcept {
    acb_swap(value_, other.value_);
    return *this;
  }
  acb_struct* get() { return value_; }
  const acb_struct* get() const { return value_; }
  bool is_finite() const { return acb_is_finite(value_); }

 private:
  acb_t value_;
};

}  // namespace circuitdiff
