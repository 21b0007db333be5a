// generations.jsonl: what is written is read back, and each unusable line is told.
#include "records/generation.h"

#include <gmock/gmock.h>

#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using test::error_of;
using testing::HasSubstr;

std::string read_error(std::string_view content) {
  const test::TempFolder folder;
  const auto path = folder.write("g.jsonl", content);
  return error_of([&] { read_generations(path); });
}

TEST(Generations, WhatIsWrittenIsReadBack) {
  const test::TempFolder folder;
  Generation graded;
  graded.id = "q, \"1\"";
  graded.sample = 3;
  graded.prompt = "2+2=\n";
  graded.prompt_tokens = {1, 2};
  graded.answer = "vier \xe2\x88\x9a";
  graded.answer_tokens = {0, 151935};
  graded.finish_reason = "stop";
  graded.gold = "4";
  graded.dataset = "gsm8k";
  graded.seed = UINT64_MAX;
  graded.extracted = "4";
  graded.verdict = "equal";
  graded.correct = true;
  graded.extra = {{"model", "m"}, {"nested", {1, 2}}};
  Generation undecided = graded;
  undecided.id = "2";
  undecided.extracted = std::nullopt;
  undecided.verdict = "undecided";
  undecided.correct = std::nullopt;
  Generation raw;
  raw.id = "3";
  write_generations(folder / "g.jsonl", {graded, undecided, raw});
  const auto back = read_generations(folder / "g.jsonl");
  ASSERT_EQ(back.size(), 3u);
  EXPECT_EQ(to_line(back[0]), to_line(graded));
  EXPECT_EQ(back[0].seed, UINT64_MAX);
  EXPECT_EQ(back[0].answer_tokens, graded.answer_tokens);
  EXPECT_EQ(back[0].extra, graded.extra);
  EXPECT_EQ(back[1].extracted, std::nullopt);
  EXPECT_EQ(back[1].correct, std::nullopt);
  EXPECT_EQ(back[1].verdict, "undecided");
  EXPECT_EQ(back[2].verdict, "");
  EXPECT_EQ(to_line(raw).find("verdict"), std::string::npos);
}

TEST(Generations, AnImportedLineNeedsOnlyIdAndAnswer) {
  const test::TempFolder folder;
  const auto back = read_generations(
      folder.write("g.jsonl", R"({"id": 7, "answer": "", "prompt_tokens": [], "gold": 18})"));
  EXPECT_EQ(back[0].id, "7");
  EXPECT_EQ(back[0].gold, "18");
  EXPECT_TRUE(back[0].prompt_tokens.empty());
}

TEST(Generations, AnAnswerThatIsNotUtf8IsStillALine) {
  Generation g;
  g.id = "1";
  g.answer = "a\xff\xe2\x82";
  EXPECT_EQ(parse_generation(Row(parse_json(to_line(g), "x"), "x")).answer, "a\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(Generations, TheSameQuestionMayHaveSeveralSamples) {
  const test::TempFolder folder;
  EXPECT_EQ(read_generations(folder.write("g.jsonl", R"({"id": "1", "sample": 0, "answer": ""}
{"id": "1", "sample": 1, "answer": ""})"))
                .size(),
            2u);
}

TEST(Generations, ErrorsNameLineAndField) {
  EXPECT_THAT(read_error(""), HasSubstr("g.jsonl: no rows; at least one expected"));
  EXPECT_THAT(read_error("\n\n"), HasSubstr("g.jsonl: no rows"));
  EXPECT_THAT(read_error(R"({"answer": "x"})"), HasSubstr("g.jsonl:1: field \"id\" is missing"));
  EXPECT_THAT(read_error(R"({"id": 1.5, "answer": "x"})"),
              HasSubstr("field \"id\": a non-empty string or a whole number expected, the number 1.5 found"));
  EXPECT_THAT(read_error(R"({"id": "1"})"), HasSubstr("field \"answer\" is missing (a string expected)"));
  EXPECT_THAT(read_error(R"({"id": "1", "answer": null})"),
              HasSubstr("field \"answer\": a string expected, null found"));
  EXPECT_THAT(read_error(R"({"id": "1", "answer": "", "sample": -1})"),
              HasSubstr("field \"sample\": a non-negative whole number expected, the number -1 found"));
  EXPECT_THAT(read_error(R"({"id": "1", "answer": "", "seed": -1})"),
              HasSubstr("field \"seed\": a non-negative whole number expected, the number -1 found"));
  EXPECT_THAT(read_error(R"({"id": "1", "answer": "", "seed": 1e300})"),
              HasSubstr("field \"seed\": a non-negative whole"));
  EXPECT_THAT(read_error(R"({"id": "1", "answer": "", "answer_tokens": [1, -1]})"),
              HasSubstr("field \"answer_tokens\": entry 1: a token id expected, the number -1 found"));
  EXPECT_THAT(read_error(R"({"id": "1", "answer": "", "prompt_tokens": "abc"})"),
              HasSubstr("field \"prompt_tokens\": an array of token ids expected, a string found"));
  EXPECT_THAT(read_error(R"({"id": "1", "answer": "", "correct": "true"})"),
              HasSubstr("field \"correct\": true, false or null expected, a string found"));
  EXPECT_THAT(read_error(R"({"id": "1", "answer": "", "gold": [4]})"),
              HasSubstr("field \"gold\": a string expected, an array found"));
  EXPECT_THAT(read_error("{\"id\": \"1\", \"answer\": \"\"}\n{\"id\": 1, \"answer\": \"\"}\n"),
              HasSubstr("g.jsonl:2: id \"1\" sample 0 stands already at "));
}

}  // namespace
}  // namespace circuitdiff
