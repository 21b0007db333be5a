// The loops of attention_jobs.h, with those of row_jobs_body.h: included once by one file per instruction
// set.
#include "model/attention_jobs.h"
#include "model/row_jobs_body.h"

namespace circuitdiff {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
// May lie anywhere a float may.
using Lanes [[gnu::vector_size(kLanes * 4), gnu::aligned(4), gnu::may_alias]] = float;

// c[i][j] = (or +=, with `add`) sum over k of a(i, k) b(k, j), for R rows and V vectors of columns, whose
// sums stay in registers. a(i, k) lies at a[i * a_row + k * a_step].
template <int R, int V>
inline void product_block(const float* a, int64_t a_row, int64_t a_step, const float* b, int64_t b_stride,
                          int64_t inner, float* c, int64_t c_stride, bool add) {
  // Unrolled early, or the sums go by way of the stack.
  Lanes sum[R][V];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < V; ++j)
      sum[i][j] = add ? *reinterpret_cast<const Lanes*>(c + i * c_stride + j * kLanes) : Lanes{};
  for (int64_t k = 0; k < inner; ++k) {
    Lanes row[V];
#pragma GCC unroll 2
    for (int j = 0; j < V; ++j) row[j] = *reinterpret_cast<const Lanes*>(b + k * b_stride + j * kLanes);
    const float* column = a + k * a_step;
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
      for (int j = 0; j < V; ++j) sum[i][j] += column[i * a_row] * row[j];
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < V; ++j) *reinterpret_cast<Lanes*>(c + i * c_stride + j * kLanes) = sum[i][j];
}

// The same for any number of columns in whole vectors, and up to eight rows.
template <int R>
inline void product_rows(const float* a, int64_t a_row, int64_t a_step, const float* b, int64_t b_stride,
                         int64_t inner, float* c, int64_t c_stride, int64_t columns, bool add) {
  int64_t j = 0;
  for (; j + 2 * kLanes <= columns; j += 2 * kLanes)
    product_block<R, 2>(a, a_row, a_step, b + j, b_stride, inner, c + j, c_stride, add);
  for (; j < columns; j += kLanes)
    product_block<R, 1>(a, a_row, a_step, b + j, b_stride, inner, c + j, c_stride, add);
}

inline void product(int64_t rows, const float* a, int64_t a_row, int64_t a_step, const float* b,
                    int64_t b_stride, int64_t inner, float* c, int64_t c_stride, int64_t columns, bool add) {
  constexpr int kRows = kLanes == 16 ? 8 : 4;
  for (; rows >= kRows; rows -= kRows, a += kRows * a_row, c += kRows * c_stride)
    product_rows<kRows>(a, a_row, a_step, b, b_stride, inner, c, c_stride, columns, add);
  for (; rows > 0; --rows, a += a_row, c += c_stride)
    product_rows<1>(a, a_row, a_step, b, b_stride, inner, c, c_stride, columns, add);
}

// Some queries of one head times the keys of `width` / kPanel panels, [rows, j.width].
inline void times_panels(const AttentionJob& j, int64_t rows, const float* of_queries, const float* panels,
                         float* out, int64_t width) {
  for (int64_t key = 0; key < width; key += kPanel)
    product(rows, of_queries, j.d_head, 1, panels + (j.from + key) * j.d_head, kPanel, j.d_head, out + key,
            j.width, kPanel, /*add=*/false);
}

// A unit: `count` queries of a head from row `row` of the tile's [group * queries] on, and the keys up to the
// last that they see.
inline void attend(const AttentionJob& j, int64_t unit) {
  const int64_t parts = (j.queries + kQueriesTogether - 1) / kQueriesTogether;
  const int64_t first = unit % parts * kQueriesTogether, left = j.queries - first;
  const int64_t count = left < kQueriesTogether ? left : kQueriesTogether;
  const int64_t row = unit / parts * j.queries + first;
  const int64_t keys = j.position + first + count - j.from;
  const int64_t width = (keys + kPanel - 1) / kPanel * kPanel;
  // Keys of the tile that a query sees.
  const auto seen = [&](int64_t i) {
    const int64_t query = j.position + first + i;
    const int64_t from = j.window > 0 && query >= j.window ? query - j.window + 1 : 0;
    return Seen{from > j.from ? from - j.from : 0, query + 1 - j.from};
  };
  float* weights = j.weights + row * j.width;
  times_panels(j, count, j.q + row * j.d_head, j.k_panels, weights, width);
  for (int64_t i = 0; i < count; ++i) softmax_over(weights + i * j.width, width, j.scale, seen(i));
  float* out = j.out + row * j.d_head;
  if (j.step == AttentionStep::forward) {
    product(count, weights, j.width, 1, j.v + j.from * j.d_head, j.d_head, keys, out, j.d_head, j.d_head,
            /*add=*/false);
    return;
  }
  float* d = j.d_scores + row * j.width;
  times_panels(j, count, j.d_out + row * j.d_head, j.v_panels, d, width);
  for (int64_t i = 0; i < count; ++i)
    softmax_backward_over(weights + i * j.width, d + i * j.width, width, j.scale, seen(i));
  product(count, d, j.width, 1, j.k + j.from * j.d_head, j.d_head, keys, out, j.d_head, j.d_head,
          /*add=*/false);
}

// dv += weights' d_out, dk += d_scores' q, over the queries that see the first of the unit's keys: to those
// before it nothing was computed here.
inline void add_to_keys(const AttentionJob& j, int64_t unit) {
  const int64_t key = unit * kKeysTogether, left = j.to - j.from - key;
  const int64_t n = left < kKeysTogether ? left : kKeysTogether, place = (j.from + key) * j.d_head;
  const int64_t ahead = j.from + key - j.position, skip = ahead > 0 ? ahead : 0;
  const int64_t parts = skip > 0 ? j.group : 1, rows = j.group * j.queries / parts;
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t row = part * rows + skip, at = row * j.width + key;
    product(n, j.weights + at, 1, j.width, j.d_out + row * j.d_head, j.d_head, rows - skip, j.dv + place,
            j.d_head, j.d_head, /*add=*/true);
    product(n, j.d_scores + at, 1, j.width, j.q + row * j.d_head, j.d_head, rows - skip, j.dk + place,
            j.d_head, j.d_head, /*add=*/true);
  }
}

inline void run_attention(const AttentionJob& j, int64_t begin, int64_t end) {
  for (int64_t unit = begin; unit < end; ++unit) {
    if (j.step == AttentionStep::keys)
      add_to_keys(j, unit);
    else
      attend(j, unit);
  }
}

}  // namespace
}  // namespace circuitdiff
