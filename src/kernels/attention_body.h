// The loops of attention_jobs.h, included once by each kernels_*.cpp.
#pragma once

#include "kernels/attention_jobs.h"
#include "kernels/row_loops_body.h"
#include "kernels/simd.h"

namespace circuitdiff {
namespace {

constexpr int kFloats = kLanes<float>;

// Keys that a query sees: [from, to).
struct Seen {
  int64_t from, to;
};

inline void clear_unseen(float* out, int64_t width, Seen seen) {
  std::memset(out, 0, static_cast<size_t>(seen.from) * sizeof(float));
  std::memset(out + seen.to, 0, static_cast<size_t>(width - seen.to) * sizeof(float));
}

// out = e^(scale (out - its largest)) at the keys seen, 0 elsewhere; returns 1 / their sum.
inline float exponentials_over(float* out, int64_t width, float scale, Seen seen) {
  float largest = out[seen.from];
#pragma omp simd reduction(max : largest)
  for (int64_t i = seen.from; i < seen.to; ++i) largest = out[i] > largest ? out[i] : largest;
  const double sum = take_exponentials(out + seen.from, seen.to - seen.from, largest, scale);
  clear_unseen(out, width, seen);
  return static_cast<float>(1.0 / sum);
}

// e times `inverse`: the weights; out: the gradient there, which becomes that at the scores.
inline void scores_backward_over(const float* e, float* out, int64_t width, float scale, float inverse,
                                 Seen seen) {
  // In float64: what all gradients of a row have in common cancels below.
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = seen.from; i < seen.to; ++i) sum += as_double(e[i]) * as_double(out[i]);
  const auto mean = static_cast<float>(sum * as_double(inverse));
  const float factor = scale * inverse;
#pragma omp simd
  for (int64_t i = seen.from; i < seen.to; ++i) out[i] = e[i] * (out[i] - mean) * factor;
  clear_unseen(out, width, seen);
}

// c[i][j] = (or +=, with `add`) sum over k of a(i, k) b(k, j), for R rows and V vectors of columns, whose
// sums stay in registers. a(i, k) lies at a[i * a_row + k * a_step].
template <int R, int V>
inline void product_block(const float* a, int64_t a_row, int64_t a_step, const float* b, int64_t b_stride,
                          int64_t inner, float* c, int64_t c_stride, bool add) {
  // Unrolled early, or the sums go by way of the stack.
  Vec<float> sum[R][V];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < V; ++j) sum[i][j] = add ? load(c + i * c_stride + j * kFloats) : Vec<float>{};
  for (int64_t k = 0; k < inner; ++k) {
    Vec<float> row[V];
#pragma GCC unroll 2
    for (int j = 0; j < V; ++j) row[j] = load(b + k * b_stride + j * kFloats);
    const float* column = a + k * a_step;
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
      for (int j = 0; j < V; ++j) sum[i][j] += column[i * a_row] * row[j];
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < V; ++j) store(c + i * c_stride + j * kFloats, sum[i][j]);
}

// The same for any number of columns in whole vectors, and up to eight rows.
template <int R>
inline void product_rows(const float* a, int64_t a_row, int64_t a_step, const float* b, int64_t b_stride,
                         int64_t inner, float* c, int64_t c_stride, int64_t columns, bool add) {
  int64_t j = 0;
  for (; j + 2 * kFloats <= columns; j += 2 * kFloats)
    product_block<R, 2>(a, a_row, a_step, b + j, b_stride, inner, c + j, c_stride, add);
  for (; j < columns; j += kFloats)
    product_block<R, 1>(a, a_row, a_step, b + j, b_stride, inner, c + j, c_stride, add);
}

inline void product(int64_t rows, const float* a, int64_t a_row, int64_t a_step, const float* b,
                    int64_t b_stride, int64_t inner, float* c, int64_t c_stride, int64_t columns, bool add) {
  constexpr int kRows = kFloats == 16 ? 8 : 4;
  for (; rows >= kRows; rows -= kRows, a += kRows * a_row, c += kRows * c_stride)
    product_rows<kRows>(a, a_row, a_step, b, b_stride, inner, c, c_stride, columns, add);
  for (; rows > 0; --rows, a += a_row, c += c_stride)
    product_rows<1>(a, a_row, a_step, b, b_stride, inner, c, c_stride, columns, add);
}

// What lies in the room, attention_room numbers in all; those that a step has no use for are nowhere.
struct Room {
  float *k, *v, *k_panels,
      *v_panels;              // [keys, d_head]; in panels [keys / kKeysInPanel, d_head, kKeysInPanel]
  float *dk, *dv;             // [keys, d_head]
  float *weights, *d_scores;  // [kQueriesTogether, width], width: whole panels that the tile sees
  float *q, *d_out;           // [kQueriesTogether, d_head]
};
inline Room room_of(const AttentionJob& j) {
  const int64_t keys = (j.keys + kKeysInPanel - 1) / kKeysInPanel * kKeysInPanel, n = keys * j.d_head;
  Room r{};
  float* at = j.room;
  const auto take = [&at](int64_t numbers) {
    float* place = at;
    at += numbers;
    return place;
  };
  r.v = take(n), r.k_panels = take(n), r.weights = take(kQueriesTogether * keys);
  r.q = take(kQueriesTogether * j.d_head);
  if (!j.with_backward) return r;
  r.k = r.v, r.v = nullptr;  // backward meets v in panels alone
  r.v_panels = take(n), r.dk = take(n), r.dv = take(n), r.d_scores = take(kQueriesTogether * keys);
  r.d_out = take(kQueriesTogether * j.d_head);
  return r;
}

inline void copy_rows(const float* from, int64_t step, int64_t rows, int64_t width, float* out) {
  for (int64_t i = 0; i < rows; ++i)
    std::memcpy(out + i * width, from + i * step, static_cast<size_t>(width) * sizeof(float));
}

// Zeros behind the last row, to a whole panel.
inline void in_panels(const float* from, int64_t step, int64_t rows, int64_t width, float* out) {
  for (int64_t row = 0; row < rows; row += kKeysInPanel, out += kKeysInPanel * width) {
    const int64_t n = rows - row < kKeysInPanel ? rows - row : kKeysInPanel;
    for (int64_t i = 0; i < width; ++i) {
      for (int64_t k = 0; k < n; ++k) out[i * kKeysInPanel + k] = from[(row + k) * step + i];
      for (int64_t k = n; k < kKeysInPanel; ++k) out[i * kKeysInPanel + k] = 0;
    }
  }
}

inline void hold_keys(const AttentionJob& j) {
  const Room r = room_of(j);
  in_panels(j.k, j.key_step, j.keys, j.d_head, r.k_panels);
  if (!j.with_backward) return copy_rows(j.v, j.key_step, j.keys, j.d_head, r.v);
  in_panels(j.v, j.key_step, j.keys, j.d_head, r.v_panels);
  copy_rows(j.k, j.key_step, j.keys, j.d_head, r.k);
}

// Some queries, in blocks of kRowsTogether that each go as far as their last one sees.
struct Tile {
  int64_t first, count;  // queries
  int64_t position;      // of the first query among the keys
  int64_t from, to;      // keys that any of them sees; from: the first of a panel
  int64_t width;         // their places: whole panels
  int64_t seen_to(int64_t row) const { return position + row + 1 - from; }
};
constexpr int64_t kRowsTogether = kFloats == 16 ? 8 : 4;

inline Tile tile_of(const AttentionJob& j, int64_t first, int64_t end) {
  Tile t{};
  t.first = first, t.count = end - first < kQueriesTogether ? end - first : kQueriesTogether;
  t.position = j.keys - j.queries + first;
  const int64_t from = j.window > 0 && t.position >= j.window ? t.position - j.window + 1 : 0;
  t.from = from / kKeysInPanel * kKeysInPanel, t.to = t.position + t.count;
  t.width = (t.to - t.from + kKeysInPanel - 1) / kKeysInPanel * kKeysInPanel;
  return t;
}

// Keys of the tile that a query of it sees.
inline Seen seen_of(const AttentionJob& j, const Tile& t, int64_t row) {
  const int64_t query = t.position + row;
  const int64_t from = j.window > 0 && query >= j.window ? query - j.window + 1 : 0;
  return {from > t.from ? from - t.from : 0, t.seen_to(row)};
}

// rows [count, d_head] times panels: [count, width], in every block of rows as far as it sees.
inline void times_panels(const AttentionJob& j, const Tile& t, const float* rows, const float* panels,
                         float* out) {
  for (int64_t key = 0; key < t.width; key += kKeysInPanel) {
    const float* panel = panels + (t.from + key) * j.d_head;
    for (int64_t row = 0; row < t.count; row += kRowsTogether) {
      const int64_t n = t.count - row < kRowsTogether ? t.count - row : kRowsTogether;
      if (key >= t.seen_to(row + n - 1)) continue;
      product(n, rows + row * j.d_head, j.d_head, 1, panel, kKeysInPanel, j.d_head, out + row * t.width + key,
              t.width, kKeysInPanel, /*add=*/false);
    }
  }
}

// weights [count, width] times keys' rows [keys, d_head]: [count, d_head], a block of keys at a time, whose
// rows all queries meet while they are in the innermost cache. Sums go from the first key to the last.
inline void times_keys(const AttentionJob& j, const Tile& t, const float* weights, const float* keys,
                       float* out) {
  constexpr int64_t kKeys = 128, kColumns = 2 * kFloats;
  for (int64_t column = 0; column < j.d_head; column += kColumns) {
    const int64_t columns = j.d_head - column < kColumns ? j.d_head - column : kColumns;
    for (int64_t key = 0; key < t.to - t.from; key += kKeys)
      for (int64_t row = 0; row < t.count; row += kRowsTogether) {
        const int64_t n = t.count - row < kRowsTogether ? t.count - row : kRowsTogether;
        const int64_t left = t.seen_to(row + n - 1) - key, inner = left < kKeys ? left : kKeys;
        if (inner <= 0) continue;
        product(n, weights + row * t.width + key, t.width, 1, keys + (t.from + key) * j.d_head + column,
                j.d_head, inner, out + row * j.d_head + column, j.d_head, columns, /*add=*/key > 0);
      }
  }
}

// Adds weights' [keys, count] times rows [count, d_head] to sums [keys, d_head].
inline void add_by_keys(const AttentionJob& j, const Tile& t, const float* weights, const float* rows,
                        float* sums) {
  for (int64_t key = 0; key < t.to - t.from; key += kRowsTogether) {
    const int64_t left = t.to - t.from - key, n = left < kRowsTogether ? left : kRowsTogether;
    // Queries before the first of these keys see none of them.
    const int64_t ahead = t.from + key - t.position, skip = ahead > 0 ? ahead : 0;
    product(n, weights + skip * t.width + key, 1, t.width, rows + skip * j.d_head, j.d_head, t.count - skip,
            sums + (t.from + key) * j.d_head, j.d_head, j.d_head, /*add=*/true);
  }
}

// How far a block of queries is read, in whole blocks of keys.
inline int64_t width_of_block(const Tile& t, int64_t row) {
  const int64_t last = row / kRowsTogether * kRowsTogether + kRowsTogether - 1;
  const int64_t to = t.seen_to(last < t.count ? last : t.count - 1);
  return (to + kRowsTogether - 1) / kRowsTogether * kRowsTogether;
}

// Weights as exponentials, each row to be multiplied by `inverse`.
inline void weigh(const AttentionJob& j, const Tile& t, const Room& r, float* inverse) {
  copy_rows(j.q + t.first * j.query_step, j.query_step, t.count, j.d_head, r.q);
  times_panels(j, t, r.q, r.k_panels, r.weights);
  for (int64_t i = 0; i < t.count; ++i)
    inverse[i] = exponentials_over(r.weights + i * t.width, width_of_block(t, i), j.scale, seen_of(j, t, i));
}

inline void put_rows(const AttentionJob& j, const Tile& t, const float* rows, const float* factors) {
  for (int64_t i = 0; i < t.count; ++i) {
    float* out = j.out + (t.first + i) * j.query_step;
    const float* row = rows + i * j.d_head;
    const float factor = factors ? factors[i] : 1.0f;
#pragma omp simd
    for (int64_t c = 0; c < j.d_head; ++c) out[c] = row[c] * factor;
  }
}

inline void attend(const AttentionJob& j) {
  const Room r = room_of(j);
  float inverse[kQueriesTogether];
  for (int64_t first = j.begin; first < j.end; first += kQueriesTogether) {
    const Tile t = tile_of(j, first, j.end);
    weigh(j, t, r, inverse);
    times_keys(j, t, r.weights, r.v, r.q);  // q's rows have been read
    put_rows(j, t, r.q, inverse);
  }
}

inline void attend_backward(const AttentionJob& j) {
  const Room r = room_of(j);
  float inverse[kQueriesTogether];
  std::memset(r.dk, 0, static_cast<size_t>(j.keys * j.d_head) * sizeof(float));
  std::memset(r.dv, 0, static_cast<size_t>(j.keys * j.d_head) * sizeof(float));
  for (int64_t first = 0; first < j.queries; first += kQueriesTogether) {
    const Tile t = tile_of(j, first, j.queries);
    weigh(j, t, r, inverse);
    copy_rows(j.d_out + t.first * j.query_step, j.query_step, t.count, j.d_head, r.d_out);
    times_panels(j, t, r.d_out, r.v_panels, r.d_scores);
    for (int64_t i = 0; i < t.count; ++i) {
      scores_backward_over(r.weights + i * t.width, r.d_scores + i * t.width, width_of_block(t, i), j.scale,
                           inverse[i], seen_of(j, t, i));
      float* d = r.d_out + i * j.d_head;
#pragma omp simd
      for (int64_t c = 0; c < j.d_head; ++c) d[c] *= inverse[i];
    }
    add_by_keys(j, t, r.weights, r.d_out, r.dv);
    add_by_keys(j, t, r.d_scores, r.q, r.dk);
    times_keys(j, t, r.d_scores, r.k, r.q);
    put_rows(j, t, r.q, nullptr);
  }
}

inline void add_rows(const float* rows, int64_t n, int64_t width, bool put, float* out, int64_t step) {
  for (int64_t i = 0; i < n; ++i, rows += width, out += step) {
    if (put) {
      std::memcpy(out, rows, static_cast<size_t>(width) * sizeof(float));
      continue;
    }
#pragma omp simd
    for (int64_t c = 0; c < width; ++c) out[c] += rows[c];
  }
}

inline void run_attention(const AttentionJob& j) {
  switch (j.step) {
    case AttentionStep::hold_keys:
      return hold_keys(j);
    case AttentionStep::forward:
      return attend(j);
    case AttentionStep::backward:
      return attend_backward(j);
    case AttentionStep::add_keys: {
      const Room r = room_of(j);
      add_rows(r.dk, j.keys, j.d_head, j.first_of_group, j.dk, j.key_step);
      add_rows(r.dv, j.keys, j.d_head, j.first_of_group, j.dv, j.key_step);
    }
  }
}

}  // namespace
}  // namespace circuitdiff
