// Elementwise work of a layer, one pass over memory each, row by row, in float32 on a CPU. E is the type of
// what lies in the weights' dtype: float, or bfloat16, widened as it is read and rounded once as it is
// written. No torch here: row_loops_body.h is compiled once per instruction set. fused.h is what callers use.
#pragma once

#include <cstdint>

#include "kernels/instruction_set.h"
#include "kernels/number_types.h"

namespace circuitdiff {

// out = r x weight, inverse[row] = r = 1 / sqrt(mean(x^2) + eps). Rows of `width` numbers.
template <class E>
struct RmsNormRows {
  const float* x = nullptr;
  const E* weight = nullptr;
  E* out = nullptr;
  float* inverse = nullptr;
  int64_t width = 0;
  float eps = 0;
};

// out = r (d weight - x r^2 mean(x d weight)) with r = inverse[row]; total, if any, += out.
template <class E>
struct RmsNormBackwardRows {
  const float* x = nullptr;
  const float* inverse = nullptr;
  const E* weight = nullptr;
  const E* d = nullptr;
  float* out = nullptr;
  float* total = nullptr;
  int64_t width = 0;
};

// out = silu(gate) up. Strides: from one row to the next.
template <class E>
struct SwigluRows {
  const E *gate = nullptr, *up = nullptr;
  E* out = nullptr;
  int64_t width = 0, in_stride = 0, out_stride = 0;
};

// d_up = d silu(gate), d_gate = d up silu'(gate). Outputs may lie where inputs do.
template <class E>
struct SwigluBackwardRows {
  const E *gate = nullptr, *up = nullptr, *d = nullptr;  // rows of d: `width` apart
  E *d_gate = nullptr, *d_up = nullptr;
  int64_t width = 0, in_stride = 0, out_stride = 0;
};

// Turns pairs (i, i + d_head / 2) of every head of x in place; `inverse` turns back. cos, sin: [rows,
// d_head].
template <class E>
struct RopeRows {
  const E *cos = nullptr, *sin = nullptr;
  E* x = nullptr;
  int64_t heads = 0, d_head = 0, stride = 0;  // of x, from one row to the next
  bool inverse = false;
};

// stream += sign source, and x = the stream in float32, which may lie where source does.
template <class E>
struct AddToStreamRows {
  const E* source = nullptr;
  double* stream = nullptr;
  float* x = nullptr;
  int64_t width = 0;
  double sign = 1;
};

// out[row][k] = <a[row], vectors[k]> for k < n_vectors.
template <class E>
struct InnerProductRows {
  const E* a = nullptr;
  const float* vectors[4] = {};
  float* out = nullptr;
  int64_t n_vectors = 0, width = 0, stride = 0;  // of a, from one row to the next
};

// z = e^(z - m) in place, m the largest of z and of largest[row], which becomes m. shrink[row] = e^(m before
// - m); sum[row] = shrink sum + the sum of z.
struct ExponentialRows {
  float* z = nullptr;
  float *largest = nullptr, *sum = nullptr, *shrink = nullptr;
  int64_t width = 0;
};

// Each does rows begin .. end - 1, by this thread.
template <class E>
struct RowKernels {
  void (*rms_norm)(const RmsNormRows<E>&, int64_t begin, int64_t end);
  void (*rms_norm_backward)(const RmsNormBackwardRows<E>&, int64_t begin, int64_t end);
  void (*swiglu)(const SwigluRows<E>&, int64_t begin, int64_t end);
  void (*swiglu_backward)(const SwigluBackwardRows<E>&, int64_t begin, int64_t end);
  void (*rope)(const RopeRows<E>&, int64_t begin, int64_t end);
  void (*add_to_stream)(const AddToStreamRows<E>&, int64_t begin, int64_t end);
  void (*inner_products)(const InnerProductRows<E>&, int64_t begin, int64_t end);
  void (*exponentials)(const ExponentialRows&, int64_t begin, int64_t end);
};

// E: float or Bf16.
template <class E>
const RowKernels<E>& row_kernels(InstructionSet set = instruction_set());

}  // namespace circuitdiff
