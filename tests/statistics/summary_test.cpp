// Expected values by numpy 2.4 or by eye.
#include "statistics/summary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace circuitdiff {
namespace {

const std::vector<double> kValues{3.5, -1.25, 8, 0.5, 2, 2, -7};

TEST(MeanAndDeviation, AgreeWithNumpy) {
  EXPECT_DOUBLE_EQ(mean_of(kValues), 1.1071428571428572);
  EXPECT_DOUBLE_EQ(sample_std(kValues), 4.591335006602888);  // ddof 1
  EXPECT_EQ(mean_of({}), 0);
  EXPECT_EQ(sample_std(std::vector{5.0}), 0);
}

TEST(Quantile, InterpolatesAsNumpyDoes) {
  const std::vector<double> sorted{1, 2, 4, 8};
  EXPECT_EQ(quantile_of_sorted(sorted, 0), 1);
  EXPECT_EQ(quantile_of_sorted(sorted, 1), 8);
  EXPECT_EQ(quantile_of_sorted(sorted, 0.5), 3);
  EXPECT_DOUBLE_EQ(quantile_of_sorted(sorted, 0.9), 4 + 0.7 * 4);
  EXPECT_EQ(quantile_of_sorted(std::vector{5.0}, 0.975), 5);
}

TEST(Quantile, AgreesWithNumpyOnUnevenValues) {
  std::vector<double> sorted = kValues;
  std::sort(sorted.begin(), sorted.end());
  const std::vector<std::pair<double, double>> cases{
      {0.025, -6.1375}, {0.1, -3.55}, {0.77, 2.93}, {0.975, 7.325}};
  for (const auto& [q, value] : cases) EXPECT_NEAR(quantile_of_sorted(sorted, q), value, 1e-14) << q;
}

TEST(CohenDz, IsTheMeanInStandardDeviations) {
  EXPECT_DOUBLE_EQ(*cohen_dz(std::vector<double>{1, 2, 3}), 2.0);
  EXPECT_NEAR(*cohen_dz(kValues), 0.2411374590507235, 1e-15);
  EXPECT_FALSE(cohen_dz(std::vector<double>{0.1, 0.1, 0.1}));
  EXPECT_FALSE(cohen_dz(std::vector<double>{0, 0}));
  EXPECT_FALSE(cohen_dz(std::vector<double>{4}));
}

}  // namespace
}  // namespace circuitdiff
