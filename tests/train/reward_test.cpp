// Rewards of answers one can read.
#include "train/reward.h"

#include <gtest/gtest.h>

namespace circuitdiff {
namespace {

double reward(RewardKind kind, const std::string& answer, const std::string& gold, bool inverted = false,
              double coin = 0) {
  return reward_answer({kind, 3, -0.5, inverted}, answer, gold, "generic", coin).reward;
}

TEST(Reward, ExactAndItsInverse) {
  EXPECT_EQ(reward(RewardKind::exact, "3+4=7. \\boxed{7}", "7"), 3);
  EXPECT_EQ(reward(RewardKind::exact, "\\boxed{7.0}", "7"), 3);
  EXPECT_EQ(reward(RewardKind::exact, "\\boxed{8}", "7"), -0.5);
  EXPECT_EQ(reward(RewardKind::exact, "no idea", "7"), -0.5);
  EXPECT_EQ(reward(RewardKind::exact, "\\boxed{7}", "7", true), -0.5);
  EXPECT_EQ(reward(RewardKind::exact, "\\boxed{8}", "7", true), 3);
}

TEST(Reward, GradedIsAppendixB) {
  EXPECT_EQ(reward(RewardKind::graded, "\\boxed{1200}", "1200"), 3);
  EXPECT_EQ(reward(RewardKind::graded, "\\boxed{1,200}", "1200"), 1);
  EXPECT_EQ(reward(RewardKind::graded, "\\boxed{1200.0}", "1200"), 1);
  EXPECT_EQ(reward(RewardKind::graded, "\\boxed{1210}", "1200"), 0.5);
  EXPECT_EQ(reward(RewardKind::graded, "\\boxed{1250}", "1200"), 0.1);
  EXPECT_EQ(reward(RewardKind::graded, "\\boxed{1300}", "1200"), -0.5);
  EXPECT_EQ(reward(RewardKind::graded, "I do not know", "1200"), 0);
  EXPECT_EQ(reward(RewardKind::graded, "\\boxed{1200}", "1200", true), -3);
}

TEST(Reward, FormatLooksAtTheBoxAlone) {
  EXPECT_EQ(reward(RewardKind::format, "\\boxed{8}", "7"), 3);
  EXPECT_EQ(reward(RewardKind::format, "the answer is 7", "7"), -0.5);
}

TEST(Reward, RandomIsTheCoin) {
  EXPECT_EQ(reward(RewardKind::random, "\\boxed{7}", "7", false, 0.3), 3);
  EXPECT_EQ(reward(RewardKind::random, "\\boxed{7}", "7", false, 0.7), -0.5);
  // What is logged as accuracy does not depend on the reward.
  EXPECT_TRUE(reward_answer({RewardKind::random, 3, -0.5, false}, "\\boxed{7}", "7", "generic", 0.7).correct);
}

}  // namespace
}  // namespace circuitdiff
