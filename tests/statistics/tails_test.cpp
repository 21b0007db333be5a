// Expected values by scipy 1.17: stats.norm and stats.binom.
#include "statistics/tails.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace circuitdiff {
namespace {

TEST(NormalCdf, AgreesWithScipy) {
  const std::vector<std::pair<double, double>> cases{{-8.5, 9.47953482220325e-18},
                                                     {-1.3, 0.09680048458561036},
                                                     {0, 0.5},
                                                     {0.7, 0.758036347776927},
                                                     {5, 0.9999997133484281}};
  for (const auto& [x, p] : cases) EXPECT_NEAR(normal_cdf(x), p, 1e-13 * p) << x;
}

TEST(NormalQuantile, AgreesWithScipy) {
  const std::vector<std::pair<double, double>> cases{
      {1e-300, -37.0470962993612},  {1e-10, -6.361340902404056},  {1e-4, -3.7190164854556804},
      {0.025, -1.9599639845400545}, {0.3, -0.5244005127080409},   {0.8, 0.8416212335729143},
      {0.975, 1.959963984540054},   {1 - 1e-9, 5.997807019601637}};
  for (const auto& [p, x] : cases) EXPECT_NEAR(normal_quantile(p), x, 1e-13 * std::abs(x)) << p;
  EXPECT_NEAR(normal_quantile(0.5), 0, 1e-15);
  EXPECT_NEAR(normal_cdf(normal_quantile(0.123)), 0.123, 1e-15);
}

TEST(FairCoinTail, AgreesWithScipy) {
  EXPECT_NEAR(fair_coin_tail(3, 11), 0.11328125, 1e-15);
  EXPECT_NEAR(fair_coin_tail(50, 100), 0.5397946186935889, 1e-13);
  EXPECT_NEAR(fair_coin_tail(480, 1000), 0.10872414660207075, 1e-13);
  EXPECT_NEAR(fair_coin_tail(4900, 10000), 0.023292763852473225, 1e-13);
  EXPECT_NEAR(fair_coin_tail(0, 1000) / std::ldexp(1.0, -1000), 1, 1e-12);
  EXPECT_EQ(fair_coin_tail(7, 7), 1);
}

TEST(FairCoinTail, HeadsAndTailsAreAlike) {
  for (int64_t n = 1; n <= 60; ++n)
    for (int64_t k = 0; k < n; ++k)
      EXPECT_NEAR(fair_coin_tail(k, n) + fair_coin_tail(n - k - 1, n), 1, 1e-13) << k << " of " << n;
}

}  // namespace
}  // namespace circuitdiff
