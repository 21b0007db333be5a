// Whole numbers of any size up to kMaxIntegerBits, as Python's int: sign and magnitude in base 2^32. Only
// what templates can ask of one; the engine uses it where 64 bits overflow.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace circuitdiff::jinja {

class BigInt {
 public:
  BigInt() = default;
  explicit BigInt(int64_t value);
  static BigInt from_double(double value);                                      // truncates; value is finite
  static std::optional<BigInt> from_digits(std::string_view digits, int base);  // digits only, base 2..36

  bool negative() const { return negative_; }
  bool zero() const { return limbs_.empty(); }
  size_t bits() const;
  std::optional<int64_t> small() const;  // if it fits
  double to_double() const;              // nearest, ties to even; infinite if too large
  std::string to_text(unsigned base = 10) const;

  BigInt operator-() const;
  BigInt operator+(const BigInt& other) const;
  BigInt operator-(const BigInt& other) const;
  BigInt operator*(const BigInt& other) const;
  // Floor division and Python's modulus (sign of the divisor). The divisor is not zero.
  static void divide(const BigInt& a, const BigInt& b, BigInt& quotient, BigInt& remainder);
  int compare(const BigInt& other) const;
  BigInt shifted_right(size_t count) const;  // of the magnitude, toward zero

 private:
  static int compare_magnitude(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b);
  static std::vector<uint32_t> add(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b);
  static std::vector<uint32_t> subtract(const std::vector<uint32_t>& a,
                                        const std::vector<uint32_t>& b);  // a >= b
  uint32_t divide_small(uint32_t divisor);                                // in place; returns the remainder
  void trim();

  bool negative_ = false;
  std::vector<uint32_t> limbs_;  // least significant first, no leading zeros
};

}  // namespace circuitdiff::jinja
