// Questions about sorted digits are read again from their text, and worked answers state by state.
#include "data/sorting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "data/question_stage.h"
#include "io/files.h"
#include "records/question.h"
#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

const std::filesystem::path kShipped = std::filesystem::path(CIRCUITDIFF_SOURCE_DIR) / "data";

// The digits of a text and what becomes of them, without the generator's own reading.
std::string solve(const std::string& text) {
  std::string digits;
  for (const char c : text)
    if (c >= '0' && c <= '9') digits += c;
  std::sort(digits.begin(), digits.end());
  if (text.find("from high to low") != std::string::npos) std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string answer_to(const std::string& digits, bool falling, AnswerStyle style, uint64_t seed = 1) {
  Philox random(seed);
  return sorting_answer({digits, falling}, style, random);
}

TEST(Sorting, EveryQuestionsAnswerIsItsDigitsInOrder) {
  SilentProgress progress;
  const auto questions = make_questions(sorting_questions(), {4000, 7}, progress);
  std::set<std::string> texts;
  std::array<int, 3> levels{};
  for (const auto& q : questions) {
    EXPECT_EQ(q.answer, solve(q.text)) << q.text;
    EXPECT_EQ(q.steps, static_cast<int64_t>(q.answer.size()));
    EXPECT_EQ(q.level, (q.steps - 3) / 2);
    ++levels[static_cast<size_t>(q.level)];
    texts.insert(q.text);
  }
  EXPECT_EQ(texts.size(), questions.size());
  EXPECT_NEAR(levels[0] / 4000.0, 0.3, 0.03);
  EXPECT_NEAR(levels[1] / 4000.0, 0.4, 0.03);
}

TEST(Sorting, TextsThatAreNotOfTheKindAreNotRead) {
  EXPECT_TRUE(read_sorting_question("Mia has cards 7 3. Sort them from low to high."));
  for (const char* text :
       {"", "Mia has cards 7 3. Sort them.", "Mia has cards 73. Sort them from low to high.",
        "Mia has cards . Sort them from low to high.", "Mia has cards 7 3 . Sort them from low to high.",
        "Mia has cards 7 0. Sort them from low to high.", "Sort them from low to high."})
    EXPECT_FALSE(read_sorting_question(text)) << text;
}

TEST(SortingAnswer, PutsOneDigitAfterTheOtherIntoItsPlace) {
  EXPECT_EQ(answer_to("7319", false, {0, 0}), "7. 37. 137. 1379. \\boxed{1379}");
  EXPECT_EQ(answer_to("7319", true, {0, 0}), "7. 73. 731. 9731. \\boxed{9731}");
  EXPECT_EQ(answer_to("55", false, {0, 0}), "5. 55. \\boxed{55}");
  EXPECT_EQ(answer_to("73192", false, {1, 0}), "7. 137. 12379. \\boxed{12379}");
}

TEST(SortingAnswer, WrongAnswersAreAsManyAsAskedForAndKeepTheirDigits) {
  Philox random(3);
  int wrong = 0;
  constexpr int kAnswers = 2000;
  for (int i = 0; i < kAnswers; ++i) {
    ToldSorting told;
    for (int k = 0; k < 6; ++k) told.digits += static_cast<char>('1' + random.below(9));
    told.falling = i % 2 == 1;
    const std::string answer = sorting_answer(told, {0.5, 0.25}, random);
    const std::string boxed = answer.substr(answer.find('{') + 1, told.digits.size());
    wrong += boxed != sorted_digits(told);
    EXPECT_TRUE(std::is_permutation(boxed.begin(), boxed.end(), told.digits.begin())) << answer;
    // States grow by one or two of the told digits, and the last stands in the box.
    std::istringstream states(answer);
    std::string state, last;
    while (states >> state && state[0] != '\\') {
      state.pop_back();
      EXPECT_LE(state.size() - last.size(), 2u) << answer;
      EXPECT_TRUE(std::is_permutation(state.begin(), state.end(), told.digits.begin(),
                                      told.digits.begin() + static_cast<std::ptrdiff_t>(state.size())))
          << answer;
      last = state;
    }
    EXPECT_EQ(last, boxed);
  }
  EXPECT_NEAR(wrong / double{kAnswers}, 0.25, 0.035);
}

TEST(SortingAnswer, OneDigitOverAndOverHasNoWrongPlace) {
  EXPECT_EQ(answer_to("444", false, {0, 1}), "4. 44. 444. \\boxed{444}");
}

TEST(Sorting, TheSameSeedGivesTheSameFileAndALongerOneBeginsWithIt) {
  SilentProgress progress;
  const test::TempFolder folder;
  const json summary = write_questions(sorting_questions(), {100, 5, folder / "a.jsonl"}, progress);
  write_questions(sorting_questions(), {150, 5, folder / "b.jsonl"}, progress);
  EXPECT_EQ(summary["count"], 100);
  const std::string a = read_file(folder / "a.jsonl"), b = read_file(folder / "b.jsonl");
  EXPECT_EQ(b.substr(0, a.size()), a);
  EXPECT_THAT(a, testing::StartsWith("{\"id\":\"sort-5-0\",\"question\":"));
  QuestionOptions others{100, 5};
  others.exclude = {folder / "a.jsonl"};
  for (const auto& q : make_questions(sorting_questions(), others, progress))
    EXPECT_EQ(a.find(q.text), std::string::npos) << q.text;
}

TEST(Sorting, ShippedQuestionsAreOfTheKindAndStandOnce) {
  std::set<std::string> texts;
  size_t rows = 0;
  for (const char* name : {"sorting_analysis.jsonl", "sorting_test.jsonl"})
    for (const auto& q : read_questions(kShipped / name, "generic")) {
      EXPECT_EQ(q.gold, solve(q.question)) << q.question;
      texts.insert(q.question);
      ++rows;
    }
  EXPECT_EQ(texts.size(), rows);
  EXPECT_EQ(rows, 1500u);
}

}  // namespace
}  // namespace circuitdiff
