// Which test an accuracy takes, and what it counts.
#include "grade/paired_accuracy.h"

#include <gtest/gtest.h>

#include "statistics/significance.h"

namespace circuitdiff {
namespace {

TEST(PairedAccuracy, CountsTheFourOutcomes) {
  const std::vector<SampleCount> before{{1, 1}, {1, 1}, {1, 0}, {1, 0}, {1, 0}},
      after{{1, 1}, {1, 0}, {1, 1}, {1, 1}, {1, 0}};
  const PairedAccuracy r = paired_accuracy(before, after);
  EXPECT_EQ(r.n, 5);
  EXPECT_EQ(r.both, 1);
  EXPECT_EQ(r.only_before, 1);
  EXPECT_EQ(r.only_after, 2);
  EXPECT_EQ(r.neither, 1);
  EXPECT_NEAR(r.difference, 0.2, 1e-15);
  EXPECT_EQ(r.test, "exact McNemar");
  EXPECT_EQ(r.p, sign_test_p(1, 2));
}

TEST(PairedAccuracy, SeveralAnswersAreTestedByTheirShares) {
  const std::vector<SampleCount> before(8, {4, 1}), after(8, {4, 3});
  const PairedAccuracy r = paired_accuracy(before, after);
  EXPECT_EQ(r.test, "sign flip of 10000");
  EXPECT_NEAR(r.difference, 0.5, 1e-12);
  EXPECT_NEAR(r.p, 2.0 / 256, 0.004);  // only all heads or all tails reach the sum
  EXPECT_EQ(paired_accuracy(before, before).p, 1);
}

TEST(PairedAccuracy, SidesOfOtherQuestionsAreRefused) {
  EXPECT_ANY_THROW(paired_accuracy(std::vector<SampleCount>{{1, 1}}, std::vector<SampleCount>{}));
}

}  // namespace
}  // namespace circuitdiff
