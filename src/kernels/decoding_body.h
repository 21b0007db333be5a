// The loops of decoding.h, included once by each kernels_*.cpp.
#pragma once

#include <cmath>
#include <limits>

#include "kernels/decoding.h"
#include "kernels/simd.h"

namespace circuitdiff {
namespace {

// Products are summed in blocks of this many columns, blocks after each other: shorter chains, smaller
// errors.
constexpr int64_t kBlock = 256;
constexpr int kMostRows = 6;
constexpr int64_t kDims = 64;  // dimensions of a head mixed at a time

template <class T>
constexpr int kVecs = static_cast<int>(kPanel) / kLanes<T>;  // vectors in a panel
constexpr int kSums = kVectorBytes == 64 ? 24 : 12;          // that fit in registers

// kRows rows times kWide panels: y += x w over the columns begin .. end - 1.
template <class T, class W, int kRows, int kWide>
inline void tile(const T* x, int64_t x_stride, const W* w, int64_t panel_stride, int64_t begin, int64_t end,
                 T* y, int64_t y_stride) {
  for (int64_t block = begin; block < end; block += kBlock) {
    const int64_t stop = block + kBlock < end ? block + kBlock : end;
    Vec<T> sum[kRows][kWide][kVecs<T>] = {};
    for (int64_t k = block; k < stop; ++k) {
      Vec<T> weight[kWide][kVecs<T>];
#pragma GCC unroll 16
      for (int p = 0; p < kWide; ++p)
#pragma GCC unroll 16
        for (int v = 0; v < kVecs<T>; ++v)
          weight[p][v] = widen(w + p * panel_stride + k * kPanel + v * kLanes<T>);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const T xr = x[r * x_stride + k];
#pragma GCC unroll 16
        for (int p = 0; p < kWide; ++p)
#pragma GCC unroll 16
          for (int v = 0; v < kVecs<T>; ++v) sum[r][p][v] += xr * weight[p][v];
      }
    }
    for (int r = 0; r < kRows; ++r)
      for (int p = 0; p < kWide; ++p)
        for (int v = 0; v < kVecs<T>; ++v) {
          T* at = y + r * y_stride + p * kPanel + v * kLanes<T>;
          store(at, load(at) + sum[r][p][v]);
        }
  }
}

// How many panels go together with so many rows.
template <class T>
constexpr int panels_with(int rows) {
  const int fit = kSums / (rows * kVecs<T>);
  return fit >= 4 ? 4 : fit >= 2 ? 2 : 1;
}

template <class T, class W, int kRows>
inline void panels_of_rows(const T* x, int64_t x_stride, const W* w, int64_t panel_stride, int64_t panels,
                           int64_t begin, int64_t end, T* y, int64_t y_stride) {
  constexpr int kWide = panels_with<T>(kRows);
  int64_t p = 0;
  for (; p + kWide <= panels; p += kWide)
    tile<T, W, kRows, kWide>(x, x_stride, w + p * panel_stride, panel_stride, begin, end, y + p * kPanel,
                             y_stride);
  for (; p < panels; ++p)
    tile<T, W, kRows, 1>(x, x_stride, w + p * panel_stride, panel_stride, begin, end, y + p * kPanel,
                         y_stride);
}

template <class T, class W>
inline void some_rows(int rows, const T* x, int64_t x_stride, const W* w, int64_t panel_stride,
                      int64_t panels, int64_t begin, int64_t end, T* y, int64_t y_stride) {
  switch (rows) {
    case 1:
      return panels_of_rows<T, W, 1>(x, x_stride, w, panel_stride, panels, begin, end, y, y_stride);
    case 2:
      return panels_of_rows<T, W, 2>(x, x_stride, w, panel_stride, panels, begin, end, y, y_stride);
    case 3:
      return panels_of_rows<T, W, 3>(x, x_stride, w, panel_stride, panels, begin, end, y, y_stride);
    case 4:
      return panels_of_rows<T, W, 4>(x, x_stride, w, panel_stride, panels, begin, end, y, y_stride);
    case 5:
      return panels_of_rows<T, W, 5>(x, x_stride, w, panel_stride, panels, begin, end, y, y_stride);
    default:
      return panels_of_rows<T, W, 6>(x, x_stride, w, panel_stride, panels, begin, end, y, y_stride);
  }
}

template <class T, class W>
void matmul_of(const T* x, int64_t x_stride, int64_t rows, const PackedView& w, int64_t begin, int64_t end,
               const T* bias, T* y, int64_t y_stride) {
  const int64_t panel_stride = w.cols * kPanel;
  const W* data = static_cast<const W*>(w.data) + begin * panel_stride;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t o = begin * kPanel; o < end * kPanel; ++o) y[r * y_stride + o] = bias ? bias[o] : T(0);
  y += begin * kPanel;
  const int64_t groups = (rows + kMostRows - 1) / kMostRows;
  // With one group of rows a panel is read once, from beginning to end; with more, a block of it stays in the
  // cache while they pass.
  const int64_t block = groups == 1 ? w.cols : kBlock;
  const int64_t wide = groups == 1 ? end - begin : 4;
  for (int64_t p = 0; p < end - begin; p += wide) {
    const int64_t panels = p + wide < end - begin ? wide : end - begin - p;
    for (int64_t k = 0; k < w.cols; k += block) {
      const int64_t stop = k + block < w.cols ? k + block : w.cols;
      int64_t r = 0;
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t count = (rows - r + groups - g - 1) / (groups - g);
        some_rows<T, W>(static_cast<int>(count), x + r * x_stride, x_stride, data + p * panel_stride,
                        panel_stride, panels, k, stop, y + r * y_stride + p * kPanel, y_stride);
        r += count;
      }
    }
  }
}

void matmul(const float* x, int64_t x_stride, int64_t rows, const PackedView& w, int64_t begin, int64_t end,
            const float* bias, float* y, int64_t y_stride) {
  switch (w.type) {
    case WeightType::bf16:
      return matmul_of<float, Bf16>(x, x_stride, rows, w, begin, end, bias, y, y_stride);
    case WeightType::f16:
      return matmul_of<float, Half>(x, x_stride, rows, w, begin, end, bias, y, y_stride);
    default:
      return matmul_of<float, float>(x, x_stride, rows, w, begin, end, bias, y, y_stride);
  }
}

void matmul(const double* x, int64_t x_stride, int64_t rows, const PackedView& w, int64_t begin, int64_t end,
            const double* bias, double* y, int64_t y_stride) {
  matmul_of<double, double>(x, x_stride, rows, w, begin, end, bias, y, y_stride);
}

template <class T>
inline T sum_of_panel(const T* partial) {
  T s[8];
  for (int i = 0; i < 8; ++i) s[i] = partial[i] + partial[i + 8];
  for (int i = 0; i < 4; ++i) s[i] = s[i] + s[i + 4];
  return (s[0] + s[2]) + (s[1] + s[3]);
}

// Scores of kHeads queries against the keys of kPages pages.
template <class T, int kHeads, int kPages>
inline void score_pages(const AttendArgs<T>& a, const T* q, int64_t page, T* scores, int64_t stride) {
  Vec<T> sum[kHeads][kPages][kVecs<T>] = {};
  const T* keys[kPages];
  for (int p = 0; p < kPages; ++p) keys[p] = a.pages[a.ids[page + p]] + a.key_offset;
  for (int64_t d = 0; d < a.d_head; ++d) {
    Vec<T> key[kPages][kVecs<T>];
#pragma GCC unroll 16
    for (int p = 0; p < kPages; ++p)
#pragma GCC unroll 16
      for (int v = 0; v < kVecs<T>; ++v) key[p][v] = load(keys[p] + d * kPanel + v * kLanes<T>);
#pragma GCC unroll 16
    for (int h = 0; h < kHeads; ++h) {
      const T qd = q[h * a.d_head + d];
#pragma GCC unroll 16
      for (int p = 0; p < kPages; ++p)
#pragma GCC unroll 16
        for (int v = 0; v < kVecs<T>; ++v) sum[h][p][v] += qd * key[p][v];
    }
  }
  for (int h = 0; h < kHeads; ++h)
    for (int p = 0; p < kPages; ++p)
      for (int v = 0; v < kVecs<T>; ++v)
        store(scores + h * stride + (page + p) * kPanel + v * kLanes<T>, sum[h][p][v] * a.scale);
}

// Values of kChunks times 16 dimensions from `dim` on, weighted by what `scores` has become.
template <class T, int kHeads, int kChunks>
inline void mix_values(const AttendArgs<T>& a, int64_t dim, const T* weights, int64_t stride, T* mixed) {
  Vec<T> sum[kHeads][kChunks][kVecs<T>] = {};
  for (int64_t j = a.first; j <= a.last; ++j) {
    const T* value = a.pages[a.ids[j / kPanel]] + a.value_offset + (j % kPanel) * a.d_padded + dim;
    Vec<T> v[kChunks][kVecs<T>];
#pragma GCC unroll 16
    for (int c = 0; c < kChunks; ++c)
#pragma GCC unroll 16
      for (int i = 0; i < kVecs<T>; ++i) v[c][i] = load(value + c * kPanel + i * kLanes<T>);
#pragma GCC unroll 16
    for (int h = 0; h < kHeads; ++h) {
      const T weight = weights[h * stride + j];
#pragma GCC unroll 16
      for (int c = 0; c < kChunks; ++c)
#pragma GCC unroll 16
        for (int i = 0; i < kVecs<T>; ++i) sum[h][c][i] += weight * v[c][i];
    }
  }
  for (int h = 0; h < kHeads; ++h)
    for (int c = 0; c < kChunks; ++c)
      for (int i = 0; i < kVecs<T>; ++i) store(mixed + h * kDims + c * kPanel + i * kLanes<T>, sum[h][c][i]);
}

template <class T, int kHeads>
void attend_heads(const AttendArgs<T>& a, int64_t head) {
  const T* q = a.q + head * a.d_head;
  const int64_t stride = round_up(a.last + 1), first_page = a.first / kPanel, last_page = a.last / kPanel;
  constexpr int kPages = kHeads == 1 ? 4 : kHeads == 4 ? 1 : 2;
  int64_t page = first_page;
  for (; page + kPages <= last_page + 1; page += kPages)
    score_pages<T, kHeads, kPages>(a, q, page, a.scores, stride);
  for (; page <= last_page; ++page) score_pages<T, kHeads, 1>(a, q, page, a.scores, stride);

  T total[kHeads];
  const int64_t begin = first_page * kPanel, end = (last_page + 1) * kPanel;
  for (int h = 0; h < kHeads; ++h) {
    T* s = a.scores + h * stride;
    if (a.softcap > 0)
      for (int64_t j = a.first; j <= a.last; ++j) s[j] = a.softcap * std::tanh(s[j] / a.softcap);
    for (int64_t j = begin; j < a.first; ++j) s[j] = -std::numeric_limits<T>::infinity();
    for (int64_t j = a.last + 1; j < end; ++j) s[j] = -std::numeric_limits<T>::infinity();
    T largest = s[a.first];
    for (int64_t j = a.first + 1; j <= a.last; ++j) largest = s[j] > largest ? s[j] : largest;
    Vec<T> sum[kVecs<T>] = {};
    for (int64_t j = begin; j < end; j += kPanel)
      for (int v = 0; v < kVecs<T>; ++v) {
        T* at = s + j + v * kLanes<T>;
        const Vec<T> e = exp_of(load(at) - largest);
        store(at, e);
        sum[v] += e;
      }
    T partial[kPanel];
    for (int v = 0; v < kVecs<T>; ++v) store(partial + v * kLanes<T>, sum[v]);
    total[h] = sum_of_panel(partial);
  }

  for (int64_t dim = 0; dim < a.d_head; dim += kDims) {
    T mixed[kHeads * kDims];
    const int64_t chunks = (a.d_padded - dim) / kPanel;
    constexpr int kTogether = kHeads == 1 ? 4 : 2;
    if (chunks >= kDims / kPanel)
      for (int64_t c = 0; c < kDims / kPanel; c += kTogether)
        mix_values<T, kHeads, kTogether>(a, dim + c * kPanel, a.scores, stride, mixed + c * kPanel);
    else
      for (int64_t c = 0; c < chunks; ++c)
        mix_values<T, kHeads, 1>(a, dim + c * kPanel, a.scores, stride, mixed + c * kPanel);
    const int64_t count = a.d_head - dim < kDims ? a.d_head - dim : kDims;
    for (int h = 0; h < kHeads; ++h)
      for (int64_t i = 0; i < count; ++i)
        a.out[(head + h) * a.d_head + dim + i] = mixed[h * kDims + i] / total[h];
  }
}

template <class T>
void attend(const AttendArgs<T>& a) {
  int64_t head = 0;
  for (; head + 4 <= a.heads; head += 4) attend_heads<T, 4>(a, head);
  if (a.heads - head == 3) attend_heads<T, 3>(a, head);
  if (a.heads - head == 2) attend_heads<T, 2>(a, head);
  if (a.heads - head == 1) attend_heads<T, 1>(a, head);
}

template <class T>
void rms_norm(const T* x, const T* weight, T* y, int64_t n, T eps) {
  T partial[kPanel] = {};
  int64_t i = 0;
  for (; i + kPanel <= n; i += kPanel)
    for (int64_t j = 0; j < kPanel; ++j) partial[j] += x[i + j] * x[i + j];
  for (; i < n; ++i) partial[i % kPanel] += x[i] * x[i];
  const T inverse = T(1) / std::sqrt(sum_of_panel(partial) / static_cast<T>(n) + eps);
  for (i = 0; i < n; ++i) y[i] = (x[i] * inverse) * weight[i];
}

template <class T>
void silu_times(T* gate, const T* up, int64_t n) {
  const auto part = [](Vec<T> g, Vec<T> u) {
    Vec<T> minus = -g;
    const Vec<T> high = Vec<T>{} + T(88);
    minus = minus > high ? high : minus;
    return g / (exp_of(minus) + T(1)) * u;
  };
  int64_t i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) store(gate + i, part(load(gate + i), load(up + i)));
  if (i < n) {
    T g[kLanes<T>] = {}, u[kLanes<T>] = {};
    for (int64_t j = i; j < n; ++j) g[j - i] = gate[j], u[j - i] = up[j];
    store(g, part(load(g), load(u)));
    for (int64_t j = i; j < n; ++j) gate[j] = g[j - i];
  }
}

template <class T>
double sum_exp(const T* x, int64_t n, T largest) {
  double total = 0;
  for (int64_t block = 0; block < n; block += kBlock) {
    const int64_t end = block + kBlock < n ? block + kBlock : n;
    Vec<T> sums[kVecs<T>] = {};
    int64_t i = block;
    for (; i + kPanel <= end; i += kPanel)
      for (int v = 0; v < kVecs<T>; ++v) sums[v] += exp_of(load(x + i + v * kLanes<T>) - largest);
    T partial[kPanel];
    for (int v = 0; v < kVecs<T>; ++v) store(partial + v * kLanes<T>, sums[v]);
    if (i < end) {
      T last[kPanel];
      for (int64_t j = 0; j < kPanel; ++j) last[j] = i + j < end ? x[i + j] - largest : T(-1000);
      for (int v = 0; v < kVecs<T>; ++v) store(last + v * kLanes<T>, exp_of(load(last + v * kLanes<T>)));
      for (int64_t j = 0; i + j < end; ++j) partial[j] += last[j];
    }
    total += static_cast<double>(sum_of_panel(partial));
  }
  return total;
}

template <class T>
constexpr DecodingKernels<T> kDecodingKernels{matmul, attend<T>, rms_norm<T>, silu_times<T>, sum_exp<T>};

}  // namespace
}  // namespace circuitdiff
