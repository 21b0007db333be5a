// Reading benchmarks: ids, question texts and golds by each data set's own rule, and the errors of bad rows.
#include "records/question.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using test::error_of;
using test::is_one_line;
using test::TempFolder;

const std::filesystem::path kShared = std::filesystem::path(CIRCUITDIFF_SOURCE_DIR) / ".." / "shared";

std::vector<Question> read_text(const std::string& text, const std::string& dataset,
                                const QuestionFields& fields = {}, int64_t limit = 0) {
  TempFolder folder;
  return read_questions(folder.write("q.jsonl", text), dataset, fields, limit);
}

std::string error_text(const std::string& text, const std::string& dataset,
                       const QuestionFields& fields = {}) {
  TempFolder folder;
  const auto file = folder.write("q.jsonl", text);
  std::string message = error_of([&] { read_questions(file, dataset, fields); });
  EXPECT_TRUE(is_one_line(message));
  const std::string root = folder.path().string() + "/";
  for (size_t at = message.find(root); at != std::string::npos; at = message.find(root))
    message.erase(at, root.size());
  return message;
}

TEST(Question, GenericRowsGiveTheirFields) {
  const auto q = read_text(R"({"id":"a","question":" 1+1? ","answer":"2"})"
                           "\n"
                           R"({"id":7,"question":"x","answer":27.0,"level":3})",
                           "generic");
  ASSERT_EQ(q.size(), 2u);
  EXPECT_EQ(q[0].id, "a");
  EXPECT_EQ(q[0].question, "1+1?");
  EXPECT_EQ(q[0].gold, "2");
  EXPECT_EQ(q[0].dataset, "generic");
  EXPECT_EQ(q[1].id, "7");
  EXPECT_EQ(q[1].gold, "27.0");
  EXPECT_EQ(q[1].source["level"], 3);
}

TEST(Question, AnIdThatIsMissingIsTheIndexOfTheRow) {
  const auto q =
      read_text("{\"question\":\"a\",\"answer\":\"1\"}\n{\"question\":\"b\",\"answer\":\"2\"}\n", "generic");
  EXPECT_EQ(q[0].id, "0");
  EXPECT_EQ(q[1].id, "1");
}

TEST(Question, ABlankLineIsNotARow) {
  EXPECT_EQ(error_text("{\"question\":\"a\",\"answer\":\"1\"}\n\n{\"question\":\"b\",\"answer\":\"2\"}\n",
                       "generic"),
            "q.jsonl:2: an object expected, a blank line found");
}

TEST(Question, FieldsCanBeNamed) {
  const auto q = read_text(R"({"key":"k1","q":"how many?","meta":{"solution":"3"}})", "generic",
                           {"key", "q", "meta.solution"});
  EXPECT_EQ(q[0].id, "k1");
  EXPECT_EQ(q[0].question, "how many?");
  EXPECT_EQ(q[0].gold, "3");
}

TEST(Question, LimitKeepsTheFirstRows) {
  const std::string rows = "{\"question\":\"a\",\"answer\":\"1\"}\n{\"question\":\"b\",\"answer\":\"2\"}\n";
  EXPECT_EQ(read_text(rows, "generic", {}, 1).size(), 1u);
  EXPECT_EQ(read_text(rows, "generic", {}, 9).size(), 2u);
}

TEST(Question, EachDataSetHasItsOwnRule) {
  EXPECT_EQ(read_text(R"({"question":"q","answer":"16-3=<<16-3=13>>13\n#### 1,300 "})", "gsm8k")[0].gold,
            "1,300");
  EXPECT_EQ(
      read_text(R"({"problem":"q","solution":"so $\\boxed{1}$ or $\\boxed{\\frac{1}{2}}.$"})", "math")[0]
          .gold,
      "\\frac{1}{2}");
  EXPECT_EQ(read_text(R"({"problem":"q","solution":"\\boxed 5$ it is","answer":"6"})", "math500")[0].gold,
            "5");
  EXPECT_EQ(read_text(R"({"question":"q","final_answer":["$2^{9}$","3"]})", "olympiadbench")[0].gold,
            "$2^{9}$");
  EXPECT_EQ(read_text(R"({"question":"q","answer":27.0})", "amc23")[0].gold, "27.0");
  const auto svamp = read_text(R"({"Body":"There are 3","Question":"How many?","Answer":3.0})", "svamp");
  EXPECT_EQ(svamp[0].question, "There are 3. How many?");
  EXPECT_EQ(
      read_text(R"x({"body":"Two.","question":"How many?","answer":"2 (apples)"})x", "asdiv")[0].question,
      "Two. How many?");
  const auto aqua = read_text(R"({"question":"q","options":["A)21%","B)x)y"],"correct":"B"})", "aqua");
  EXPECT_EQ(aqua[0].question, "q\nAnswer Choices: (A) 21% (B) x)y");
  EXPECT_EQ(aqua[0].gold, "B");
  const auto sat = read_text(R"({"question":"q","options":"A) f(A) B) 2","Answer":"A"})", "sat_math");
  EXPECT_EQ(sat[0].question,
            "q\nWhat of the following is the right choice? Explain your answer.\n(A) f(A) (B) 2");
}

TEST(Question, BadFilesAreNamedByFileLineAndField) {
  EXPECT_EQ(error_text("", "generic"), "q.jsonl: no questions; at least one row expected");
  EXPECT_EQ(error_text(R"({"id":"a","answer":"1"})", "generic"),
            "q.jsonl:1: field \"question\" is missing (a string expected)");
  EXPECT_EQ(error_text(R"({"id":"a","question":"q"})", "generic"),
            "q.jsonl:1: field \"answer\" is missing (a string expected)");
  EXPECT_EQ(error_text(R"({"id":"a","question":5,"answer":"1"})", "generic"),
            "q.jsonl:1: field \"question\": a string expected, the number 5 found");
  EXPECT_EQ(error_text(R"({"id":"a","question":"  ","answer":"1"})", "generic"),
            "q.jsonl:1: field \"question\": a text that is not empty expected, a string found");
  EXPECT_EQ(error_text("{\"id\":\"a\",\"question\":\"q\",\"answer\":\"1\"}\n{\"id\":\"a\",\"question\":\"r\","
                       "\"answer\":\"1\"}",
                       "generic"),
            "q.jsonl:2: id \"a\" stands already at q.jsonl:1");
  EXPECT_EQ(error_text(R"({"question":"q","answer":"no hashes"})", "gsm8k"),
            "q.jsonl:1: field \"answer\": a text that ends in #### and the answer expected, a string found");
  EXPECT_EQ(error_text(R"({"problem":"q","solution":"\\boxed{1"})", "math"),
            "q.jsonl:1: field \"solution\": a text with a \\boxed{} answer expected, a string found");
  EXPECT_EQ(error_text(R"({"question":"q","final_answer":[]})", "olympiadbench"),
            "q.jsonl:1: field \"final_answer\": a list of answers expected, an array found");
  EXPECT_EQ(error_text(R"({"question":"q","correct":"A"})", "aqua"),
            "q.jsonl:1: field \"options\" is missing (the choices expected)");
  EXPECT_EQ(error_text(R"({"question":"q","answer":"1"})", "generic", {"", "", "gold"}),
            "q.jsonl:1: field \"gold\" is missing (a string expected)");
}

TEST(Question, AnUnknownDataSetIsAUsageErrorWithTheNearestName) {
  EXPECT_THROW(read_text("{}", "gsm8"), UsageError);
  EXPECT_EQ(error_text("{}", "gsm8"),
            "--dataset: \"gsm8\" is not a known data set (did you mean gsm8k?); generic takes any file of "
            "{id, question, "
            "answer}");
}

TEST(Question, TheLastBoxIsReadWithItsBraces) {
  std::string content;
  EXPECT_TRUE(last_boxed("\\boxed{1} then \\boxed {\\frac{1}{2}} end", content));
  EXPECT_EQ(content, "\\frac{1}{2}");
  EXPECT_TRUE(last_boxed("\\fbox{9}", content));
  EXPECT_EQ(content, "9");
  EXPECT_FALSE(last_boxed("\\boxed{1", content));
  EXPECT_FALSE(last_boxed("no box", content));
  EXPECT_FALSE(last_boxed("\\boxed", content));
}

// Every row of every benchmark at hand: question as the published prompts have it, gold as the published
// table has it.
TEST(Question, BenchmarksGiveTheGoldsOfTheTable) {
  if (!std::filesystem::exists(kShared / "grading" / "gold_table.jsonl"))
    GTEST_SKIP() << "the benchmarks are not beside the source folder";
  std::map<std::string, std::map<int64_t, std::string>> golds;
  read_jsonl(kShared / "grading" / "gold_table.jsonl",
             [&](Row&& row) { golds[row.string("dataset")][row.integer("idx")] = row.string("gold_raw"); });
  size_t compared = 0;
  for (const auto& [dataset, rows] : golds) {
    const auto questions = read_questions(kShared / "datasets" / dataset / "test.jsonl", dataset);
    EXPECT_EQ(questions.size(), rows.size()) << dataset;
    for (const auto& [index, gold] : rows) {
      // The table takes prose that follows the word "boxed" for this row's answer.
      if (dataset == "math" && index == 4060) continue;
      ASSERT_LT(static_cast<size_t>(index), questions.size());
      EXPECT_EQ(questions[static_cast<size_t>(index)].gold, gold) << dataset << " " << index;
      ++compared;
    }
  }
  EXPECT_GE(golds.size(), 14u);
  EXPECT_GT(compared, 16000u);
}

TEST(Question, BenchmarksGiveTheQuestionsOfThePublishedPrompts) {
  if (!std::filesystem::exists(kShared / "templates" / "harness_prompts.jsonl"))
    GTEST_SKIP() << "the benchmarks are not beside the source folder";
  std::map<std::string, std::vector<Question>> read;
  std::set<std::string> compared;
  read_jsonl(kShared / "templates" / "harness_prompts.jsonl", [&](Row&& row) {
    const std::string dataset = row.string("dataset");
    const auto file = kShared / "datasets" / dataset / "test.jsonl";
    if (!is_dataset(dataset) || !std::filesystem::exists(file)) return;
    if (!read.contains(dataset)) read[dataset] = read_questions(file, dataset);
    EXPECT_EQ(read[dataset].at(static_cast<size_t>(row.integer("line"))).question, row.string("question"))
        << row.where();
    compared.insert(dataset);
  });
  EXPECT_GE(compared.size(), 5u);
}

}  // namespace
}  // namespace circuitdiff
