#include "model/denormals.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "model/product.h"

namespace circuitdiff {
namespace {

// Wide enough that every thread has a part of it.
int64_t denormals_left() {
  const Tensor tiny = at::full({int64_t{1} << 20}, 1e-40);
  return (tiny * 1.0).count_nonzero().item<int64_t>();
}

TEST(FlushDenormals, TakesThemAsZeroOnEveryThreadWhileItLives) {
  const int threads = at::get_num_threads();
  for (const int n : {1, 2}) {
    at::set_num_threads(n);
    ASSERT_EQ(denormals_left(), 1 << 20);
    {
      const FlushDenormals outer;
      if (!at::Context::setFlushDenormal(true))
        GTEST_SKIP() << "this processor cannot flush denormal numbers";
      EXPECT_EQ(denormals_left(), 0);
      { const FlushDenormals inner; }
      EXPECT_EQ(denormals_left(), 0) << "an inner one must not end an outer one's time";
      const Tensor tiny = at::full({256, 256}, 1e-30), small = at::full({256, 256}, 1e-12);
      EXPECT_EQ(linear_rows(tiny, small).count_nonzero().item<int64_t>(), 0)
          << "products of the libraries too";
    }
    EXPECT_EQ(denormals_left(), 1 << 20);
  }
  at::set_num_threads(threads);
}

}  // namespace
}  // namespace circuitdiff
