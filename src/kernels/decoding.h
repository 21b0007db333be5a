// The inner loops of decoding on a CPU: products with a weight matrix, attention over a paged cache, norm and
// activation. Every entry of a result is one fixed sequence of operations that does not depend on how many
// rows are computed together or on which thread does it, so an answer is the same whatever else is in the
// batch. The loops are compiled once per instruction set (kernels_*.cpp include decoding_body.h); sets with
// fused multiply-add give the same bits as each other.
#pragma once

#include <cstdint>

#include "kernels/instruction_set.h"
#include "kernels/number_types.h"

namespace circuitdiff {

// Outputs of a product that lie side by side in a packed matrix, and positions in a page of the cache.
inline constexpr int64_t kPanel = 16;
inline constexpr int64_t round_up(int64_t n) { return (n + kPanel - 1) / kPanel * kPanel; }

enum class WeightType { f32, f64, f16, bf16 };
constexpr int64_t bytes_of(WeightType type) {
  return type == WeightType::f64 ? 8 : type == WeightType::f32 ? 4 : 2;
}

// A weight matrix [rows, cols] of a linear map, in panels of 16 rows: panel p holds, for each column, the
// entries of rows 16p .. 16p + 15. Rows are filled up with zeros.
struct PackedView {
  const void* data = nullptr;
  WeightType type = WeightType::f32;
  int64_t cols = 0, panels = 0;
};

// Query heads that share one key head, against the cached positions first .. last of one sequence.
// A page holds 16 positions. Keys of a head: [d_head, 16]; values: [16, d_padded].
template <class T>
struct AttendArgs {
  const T* q = nullptr;  // [heads, d_head], after RoPE
  int64_t heads = 0, d_head = 0, d_padded = 0;
  const T* const* pages = nullptr;           // all pages there are
  const int32_t* ids = nullptr;              // those of this sequence, in order
  int64_t key_offset = 0, value_offset = 0;  // entries from a page's beginning
  int64_t first = 0, last = 0;
  T scale = 0, softcap = 0;  // softcap c > 0: scores become c tanh(score / c)
  T* scores = nullptr;       // scratch, at least 4 * round_up(last + 1)
  T* out = nullptr;          // [heads, d_head]
};

template <class T>
struct DecodingKernels {
  // y[r, o] = bias[o] + sum_k x[r, k] w[o, k] for all rows and the outputs of panels begin .. end - 1; bias
  // may be null. y has room for whole panels.
  void (*matmul)(const T* x, int64_t x_stride, int64_t rows, const PackedView& w, int64_t begin, int64_t end,
                 const T* bias, T* y, int64_t y_stride);
  void (*attend)(const AttendArgs<T>& args);
  // y = x / sqrt(mean(x^2) + eps) * weight. In place is allowed.
  void (*rms_norm)(const T* x, const T* weight, T* y, int64_t n, T eps);
  // gate = silu(gate) * up
  void (*silu_times)(T* gate, const T* up, int64_t n);
  // sum of exp(x - largest); largest: that of x.
  double (*sum_exp)(const T* x, int64_t n, T largest);
};

// T: float or double.
template <class T>
const DecodingKernels<T>& decoding_kernels(InstructionSet set = instruction_set());

}  // namespace circuitdiff
