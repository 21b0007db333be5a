// Where the final answer stands in a text, rule by rule.
#include "grade/extract.h"

#include <gtest/gtest.h>

namespace circuitdiff {
namespace {

struct Case {
  const char* text;
  const char* extracted;
  ExtractionRule rule;
};

void expect_all(const std::vector<Case>& cases, const char* dataset = "math") {
  for (const auto& c : cases) {
    const Extraction e = extract_answer(c.text, dataset);
    EXPECT_EQ(e.text.value_or("(none)"), c.extracted) << c.text;
    EXPECT_STREQ(extraction_rule_name(e.rule), extraction_rule_name(c.rule)) << c.text;
  }
}

TEST(Extract, TheLastBoxThatCloses) {
  expect_all(
      {{R"(\boxed{3} no, \boxed{4}.)", "4", ExtractionRule::boxed},
       {R"($\boxed{\frac{1}{2}}$ because)", R"(\frac{1}{2})", ExtractionRule::boxed},
       {R"(\boxed{\left\{ \frac12, 3 \right\}})", R"(\left\{ \frac12, 3 \right\})", ExtractionRule::boxed},
       {R"(\boxed{5} and then \boxed{6)", "5", ExtractionRule::boxed},
       {R"(\boxed{\boxed{5}})", "5", ExtractionRule::boxed},
       {R"(so \fbox{9})", "9", ExtractionRule::boxed},
       {R"($\boxed 5$ as required)", "5", ExtractionRule::boxed},
       {"\\boxed{\n12\n}", "12", ExtractionRule::boxed},
       {R"(<think>\boxed{3}</think> The answer is \boxed{12})", "12", ExtractionRule::boxed}});
}

TEST(Extract, ABoxThatNeverClosesCountsIfThereIsNoOther) {
  expect_all({{R"(\boxed{\frac{1}{2})", R"(\frac{1}{2})", ExtractionRule::boxed},
              {R"($\boxed{5$ is it)", "5", ExtractionRule::boxed}});
}

TEST(Extract, WhatFollowsTheAnswerPhrase) {
  expect_all(
      {{"So the answer is 5.", "5", ExtractionRule::answer_is},
       {"The answer is: 5", "5", ExtractionRule::answer_is},
       {"The answer is 5. Let me check. Yes.", "5", ExtractionRule::answer_is},
       {"the answer is 3.5 meters", "3.5 meters", ExtractionRule::answer_is},
       {R"(Hence the answer is $\frac{1}{2}$.)", R"(\frac{1}{2})", ExtractionRule::answer_is},
       {R"(the answer is $\$2.50$.)", R"(\$2.50)", ExtractionRule::answer_is},
       {R"(Final Answer: The final answer is $5$. I hope it is correct.)", "5", ExtractionRule::answer_is},
       {R"(The answer is $5$, $6$.)", R"($5$, $6$)", ExtractionRule::answer_is},
       {R"(the answer is $Any $h$ will do.$.)", R"(Any $h$ will do.)", ExtractionRule::answer_is},
       {R"(the answer is $5$ because $x=3$.)", "5", ExtractionRule::answer_is},
       {"Answer: **12**", "12", ExtractionRule::answer_is},
       {"The answer is approximately 3.33", "3.33", ExtractionRule::answer_is},
       {"The answer is (B).", "(B)", ExtractionRule::answer_is},
       {"The answer is 4. Wait. The answer is 5.", "5", ExtractionRule::answer_is},
       {"\xE7\xAD\x94\xE6\xA1\x88\xE6\x98\xAF 42\n\nbye", "42", ExtractionRule::answer_is}});
}

TEST(Extract, HashesAndTags) {
  expect_all({{"10-5=5\n#### 5", "5", ExtractionRule::hashes},
              {"#### 1,234\nmore", "1,234", ExtractionRule::hashes},
              {"<answer> 12 </answer>", "12", ExtractionRule::answer_tag},
              {"<answer>12", "12", ExtractionRule::answer_tag}});
}

TEST(Extract, TheLastNumberWithSignDecimalsAndFraction) {
  expect_all({{"She has 10-5 = 5 left", "5", ExtractionRule::last_number},
              {"The total is 3/4", "3/4", ExtractionRule::last_number},
              {"The total is -7", "-7", ExtractionRule::last_number},
              {"The range is 10-15", "15", ExtractionRule::last_number},
              {"He pays $1,234.50 in total.", "1234.50", ExtractionRule::last_number},
              {"**12**", "12", ExtractionRule::last_number},
              {"That makes 1e5", "1e5", ExtractionRule::last_number},
              {"about -2.5E-3 of it", "-2.5E-3", ExtractionRule::last_number},
              {"sum: \xE2\x88\x92"
               "7",
               "-7", ExtractionRule::last_number},
              {"from 3\xE2\x88\x92"
               "7",
               "7", ExtractionRule::last_number},
              {R"(Hence $x = \frac{1}{2}$.)", R"(\frac{1}{2})", ExtractionRule::last_number},
              {R"(it is $-\dfrac{13}{20}$)", R"(-\dfrac{13}{20})", ExtractionRule::last_number},
              {R"(so $\frac{x}{2}$)", "2", ExtractionRule::last_number},
              {"Thus, the total is 12,345,678 dollars.", "12345678", ExtractionRule::last_number},
              {"12 e5", "5", ExtractionRule::last_number},
              {"10-5", "5", ExtractionRule::last_number}});
}

TEST(Extract, SeveralAnswersInOneTextAreOneOnlyWhereTheTextSaysSo) {
  expect_all({{"The answers are 3 and 5.", "3 and 5", ExtractionRule::answer_is},
              {"The answer is 3, 4, and 5.", "3, 4, and 5", ExtractionRule::answer_is},
              {R"(\boxed{1} or \boxed{2})", "2", ExtractionRule::boxed},  // as the harness takes it
              {R"(\boxed{1, 2})", "1, 2", ExtractionRule::boxed},
              {"x=1 or x=2", "2", ExtractionRule::last_number}});
}

TEST(Extract, AnswersThatWereCutShort) {
  expect_all({{R"(The answer is \boxed{\frac{3}{)", R"(\frac{3}{)", ExtractionRule::boxed},
              {"<think>the answer is 3", "3", ExtractionRule::answer_is},
              {"<answer>", "", ExtractionRule::answer_tag},
              {"#### ", "", ExtractionRule::hashes},
              {R"(we get \boxed{)", "", ExtractionRule::boxed}});
}

TEST(Extract, WhatFollowsTheThoughtsComesFirst) {
  expect_all({{R"(<think>\boxed{3}</think> The answer is 12.)", "12", ExtractionRule::answer_is},
              {R"(<think>the answer is 3</think> 12)", "12", ExtractionRule::last_number},
              {R"(<think>so \boxed{3}</think> Done.)", "3", ExtractionRule::boxed},
              {R"(<think>\boxed{3}</think>)", "3", ExtractionRule::boxed},
              {R"(<think>so \boxed{3} or 4)", "3", ExtractionRule::boxed}});
}

TEST(Extract, AMarkGoesBeforeANumberThatOnlyFollowsTheThoughts) {
  expect_all(
      {{R"(\boxed{5} <think>check 7*3</think> Yes, I checked 3 times.)", "5", ExtractionRule::boxed},
       {R"(<think>x</think>\boxed{5}</think> 7)", "5", ExtractionRule::boxed},
       {R"(<think>\boxed{5}</think> I checked it 3 times.)", "3", ExtractionRule::last_number},
       {"The answer is 5. <think>7*3</think> I looked at 3 cases.", "5", ExtractionRule::answer_is},
       {"so 21</think> That makes 12 of them", "12", ExtractionRule::last_number},
       {"<think>7</think> The total is 12.", "12", ExtractionRule::last_number},
       {"<think>The answer is 9? No.</think> That makes 12 of them", "12", ExtractionRule::last_number},
       {"<think>it is 9</think> **12**", "12", ExtractionRule::last_number}});
}

TEST(Extract, WhatIsSaidGoesBeforeABoxAmongTheThoughts) {
  constexpr auto kNumber = ExtractionRule::last_number;
  expect_all({{"<think>I must put the final answer in \\boxed{}. 3+5=8.</think>\n\nShe has 8 apples left.",
               "8", kNumber},
              {"<think>put it in \\boxed{your answer}</think>\nHe pays 12 dollars.", "12", kNumber},
              {"<think>Maybe \\boxed{7}? No, 4*2=8.</think>\n\nShe has 8 apples left.", "8", kNumber},
              {"<think>First part gives \\boxed{3}. then 3+5=8</think>\nTotal: 8 apples", "8", kNumber},
              {"<think>\\boxed{7}</think>\n8 apples", "8", kNumber},
              {"<think>\\boxed{7}</think>\n8 cm", "8", kNumber},
              {"<think>\\boxed{7}</think>\nx = 8", "8", kNumber},
              {"<think>\\boxed{7}</think>\nTherefore, the result is 8.", "8", kNumber},
              {"<think>\\boxed{7}</think>\n\\frac{1}{2}", "\\frac{1}{2}", kNumber},
              {"<think>\\boxed{7}</think>\n\\sqrt{2}", "2", kNumber},
              {"\\boxed{5} <think>is it \\boxed{6}? 7*3", "5", ExtractionRule::boxed},
              {"It is 5 <think>is it? \\boxed{6}", "6", ExtractionRule::boxed}});
}

TEST(Extract, ABoxOfNothingOrOfWordsAmongTheThoughtsIsNoAnswer) {
  constexpr auto kBoxed = ExtractionRule::boxed;
  expect_all(
      {{R"(<think>\boxed{12}. I should write \boxed{your answer}.</think> Done.)", "12", kBoxed},
       {R"(<think>\boxed{12}. I should write \boxed{\text{your answer}}.</think> Done.)", "12", kBoxed},
       {R"(<think>\boxed{12}. It goes into \boxed{ }.</think> Done.)", "12", kBoxed},
       {R"(<think>\boxed{12}. It goes into \boxed{...}.</think> Done.)", "12", kBoxed},
       {R"(<think>It goes into \boxed{}</think> Done.)", "(none)", ExtractionRule::none},
       {R"(<think>It goes into \boxed{}. 3+5=8)", "8", ExtractionRule::last_number},
       {R"(<think>so \boxed{x}</think> Done.)", "x", kBoxed},
       {R"(<think>so \boxed{AB}</think> Done.)", "AB", kBoxed},
       {R"(<think>so \boxed{No solution}</think>)", "(none)", ExtractionRule::none},
       {R"(<think>so \boxed{\frac{1}{2}} or \boxed{}</think>)", R"(\frac{1}{2})", kBoxed},
       {"<think>#### 4</think>\nAll done!", "4", ExtractionRule::hashes},
       {R"(<think>so \boxed{\text{Monday}}</think> Done.)", R"(\text{Monday})", kBoxed},
       {R"(<think>so \boxed{3}</think> It is \boxed{Monday}.)", "Monday", kBoxed}});
  expect_all({{R"(<think>so \boxed{B}</think> Done.)", "B", kBoxed}}, "aqua");
}

TEST(Extract, TagsOfThoughtsAreNoPartOfTheAnswer) {
  expect_all({{"the answer is 5</think>", "5", ExtractionRule::answer_is},
              {"<think>the answer is 5</think>", "5", ExtractionRule::answer_is},
              {"The answer is <think>2+3</think> 5", "5", ExtractionRule::answer_is},
              {"#### 5</think>", "5", ExtractionRule::hashes},
              {"The answer is 5<think>", "5", ExtractionRule::answer_is},
              {"x</think> The answer is 5 <think>", "5", ExtractionRule::answer_is}});
}

TEST(Extract, AnswersInWords) {
  expect_all(
      {{"The answer is twelve.", "twelve", ExtractionRule::answer_is},
       {"The final answer is one hundred and five.", "one hundred and five", ExtractionRule::answer_is},
       {R"(\boxed{\text{twenty-one}})", R"(\text{twenty-one})", ExtractionRule::boxed}});
}

TEST(Extract, ALetterWhereChoicesAreAskedFor) {
  expect_all({{"Option B seems right, but A bat costs more. Thus B", "B", ExtractionRule::choice},
              {"It must be (D)", "D", ExtractionRule::choice},
              {"I think 5", "5", ExtractionRule::last_number}},
             "aqua");
}

TEST(Extract, NothingWhereThereIsNothing) {
  expect_all({{"", "(none)", ExtractionRule::none},
              {"   \n", "(none)", ExtractionRule::none},
              {"no idea", "(none)", ExtractionRule::none},
              {"x^2", "(none)", ExtractionRule::none},
              {"The answer is", "(none)", ExtractionRule::none}});
}

}  // namespace
}  // namespace circuitdiff
