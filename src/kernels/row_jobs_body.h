// The loops of row_jobs.h, included by one file per instruction set. All in an anonymous namespace and
// without the standard library's templates: nothing compiled for a wide instruction set may be picked by the
// linker for another. No include guard: included once per file.
#include <cmath>
#include <cstring>

#include "kernels/row_jobs.h"

namespace circuitdiff {
namespace {

// e^x to about 1e-7, for x of any size; written out so that the compiler can do many at once (Cephes'
// polynomial).
inline float exponential(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float shifted = x * 1.44269504088896341f + 12582912.0f;  // rounds to a whole number in the low bits
  const float whole = shifted - 12582912.0f;
  float r = x - whole * 0.693359375f;
  r = r + whole * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  int32_t bits;
  std::memcpy(&bits, &p, sizeof bits);
  int32_t power;
  std::memcpy(&power, &shifted, sizeof power);
  bits += static_cast<int32_t>(static_cast<uint32_t>(power) << 23);
  float out;
  std::memcpy(&out, &bits, sizeof out);
  return x == x ? out : x;
}

// How a narrow tensor lies in memory: the upper half of a float32.
struct Bfloat {
  uint16_t bits;
};

inline float get(float x) { return x; }
inline float get(Bfloat x) {
  const uint32_t bits = static_cast<uint32_t>(x.bits) << 16;
  float out;
  std::memcpy(&out, &bits, sizeof out);
  return out;
}

inline void put(float& to, float x) { to = x; }
inline void put(Bfloat& to, float x) {  // to nearest, ties to even
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits += 0x7fff + ((bits >> 16) & 1);
  to.bits = static_cast<uint16_t>(x == x ? bits >> 16 : 0x7fc0);
}

// Entry `at` of one of the job's tensors.
template <class E>
inline const E* from(const void* tensor, int64_t at) {
  return static_cast<const E*>(tensor) + at;
}
template <class E>
inline E* to(void* tensor, int64_t at) {
  return static_cast<E*>(tensor) + at;
}

template <class E>
inline void norm_row(const RowJob& j, int64_t row) {
  const float* x = from<float>(j.a, row * j.width);
  const E* weight = from<E>(j.b, 0);
  E* out = to<E>(j.out, row * j.width);
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < j.width; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  const auto r =
      static_cast<float>(1.0 / std::sqrt(sum / static_cast<double>(j.width) + static_cast<double>(j.number)));
  *to<float>(j.out2, row) = r;
#pragma omp simd
  for (int64_t i = 0; i < j.width; ++i) put(out[i], x[i] * r * get(weight[i]));
}

template <class E>
inline void norm_backward_row(const RowJob& j, int64_t row) {
  const float* x = from<float>(j.a, row * j.width);
  const E* d = from<E>(j.e, row * j.width);
  const E* weight = from<E>(j.b, 0);
  float* out = to<float>(j.out, row * j.width);
  const float r = *from<float>(j.c, row);
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < j.width; ++i)
    sum += static_cast<double>(get(d[i])) * static_cast<double>(get(weight[i])) * static_cast<double>(x[i]);
  const auto along = static_cast<float>(sum / static_cast<double>(j.width)) * r * r;
  if (!j.out2) {
#pragma omp simd
    for (int64_t i = 0; i < j.width; ++i) out[i] = (get(d[i]) * get(weight[i]) - x[i] * along) * r;
    return;
  }
  float* total = to<float>(j.out2, row * j.width);
#pragma omp simd
  for (int64_t i = 0; i < j.width; ++i) {
    out[i] = (get(d[i]) * get(weight[i]) - x[i] * along) * r;
    total[i] += out[i];
  }
}

template <class E>
inline void gated_row(const RowJob& j, int64_t row) {
  const E* gate = from<E>(j.a, row * j.in_stride);
  const E* up = from<E>(j.b, row * j.in_stride);
  E* out = to<E>(j.out, row * j.out_stride);
#pragma omp simd
  for (int64_t i = 0; i < j.width; ++i) {
    const float g = get(gate[i]);
    put(out[i], g / (1.0f + exponential(-g)) * get(up[i]));
  }
}

// Outputs may lie where inputs do: an entry is read before it is written.
template <class E>
inline void gated_backward_row(const RowJob& j, int64_t row) {
  const E* gate = from<E>(j.a, row * j.in_stride);
  const E* up = from<E>(j.b, row * j.in_stride);
  const E* product = from<E>(j.e, row * j.width);
  E* d_gate = to<E>(j.out, row * j.out_stride);
  E* d_up = to<E>(j.out2, row * j.out_stride);
#pragma omp simd
  for (int64_t i = 0; i < j.width; ++i) {
    const float g = get(gate[i]), u = get(up[i]), d = get(product[i]), s = 1.0f / (1.0f + exponential(-g));
    put(d_up[i], d * g * s);
    put(d_gate[i], d * u * s * (1.0f + g * (1.0f - s)));
  }
}

template <class E>
inline void rotate_row(const RowJob& j, int64_t row) {
  const int64_t half = j.width / 2;
  const E* cos = from<E>(j.a, row * j.width);
  const E* sin = from<E>(j.b, row * j.width);
  const float sign = j.backwards ? -1.0f : 1.0f;
  for (int64_t h = 0; h < j.heads; ++h) {
    E* first = to<E>(j.out, row * j.out_stride + h * j.width);
    E* second = first + half;
#pragma omp simd
    for (int64_t i = 0; i < half; ++i) {
      const float a = get(first[i]), b = get(second[i]), c = get(cos[i]), s = sign * get(sin[i]);
      put(first[i], a * c - b * s);
      put(second[i], b * c + a * s);
    }
  }
}

// Keys that a query sees: [from, to).
struct Seen {
  int64_t from, to;
};
inline Seen seen_by(const RowJob& j, int64_t row) {
  const int64_t query = row % j.n + j.width - j.n;
  return {j.window > 0 && query >= j.window ? query - j.window + 1 : 0, query + 1};
}

inline void clear_unseen(float* out, int64_t width, Seen seen) {
  std::memset(out, 0, static_cast<size_t>(seen.from) * sizeof(float));
  std::memset(out + seen.to, 0, static_cast<size_t>(width - seen.to) * sizeof(float));
}

inline void softmax_over(float* out, int64_t width, float scale, Seen seen) {
  float largest = out[seen.from];
#pragma omp simd reduction(max : largest)
  for (int64_t i = seen.from; i < seen.to; ++i) largest = out[i] > largest ? out[i] : largest;
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = seen.from; i < seen.to; ++i) {
    out[i] = exponential((out[i] - largest) * scale);
    sum += static_cast<double>(out[i]);
  }
  const auto inverse = static_cast<float>(1.0 / sum);
#pragma omp simd
  for (int64_t i = seen.from; i < seen.to; ++i) out[i] *= inverse;
  clear_unseen(out, width, seen);
}

// p: the weights; out: the gradient there, which becomes that at the scores.
inline void softmax_backward_over(const float* p, float* out, int64_t width, float scale, Seen seen) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = seen.from; i < seen.to; ++i)
    sum += static_cast<double>(p[i]) * static_cast<double>(out[i]);
  const auto mean = static_cast<float>(sum);
#pragma omp simd
  for (int64_t i = seen.from; i < seen.to; ++i) out[i] = p[i] * (out[i] - mean) * scale;
  clear_unseen(out, width, seen);
}

// out = e^(scale (out - its largest)) at the keys seen, 0 elsewhere; returns 1 / their sum.
inline float exponentials_over(float* out, int64_t width, float scale, Seen seen) {
  float largest = out[seen.from];
#pragma omp simd reduction(max : largest)
  for (int64_t i = seen.from; i < seen.to; ++i) largest = out[i] > largest ? out[i] : largest;
  // Sums of few numbers in float32, their sum in float64.
  constexpr int64_t kBlock = 128;
  double sum = 0;
  for (int64_t begin = seen.from; begin < seen.to; begin += kBlock) {
    const int64_t end = begin + kBlock < seen.to ? begin + kBlock : seen.to;
    float part = 0;
#pragma omp simd reduction(+ : part)
    for (int64_t i = begin; i < end; ++i) {
      const float e = exponential((out[i] - largest) * scale);
      out[i] = e;
      part += e;
    }
    sum += static_cast<double>(part);
  }
  clear_unseen(out, width, seen);
  return static_cast<float>(1.0 / sum);
}

// e times `inverse`: the weights; out: the gradient there, which becomes that at the scores.
inline void scores_backward_over(const float* e, float* out, int64_t width, float scale, float inverse,
                                 Seen seen) {
  // In float64: what all gradients of a row have in common cancels below.
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = seen.from; i < seen.to; ++i)
    sum += static_cast<double>(e[i]) * static_cast<double>(out[i]);
  const auto mean = static_cast<float>(sum * static_cast<double>(inverse));
  const float factor = scale * inverse;
#pragma omp simd
  for (int64_t i = seen.from; i < seen.to; ++i) out[i] = e[i] * (out[i] - mean) * factor;
  clear_unseen(out, width, seen);
}

inline void exponentials_row(const RowJob& j, int64_t row) {
  float* out = to<float>(j.out, row * j.width);
  float* sums = to<float>(j.out2, row);
  const float before = sums[0];
  float largest = before;
#pragma omp simd reduction(max : largest)
  for (int64_t i = 0; i < j.width; ++i) largest = out[i] > largest ? out[i] : largest;
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < j.width; ++i) {
    out[i] = exponential(out[i] - largest);
    sum += static_cast<double>(out[i]);
  }
  const float shrink = exponential(before - largest);
  sums[0] = largest;
  sums[j.n] = static_cast<float>(static_cast<double>(sums[j.n]) * static_cast<double>(shrink) + sum);
  sums[2 * j.n] = shrink;
}

// Entries may be those of a row itself: each is read before it is written.
template <class E>
inline void add_to_stream_row(const RowJob& j, int64_t row) {
  const E* source = from<E>(j.a, row * j.width);
  double* stream = to<double>(j.out, row * j.width);
  float* x = to<float>(j.out2, row * j.width);
  const auto sign = static_cast<double>(j.number);
#pragma omp simd
  for (int64_t i = 0; i < j.width; ++i) {
    const double sum = stream[i] + sign * static_cast<double>(get(source[i]));
    stream[i] = sum;
    x[i] = static_cast<float>(sum);
  }
}

// Adds <a, v[k]> over `n` entries to sums[k], for the K first vectors.
template <class E, int K>
inline void add_dots(const E* a, const float* const* v, int64_t n, double* sums) {
  static_assert(K >= 1 && K <= 4);
  const float *v0 = v[0], *v1 = v[K > 1 ? 1 : 0], *v2 = v[K > 2 ? 2 : 0], *v3 = v[K > 3 ? 3 : 0];
  float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
  for (int64_t i = 0; i < n; ++i) {
    const float x = get(a[i]);
    s0 += x * v0[i];
    if (K > 1) s1 += x * v1[i];
    if (K > 2) s2 += x * v2[i];
    if (K > 3) s3 += x * v3[i];
  }
  sums[0] += static_cast<double>(s0);
  if (K > 1) sums[1] += static_cast<double>(s1);
  if (K > 2) sums[2] += static_cast<double>(s2);
  if (K > 3) sums[3] += static_cast<double>(s3);
}

// Rows share a block of the vectors while it is in the cache; float32 sums within a block, float64 over
// blocks. A row's result depends on nothing but the row and the vectors.
template <class E, int K>
inline void dots(const RowJob& j, int64_t begin, int64_t end) {
  constexpr int64_t kBlock = 2048, kRows = 64;
  const void* all[4] = {j.b, j.c, j.e, j.f};
  for (int64_t first = begin; first < end; first += kRows) {
    const int64_t count = first + kRows < end ? kRows : end - first;
    double sums[kRows][K] = {};
    for (int64_t i = 0; i < j.width; i += kBlock) {
      const int64_t n = i + kBlock < j.width ? kBlock : j.width - i;
      const float* v[K];
      for (int k = 0; k < K; ++k) v[k] = from<float>(all[k], i);
      for (int64_t r = 0; r < count; ++r)
        add_dots<E, K>(from<E>(j.a, (first + r) * j.stride + i), v, n, sums[r]);
    }
    for (int64_t r = 0; r < count; ++r)
      for (int k = 0; k < K; ++k) *to<float>(j.out, (first + r) * K + k) = static_cast<float>(sums[r][k]);
  }
}

template <class E>
inline void dots_of(const RowJob& job, int64_t begin, int64_t end) {
  switch (job.heads) {
    case 1:
      return dots<E, 1>(job, begin, end);
    case 2:
      return dots<E, 2>(job, begin, end);
    case 3:
      return dots<E, 3>(job, begin, end);
    default:
      return dots<E, 4>(job, begin, end);
  }
}

template <class E>
inline void run_of(const RowJob& job, int64_t begin, int64_t end) {
  if (job.kind == RowKind::dots) return dots_of<E>(job, begin, end);
  for (int64_t row = begin; row < end; ++row) {
    switch (job.kind) {
      case RowKind::norm:
        norm_row<E>(job, row);
        break;
      case RowKind::norm_backward:
        norm_backward_row<E>(job, row);
        break;
      case RowKind::gated:
        gated_row<E>(job, row);
        break;
      case RowKind::gated_backward:
        gated_backward_row<E>(job, row);
        break;
      case RowKind::rotate:
        rotate_row<E>(job, row);
        break;
      case RowKind::softmax:
        softmax_over(to<float>(job.out, row * job.width), job.width, job.number, seen_by(job, row));
        break;
      case RowKind::softmax_backward:
        softmax_backward_over(from<float>(job.a, row * job.width), to<float>(job.out, row * job.width),
                              job.width, job.number, seen_by(job, row));
        break;
      case RowKind::exponentials:
        exponentials_row(job, row);
        break;
      case RowKind::add_to_stream:
        add_to_stream_row<E>(job, row);
        break;
      case RowKind::dots:  // above
        break;
    }
  }
}

inline void run(const RowJob& job, int64_t begin, int64_t end) {
  if (job.narrow)
    run_of<Bfloat>(job, begin, end);
  else
    run_of<float>(job, begin, end);
}

}  // namespace
}  // namespace circuitdiff
