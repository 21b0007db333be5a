#include "metrics/distribution.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "metrics/histogram.h"

namespace circuitdiff {
namespace {

std::vector<uint32_t> counted(double lo, double hi, int bins, const std::vector<double>& values) {
  std::vector<uint32_t> out(static_cast<size_t>(bins));
  Histogram(lo, hi, bins).count(values, out);
  return out;
}

TEST(Histogram, TheLastBinIsClosedAndTenthsFallWhereNumpyPutsThem) {
  // np.histogram([0, .1, ..., 1], bins=10): the rounded edges 0.30000000000000004, 0.6000000000000001 and
  // 0.7000000000000001 lie above 0.3, 0.6 and 0.7.
  EXPECT_EQ(counted(0, 1, 10, {0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0}),
            (std::vector<uint32_t>{1, 1, 2, 0, 1, 2, 1, 0, 1, 2}));
}

TEST(Histogram, AnEmptyRangeIsWidenedByAHalfOnEachSide) {
  const Histogram histogram(2, 2, 4);
  EXPECT_EQ(histogram.edges(), (std::vector<double>{1.5, 1.75, 2, 2.25, 2.5}));
  EXPECT_EQ(counted(2, 2, 4, {2, 2, 2}), (std::vector<uint32_t>{0, 0, 3, 0}));
}

TEST(Histogram, ValuesOutsideAreLeftOut) {
  EXPECT_EQ(counted(0, 2, 2, {-0.1, 0, 1, 2, 2.1}), (std::vector<uint32_t>{1, 2}));
}

TEST(Histogram, EveryValueLiesBetweenTheEdgesOfItsBin) {
  for (const double hi : {1.0, 0.3, 1e-310, 1e300}) {
    const Histogram histogram(0, hi, 7);
    for (int i = 0; i <= 1000; ++i) {
      const double v = hi * (i / 1000.0);
      const auto bin = static_cast<size_t>(histogram.bin(v));
      ASSERT_LT(bin, 7u);
      EXPECT_GE(v, histogram.edges()[bin]);
      if (bin < 6) {
        EXPECT_LT(v, histogram.edges()[bin + 1]);
      }
    }
  }
}

TEST(Histogram, EntropyOfEqualBinsIsTheirLogarithmAndOneBinGivesMinusEpsilon) {
  EXPECT_NEAR(histogram_entropy(std::vector<uint32_t>{5, 5, 0, 5, 5}), std::log(4.0), 1e-11);
  EXPECT_EQ(histogram_entropy(std::vector<uint32_t>{0, 9}), -std::log(1 + 1e-12));
  EXPECT_TRUE(std::isnan(histogram_entropy(std::vector<uint32_t>{0, 0})));
}

TEST(Kurtosis, IsMinusTwoForTwoEqualPeaksAndAgreesWithScipy) {
  EXPECT_EQ(excess_kurtosis(std::vector<double>{-1, 1, -1, 1}), -2.0);
  // scipy.stats.kurtosis
  EXPECT_NEAR(excess_kurtosis(std::vector<double>{1, -2, 3, 0.5, 0, -1}), -0.6791893227879386, 1e-14);
}

TEST(Kurtosis, IsUndefinedWithoutVariance) {
  EXPECT_TRUE(std::isnan(excess_kurtosis(std::vector<double>{0.1, 0.1, 0.1})));
  EXPECT_TRUE(std::isnan(excess_kurtosis(std::vector<double>{3})));
}

TEST(Kurtosis, DoesNotDependOnTheUnit) {
  const std::vector<double> x{1, -2, 3, 0.5, 0, -1};
  for (const double scale : {0x1p-900, 0x1p-300, 0x1p300, 0x1p900}) {
    std::vector<double> y;
    for (const double v : x) y.push_back(v * scale);
    EXPECT_EQ(excess_kurtosis(y), excess_kurtosis(x)) << scale;
  }
}

TEST(Concentration, OfEqualEdges) {
  std::vector<double> x(8, 0.25);
  const Concentration c = concentration(x);
  EXPECT_NEAR(c.gini, 0, 1e-15);
  EXPECT_NEAR(c.effective_edges, 8, 1e-12);
  EXPECT_NEAR(c.top1_share, 1.0 / 8, 1e-15);
}

TEST(Concentration, OfOneEdgeAmongMany) {
  std::vector<double> x(250, 0.0);
  x[7] = 3;
  const Concentration c = concentration(x);
  EXPECT_NEAR(c.gini, 249.0 / 250, 1e-15);
  EXPECT_NEAR(c.effective_edges, 1, 1e-15);
  EXPECT_EQ(c.top1_share, 1.0);
}

TEST(Concentration, TheTopShareRoundsOnePercentUp) {
  std::vector<double> x(101, 1.0);  // 1.01 edges: two
  x[3] = x[90] = 10;
  EXPECT_NEAR(concentration(x).top1_share, 20.0 / 119, 1e-15);
}

TEST(Concentration, GiniByHand) {
  std::vector<double> x{10, 3, 1, 4, 2};  // (-4*1 - 2*2 + 0*3 + 2*4 + 4*10) / (5 * 20)
  EXPECT_NEAR(concentration(x).gini, 0.4, 1e-15);
}

TEST(Concentration, IsUndefinedWhereAllIsZeroAndHasNoUnit) {
  std::vector<double> zero(4, 0.0);
  EXPECT_TRUE(std::isnan(concentration(zero).gini));
  EXPECT_TRUE(std::isnan(concentration(std::span<double>{}).gini));
  for (const double scale : {0x1p-1020, 0x1p1020}) {
    std::vector<double> x{10 * scale, 3 * scale, 1 * scale, 4 * scale, 2 * scale};
    const Concentration c = concentration(x);
    EXPECT_NEAR(c.gini, 0.4, 1e-15) << scale;
    EXPECT_NEAR(c.top1_share, 0.5, 1e-15) << scale;
    EXPECT_NEAR(c.effective_edges, 3.792685310765617, 1e-8) << scale;
  }
}

TEST(ShareEntropy, OfARowByHand) {
  EXPECT_NEAR(share_entropy(std::vector<double>{1, 1, 0, 2}), 0.5 * std::log(2.0) + 2 * 0.25 * std::log(4.0),
              1e-15);
  EXPECT_EQ(share_entropy(std::vector<double>{0, 5}), 0.0);
  EXPECT_TRUE(std::isnan(share_entropy(std::vector<double>{0, 0})));
}

}  // namespace
}  // namespace circuitdiff
