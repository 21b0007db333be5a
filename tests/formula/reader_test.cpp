// Trees that the reader makes of texts, in their canonical form, and what it refuses.
#include "formula/reader.h"

#include <gtest/gtest.h>

namespace circuitdiff {
namespace {

std::string read(const std::string& text, const ReadOptions& options = {}) {
  const ReadAnswer answer = read_answer(text, options);
  return answer.expr ? canonical_text(*answer.expr) : "unreadable: " + answer.problem;
}

TEST(Reader, Numbers) {
  EXPECT_EQ(read("1,234.50"), "2469/2");
  EXPECT_EQ(read("1{,}000"), "1000");
  EXPECT_EQ(read("25,\\!000"), "25000");
  EXPECT_EQ(read("1,234", {.thousands = false}), "<1,234>");
  EXPECT_EQ(read("(1,200)"), "(1,200)");
  EXPECT_EQ(read("-3./2"), "*(*(3,^(2,-1)),-1)");
  EXPECT_EQ(read("4.5e-3"), "9/2000");
  EXPECT_EQ(read("0.\\overline{3}"), "1/3");
  EXPECT_EQ(read("1\\frac12"), "3/2");
  EXPECT_EQ(read("1\\frac12", {.mixed = false}), "*(*(1,^(2,-1)),1)");
  EXPECT_EQ(read("twenty-one"), "21");
}

TEST(Reader, LatexArgumentsAreSingleTokensWithoutBraces) {
  EXPECT_EQ(read("\\frac12"), "*(1,^(2,-1))");
  EXPECT_EQ(read("\\frac1{23}"), "*(1,^(23,-1))");
  EXPECT_EQ(read("\\sqrt23"), "*(3,^(2,1/2))");
  EXPECT_EQ(read("\\frac\\pi4"), "*(^(4,-1),pi)");
}

TEST(Reader, FunctionsTakeWhatStandsBehindThem) {
  EXPECT_EQ(read("\\sin 2x"), "sin(*('x,2))");
  EXPECT_EQ(read("\\sin x\\cos x"), "*(cos('x),sin('x))");
  EXPECT_EQ(read("\\sin^2 x"), "^(sin('x),2)");
  EXPECT_EQ(read("\\sin^{-1} x"), "arcsin('x)");
  EXPECT_EQ(read("\\log_2 8"), "log(8,2)");
  EXPECT_EQ(read("\\ln|x|"), "ln(abs('x))");
}

TEST(Reader, UnitsAndWordsBehindAValueAreNoFactors) {
  for (const char* text : {"5 cm", "5cm", "5\\text{ cm}^2", "5 \\mathrm{~cm}", "5 apples", "\\$5",
                           "5 miles per hour", "5 km/h", "5 sq. cm"})
    EXPECT_EQ(read(text), "5") << text;
  EXPECT_EQ(read("5m"), "*('m,5)");
}

TEST(Reader, ListsTuplesIntervalsAndSets) {
  EXPECT_EQ(read("1, 2 and 3"), "<1,2,3>");
  EXPECT_EQ(read("[1,2)"), "[1,2)");
  EXPECT_EQ(read("\\{1,2\\}"), "{1,2}");
  EXPECT_EQ(read("\\{x \\mid x>1\\}"), ">('x,1)");
  EXPECT_EQ(read("\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}"), "M2(1,2,3,4)");
}

TEST(Reader, RefusesWhatIsNoMathematics) {
  EXPECT_EQ(read("east of the river"), "unreadable: words");
  EXPECT_EQ(read(""), "unreadable: nothing to read");
  EXPECT_EQ(read("\\int_0^1 x dx"), "unreadable: \\int");
  EXPECT_EQ(read("1 2"), "unreadable: two numbers side by side");
  EXPECT_EQ(read("(1,2"), "unreadable: a bracket that never closes");
  EXPECT_EQ(read("\\begin{pmatrix}1&2\\\\3\\end{pmatrix}"), "unreadable: rows of different length");
}

}  // namespace
}  // namespace circuitdiff
