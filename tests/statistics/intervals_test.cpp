#include "statistics/intervals.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/random.h"
#include "statistics/resampling.h"

namespace circuitdiff {
namespace {

TEST(NormalQuantile, AgreesWithScipy) {
  const std::vector<std::pair<double, double>> cases{
      {1e-300, -37.0470962993612},  {1e-10, -6.361340902404056},  {1e-4, -3.7190164854556804},
      {0.025, -1.9599639845400545}, {0.3, -0.5244005127080409},   {0.8, 0.8416212335729143},
      {0.975, 1.959963984540054},   {1 - 1e-9, 5.997807019601637}};
  for (const auto& [p, x] : cases) EXPECT_NEAR(normal_quantile(p), x, 1e-13 * std::abs(x)) << p;
  EXPECT_NEAR(normal_quantile(0.5), 0, 1e-15);
  EXPECT_NEAR(normal_cdf(normal_quantile(0.123)), 0.123, 1e-15);
}

TEST(Quantile, InterpolatesAsNumpyDoes) {
  const std::vector<double> sorted{1, 2, 4, 8};
  EXPECT_EQ(quantile_of_sorted(sorted, 0), 1);
  EXPECT_EQ(quantile_of_sorted(sorted, 1), 8);
  EXPECT_EQ(quantile_of_sorted(sorted, 0.5), 3);
  EXPECT_DOUBLE_EQ(quantile_of_sorted(sorted, 0.9), 4 + 0.7 * 4);
  EXPECT_EQ(quantile_of_sorted(std::vector{5.0}, 0.975), 5);
}

// The formula of scipy.stats.bootstrap (method BCa), evaluated with scipy and numpy on these very numbers.
TEST(BootstrapInterval, BcaAgreesWithScipy) {
  std::vector<double> values;
  for (int i = 0; i < 400; ++i) values.push_back(std::sin(0.37 * i * i) + 0.002 * i);
  std::vector<double> jackknife;
  for (int k = 0; k < 15; ++k) jackknife.push_back(0.3 + 0.01 * std::cos(1.7 * k) + 0.0004 * k * k);
  const Interval found = bootstrap_interval(values, 0.5, jackknife, 0);
  EXPECT_EQ(found.kind, "BCa");
  EXPECT_NEAR(found.low, -0.788414014523955, 1e-9);
  EXPECT_NEAR(found.high, 1.6328126816414903, 1e-9);
}

TEST(BootstrapInterval, IsThePercentileIntervalWhereBcaIsUndefined) {
  std::vector<double> values(101);
  std::iota(values.begin(), values.end(), 0.0);
  const std::vector<double> jackknife{1, 2, 4};
  const auto kind = [&](double observed, const std::vector<double>& left_out) {
    auto copy = values;
    const Interval i = bootstrap_interval(copy, observed, left_out, 1e-9);
    if (i.kind == "percentile") {
      EXPECT_DOUBLE_EQ(i.low, 2.5);
      EXPECT_DOUBLE_EQ(i.high, 97.5);
    }
    return i.kind;
  };
  EXPECT_EQ(kind(50, jackknife), "BCa");
  EXPECT_EQ(kind(200, jackknife), "percentile");   // all values below what was observed
  EXPECT_EQ(kind(-200, jackknife), "percentile");  // all above
  EXPECT_EQ(kind(50, {3, 3, 3}), "percentile");    // no acceleration
  EXPECT_EQ(kind(50, {3, NAN, 2}), "percentile");  // a leave-one-out value that is undefined
  std::vector<double> zeros(50, 0.0);
  const Interval nothing = bootstrap_interval(zeros, 0, jackknife, 0);
  EXPECT_EQ(nothing.kind, "percentile");
  EXPECT_EQ(nothing.low, 0);
  EXPECT_EQ(nothing.high, 0);
}

// A skewed mean, where the percentile interval is known to fall short: 95 % must cover about 95 %.
TEST(BootstrapInterval, CoversTheMeanOfASkewedDistribution) {
  constexpr int kN = 40;
  constexpr int kTrials = 400;
  int covered = 0;
  for (int trial = 0; trial < kTrials; ++trial) {
    Philox random(77, static_cast<uint32_t>(trial));
    std::vector<double> x;
    for (int i = 0; i < kN; ++i) x.push_back(-std::log(1 - random.uniform()));  // exponential, mean 1
    const double sum = std::accumulate(x.begin(), x.end(), 0.0);
    std::vector<double> values;
    for (int r = 0; r < 800; ++r) {
      double resampled = 0;
      for (int i = 0; i < kN; ++i) resampled += x[random.below(kN)];
      values.push_back(resampled / kN);
    }
    std::vector<double> jackknife;
    for (const double v : x) jackknife.push_back((sum - v) / (kN - 1));
    const Interval interval = bootstrap_interval(values, sum / kN, jackknife, 1e-12);
    covered += interval.low <= 1 && 1 <= interval.high;
  }
  EXPECT_GE(covered, 0.91 * kTrials);
  EXPECT_LE(covered, 0.98 * kTrials);
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

TEST(CohenDz, IsTheMeanInStandardDeviations) {
  EXPECT_DOUBLE_EQ(*cohen_dz(std::vector<double>{1, 2, 3}), 2.0);
  EXPECT_FALSE(cohen_dz(std::vector<double>{0.1, 0.1, 0.1}));
  EXPECT_FALSE(cohen_dz(std::vector<double>{0, 0}));
  EXPECT_FALSE(cohen_dz(std::vector<double>{4}));
}

TEST(SignTest, IsExact) {
  // scipy.stats.binomtest(14, 20) and (0, 5); zeros do not count.
  std::vector<double> d(20, -1.0);
  std::fill(d.begin(), d.begin() + 14, 2.0);
  d.push_back(0);
  const SignTest found = sign_test(d);
  EXPECT_EQ(found.positive, 14);
  EXPECT_EQ(found.negative, 6);
  EXPECT_EQ(found.zero, 1);
  EXPECT_NEAR(found.p, 0.11531829833984375, 1e-12);
  EXPECT_NEAR(sign_test(std::vector<double>(5, -3.0)).p, 0.0625, 1e-14);
  EXPECT_EQ(sign_test(std::vector<double>{1, -1}).p, 1.0);
  EXPECT_EQ(sign_test({}).p, 1.0);
}

TEST(TwoLevelBootstrap, WidensByTheSpreadBetweenGroups) {
  // Four groups of 50 questions: hardly any spread within, much between.
  const std::vector<double> centre{0, 1, 2, 5};
  const auto statistic = [&](int64_t g, std::span<const int64_t> questions) {
    double sum = 0;
    for (const int64_t q : questions)
      sum += centre[static_cast<size_t>(g)] + 0.001 * static_cast<double>(q % 3);
    return sum / static_cast<double>(questions.size());
  };
  const std::vector<int64_t> sizes(4, 50);
  const TwoLevel found = two_level_bootstrap(sizes, statistic, 2000, 1);
  EXPECT_NEAR(*found.value, 2.001, 0.001);
  EXPECT_LT(*found.low, 0.76);  // (0 + 0 + 1 + 2) / 4 is among the lowest of 4^4 draws
  EXPECT_GT(*found.high, 3.5);
  const TwoLevel again = two_level_bootstrap(sizes, statistic, 2000, 1);
  EXPECT_EQ(*again.low, *found.low);
  EXPECT_EQ(two_level_bootstrap(std::vector<int64_t>{50}, statistic, 100, 1).reason, "one group");
  EXPECT_EQ(two_level_bootstrap({}, statistic, 100, 1).reason, "no group");
  const auto undefined = [](int64_t, std::span<const int64_t>) { return std::nan(""); };
  EXPECT_EQ(two_level_bootstrap(sizes, undefined, 100, 1).reason, "undefined in a group");
}

TEST(Resampling, ADrawDependsOnSeedAndNumberAlone) {
  std::vector<int32_t> a(37);
  std::vector<int32_t> b(37);
  draw_weights(5, 12, a);
  draw_weights(5, 11, b);
  EXPECT_NE(a, b);
  draw_weights(5, 12, b);
  EXPECT_EQ(a, b);
  EXPECT_EQ(std::accumulate(a.begin(), a.end(), 0), 37);
  std::vector<uint8_t> swaps(1000);
  draw_swaps(5, 12, swaps);
  const auto ones = std::count(swaps.begin(), swaps.end(), 1);
  EXPECT_GT(ones, 430);
  EXPECT_LT(ones, 570);
  EXPECT_EQ(permutation_p(0, 9999), 1e-4);
  EXPECT_EQ(permutation_p(10, 10), 1.0);
}

}  // namespace
}  // namespace circuitdiff
