// The loops of row_loops.h, included once by each kernels_*.cpp.
#pragma once

#include <cmath>

#include "kernels/row_loops.h"
#include "kernels/simd.h"

namespace circuitdiff {
namespace {

template <class E>
void rms_norm_rows(const RmsNormRows<E>& a, int64_t begin, int64_t end) {
  const E* weight = a.weight;
  for (int64_t row = begin; row < end; ++row) {
    const float* x = a.x + row * a.width;
    E* out = a.out + row * a.width;
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < a.width; ++i) sum += as_double(x[i]) * as_double(x[i]);
    const auto r =
        static_cast<float>(1.0 / std::sqrt(sum / static_cast<double>(a.width) + static_cast<double>(a.eps)));
    a.inverse[row] = r;
#pragma omp simd
    for (int64_t i = 0; i < a.width; ++i) put(out[i], x[i] * r * widen(weight[i]));
  }
}

template <class E>
void rms_norm_backward_rows(const RmsNormBackwardRows<E>& a, int64_t begin, int64_t end) {
  const E* weight = a.weight;
  for (int64_t row = begin; row < end; ++row) {
    const float* x = a.x + row * a.width;
    const E* d = a.d + row * a.width;
    float* out = a.out + row * a.width;
    const float r = a.inverse[row];
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < a.width; ++i)
      sum += as_double(widen(d[i])) * as_double(widen(weight[i])) * as_double(x[i]);
    const auto along = static_cast<float>(sum / static_cast<double>(a.width)) * r * r;
#pragma omp simd
    for (int64_t i = 0; i < a.width; ++i) out[i] = (widen(d[i]) * widen(weight[i]) - x[i] * along) * r;
    if (!a.total) continue;
    float* total = a.total + row * a.width;
#pragma omp simd
    for (int64_t i = 0; i < a.width; ++i) total[i] += out[i];
  }
}

template <class E>
void swiglu_rows(const SwigluRows<E>& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const E *gate = a.gate + row * a.in_stride, *up = a.up + row * a.in_stride;
    E* out = a.out + row * a.out_stride;
#pragma omp simd
    for (int64_t i = 0; i < a.width; ++i) {
      const float g = widen(gate[i]);
      put(out[i], g / (1.0f + exp_of(-g)) * widen(up[i]));
    }
  }
}

// An entry is read before it is written.
template <class E>
void swiglu_backward_rows(const SwigluBackwardRows<E>& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const E *gate = a.gate + row * a.in_stride, *up = a.up + row * a.in_stride, *of_out = a.d + row * a.width;
    E *d_gate = a.d_gate + row * a.out_stride, *d_up = a.d_up + row * a.out_stride;
#pragma omp simd
    for (int64_t i = 0; i < a.width; ++i) {
      const float g = widen(gate[i]), u = widen(up[i]), d = widen(of_out[i]), s = 1.0f / (1.0f + exp_of(-g));
      put(d_up[i], d * g * s);
      put(d_gate[i], d * u * s * (1.0f + g * (1.0f - s)));
    }
  }
}

template <class E>
void rope_rows(const RopeRows<E>& a, int64_t begin, int64_t end) {
  const int64_t half = a.d_head / 2;
  const float sign = a.inverse ? -1.0f : 1.0f;
  for (int64_t row = begin; row < end; ++row) {
    const E *cos = a.cos + row * a.d_head, *sin = a.sin + row * a.d_head;
    for (int64_t h = 0; h < a.heads; ++h) {
      E* first = a.x + row * a.stride + h * a.d_head;
      E* second = first + half;
#pragma omp simd
      for (int64_t i = 0; i < half; ++i) {
        const float x = widen(first[i]), y = widen(second[i]), c = widen(cos[i]), s = sign * widen(sin[i]);
        put(first[i], x * c - y * s);
        put(second[i], y * c + x * s);
      }
    }
  }
}

// An entry is read before it is written.
template <class E>
void add_to_stream_rows(const AddToStreamRows<E>& a, int64_t begin, int64_t end) {
  const E* source = a.source;
  double* stream = a.stream;
  float* x = a.x;
  const double sign = a.sign;
#pragma omp simd
  for (int64_t i = begin * a.width; i < end * a.width; ++i) {
    const double sum = stream[i] + sign * as_double(widen(source[i]));
    stream[i] = sum;
    x[i] = static_cast<float>(sum);
  }
}

// x = e^(scale (x - largest)); returns their sum: of few numbers in float32, of those sums in float64.
inline double take_exponentials(float* x, int64_t n, float largest, float scale) {
  constexpr int64_t kTogether = 128;
  double sum = 0;
  for (int64_t begin = 0; begin < n; begin += kTogether) {
    const int64_t end = begin + kTogether < n ? begin + kTogether : n;
    float part = 0;
#pragma omp simd reduction(+ : part)
    for (int64_t i = begin; i < end; ++i) {
      const float e = exp_of((x[i] - largest) * scale);
      x[i] = e;
      part += e;
    }
    sum += as_double(part);
  }
  return sum;
}

void exponential_rows(const ExponentialRows& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    float* z = a.z + row * a.width;
    const float before = a.largest[row];
    float largest = before;
#pragma omp simd reduction(max : largest)
    for (int64_t i = 0; i < a.width; ++i) largest = z[i] > largest ? z[i] : largest;
    const double sum = take_exponentials(z, a.width, largest, /*scale=*/1);
    const float shrink = exp_of(before - largest);
    a.largest[row] = largest;
    a.sum[row] = static_cast<float>(as_double(a.sum[row]) * as_double(shrink) + sum);
    a.shrink[row] = shrink;
  }
}

// Adds <a, v[k]> over `n` entries to sums[k], for the K first vectors.
template <class E, int K>
inline void add_inner_products(const E* a, const float* const* v, int64_t n, double* sums) {
  static_assert(K >= 1 && K <= 4);
  const float *v0 = v[0], *v1 = v[K > 1 ? 1 : 0], *v2 = v[K > 2 ? 2 : 0], *v3 = v[K > 3 ? 3 : 0];
  float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
  for (int64_t i = 0; i < n; ++i) {
    const float x = widen(a[i]);
    s0 += x * v0[i];
    if (K > 1) s1 += x * v1[i];
    if (K > 2) s2 += x * v2[i];
    if (K > 3) s3 += x * v3[i];
  }
  sums[0] += as_double(s0);
  if (K > 1) sums[1] += as_double(s1);
  if (K > 2) sums[2] += as_double(s2);
  if (K > 3) sums[3] += as_double(s3);
}

// Rows share a block of the vectors while it is in the cache; float32 sums within a block, float64 over
// blocks. A row's result depends on nothing but the row and the vectors.
template <class E, int K>
void inner_products_with(const InnerProductRows<E>& a, int64_t begin, int64_t end) {
  constexpr int64_t kBlockOfWidth = 2048, kRows = 64;
  for (int64_t first = begin; first < end; first += kRows) {
    const int64_t count = first + kRows < end ? kRows : end - first;
    double sums[kRows][K] = {};
    for (int64_t i = 0; i < a.width; i += kBlockOfWidth) {
      const int64_t n = i + kBlockOfWidth < a.width ? kBlockOfWidth : a.width - i;
      const float* v[K];
      for (int k = 0; k < K; ++k) v[k] = a.vectors[k] + i;
      for (int64_t r = 0; r < count; ++r)
        add_inner_products<E, K>(a.a + (first + r) * a.stride + i, v, n, sums[r]);
    }
    for (int64_t r = 0; r < count; ++r)
      for (int k = 0; k < K; ++k) a.out[(first + r) * K + k] = static_cast<float>(sums[r][k]);
  }
}

template <class E>
void inner_product_rows(const InnerProductRows<E>& a, int64_t begin, int64_t end) {
  switch (a.n_vectors) {
    case 1:
      return inner_products_with<E, 1>(a, begin, end);
    case 2:
      return inner_products_with<E, 2>(a, begin, end);
    case 3:
      return inner_products_with<E, 3>(a, begin, end);
    default:
      return inner_products_with<E, 4>(a, begin, end);
  }
}

template <class E>
constexpr RowKernels<E> kRowKernels{
    rms_norm_rows<E>, rms_norm_backward_rows<E>, swiglu_rows<E>,        swiglu_backward_rows<E>,
    rope_rows<E>,     add_to_stream_rows<E>,     inner_product_rows<E>, exponential_rows};

}  // namespace
}  // namespace circuitdiff
