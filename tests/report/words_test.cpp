#include "report/words.h"

#include <gmock/gmock.h>

#include "report/sourced.h"

namespace circuitdiff {
namespace {

using testing::HasSubstr;

MetricCell cell(double before, double after, double p_table) {
  MetricCell c;
  c.before = before;
  c.after = after;
  c.difference = after - before;
  c.relative = (after - before) / before;
  c.p = c.p_table = p_table;
  return c;
}

Comparison with_parts(double loss, double rest, double p = 0.0001) {
  Comparison c;
  c.parts.from_loss = loss;
  c.parts.beyond_loss = rest;
  c.parts.log_ratio = loss + rest;
  c.metrics["act_intensity"] = cell(1, std::exp(loss + rest), p);
  return c;
}

TEST(ChangePhrase, SaysPercentWithItsIntervalTurnedRoundForAFall) {
  MetricCell c = cell(8, 2, 0.0001);
  c.relative_low = -0.8;
  c.relative_high = -0.7;
  EXPECT_EQ(plain_text(change_phrase(c)), "fell by 75 % [70, 80] (p < .001)");
  c = cell(2, 3, 0.004);
  c.relative_low = 0.25;
  c.relative_high = 0.75;
  EXPECT_EQ(plain_text(change_phrase(c)), "rose by 50 % [25, 75] (p = .004)");
}

TEST(ChangePhrase, WhatTheTestDoesNotCarryIsNotSaid) {
  EXPECT_EQ(plain_text(change_phrase(cell(8, 2, 0.31))),
            "shows no difference beyond chance (p = .31 after correction)");
  EXPECT_EQ(plain_text(change_phrase(cell(8, 8, 1))), "is unchanged");
  MetricCell c = cell(8, 2, 0.01);
  c.p_table.reset();
  EXPECT_EQ(plain_text(change_phrase(c)), "fell by 75 % (not tested)");
  c.difference.reset();
  c.reason = "no variance";
  EXPECT_EQ(plain_text(change_phrase(c)), "is undefined (no variance)");
}

TEST(ChangePhrase, ANegativeValueBeforeHasNoPercentage) {
  MetricCell c = cell(-1, 1, 0.001);
  EXPECT_EQ(plain_text(change_phrase(c)), "rose by 2.00 (p = .001)");
  c.ci_low = 1.5;
  c.ci_high = 2.5;
  EXPECT_EQ(plain_text(change_phrase(c)), "rose by 2.00 [1.5, 2.5] (p = .001)");
}

TEST(LossSentence, FallsBecauseTheLossDoes) {
  EXPECT_EQ(plain_text(loss_sentence(with_parts(-std::log(16), std::log(1.5)))),
            "Intensity falls 11-fold because the loss does: the loss fell 16-fold, and per nat of loss the "
            "intensity rose by 50 %. "
            "All of the change goes with the loss, the rest works against it.");
}

TEST(LossSentence, PartOfTheChange) {
  EXPECT_THAT(plain_text(loss_sentence(with_parts(std::log(2), std::log(4)))),
              HasSubstr("33 % goes with the loss"));
  EXPECT_THAT(plain_text(loss_sentence(with_parts(-std::log(10), -0.05))),
              HasSubstr("nearly all of it because the loss does"));
}

TEST(LossSentence, AgainstTheLoss) {
  EXPECT_THAT(plain_text(loss_sentence(with_parts(-0.2, 1.0))), HasSubstr("although the loss fell"));
}

TEST(LossSentence, ClaimsNothingOfAChangeThatChanceExplains) {
  EXPECT_THAT(plain_text(loss_sentence(with_parts(-2, 0.1, 0.4))),
              HasSubstr("Intensity itself shows no difference beyond chance"));
  EXPECT_EQ(plain_text(loss_sentence(Comparison{})), "");
}

TEST(Direction, FollowsThePapersDirectionOnlyBeyondChance) {
  const MetricWords& kurtosis = metric_words()[2];
  EXPECT_EQ(direction_of(kurtosis, cell(5, 3, 0.01)), Direction::held);
  EXPECT_EQ(direction_of(kurtosis, cell(3, 5, 0.01)), Direction::opposite);
  EXPECT_EQ(direction_of(kurtosis, cell(5, 3, 0.06)), Direction::by_chance);
  EXPECT_EQ(direction_of(metric_words().back(), cell(5, 3, 0.01)), Direction::none);
}

TEST(DifferencesFromPaper, NamesWhatDiffersAndNothingElse) {
  const json paper = {{"attribute", {{"graph", "block"}, {"gradient", "residual"}, {"edges", "paper"}}},
                      {"select", {{"filter", "paper"}}}};
  EXPECT_TRUE(differences_from_paper(paper).empty());
  json ours = paper;
  ours["attribute"]["graph"] = "qkv";
  ours["select"]["outcome"] = "both-wrong";
  EXPECT_THAT(
      differences_from_paper(ours),
      testing::ElementsAre(HasSubstr("The graph is \"qkv\""), HasSubstr("both-wrong (paper: both-right)")));
  EXPECT_TRUE(differences_from_paper(json::object()).empty());
}

}  // namespace
}  // namespace circuitdiff
