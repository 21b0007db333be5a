// The stage of `grade`: rows in, rows out, the summary.
#include "grade/grade_stage.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using test::error_of;
using test::TempFolder;

TEST(GradeStage, RowsGainExtractedVerdictAndCorrect) {
  TempFolder folder;
  const auto in =
      folder.write("g.jsonl",
                   R"({"id":"a","answer":"so \\boxed{3}","gold":"3","dataset":"gsm8k","finish_reason":"stop"}
{"id":"b","answer":"The answer is 4.","gold":"3","dataset":"no such data set","prompt_tokens":[],"mine":1}
{"id":"c","answer":"","gold":"3"}
)");
  SilentProgress progress;
  const json summary = grade_file({in, folder / "out.jsonl"}, progress);
  const auto rows = read_generations(folder / "out.jsonl");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].extracted, "3");
  EXPECT_EQ(rows[0].verdict, "equal");
  EXPECT_EQ(rows[0].correct, true);
  EXPECT_EQ(rows[0].extra["extraction"], "boxed");
  EXPECT_EQ(rows[1].extracted, "4");
  EXPECT_EQ(rows[1].correct, false);
  EXPECT_EQ(rows[1].extra["mine"], 1);
  EXPECT_FALSE(rows[2].extracted);
  EXPECT_EQ(rows[2].verdict, "different");
  EXPECT_EQ(rows[2].extra["reason"], "no answer found");
  EXPECT_EQ(summary["n"], 3);
  EXPECT_EQ(summary["correct"], 1);
  EXPECT_EQ(summary["by_extraction"]["boxed"]["correct"], 1);
  EXPECT_EQ(summary["by_finish_reason"]["stop"]["n"], 1);
  EXPECT_NE(accuracy_text(summary).find("1 of 3 correct: 33.3%"), std::string::npos)
      << accuracy_text(summary);
}

TEST(GradeStage, GradingAgainGivesTheSameBytes) {
  TempFolder folder;
  const auto in = folder.write("g.jsonl", R"({"id":"a","answer":"\\boxed{1/2}","gold":"0.5"})");
  SilentProgress progress;
  grade_file({in, folder / "once.jsonl"}, progress);
  grade_file({folder / "once.jsonl", folder / "twice.jsonl"}, progress);
  EXPECT_EQ(test::slurp(folder / "once.jsonl"), test::slurp(folder / "twice.jsonl"));
}

TEST(GradeStage, BadRowsAreNamed) {
  TempFolder folder;
  SilentProgress progress;
  const auto in = folder.write("g.jsonl", "{\"id\":\"a\",\"gold\":\"3\"}\n");
  EXPECT_EQ(error_of([&] {
              grade_file({in, folder / "out.jsonl"}, progress);
            }),
            in.string() + ":1: field \"answer\" is missing (a string expected)");
  EXPECT_FALSE(std::filesystem::exists(folder / "out.jsonl"));
}

}  // namespace
}  // namespace circuitdiff
