// The middle of an MLP and its gradient against the formulas in float64: on columns of a wider tensor, and
// with the gradients written over what they are made from.
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/sigmoid.h>
#include <gtest/gtest.h>

#include "kernels/rows.h"

namespace circuitdiff {
namespace {

constexpr int64_t kRows = 37, kWidth = 75;  // no multiple of a vector: every row has a remainder

struct Middle {
  // gate and up side by side in one tensor, as a fused product leaves them
  Tensor both = at::randn({kRows, 2 * kWidth}) * 3, d = at::randn({kRows, kWidth});
  Tensor gate() const { return both.narrow(1, 0, kWidth); }
  Tensor up() const { return both.narrow(1, kWidth, kWidth); }
};

double largest_difference(const Tensor& found, const Tensor& wanted) {
  return (found.to(at::kDouble) - wanted).abs().max().item<double>();
}

TEST(Swiglu, IsSiluTimesUpOnColumnsOfAWiderTensor) {
  const Middle m;
  const Tensor gate = m.gate().to(at::kDouble), up = m.up().to(at::kDouble);
  const Tensor out = at::empty_like(m.d);
  swiglu(Activation::silu, m.gate(), m.up(), out);
  EXPECT_LT(largest_difference(out, gate * at::sigmoid(gate) * up), 2e-5);
}

TEST(Swiglu, GradientsAreTheFormulasInPlaceToo) {
  const Middle m;
  const Tensor gate = m.gate().to(at::kDouble), up = m.up().to(at::kDouble), d = m.d.to(at::kDouble);
  const Tensor s = at::sigmoid(gate);
  const Tensor wanted_gate = d * up * s * (1 + gate * (1 - s)), wanted_up = d * gate * s;

  const Tensor apart = at::empty_like(m.both);
  swiglu_backward(Activation::silu, m.gate(), m.up(), m.d, apart.narrow(1, 0, kWidth),
                  apart.narrow(1, kWidth, kWidth));
  EXPECT_LT(largest_difference(apart.narrow(1, 0, kWidth), wanted_gate), 5e-5);
  EXPECT_LT(largest_difference(apart.narrow(1, kWidth, kWidth), wanted_up), 5e-5);

  Tensor over_d = m.d.clone(), d_up = at::empty_like(m.d);
  swiglu_backward(Activation::silu, m.gate().contiguous(), m.up().contiguous(), over_d, over_d, d_up);
  EXPECT_LT(largest_difference(over_d, wanted_gate), 5e-5);
  EXPECT_LT(largest_difference(d_up, wanted_up), 5e-5);

  const Tensor in_place = m.both.clone();
  const Tensor g = in_place.narrow(1, 0, kWidth), u = in_place.narrow(1, kWidth, kWidth);
  swiglu_backward(Activation::silu, g, u, m.d, g, u);
  EXPECT_LT(largest_difference(g, wanted_gate), 5e-5);
  EXPECT_LT(largest_difference(u, wanted_up), 5e-5);
}

}  // namespace
}  // namespace circuitdiff
