// Products of linear maps against the same in float64: through both libraries, at shapes on either side of
// the threshold, with strided operands.
#include "kernels/product.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "support/native_bfloat.h"

namespace circuitdiff {
namespace {

class Product : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    least_wide_product() = GetParam() ? 0 : INT64_MAX;
    if (GetParam() && most_rows_ > 0) most_wide_rows() = INT64_MAX;
  }
  void TearDown() override {
    least_wide_product() = before_;
    most_wide_rows() = most_rows_;
  }

  static Tensor random(int64_t rows, int64_t columns) { return at::rand({rows, columns}).sub_(0.5); }

  // Entries are sums of `inner` products of numbers of at most 1/2.
  static void expect_close(const Tensor& found, const Tensor& expected, int64_t inner) {
    ASSERT_EQ(found.sizes(), expected.sizes());
    const double off = (found.to(at::kDouble) - expected).abs().max().item<double>();
    EXPECT_LT(off, 1e-7 * static_cast<double>(inner)) << found.sizes();
  }

 private:
  int64_t before_ = least_wide_product(), most_rows_ = most_wide_rows();
  at::NoGradGuard no_grad_;
};

struct Shape {
  int64_t rows, in, out;
};
constexpr Shape kShapes[] = {{1, 1, 1},     {1, 64, 192},    {3, 65, 7},
                             {17, 192, 64}, {219, 896, 130}, {64, 33, 1031}};

TEST_P(Product, ForwardBackwardAndWeightGradientAreThoseOfFloat64) {
  for (const Shape& s : kShapes) {
    const Tensor x = random(s.rows, s.in), w = random(s.out, s.in), bias = random(1, s.out).squeeze(0),
                 dy = random(s.rows, s.out);
    const Tensor xd = x.to(at::kDouble), wd = w.to(at::kDouble), dyd = dy.to(at::kDouble);
    expect_close(linear_rows(x, w), xd.matmul(wd.t()), s.in);
    expect_close(linear_rows(x, w, bias), xd.matmul(wd.t()) + bias.to(at::kDouble), s.in + 8);
    expect_close(linear_rows_backward(dy, w), dyd.matmul(wd), s.out);
    const Tensor before = random(s.out, s.in), into = before.clone();
    add_weight_gradient(into, dy, x);
    expect_close(into, before.to(at::kDouble) + dyd.t().matmul(xd), s.rows + 8);
  }
}

TEST_P(Product, TakesBatchesAndViewsOfLargerTensors) {
  const Tensor large = random(300, 1792), wide = random(500, 640);
  const Tensor x = large.narrow(0, 30, 200).narrow(1, 100, 600),
               w = wide.narrow(0, 10, 400).narrow(1, 20, 600);
  const Tensor expected = x.to(at::kDouble).matmul(w.to(at::kDouble).t());
  expect_close(linear_rows(x, w), expected, 600);
  expect_close(linear_rows(x.contiguous().view({4, 50, 600}), w), expected.view({4, 50, 400}), 600);
  const Tensor dy = large.narrow(0, 3, 200).narrow(1, 7, 400);
  expect_close(linear_rows_backward(dy, w), dy.to(at::kDouble).matmul(w.to(at::kDouble)), 400);
  const Tensor grads = at::zeros({900, 600}), into = grads.narrow(0, 100, 400);
  add_weight_gradient(into, dy, x);
  expect_close(into, dy.to(at::kDouble).t().matmul(x.to(at::kDouble)), 200);
  EXPECT_EQ(grads.narrow(0, 0, 100).abs().max().item<float>(), 0);
  EXPECT_EQ(grads.narrow(0, 500, 400).abs().max().item<float>(), 0);
}

TEST_P(Product, AGradientWiderThanAStripeIsWhole) {
  const Tensor dy = random(5, 9000), x = random(5, 700), into = at::zeros({9000, 700});
  add_weight_gradient(into, dy, x);
  expect_close(into, dy.to(at::kDouble).t().matmul(x.to(at::kDouble)), 5);
}

TEST_P(Product, ARowDoesNotDependOnTheThreads) {
  const Tensor x = random(300, 896), w = random(640, 896);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Tensor one = linear_rows(x, w);
  at::set_num_threads(2);
  const Tensor two = linear_rows(x, w);
  at::set_num_threads(threads);
  EXPECT_TRUE(one.equal(two));
}

TEST_P(Product, ANumberThatIsNotFiniteStaysInItsRow) {
  const Tensor x = random(40, 128), w = random(96, 128);
  x[7][3] = std::numeric_limits<float>::quiet_NaN();
  const Tensor y = linear_rows(x, w).isfinite().all(/*dim=*/1);
  for (int64_t row = 0; row < 40; ++row) EXPECT_EQ(y[row].item<bool>(), row != 7) << row;
}

TEST_P(Product, OtherDtypesAreLeftToPlainProducts) {
  const Tensor x = random(20, 30).to(at::kDouble), w = random(10, 30).to(at::kDouble);
  EXPECT_TRUE(linear_rows(x, w).equal(x.mm(w.t())));
  EXPECT_EQ(linear_rows(x.to(at::kBFloat16), w.to(at::kBFloat16)).scalar_type(), at::kBFloat16);
  const Tensor into = at::zeros({10, 30});  // float32 sums of bfloat16 products
  add_weight_gradient(into, linear_rows(x, w).to(at::kBFloat16), x.to(at::kBFloat16));
  EXPECT_GT(into.abs().max().item<float>(), 0);
}

// Products of bfloat16 by float32, as a processor without instructions for it makes them, differ from its own
// by rounding.
TEST_P(Product, BfloatIsWidenedWhereTheProcessorCannotMultiplyIt) {
  const Tensor x = random(400, 300).to(at::kBFloat16), w = random(70, 300).to(at::kBFloat16),
               bias = random(1, 70).squeeze(0).to(at::kBFloat16), dy = random(400, 70).to(at::kBFloat16),
               a = random(80, 30).to(at::kBFloat16).view({2, 40, 30}),
               b = random(60, 20).to(at::kBFloat16).view({2, 30, 20});
  Tensor y, dx, c;
  {
    const NativeBfloat widened(false);
    y = linear_rows(x, w, bias), dx = linear_rows_backward(dy, w), c = batched_product(a, b);
  }
  const auto expect_rounded = [](const Tensor& found, const Tensor& expected) {
    EXPECT_EQ(found.scalar_type(), at::kBFloat16);
    const double largest = expected.abs().max().item<double>();
    EXPECT_LT((found.to(at::kDouble) - expected).abs().max().item<double>(), largest / 256);
    EXPECT_GT((found.to(at::kDouble) - expected).abs().max().item<double>(), 0);
  };
  const auto exactly = [](const Tensor& t) { return t.to(at::kDouble); };
  expect_rounded(y, exactly(x).matmul(exactly(w).t()) + exactly(bias));
  expect_rounded(dx, exactly(dy).matmul(exactly(w)));
  expect_rounded(c, exactly(a).bmm(exactly(b)));
  expect_rounded(linear_rows(x, w, bias), exactly(x).matmul(exactly(w).t()) + exactly(bias));
}

INSTANTIATE_TEST_SUITE_P(Library, Product, testing::Bool(),
                         [](const auto& test) { return test.param ? "Wide" : "Plain"; });

// Beyond so many rows, and backwards through rows that fall onto the same lines of a cache, the plain
// product, bit for bit, where not all go to oneDNN.
TEST(SomeProducts, GoToOneDnnByShape) {
  const int64_t least = least_wide_product(), most = most_wide_rows();
  if (most > 0) least_wide_product() = 0, most_wide_rows() = 512;
  {
    const at::NoGradGuard no_grad;
    const Tensor x = at::rand({600, 96}), w = at::rand({48, 96}), dy = at::rand({64, 48}),
                 wide = at::rand({48, 1024});
    EXPECT_TRUE(linear_rows(x, w).equal(x.mm(w.t())));
    EXPECT_TRUE(linear_rows_backward(dy, wide).equal(dy.mm(wide)));
    const Tensor some = x.narrow(0, 0, 512), through_some = linear_rows(some, w);
    if (most > 0) most_wide_rows() = INT64_MAX;
    EXPECT_TRUE(through_some.equal(linear_rows(some, w)));
  }
  least_wide_product() = least, most_wide_rows() = most;
}

TEST(SmallProduct, TheLibraryFollowsFromTheProcessor) {
  // Whatever it is, a small product stays with plain operations, bit for bit.
  const at::NoGradGuard no_grad;
  const Tensor x = at::rand({8, 64}), w = at::rand({64, 64});
  EXPECT_TRUE(linear_rows(x, w).equal(x.mm(w.t())));
  EXPECT_GT(least_wide_product(), 0);
}

}  // namespace
}  // namespace circuitdiff
