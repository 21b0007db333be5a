// Answers of other programs: ids, samples, golds, and the errors of rows that do not fit.
#include "grade/import_answers.h"

#include <gtest/gtest.h>

#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using test::error_of;
using test::TempFolder;

std::vector<Question> questions() {
  Question q;
  q.id = "q1";
  q.gold = "7";
  q.dataset = "gsm8k";
  return {q};
}

TEST(Import, VllmBatchOutput) {
  TempFolder folder;
  const auto file = folder.write(
      "v.jsonl",
      R"({"id":"x","custom_id":"q1","response":{"status_code":200,"body":{"choices":[{"index":0,"message":{"role":"assistant","content":"It is 7."},"finish_reason":"stop"},{"index":1,"text":"8","finish_reason":"length"}]}},"error":null})");
  const auto g = import_answers(file, ImportFormat::vllm, "", questions());
  ASSERT_EQ(g.size(), 2u);
  EXPECT_EQ(g[0].id, "q1");
  EXPECT_EQ(g[0].answer, "It is 7.");
  EXPECT_EQ(g[0].finish_reason, "stop");
  EXPECT_EQ(g[0].gold, "7");
  EXPECT_EQ(g[0].dataset, "gsm8k");
  EXPECT_EQ(g[1].sample, 1);
  EXPECT_EQ(g[1].answer, "8");
}

TEST(Import, HarnessOutput) {
  TempFolder folder;
  const auto file = folder.write(
      "h.jsonl",
      R"({"idx":3,"question":"?","gt":"18","code":["a 18","b 17"],"pred":["18","17"],"score":[true,false]})");
  const auto g = import_answers(file, ImportFormat::harness, "gsm8k", {});
  ASSERT_EQ(g.size(), 2u);
  EXPECT_EQ(g[0].id, "3");
  EXPECT_EQ(g[0].gold, "18");
  EXPECT_EQ(g[1].answer, "b 17");
  EXPECT_EQ(g[1].sample, 1);
}

TEST(Import, LmEvalSamples) {
  TempFolder folder;
  const auto file = folder.write(
      "l.jsonl",
      R"({"doc_id":0,"doc":{"question":"?"},"target":"5","resps":[["five","5"]],"filtered_resps":["5"]})");
  const auto g = import_answers(file, ImportFormat::lm_eval, "generic", {});
  ASSERT_EQ(g.size(), 2u);
  EXPECT_EQ(g[0].answer, "five");
  EXPECT_EQ(g[0].gold, "5");
  EXPECT_EQ(g[0].dataset, "generic");
}

TEST(Import, BadRowsAreNamed) {
  TempFolder folder;
  const auto error = [&](const std::string& text, ImportFormat format, const std::vector<Question>& known) {
    const auto file = folder.write("f.jsonl", text);
    std::string message = error_of([&] { import_answers(file, format, "", known); });
    const std::string root = folder.path().string() + "/";
    for (size_t at = message.find(root); at != std::string::npos; at = message.find(root))
      message.erase(at, root.size());
    return message;
  };
  EXPECT_EQ(error("{}", ImportFormat::vllm, {}),
            "--import vllm: --data is missing; the reference answers are not in f.jsonl");
  EXPECT_EQ(error(R"({"custom_id":"q2"})", ImportFormat::vllm, questions()),
            "f.jsonl:1: field \"custom_id\": \"q2\" is not among the questions");
  EXPECT_EQ(error(R"({"custom_id":"q1","response":{}})", ImportFormat::vllm, questions()),
            "f.jsonl:1: field \"response.body.choices\" is missing (a list of answers expected)");
  EXPECT_EQ(error(R"({"custom_id":"q1","error":{"code":500}})", ImportFormat::vllm, questions()),
            "f.jsonl:1: field \"error\": the request failed: \"{\\\"code\\\":500}\"");
  EXPECT_EQ(error(R"({"idx":1,"gt":"1","code":[5]})", ImportFormat::harness, {}),
            "f.jsonl:1: field \"code\": a text expected, the number 5 found");
  EXPECT_EQ(error(R"({"idx":1,"code":["5"]})", ImportFormat::harness, {}),
            "f.jsonl:1: field \"gt\" is missing (a string expected)");
  EXPECT_EQ(error(R"({"doc_id":1,"target":"2","resps":"x"})", ImportFormat::lm_eval, {}),
            "f.jsonl:1: field \"resps\": a list of answers expected, a string found");
  EXPECT_EQ(error(R"({"doc_id":1,"target":"2","resps":[]})", ImportFormat::lm_eval, {}),
            "f.jsonl: no answers; at least one expected");
}

}  // namespace
}  // namespace circuitdiff
