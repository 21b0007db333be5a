// Row jobs on float32 and bfloat16 tensors against the same formulas in float64 on the same numbers: bfloat16
// results are rounded once, so they lie within half a unit of their last place.
#include "kernels/fused.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace circuitdiff {
namespace {

class Fused : public testing::TestWithParam<at::ScalarType> {
 protected:
  // Numbers that the job's own type holds, in -1 .. 1.
  static Tensor random(at::IntArrayRef sizes) { return at::rand(sizes).mul_(2).sub_(1).to(GetParam()); }
  static Tensor exactly(const Tensor& t) { return t.to(at::kDouble); }

  static void expect_rounded_once(const Tensor& found, const Tensor& expected) {
    ASSERT_EQ(found.sizes(), expected.sizes());
    const double unit = found.scalar_type() == at::kBFloat16 ? 1.0 / 256 : 1e-6;
    const Tensor over = (exactly(found) - expected).abs() - expected.abs() * unit;
    EXPECT_LE(over.max().item<double>(), 2e-6);
  }

 private:
  at::NoGradGuard no_grad_;
};

constexpr int64_t kRows = 5, kWidth = 67;

TEST_P(Fused, NormAndItsBackward) {
  const Tensor x = at::rand({kRows, kWidth}).sub_(0.5), weight = random({kWidth}),
               grad = random({kRows, kWidth});
  const Tensor xd = exactly(x), wd = exactly(weight);
  Tensor h, inverse;
  ASSERT_TRUE(fused_norm(x, weight, 1e-5, h, inverse));
  const Tensor r = ((xd * xd).mean(1, true) + 1e-5).rsqrt();
  EXPECT_EQ(h.scalar_type(), GetParam());
  expect_rounded_once(h, xd * r * wd);
  expect_rounded_once(inverse, r);
  const Tensor out = at::empty({kRows, kWidth}), g = exactly(grad) * wd;
  ASSERT_TRUE(fused_norm_backward(x, inverse, weight, grad, out));
  expect_rounded_once(out, (g - xd * r * r * (g * xd).mean(1, true)) * r);
  // And added to what is there.
  const Tensor before = at::rand({kRows, kWidth}), total = before.clone(), again = at::empty_like(out);
  ASSERT_TRUE(fused_norm_backward(x, inverse, weight, grad, again, total));
  EXPECT_TRUE(again.equal(out));
  EXPECT_TRUE(total.equal(before + out));
  EXPECT_FALSE(fused_norm_backward(x, inverse, weight, grad, again, total.narrow(0, 0, kRows - 1)));
}

TEST_P(Fused, GatedAndItsBackward) {
  const Tensor gate = random({kRows, kWidth}) * 9, up = random({kRows, kWidth}), d = random({kRows, kWidth});
  const Tensor g = exactly(gate), u = exactly(up), dd = exactly(d), s = g.sigmoid();
  Tensor out, d_up = at::empty_like(d);
  ASSERT_TRUE(fused_gated(gate, up, out));
  expect_rounded_once(out, g * s * u);
  Tensor over_gate = gate.clone();
  ASSERT_TRUE(fused_gated(over_gate, up, over_gate));
  EXPECT_TRUE(over_gate.equal(out));
  const Tensor in_place = d.clone(), up_in_place = up.clone();
  ASSERT_TRUE(fused_gated_backward(gate, up, d, d, d_up));
  expect_rounded_once(d_up, dd * g * s);
  expect_rounded_once(d, dd * u * s * (1 + g * (1 - s)));
  ASSERT_TRUE(fused_gated_backward(gate, up_in_place, in_place, in_place, up_in_place));
  EXPECT_TRUE(up_in_place.equal(d_up));
  EXPECT_TRUE(in_place.equal(d));
}

TEST_P(Fused, ATurnBackAfterATurn) {
  const Tensor x = random({kRows, 3, 16}), cos = random({kRows, 16}), sin = random({kRows, 16});
  const auto turned = [&](double sign) {
    const Tensor first = exactly(x).slice(2, 0, 8), second = exactly(x).slice(2, 8);
    const Tensor c = exactly(cos).slice(1, 0, 8).unsqueeze(1),
                 s = exactly(sin).slice(1, 0, 8).unsqueeze(1) * sign;
    return at::cat({first * c - second * s, second * c + first * s}, 2);
  };
  for (const bool backwards : {false, true}) {
    const Tensor y = x.clone();
    ASSERT_TRUE(fused_rotate(y, cos, sin, backwards));
    expect_rounded_once(y, turned(backwards ? -1 : 1));
  }
}

TEST_P(Fused, DotsOfRowsThatLieApartOnAnyNumberOfThreads) {
  const Tensor large = random({70, 9000}), a = large.narrow(1, 100, 5003);
  const int threads = at::get_num_threads();
  for (const int64_t m : {1, 2, 3, 4}) {
    const Tensor b = at::rand({m, 5003}).sub_(0.5);
    const std::vector<Tensor> vectors = b.unbind(0);
    Tensor one, two;
    at::set_num_threads(1);
    ASSERT_TRUE(fused_dots(a, vectors, one));
    at::set_num_threads(2);
    ASSERT_TRUE(fused_dots(a, vectors, two));
    EXPECT_TRUE(one.equal(two));
    const double off = (exactly(one) - exactly(a).matmul(exactly(b).t())).abs().max().item<double>();
    EXPECT_LT(off, 2e-5) << m;
    Tensor alone;  // a row's product does not hang on the rows beside it
    ASSERT_TRUE(fused_dots(a.narrow(0, 68, 1), vectors, alone));
    EXPECT_TRUE(alone.equal(one.narrow(0, 68, 1)));
  }
  at::set_num_threads(threads);
}

TEST_P(Fused, TheStreamTakesASourcesPlace) {
  const Tensor source = random({kRows, kWidth}), stream = at::rand({kRows, kWidth}, at::kDouble);
  for (const double sign : {1.0, -1.0}) {
    const Tensor expected = stream + sign * exactly(source);
    const Tensor moved = stream.clone();
    Tensor x;
    ASSERT_TRUE(fused_add_to_stream(source, moved, sign, x));
    EXPECT_TRUE(moved.equal(expected));
    EXPECT_TRUE(x.equal(expected.to(at::kFloat)));
    if (GetParam() != at::kFloat) continue;
    Tensor in_place = source.clone();
    ASSERT_TRUE(fused_add_to_stream(in_place, stream.clone(), sign, in_place));
    EXPECT_TRUE(in_place.equal(x));
  }
}

TEST_P(Fused, WhatIsNotFiniteStaysSo) {
  const Tensor gate = random({kRows, kWidth}), up = random({kRows, kWidth});
  up[2][3] = std::numeric_limits<float>::quiet_NaN();
  up[3][4] = std::numeric_limits<float>::infinity();
  Tensor out;
  ASSERT_TRUE(fused_gated(gate, up, out));
  const Tensor finite = out.to(at::kFloat).isfinite();
  EXPECT_EQ(finite.logical_not().sum().item<int64_t>(), 2);
  EXPECT_TRUE(out[2][3].isnan().item<bool>());
}

// Pieces of a row after one another: the sums are those of the whole, each piece holds the exponentials from
// the largest so far.
TEST(FusedExponentials, GoOnFromPieceToPiece) {
  const Tensor whole = at::rand({4, 9001}).sub_(0.5).mul_(60);
  whole[1].add_(3e4);
  whole[2].slice(0, 1) = -std::numeric_limits<float>::infinity();
  whole[3].slice(0, 4000).add_(100);
  const Tensor sums = at::zeros({3, 4});
  sums[0].fill_(-1e30);
  Tensor before = sums[0].clone();
  for (const auto& [begin, n] : {std::pair<int64_t, int64_t>{0, 1}, {1, 3999}, {4000, 5001}}) {
    const Tensor piece = whole.narrow(1, begin, n).contiguous(), z = piece.to(at::kDouble);
    ASSERT_TRUE(fused_exponentials(piece, sums));
    const Tensor so_far = whole.narrow(1, 0, begin + n).to(at::kDouble), m = so_far.amax(1);
    EXPECT_TRUE(sums[0].to(at::kDouble).equal(m));
    const auto error = [](const Tensor& found, const Tensor& expected) {
      return ((found.to(at::kDouble) - expected) / expected.clamp_min(1e-30)).abs().max().item<double>();
    };
    EXPECT_LT(error(sums[1], (so_far - m.unsqueeze(1)).exp().sum(1)), 1e-6);
    EXPECT_LT(error(sums[2] + 1, (before - m).exp() + 1), 1e-6);
    EXPECT_LT((piece.to(at::kDouble) - (z - m.unsqueeze(1)).exp()).abs().max().item<double>(), 2e-7);
    before = sums[0].clone();
  }
  whole[0][8000] = std::numeric_limits<float>::quiet_NaN();
  whole[1][0] = std::numeric_limits<float>::quiet_NaN();
  whole[3][5] = std::numeric_limits<float>::infinity();
  ASSERT_TRUE(fused_exponentials(whole, sums));
  EXPECT_EQ(sums[1].isnan().sum().item<int64_t>(), 3);
}

TEST(FusedTypes, OthersAreLeftToPlainOperations) {
  const Tensor gate = at::rand({2, 8}), narrow = gate.to(at::kBFloat16), half = gate.to(at::kHalf);
  Tensor out;
  EXPECT_FALSE(fused_gated(gate, narrow, out));
  EXPECT_FALSE(fused_gated(half, half, out));
  EXPECT_FALSE(fused_dots(gate.to(at::kDouble), gate.unbind(0), out));
}

INSTANTIATE_TEST_SUITE_P(Types, Fused, testing::Values(at::kFloat, at::kBFloat16), [](const auto& test) {
  return std::string(test.param == at::kFloat ? "float32" : "bfloat16");
});

}  // namespace
}  // namespace circuitdiff
