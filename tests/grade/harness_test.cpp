// The harness's ways, by which it is imitated: what it makes of texts and where its verdict is wrong.
#include "grade/harness/harness.h"

#include <gtest/gtest.h>

#include "grade/harness/text.h"

namespace circuitdiff {
namespace {

TEST(Harness, CleansItsWay) {
  EXPECT_EQ(harness_strip("12 \\text{ cm}"), "12");
  EXPECT_EQ(harness_strip("18 dollars"), "18dollars");
  EXPECT_EQ(harness_strip("12 hours"), "12");
  EXPECT_EQ(harness_strip("5cm"), "5cm");
  EXPECT_EQ(harness_strip("\\frac12"), "\\frac{1}{2}");
  EXPECT_EQ(harness_strip("3/4"), "\\frac{3}{4}");
  EXPECT_EQ(harness_strip("\\sqrt2"), "\\sqrt{2}");
  EXPECT_EQ(harness_strip("x = 5"), "5");
  EXPECT_EQ(harness_strip("12.00"), "12");
  EXPECT_EQ(harness_strip("no one"), "1");
  EXPECT_EQ(harness_strip("05"), "5");
  EXPECT_EQ(harness_strip("(-\\infty,\\infty)"), "\\mathbb{R}");
  EXPECT_EQ(harness_strip("\\left[\\dfrac{1}{2}, 3\\right]"), "[\\frac{1}{2},3]");
  EXPECT_EQ(harness_strip("7.6 m", /*keep_units=*/true), "7.6m");
}

TEST(Harness, ExtractsItsWay) {
  EXPECT_EQ(harness_extract("The answer is 5. Let me double check. Yes.", "math"), "5Letmedoublecheck.Yes");
  EXPECT_EQ(harness_extract("The total is 3/4", "math"), "4");
  EXPECT_EQ(harness_extract("\\boxed{3} or \\boxed{4}", "math"), "4");
  EXPECT_EQ(harness_extract("The answer is (C).", "aqua"), "C");
  EXPECT_EQ(harness_choice("The answer is A.\n\nThe answer is B."), "A");
}

TEST(Harness, ErrsAsItErrs) {
  EXPECT_TRUE(harness_equal("\\frac{11}{2}", "\\frac{1}{12}"));  // braces dropped
  EXPECT_TRUE(harness_equal("2(x+1)", "2x+1"));
  EXPECT_TRUE(harness_equal("50", "0.5"));  // a factor of a hundred
  EXPECT_TRUE(harness_equal("10001", "10000"));
  EXPECT_TRUE(harness_equal("[1,2)", "(1,2)"));
  EXPECT_FALSE(harness_equal("1\\frac{1}{2}", "\\frac{3}{2}"));  // a product
  EXPECT_FALSE(harness_equal("1{,}000", "1000"));
  EXPECT_FALSE(harness_equal("\\pm2", "2,-2"));
}

TEST(Harness, IsRightElsewhere) {
  EXPECT_TRUE(harness_equal("x^{2}-1", "(x-1)(x+1)"));
  EXPECT_TRUE(harness_equal("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"));
  EXPECT_TRUE(harness_equal("(0.5,3)", "(\\frac{1}{2},3)"));
  EXPECT_FALSE(harness_equal("3", "4"));
  EXPECT_FALSE(harness_equal("", "4"));
}

}  // namespace
}  // namespace circuitdiff
