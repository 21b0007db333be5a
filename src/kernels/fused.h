// The loops of row_loops.h on tensors: each function says whether it could do the work (on the CPU, and where
// device_jobs.h has it on a GPU, laid out row after row except where said, float32 or, where the job allows
// it, bfloat16); where it could not, the caller goes on with plain operations.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace circuitdiff {

using at::Tensor;

// h = x / rms(x) * weight [rows, d], in weight's type, and inverse = 1 / rms(x) [rows, 1]. x: float32.
bool fused_norm(const Tensor& x, const Tensor& weight, double eps, Tensor& h, Tensor& inverse);
// out: [rows, d], may be a view into a larger tensor if its rows are whole; total, if defined, += out. weight
// and grad of one type, the others float32.
bool fused_norm_backward(const Tensor& x, const Tensor& inverse, const Tensor& weight, const Tensor& grad,
                         const Tensor& out, const Tensor& total = {});
// silu(gate) * up; gate and up may be columns of one wider tensor. On a CPU `out` may be gate; undefined, it
// is made.
bool fused_gated(const Tensor& gate, const Tensor& up, Tensor& out);
// d: gradient of the product. d_gate and d_up may be columns of one wider tensor, gate and up themselves, or
// d_gate may be d.
bool fused_gated_backward(const Tensor& gate, const Tensor& up, const Tensor& d, const Tensor& d_gate,
                          const Tensor& d_up);
// x: [rows, heads, d_head], in place, also the first heads of a wider tensor; cos, sin: [rows, d_head].
bool fused_rotate(const Tensor& x, const Tensor& cos, const Tensor& sin, bool backwards);
// CPU alone, as fused_dots. z: [rows, width] float32, in place: exp(z - m), m the largest of a row and of
// sums[0]. sums: [3, rows], of the pieces of the row before: m, the sum of exp(z - m), and (on return alone)
// by what factor m's move shrank that.
bool fused_exponentials(const Tensor& z, const Tensor& sums);
// stream += sign * source in float64, and x = the stream in float32. All [rows, d_model]; source float32 or
// bfloat16. On a CPU x may be a float32 source; undefined, it is made.
bool fused_add_to_stream(const Tensor& source, const Tensor& stream, double sign, Tensor& x);
// out [n, m] = the inner products of the rows of a [n, width], which may lie apart, with m <= 4 vectors of
// float32. Neither the other rows nor the number of threads change a product.
bool fused_dots(const Tensor& a, const std::vector<Tensor>& vectors, Tensor& out);

}  // namespace circuitdiff
