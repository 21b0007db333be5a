#include "jinja/big_int.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace circuitdiff::jinja {

BigInt::BigInt(int64_t value) : negative_(value < 0) {
  uint64_t magnitude = negative_ ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
  for (; magnitude; magnitude >>= 32) limbs_.push_back(static_cast<uint32_t>(magnitude));
}

BigInt BigInt::from_double(double value) {
  int exponent = 0;
  const double fraction = std::frexp(std::trunc(std::fabs(value)), &exponent);  // in [0.5, 1)
  BigInt out;
  if (fraction == 0) return out;
  const uint64_t mantissa = static_cast<uint64_t>(std::ldexp(fraction, 53));
  if (exponent <= 53) {
    out = BigInt(static_cast<int64_t>(mantissa >> (53 - exponent)));
  } else {
    const int shift = exponent - 53;
    out.limbs_.assign(static_cast<size_t>(shift / 32), 0);
    const int bit = shift % 32;
    uint64_t carry = 0;
    for (const uint64_t half : {mantissa & 0xffffffffu, mantissa >> 32}) {
      carry += half << bit;
      out.limbs_.push_back(static_cast<uint32_t>(carry));
      carry >>= 32;
    }
    out.limbs_.push_back(static_cast<uint32_t>(carry));
    out.trim();
  }
  out.negative_ = value < 0 && !out.limbs_.empty();
  return out;
}

std::optional<BigInt> BigInt::from_digits(std::string_view digits, int base) {
  BigInt out;
  if (digits.empty()) return std::nullopt;
  for (char c : digits) {
    int digit = 0;
    if (c >= '0' && c <= '9') {
      digit = c - '0';
    } else if (c >= 'a' && c <= 'z') {
      digit = c - 'a' + 10;
    } else if (c >= 'A' && c <= 'Z') {
      digit = c - 'A' + 10;
    } else {
      return std::nullopt;
    }
    if (digit >= base) return std::nullopt;
    uint64_t carry = static_cast<uint64_t>(digit);
    for (uint32_t& limb : out.limbs_) {
      carry += static_cast<uint64_t>(limb) * static_cast<uint64_t>(base);
      limb = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
    if (carry) out.limbs_.push_back(static_cast<uint32_t>(carry));
  }
  return out;
}

size_t BigInt::bits() const {
  if (limbs_.empty()) return 0;
  return 32 * limbs_.size() - static_cast<size_t>(std::countl_zero(limbs_.back()));
}

std::optional<int64_t> BigInt::small() const {
  if (limbs_.size() > 2) return std::nullopt;
  uint64_t magnitude = 0;
  for (size_t i = limbs_.size(); i-- > 0;) magnitude = magnitude << 32 | limbs_[i];
  const uint64_t limit = uint64_t{1} << 63;
  if (negative_ ? magnitude > limit : magnitude >= limit) return std::nullopt;
  return static_cast<int64_t>(negative_ ? 0 - magnitude : magnitude);
}

double BigInt::to_double() const {
  const size_t n = bits();
  if (n > 1024)
    return negative_ ? -std::numeric_limits<double>::infinity() : std::numeric_limits<double>::infinity();
  uint64_t top = 0;
  int shift = 0;
  if (n <= 64) {
    for (size_t i = limbs_.size(); i-- > 0;) top = top << 32 | limbs_[i];
  } else {
    // The leading 64 bits, the last of them sticky, so that one rounding to 53 bits is right.
    shift = static_cast<int>(n - 64);
    const BigInt head = shifted_right(static_cast<size_t>(shift));
    for (size_t i = head.limbs_.size(); i-- > 0;) top = top << 32 | head.limbs_[i];
    bool rest = false;
    for (int bit = 0; bit < shift && !rest; ++bit)
      rest = limbs_[static_cast<size_t>(bit) / 32] >> (static_cast<size_t>(bit) % 32) & 1u;
    if (rest) top |= 1u;
  }
  const double value = std::ldexp(static_cast<double>(top), shift);
  return negative_ ? -value : value;
}

uint32_t BigInt::divide_small(uint32_t divisor) {
  uint64_t rest = 0;
  for (size_t i = limbs_.size(); i-- > 0;) {
    rest = rest << 32 | limbs_[i];
    limbs_[i] = static_cast<uint32_t>(rest / divisor);
    rest %= divisor;
  }
  trim();
  return static_cast<uint32_t>(rest);
}

std::string BigInt::to_text(unsigned base) const {
  if (zero()) return "0";
  uint32_t chunk = base;
  int digits = 1;
  while (static_cast<uint64_t>(chunk) * base <= 0xffffffffu) {
    chunk *= base;
    ++digits;
  }
  BigInt rest = *this;
  std::string out;
  while (!rest.zero()) {
    uint32_t part = rest.divide_small(chunk);
    for (int i = 0; i < digits && (part || !rest.zero()); ++i, part /= base)
      out += "0123456789abcdefghijklmnopqrstuvwxyz"[part % base];
  }
  if (negative_) out += '-';
  std::reverse(out.begin(), out.end());
  return out;
}

void BigInt::trim() {
  while (!limbs_.empty() && limbs_.back() == 0) limbs_.pop_back();
  if (limbs_.empty()) negative_ = false;
}

int BigInt::compare_magnitude(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  for (size_t i = a.size(); i-- > 0;)
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  return 0;
}

std::vector<uint32_t> BigInt::add(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  std::vector<uint32_t> out;
  uint64_t carry = 0;
  for (size_t i = 0; i < std::max(a.size(), b.size()) || carry; ++i) {
    carry += (i < a.size() ? a[i] : 0u);
    carry += (i < b.size() ? b[i] : 0u);
    out.push_back(static_cast<uint32_t>(carry));
    carry >>= 32;
  }
  return out;
}

std::vector<uint32_t> BigInt::subtract(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  std::vector<uint32_t> out(a.size());
  int64_t borrow = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    int64_t d = static_cast<int64_t>(a[i]) - (i < b.size() ? static_cast<int64_t>(b[i]) : 0) - borrow;
    borrow = d < 0;
    if (d < 0) d += int64_t{1} << 32;
    out[i] = static_cast<uint32_t>(d);
  }
  return out;
}

BigInt BigInt::operator-() const {
  BigInt out = *this;
  out.negative_ = !negative_ && !zero();
  return out;
}

BigInt BigInt::operator+(const BigInt& other) const {
  BigInt out;
  if (negative_ == other.negative_) {
    out.limbs_ = add(limbs_, other.limbs_);
    out.negative_ = negative_;
  } else if (compare_magnitude(limbs_, other.limbs_) >= 0) {
    out.limbs_ = subtract(limbs_, other.limbs_);
    out.negative_ = negative_;
  } else {
    out.limbs_ = subtract(other.limbs_, limbs_);
    out.negative_ = other.negative_;
  }
  out.trim();
  return out;
}

BigInt BigInt::operator-(const BigInt& other) const { return *this + (-other); }

BigInt BigInt::operator*(const BigInt& other) const {
  BigInt out;
  out.limbs_.assign(limbs_.size() + other.limbs_.size(), 0);
  for (size_t i = 0; i < limbs_.size(); ++i) {
    uint64_t carry = 0;
    for (size_t j = 0; j < other.limbs_.size() || carry; ++j) {
      carry += out.limbs_[i + j];
      if (j < other.limbs_.size()) carry += static_cast<uint64_t>(limbs_[i]) * other.limbs_[j];
      out.limbs_[i + j] = static_cast<uint32_t>(carry);
      carry >>= 32;
    }
  }
  out.negative_ = negative_ != other.negative_;
  out.trim();
  return out;
}

// Schoolbook long division in base 2^32 (Knuth, TAOCP 2, 4.3.1, algorithm D).
void BigInt::divide(const BigInt& a, const BigInt& b, BigInt& quotient, BigInt& remainder) {
  BigInt q, r;
  if (compare_magnitude(a.limbs_, b.limbs_) < 0) {
    r.limbs_ = a.limbs_;
  } else if (b.limbs_.size() == 1) {
    q.limbs_ = a.limbs_;
    const uint32_t rest = q.divide_small(b.limbs_[0]);
    if (rest) r.limbs_.push_back(rest);
  } else {
    const int shift = std::countl_zero(b.limbs_.back());
    const auto shifted = [shift](const std::vector<uint32_t>& limbs) {
      std::vector<uint32_t> out(limbs.size() + 1, 0);
      for (size_t i = 0; i < limbs.size(); ++i) {
        const uint64_t wide = static_cast<uint64_t>(limbs[i]) << shift;
        out[i] |= static_cast<uint32_t>(wide);
        out[i + 1] = static_cast<uint32_t>(wide >> 32);
      }
      return out;
    };
    std::vector<uint32_t> u = shifted(a.limbs_), v = shifted(b.limbs_);
    v.pop_back();
    const size_t n = v.size(), m = a.limbs_.size() - n;
    q.limbs_.assign(m + 1, 0);
    for (size_t j = m + 1; j-- > 0;) {
      const uint64_t top = static_cast<uint64_t>(u[j + n]) << 32 | u[j + n - 1];
      uint64_t guess = top / v[n - 1], rest = top % v[n - 1];
      while (guess >> 32 || guess * v[n - 2] > (rest << 32 | u[j + n - 2])) {
        --guess;
        rest += v[n - 1];
        if (rest >> 32) break;
      }
      int64_t borrow = 0;
      uint64_t carry = 0;
      for (size_t i = 0; i < n; ++i) {
        carry += guess * v[i];
        const int64_t d = static_cast<int64_t>(u[i + j]) - borrow - static_cast<int64_t>(carry & 0xffffffffu);
        carry >>= 32;
        u[i + j] = static_cast<uint32_t>(d);
        borrow = d < 0;
      }
      const int64_t d = static_cast<int64_t>(u[j + n]) - borrow - static_cast<int64_t>(carry);
      u[j + n] = static_cast<uint32_t>(d);
      if (d < 0) {  // the guess was one too large
        --guess;
        uint64_t sum = 0;
        for (size_t i = 0; i < n; ++i) {
          sum += static_cast<uint64_t>(u[i + j]) + v[i];
          u[i + j] = static_cast<uint32_t>(sum);
          sum >>= 32;
        }
        u[j + n] += static_cast<uint32_t>(sum);
      }
      q.limbs_[j] = static_cast<uint32_t>(guess);
    }
    u.resize(n);
    for (size_t i = 0; i < n; ++i) {
      const uint64_t above = i + 1 < n ? u[i + 1] : 0;
      r.limbs_.push_back(static_cast<uint32_t>((above << 32 | u[i]) >> shift));
    }
  }
  q.negative_ = a.negative_ != b.negative_;
  r.negative_ = a.negative_;
  q.trim();
  r.trim();
  if (!r.zero() && a.negative_ != b.negative_) {
    q = q - BigInt(1);
    r = r + b;
  }
  quotient = std::move(q);
  remainder = std::move(r);
}

int BigInt::compare(const BigInt& other) const {
  if (negative_ != other.negative_) return negative_ ? -1 : 1;
  const int order = compare_magnitude(limbs_, other.limbs_);
  return negative_ ? -order : order;
}

BigInt BigInt::shifted_right(size_t count) const {
  BigInt out;
  const size_t words = count / 32, shift = count % 32;
  for (size_t i = words; i < limbs_.size(); ++i) {
    const uint64_t above = i + 1 < limbs_.size() ? limbs_[i + 1] : 0;
    out.limbs_.push_back(static_cast<uint32_t>((above << 32 | limbs_[i]) >> shift));
  }
  out.negative_ = negative_;
  out.trim();
  return out;
}

}  // namespace circuitdiff::jinja
