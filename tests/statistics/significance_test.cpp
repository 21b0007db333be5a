// Expected values by scipy 1.17: stats.binomtest, stats.permutation_test, stats.false_discovery_control; the
// exact test also against sums of binomial coefficients and all tosses of a coin.
#include "statistics/significance.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

namespace circuitdiff {
namespace {

TEST(SignTest, AgreesWithScipy) {
  EXPECT_NEAR(sign_test_p(14, 6), 0.11531829833984375, 1e-12);
  EXPECT_NEAR(sign_test_p(37, 61), 0.019690184799846844, 1e-13);
  EXPECT_NEAR(sign_test_p(4900, 5100), 0.04658552770494645, 1e-13);
}

TEST(SignTest, IsTheTwoSidedBinomialTest) {
  EXPECT_EQ(sign_test_p(0, 0), 1);
  EXPECT_NEAR(sign_test_p(0, 5), 2.0 / 32, 1e-15);
  EXPECT_NEAR(sign_test_p(5, 0), 2.0 / 32, 1e-15);
  EXPECT_NEAR(sign_test_p(1, 7), 2.0 * (1 + 8) / 256, 1e-15);
  EXPECT_NEAR(sign_test_p(2, 8), 2.0 * (1 + 10 + 45) / 1024, 1e-15);
  EXPECT_EQ(sign_test_p(4, 4), 1);  // 2 P(X <= 4) is above 1
}

TEST(SignTest, IsTwiceTheShareOfCoinTossesAtMostAsEven) {
  for (int n = 1; n <= 14; ++n) {
    std::vector<int64_t> with_heads(static_cast<size_t>(n) + 1);
    for (uint32_t tosses = 0; tosses < (1u << n); ++tosses)
      ++with_heads[static_cast<size_t>(std::popcount(tosses))];
    for (int heads = 0; heads <= n; ++heads) {
      int64_t tail = 0;
      for (int k = 0; k <= std::min(heads, n - heads); ++k) tail += with_heads[static_cast<size_t>(k)];
      EXPECT_NEAR(sign_test_p(heads, n - heads), std::min(1.0, 2.0 * static_cast<double>(tail) / (1u << n)),
                  1e-13)
          << heads << " of " << n;
    }
  }
}

TEST(SignTest, LargeCountsNeitherOverflowNorVanish) {
  EXPECT_NEAR(sign_test_p(0, 1000) / std::ldexp(1.0, -999), 1, 1e-9);
  const double p = sign_test_p(4900, 5100);  // z = 2
  EXPECT_GT(p, 0.045);
  EXPECT_LT(p, 0.047);
}

// scipy.stats.permutation_test over all 2^8 signs: p = 18 / 256.
TEST(SignFlip, AgreesWithAllFlipsTogether) {
  const std::vector<double> d{1.5, 2.0, -0.5, 3.0, 1.0, 2.5, -1.0, 0.75};
  EXPECT_NEAR(sign_flip_p(d, 200'000, 3), 0.0703125, 0.002);
  EXPECT_EQ(sign_flip_p(d, 1000, 3), sign_flip_p(d, 1000, 3));
  EXPECT_EQ(sign_flip_p(std::vector<double>(5, 0.0), 99, 0), 1);
}

TEST(BenjaminiHochberg, AgreesWithScipyAndLeavesNullsOut) {
  // scipy.stats.false_discovery_control([.01, .04, .03, .005, .55, .03])
  const std::vector<double> expected{0.03, 0.048, 0.045, 0.03, 0.55, 0.045};
  const std::vector<std::optional<double>> p{0.01, 0.04, std::nullopt, 0.03, 0.005, 0.55, 0.03, std::nullopt};
  const auto found = benjamini_hochberg(p);
  ASSERT_EQ(found.size(), p.size());
  size_t i = 0;
  for (size_t k = 0; k < p.size(); ++k) {
    ASSERT_EQ(found[k].has_value(), p[k].has_value());
    if (found[k]) {
      EXPECT_NEAR(*found[k], expected[i++], 1e-15);
    }
  }
  EXPECT_TRUE(benjamini_hochberg({}).empty());
}

// scipy.stats.false_discovery_control of p values in falling order.
TEST(BenjaminiHochberg, NeverFallsAsPRises) {
  const std::vector<std::optional<double>> p{0.65,     0.325,     0.1625,     0.08125,
                                             0.040625, 0.0203125, 0.01015625, 0.005078125};
  const std::vector<double> expected{
      0.65, 0.37142857142857144, 0.21666666666666667, 0.13, 0.08125, 0.05416666666666667, 0.040625, 0.040625};
  const auto found = benjamini_hochberg(p);
  for (size_t i = 0; i < p.size(); ++i) EXPECT_NEAR(*found[i], expected[i], 1e-15) << i;
}

TEST(PermutationP, IsNeverZero) {
  EXPECT_EQ(permutation_p(0, 9999), 1e-4);
  EXPECT_EQ(permutation_p(10, 10), 1.0);
}

}  // namespace
}  // namespace circuitdiff
