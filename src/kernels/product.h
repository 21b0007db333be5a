// The matrix products of linear maps, through whichever of libtorch's two libraries is faster on this CPU.
// at::linear and at::mm go to MKL, which keeps to 256-bit vectors on processors that are not Intel's; oneDNN,
// in the same libtorch, uses what the processor has (2.3 times as fast on an AVX-512 EPYC), and on Intel's is
// the faster one where rows are few. Which one is taken follows from the processor, dtype and shape alone, so
// that a machine always computes the same bits.
// bfloat16 goes through oneDNN where the processor has instructions for it; where not, through float32
// products of the widened operands, several times as fast as what libtorch would do. The plain operations in
// the .cpp are the oracle.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace circuitdiff {

using at::Tensor;

// x [rows, in] times weight [out, in] transposed, + bias [out] where defined: [rows, out]. x may have more
// leading dimensions.
Tensor linear_rows(const Tensor& x, const Tensor& weight, const Tensor& bias = {});

// dy [rows, out] times weight [out, in]: the gradient at x, [rows, in].
Tensor linear_rows_backward(const Tensor& dy, const Tensor& weight);

// The same into places that are there, row after row. x is converted to the weight's dtype.
void linear_into(const Tensor& out, const Tensor& x, const Tensor& weight, const Tensor& bias = {});
void linear_backward_into(const Tensor& out, const Tensor& dy, const Tensor& weight);
// Bytes that the library takes beside operands and result, of x [rows, in] to [rows, out] in either
// direction.
int64_t linear_scratch_bytes(at::Device device, at::ScalarType dtype, int64_t rows, int64_t in, int64_t out);

// Adds that to `into` [rows, in].
void add_linear_rows_backward(const Tensor& into, const Tensor& dy, const Tensor& weight);

// Adds the gradient at the weight, dy [rows, out] transposed times x [rows, in], to `into` [out, in]; of
// other types than `into`, converted first.
void add_weight_gradient(const Tensor& into, const Tensor& dy, const Tensor& x);

// a [n, rows, in] times b [n, in, out], batch by batch: [n, rows, out].
Tensor batched_product(const Tensor& a, const Tensor& b);

// Whether MKL leaves part of this processor unused.
bool has_wider_products();

// Whether this processor multiplies bfloat16 itself; asked once, and turned off by tests.
bool& multiplies_bfloat();
// Where it is not multiplied, products of bfloat16 widen their operands.
bool widens_products(at::Device device, at::ScalarType dtype);

// What a product of bfloat16 rows [rows, in] x [in, out] holds beside operands and result where the processor
// does not multiply them itself.
int64_t widened_product_bytes(int64_t rows, int64_t in, int64_t out);

// Floating point operations from which oneDNN is taken: its code for a shape is made when that shape is first
// met, about a millisecond, and small products do not earn it back. Tests lower it.
int64_t& least_wide_product();

// Rows up to which oneDNN is taken: all, some, or none, as the processor is. Tests change it.
int64_t& most_wide_rows();

// Rows that a widened product takes at once.
constexpr int64_t kWidenedRows = 256;

}  // namespace circuitdiff
