#include "report/format.h"

#include <gtest/gtest.h>

namespace circuitdiff {
namespace {

TEST(Significant, KeepsThreeDigits) {
  EXPECT_EQ(significant(0.0123456), "0.0123");
  EXPECT_EQ(significant(12.345), "12.3");
  EXPECT_EQ(significant(1234.5), "1230");
  EXPECT_EQ(significant(0.99951), "1.00");
  EXPECT_EQ(significant(0.0), "0");
  EXPECT_EQ(significant(-2.0), std::string(kMinus) + "2.00");
}

TEST(Significant, FarFromOneIsScientific) {
  EXPECT_EQ(significant(1.234e-7), "1.23e-7");
  EXPECT_EQ(significant(-1.234e9), std::string(kMinus) + "1.23e9");
}

TEST(Significant, NothingIsADash) { EXPECT_EQ(significant(std::nullopt), kAbsent); }

TEST(Interval, BothEndsHaveTheSameDecimals) {
  EXPECT_EQ(interval(0.9, 1.21), "[0.9, 1.2]");
  EXPECT_EQ(interval(-0.0123, 0.004), std::string("[") + kMinus + "0.012, 0.004]");
  EXPECT_EQ(interval(0, 0), "[0, 0]");
}

TEST(Interval, NarrowOnesKeepTheDigitsInWhichTheyDiffer) {
  EXPECT_EQ(interval(12.31, 12.38), "[12.31, 12.38]");
}

TEST(Interval, TinyNumbersShareOneExponent) {
  EXPECT_EQ(interval(-1.2e-7, 3.4e-7), std::string("[") + kMinus + "1.2, 3.4]e-7");
}

TEST(Percent, NearlyAllIsNotAll) {
  EXPECT_EQ(percent(0.12), "12");
  EXPECT_EQ(percent(0.0312), "3.1");
  EXPECT_EQ(percent(0.9973), "99.7");
  EXPECT_EQ(percent(0.0004), "< 0.1");
  EXPECT_EQ(percent(12.3456), "1230");
}

TEST(PValue, HasNoFalsePrecision) {
  EXPECT_EQ(p_value(0.0001), "p < .001");
  EXPECT_EQ(p_value(0.0042), "p = .004");
  EXPECT_EQ(p_value(0.034), "p = .03");
  EXPECT_EQ(p_value(0.5), "p = .50");
  EXPECT_EQ(p_value(1.0), "p = 1");
}

TEST(Count, ThousandsHaveAThinSpace) {
  EXPECT_EQ(count(1500), "1500");
  EXPECT_EQ(count(12345), "12\u202f345");
}

TEST(AlignDecimals, PointsStandUnderEachOther) {
  const std::vector<std::optional<double>> values{1.5, 12.25, std::nullopt, -3.0};
  const auto out = align_decimals(values);
  EXPECT_EQ(out[0], "\u20071.5");
  EXPECT_EQ(out[1], "12.2");
  EXPECT_EQ(out[3], std::string(kMinus) + "3.0");
  EXPECT_EQ(display_width(out[2]), 4);
}

TEST(CommonExponent, IsAMultipleOfThree) {
  EXPECT_EQ(common_exponent(std::vector<std::optional<double>>{0.0023, 1e-5}), -3);
  EXPECT_EQ(common_exponent(std::vector<std::optional<double>>{123.0}), 0);
  EXPECT_EQ(common_exponent(std::vector<std::optional<double>>{4.7e-7}), -9);
}

TEST(RenderTable, NumbersStandOnTheirPointAndWordsToTheLeft) {
  EXPECT_EQ(render_table({"metric", "before"}, {{"gini", "0.81"}, {"effective_edges", "12.5"}}),
            "metric           before\n"
            "gini               0.81\n"
            "effective_edges   12.5\n");
}

TEST(RenderTable, ColourIsOnlyInTheHead) {
  const std::string text = render_table({"a"}, {{"1"}}, {.colour = true});
  EXPECT_EQ(text, std::string(kAccent) + "a" + kReset + "\n1\n");
}

}  // namespace
}  // namespace circuitdiff
