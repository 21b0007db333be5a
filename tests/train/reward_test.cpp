// Rewards of answers one can read, and the records of an event file.
#include "train/reward.h"

#include <gtest/gtest.h>

#include "train/event_file.h"

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

TEST(EventFile, ChecksumIsCastagnoli) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);            // the check value of CRC-32C
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720, B.4
}

TEST(EventFile, RecordIsLengthChecksumDataChecksum) {
  const std::string record = tf_record("abc");
  ASSERT_EQ(record.size(), 8u + 4 + 3 + 4);
  EXPECT_EQ(record.substr(0, 8), std::string("\3\0\0\0\0\0\0\0", 8));
  EXPECT_EQ(record.substr(12, 3), "abc");
}

TEST(EventFile, ScalarsAreTaggedFloats) {
  const std::string event = scalar_event(1.0, 300, {{"loss", 0.5}});
  const std::string expected = std::string("\x09\0\0\0\0\0\0\xF0\x3F", 9) +
                               "\x10\xAC\x02" +  // time 1.0, step 300
                               std::string("\x2A\x0D\x0A\x0B\x0A\x04loss\x15\0\0\0\x3F", 15);
  EXPECT_EQ(event, expected);
}

}  // namespace
}  // namespace circuitdiff
