// The loops of row_jobs.h, included by one file per instruction set. All in an anonymous namespace and
// without the standard library's templates: nothing compiled for a wide instruction set may be picked by the
// linker for another. No include guard: included once per file.
#include <cmath>
#include <cstring>

#include "model/row_jobs.h"

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

inline void norm_row(const RowJob& j, int64_t row) {
  const float* x = j.a + row * j.width;
  float* out = j.out + row * j.width;
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < j.width; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  const auto r =
      static_cast<float>(1.0 / std::sqrt(sum / static_cast<double>(j.width) + static_cast<double>(j.number)));
  j.out2[row] = r;
#pragma omp simd
  for (int64_t i = 0; i < j.width; ++i) out[i] = x[i] * r * j.b[i];
}

inline void norm_backward_row(const RowJob& j, int64_t row) {
  const float* x = j.a + row * j.width;
  const float* d = j.e + row * j.width;
  const float* weight = j.b;
  float* out = j.out + row * j.width;
  const float r = j.c[row];
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < j.width; ++i)
    sum += static_cast<double>(d[i]) * static_cast<double>(weight[i]) * static_cast<double>(x[i]);
  const auto along = static_cast<float>(sum / static_cast<double>(j.width)) * r * r;
#pragma omp simd
  for (int64_t i = 0; i < j.width; ++i) out[i] = (d[i] * weight[i] - x[i] * along) * r;
}

inline void gated_row(const RowJob& j, int64_t row) {
  const float* gate = j.a + row * j.in_stride;
  const float* up = j.b + row * j.in_stride;
  float* out = j.out + row * j.out_stride;
#pragma omp simd
  for (int64_t i = 0; i < j.width; ++i) out[i] = gate[i] / (1.0f + exponential(-gate[i])) * up[i];
}

// Outputs may lie where inputs do: an entry is read before it is written.
inline void gated_backward_row(const RowJob& j, int64_t row) {
  const float* gate = j.a + row * j.in_stride;
  const float* up = j.b + row * j.in_stride;
  const float* product = j.e + row * j.width;
  float* d_gate = j.out + row * j.out_stride;
  float* d_up = j.out2 + row * j.out_stride;
#pragma omp simd
  for (int64_t i = 0; i < j.width; ++i) {
    const float g = gate[i], u = up[i], d = product[i], s = 1.0f / (1.0f + exponential(-g));
    d_up[i] = d * g * s;
    d_gate[i] = d * u * s * (1.0f + g * (1.0f - s));
  }
}

inline void rotate_row(const RowJob& j, int64_t row) {
  const int64_t half = j.width / 2;
  const float* cos = j.a + row * j.width;
  const float* sin = j.b + row * j.width;
  const float sign = j.backwards ? -1.0f : 1.0f;
  for (int64_t h = 0; h < j.heads; ++h) {
    float* first = j.out + row * j.out_stride + h * j.width;
    float* second = first + half;
#pragma omp simd
    for (int64_t i = 0; i < half; ++i) {
      const float a = first[i], b = second[i], s = sign * sin[i];
      first[i] = a * cos[i] - b * s;
      second[i] = b * cos[i] + a * s;
    }
  }
}

// Keys that a query sees: [from, to).
struct Seen {
  int64_t from, to;
};
inline Seen seen_by(const RowJob& j, int64_t row) {
  const int64_t query = row % j.n;
  return {j.window > 0 && query >= j.window ? query - j.window + 1 : 0, query + 1};
}

inline void clear_unseen(const RowJob& j, float* out, Seen seen) {
  std::memset(out, 0, static_cast<size_t>(seen.from) * sizeof(float));
  std::memset(out + seen.to, 0, static_cast<size_t>(j.width - seen.to) * sizeof(float));
}

inline void softmax_row(const RowJob& j, int64_t row) {
  float* out = j.out + row * j.width;
  const Seen seen = seen_by(j, row);
  float largest = out[seen.from];
#pragma omp simd reduction(max : largest)
  for (int64_t i = seen.from; i < seen.to; ++i) largest = out[i] > largest ? out[i] : largest;
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = seen.from; i < seen.to; ++i) {
    out[i] = exponential((out[i] - largest) * j.number);
    sum += static_cast<double>(out[i]);
  }
  const auto inverse = static_cast<float>(1.0 / sum);
#pragma omp simd
  for (int64_t i = seen.from; i < seen.to; ++i) out[i] *= inverse;
  clear_unseen(j, out, seen);
}

inline void softmax_backward_row(const RowJob& j, int64_t row) {
  const float* p = j.a + row * j.width;
  float* out = j.out + row * j.width;
  const Seen seen = seen_by(j, row);
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = seen.from; i < seen.to; ++i)
    sum += static_cast<double>(p[i]) * static_cast<double>(out[i]);
  const auto mean = static_cast<float>(sum);
#pragma omp simd
  for (int64_t i = seen.from; i < seen.to; ++i) out[i] = p[i] * (out[i] - mean) * j.number;
  clear_unseen(j, out, seen);
}

inline void run(const RowJob& job, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    switch (job.kind) {
      case RowKind::norm:
        norm_row(job, row);
        break;
      case RowKind::norm_backward:
        norm_backward_row(job, row);
        break;
      case RowKind::gated:
        gated_row(job, row);
        break;
      case RowKind::gated_backward:
        gated_backward_row(job, row);
        break;
      case RowKind::rotate:
        rotate_row(job, row);
        break;
      case RowKind::softmax:
        softmax_row(job, row);
        break;
      case RowKind::softmax_backward:
        softmax_backward_row(job, row);
        break;
    }
  }
}

}  // namespace
}  // namespace circuitdiff
