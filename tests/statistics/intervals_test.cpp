#include "statistics/intervals.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/random.h"
#include "statistics/resampling.h"

namespace circuitdiff {
namespace {

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

// Philox written down in Python, numpy.quantile over the means of 1000 draws.
TEST(MeanInterval, AgreesWithNumpyOnTheSameDraws) {
  const Interval found = mean_interval(std::vector{0.1, 1.7, 0.43, 2.9, 0.77, 1.01, 0.05}, 1000, /*seed=*/7);
  EXPECT_NEAR(found.low, 0.39389285714285704, 1e-14);
  EXPECT_NEAR(found.high, 1.7861785714285712, 1e-14);
}

TEST(MeanInterval, NarrowsAsTheNormalOne) {
  std::vector<double> values;
  for (int i = 0; i < 400; ++i) values.push_back(i % 2);
  const Interval interval = mean_interval(values, 10'000, 1);
  EXPECT_NEAR(interval.low, 0.5 - 1.96 * 0.5 / 20, 0.006);
  EXPECT_NEAR(interval.high, 0.5 + 1.96 * 0.5 / 20, 0.006);
}

// As above: 2000 draws with seed 0.
TEST(RelativeInterval, AgreesWithNumpyOnTheSameDraws) {
  const std::vector<double> before{1.3, 10.1, 2.7, 8.9, 3.4, 7.2}, after{0.11, 0.23, 0.37, 0.19, 0.13, 0.29};
  const auto means = relative_interval(before, after, {}, {}, 2000, 0);
  EXPECT_NEAR(means->low, -0.9752212389380531, 1e-14);
  EXPECT_NEAR(means->high, -0.9258064516129032, 1e-14);
  const std::vector<double> scale_before{2.1, 3.3, 1.7, 4.1, 2.9, 5.3},
      scale_after{1.1, 1.9, 2.3, 1.3, 3.1, 1.7};
  const auto ratios = relative_interval(before, after, scale_before, scale_after, 2000, 0);
  EXPECT_NEAR(ratios->low, -0.9567945106405186, 1e-14);
  EXPECT_NEAR(ratios->high, -0.8917637276565725, 1e-14);
}

TEST(RelativeInterval, ContainsTheChangeAndEndsBeforeNothing) {
  const std::vector<double> before{1, 10, 2, 8, 3, 7}, after{0.1, 0.2, 0.3, 0.2, 0.1, 0.3};
  const auto found = relative_interval(before, after, {}, {}, 2000, 0);
  ASSERT_TRUE(found);
  EXPECT_LT(found->low, 1.2 / 31 - 1);
  EXPECT_GT(found->high, 1.2 / 31 - 1);
  EXPECT_GT(found->low, -1);
}

TEST(RelativeInterval, ARatioThatIsTheSameForAllQuestionsHasNoWidth) {
  const std::vector<double> before{1, 2, 3}, after{2, 4, 6}, scale_before{4, 4, 4}, scale_after{2, 2, 2};
  const auto found = relative_interval(before, after, scale_before, scale_after, 2000, 0);
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->low, 3, 1e-12);
  EXPECT_NEAR(found->high, 3, 1e-12);
}

TEST(RelativeInterval, IsNothingWhereItIsUndefined) {
  const std::vector<double> one{1}, zeros{0, 0}, some{1, 2};
  EXPECT_FALSE(relative_interval(one, one, {}, {}, 2000, 0));
  EXPECT_FALSE(relative_interval(zeros, some, {}, {}, 2000, 0));
  EXPECT_FALSE(relative_interval(some, one, {}, {}, 2000, 0));
}

TEST(WilsonInterval, AgreesWithKnownShares) {
  // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20.
  EXPECT_NEAR(wilson_interval(81, 263).low, 0.2553, 5e-5);
  EXPECT_NEAR(wilson_interval(81, 263).high, 0.3662, 5e-5);
  EXPECT_NEAR(wilson_interval(15, 148).low, 0.0624, 5e-5);
  EXPECT_NEAR(wilson_interval(15, 148).high, 0.1605, 5e-5);
  // statsmodels 0.15, proportion_confint(997, 1319, method="wilson")
  EXPECT_NEAR(wilson_interval(997, 1319).low, 0.731972082357042, 1e-14);
  EXPECT_NEAR(wilson_interval(997, 1319).high, 0.7782931467065818, 1e-14);
  EXPECT_EQ(wilson_interval(0, 0).high, 1);
  EXPECT_EQ(wilson_interval(0, 20).low, 0);
  EXPECT_NEAR(wilson_interval(0, 20).high, 0.1611, 5e-5);
}

// The interval's ends are the shares from which what was found lies 1.96 of their own standard errors away:
// found here by halving.
TEST(WilsonInterval, IsWhatTheScoreTestDoesNotReject) {
  constexpr double kZ = 1.959963984540054;
  for (const int64_t n : {1, 2, 7, 30, 40, 200, 1319})
    for (const int64_t right : {int64_t{0}, int64_t{1}, n / 3, n / 2, n}) {
      const double found = static_cast<double>(right) / static_cast<double>(n);
      const auto rejected = [&](double p) {
        return std::abs(found - p) > kZ * std::sqrt(p * (1 - p) / static_cast<double>(n));
      };
      const auto end = [&](double outside, double inside) {
        for (int k = 0; k < 60; ++k) {
          const double middle = (outside + inside) / 2;
          (rejected(middle) ? outside : inside) = middle;
        }
        return inside;
      };
      const Interval interval = wilson_interval(right, n);
      EXPECT_NEAR(interval.low, right == 0 ? 0 : end(0, found), 1e-9) << right << " of " << n;
      EXPECT_NEAR(interval.high, right == n ? 1 : end(1, found), 1e-9) << right << " of " << n;
    }
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
}

}  // namespace
}  // namespace circuitdiff
