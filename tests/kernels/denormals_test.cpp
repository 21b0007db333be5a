#include "kernels/denormals.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "kernels/product.h"

namespace circuitdiff {
namespace {

TEST(FlushDenormals, TakesThemAsZeroOnEveryThreadWhileItLives) {
  // Wide enough that every thread has a part of it.
  const Tensor tiny = at::full({int64_t{1} << 20}, 1e-40);
  const auto left = [&] { return (tiny * 1.0).count_nonzero().item<int64_t>(); };
  const Tensor a = at::full({256, 256}, 1e-30), b = at::full({256, 256}, 1e-12);
  const auto left_of_product = [&] { return linear_rows(a, b).count_nonzero().item<int64_t>(); };
  const int threads = at::get_num_threads();
  for (const int n : {1, 2}) {
    at::set_num_threads(n);
    ASSERT_EQ(left(), tiny.numel());
    {
      const FlushDenormals flush(at::kFloat);
      if (!at::Context::setFlushDenormal(true))
        GTEST_SKIP() << "this processor cannot flush denormal numbers";
      EXPECT_EQ(left(), 0);
      EXPECT_EQ(left_of_product(), 0);
      { const FlushDenormals inner(at::kBFloat16); }
      EXPECT_EQ(left(), 0) << "an inner one must not end an outer one's time";
      EXPECT_EQ(left_of_product(), 0);
    }
    EXPECT_EQ(left(), tiny.numel());
    at::Context::setFlushDenormal(true);  // a caller's own, on its thread alone
    {
      const FlushDenormals flush(at::kFloat);
      EXPECT_EQ(left(), 0);
    }
    EXPECT_EQ(left(), 0) << "the caller's own flag stays";
    at::Context::setFlushDenormal(false);
    { const FlushDenormals flush(at::kFloat); }
    ASSERT_EQ(left(), tiny.numel());
  }
  at::set_num_threads(threads);
}

TEST(FlushDenormals, KeepsThemInFloat64) {
  const FlushDenormals flush(at::kDouble);
  const Tensor stored = at::full({int64_t{1} << 20}, 1e-40);
  EXPECT_EQ(stored.to(at::kDouble).count_nonzero().item<int64_t>(), stored.numel());
}

}  // namespace
}  // namespace circuitdiff
