// The vocabulary of the loops: vectors as wide as the instruction set that a file is compiled for, 16-bit
// numbers, the exponential. Included once by each kernels_*.cpp. All in an anonymous namespace and without
// the standard library's templates: nothing compiled for a wide instruction set may be picked by the linker
// for another.
#pragma once

#include <cstdint>
#include <cstring>
#if defined(__F16C__)
#include <immintrin.h>
#endif

#include "kernels/number_types.h"

namespace circuitdiff {
namespace {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

template <class T>
struct VectorOf {
  typedef T tight __attribute__((vector_size(kVectorBytes)));
  typedef T loose __attribute__((vector_size(kVectorBytes), aligned(alignof(T)), may_alias));
};
template <class T>
using Vec = typename VectorOf<T>::tight;
template <class T>
constexpr int kLanes = static_cast<int>(kVectorBytes / sizeof(T));

template <class T>
inline Vec<T> load(const T* p) {
  return *reinterpret_cast<const typename VectorOf<T>::loose*>(p);
}
template <class T>
inline void store(T* p, Vec<T> v) {
  *reinterpret_cast<typename VectorOf<T>::loose*>(p) = v;
}

inline double as_double(float x) { return static_cast<double>(x); }

// Exact widening of one number, for loops that the compiler turns into vectors.
inline float widen(float x) { return x; }
inline float widen(Bf16 x) { return __builtin_bit_cast(float, static_cast<uint32_t>(x.bits) << 16); }

// Rounds to the nearest, ties to even.
inline void put(float& to, float x) { to = x; }
inline void put(Bf16& to, float x) {
  uint32_t bits = __builtin_bit_cast(uint32_t, x);
  bits += 0x7fff + ((bits >> 16) & 1);
  to.bits = static_cast<uint16_t>(x == x ? bits >> 16 : 0x7fc0);
}

// Exact widening of one vector of weights.
inline Vec<float> widen(const float* p) { return load(p); }
inline Vec<double> widen(const double* p) { return load(p); }
inline Vec<float> widen(const Bf16* p) {
  typedef uint16_t Short __attribute__((vector_size(kVectorBytes / 2), aligned(2), may_alias));
  typedef uint32_t Long __attribute__((vector_size(kVectorBytes)));
  const Long wide = __builtin_convertvector(*reinterpret_cast<const Short*>(p), Long) << 16;
  return __builtin_bit_cast(Vec<float>, wide);
}
inline Vec<float> widen(const Half* p) {
#if defined(__AVX512F__)
  return __builtin_bit_cast(
      Vec<float>, _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))));
#elif defined(__F16C__)
  return __builtin_bit_cast(Vec<float>,
                            _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#else
  Vec<float> out{};
  for (int i = 0; i < kLanes<float>; ++i) {
    const uint32_t h = p[i].bits, sign = (h & 0x8000u) << 16, exponent = (h >> 10) & 31u,
                   mantissa = h & 1023u;
    uint32_t bits = sign | ((exponent + 112u) << 23) | (mantissa << 13);
    if (exponent == 31u) bits = sign | 0x7f800000u | (mantissa << 13);
    float value = __builtin_bit_cast(float, bits);
    if (exponent == 0u) {
      value = static_cast<float>(mantissa) * 0x1p-24f;
      if (sign) value = -value;
    }
    out[i] = value;
  }
  return out;
#endif
}

// e^x for -87 <= x <= 88: 2^n times Cephes' polynomial on [-ln 2 / 2, ln 2 / 2], within 2 units in the last
// place. F: one float or a vector of them, Whole: as many int32.
template <class F, class Whole>
inline F exp_within(F x) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
  const F shifted = x * 1.44269504088896341f + kRound;
  const F n = shifted - kRound;
  F r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  F p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  const Whole power = (__builtin_bit_cast(Whole, shifted) - 0x4b400000 + 127) << 23;
  return p * __builtin_bit_cast(F, power);
}
// Of any x, for loops that the compiler turns into vectors: e^-87 below -87, e^88 above 88.
inline float exp_of(float x) {
  x = x < -87.0f ? -87.0f : x;
  return exp_within<float, int32_t>(x > 88.0f ? 88.0f : x);
}
// For x <= 88; 0 below -87.
inline Vec<float> exp_of(Vec<float> x) {
  typedef int32_t Whole __attribute__((vector_size(kVectorBytes)));
  const Vec<float> low = Vec<float>{} - 87.0f;
  const Whole vanishes = x < low;
  const Vec<float> out = exp_within<Vec<float>, Whole>(vanishes ? low : x);
  return vanishes ? Vec<float>{} : out;
}
inline Vec<double> exp_of(Vec<double> x) {
  for (int i = 0; i < kLanes<double>; ++i) x[i] = __builtin_exp(x[i]);
  return x;
}

}  // namespace
}  // namespace circuitdiff
