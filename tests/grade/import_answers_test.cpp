// Answers of other programs: ids, samples, golds, and the errors of rows that do not fit.
#include "grade/import_answers.h"

#include <gtest/gtest.h>

#include "grade/grade_stage.h"
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
  const auto g = import_answers(file, ImportFormat::vllm, {}, "", questions());
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
  const auto g = import_answers(file, ImportFormat::harness, {}, "gsm8k", {});
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
  const auto g = import_answers(file, ImportFormat::lm_eval, {}, "generic", {});
  ASSERT_EQ(g.size(), 2u);
  EXPECT_EQ(g[0].answer, "five");
  EXPECT_EQ(g[0].gold, "5");
  EXPECT_EQ(g[0].dataset, "generic");
}

TEST(Import, LmEvalRowsOfFurtherFiltersRepeatTheAnswersAndAreLeftOut) {
  TempFolder folder;
  const auto row = [](int id, const char* filter) {
    return fmt::format(R"({{"doc_id":{},"target":"5","resps":[["so 5"]],"filter":"{}"}})", id, filter) + "\n";
  };
  const auto file = folder.write("l.jsonl", row(0, "strict-match") + row(1, "strict-match") +
                                                row(0, "flexible-extract") + row(1, "flexible-extract"));
  const auto g = import_answers(file, ImportFormat::lm_eval, {}, "generic", {});
  ASSERT_EQ(g.size(), 2u);
  EXPECT_EQ(g[0].id, "0");
  EXPECT_EQ(g[1].id, "1");
  EXPECT_EQ(g[1].sample, 0);
}

TEST(Import, LmEvalTargetsThatAreWholeSolutionsGiveTheirAnswers) {
  TempFolder folder;
  const auto gold = [&](const char* target, const char* dataset) {
    const auto file =
        folder.write("l.jsonl", json{{"doc_id", 0}, {"target", target}, {"resps", {{"5"}}}}.dump() + "\n");
    return import_answers(file, ImportFormat::lm_eval, {}, dataset, {}).front().gold;
  };
  EXPECT_EQ(gold("2 + 3 = <<2+3=5>>5\n#### 5", "gsm8k"), "5");
  EXPECT_EQ(gold("5", "gsm8k"), "5");
  EXPECT_EQ(gold("It is $\\boxed{\\frac{1}{2}}$.", "math"), "\\frac{1}{2}");
  EXPECT_EQ(gold("\\frac{1}{2}", "math"), "\\frac{1}{2}");
  EXPECT_EQ(gold("a\n#### 5", "generic"), "a\n#### 5");
}

TEST(Import, AVllmAnswerCutShortWithinItsThoughtsIsEmpty) {
  TempFolder folder;
  const auto file = folder.write(
      "v.jsonl",
      R"({"custom_id":"q1","response":{"body":{"choices":[{"message":{"content":null,"reasoning_content":"Let"},"finish_reason":"length"}]}}})");
  const auto g = import_answers(file, ImportFormat::vllm, {}, "", questions());
  ASSERT_EQ(g.size(), 1u);
  EXPECT_EQ(g[0].answer, "");
  EXPECT_EQ(g[0].finish_reason, "length");
}

// Rows with every field that vLLM's batch runner, lm-evaluation-harness with --log_samples and the
// Qwen2.5-Math harness write; what they have no value for is null.
TEST(Import, RowsAsTheseProgramsWriteThem) {
  TempFolder folder;
  const auto vllm = folder.write(
      "v.jsonl",
      R"({"id":"vllm-1f","custom_id":"q1","response":{"status_code":200,"request_id":"vllm-batch-2a","body":{"id":"chatcmpl-3b","object":"chat.completion","created":1760000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"So \\boxed{7}.","refusal":null,"annotations":null,"audio":null,"function_call":null,"tool_calls":[],"reasoning_content":null},"logprobs":null,"finish_reason":"stop","stop_reason":null,"token_ids":null}],"service_tier":null,"system_fingerprint":null,"usage":{"prompt_tokens":9,"total_tokens":14,"completion_tokens":5,"prompt_tokens_details":null},"prompt_logprobs":null,"prompt_token_ids":null,"kv_transfer_params":null}},"error":null})");
  auto g = import_answers(vllm, ImportFormat::vllm, {}, "", questions());
  ASSERT_EQ(g.size(), 1u);
  grade_generation(g[0], GradeCompat::none);
  EXPECT_EQ(g[0].extracted, "7");
  EXPECT_EQ(g[0].correct, true);
  const auto lm_eval = folder.write(
      "l.jsonl",
      R"({"doc_id":4,"doc":{"question":"2+3?","answer":"It is <<2+3=5>>5.\n#### 5"},"target":"It is <<2+3=5>>5.\n#### 5","arguments":{"gen_args_0":{"arg_0":"Question: 2+3?\nAnswer:","arg_1":{"until":["Question:","</s>"],"do_sample":false,"temperature":0.0}}},"resps":[[" It is 5.\n#### 5"]],"filtered_resps":["5"],"filter":"strict-match","metrics":["exact_match"],"doc_hash":"a1","prompt_hash":"b2","target_hash":"c3","exact_match":1.0})");
  g = import_answers(lm_eval, ImportFormat::lm_eval, {}, "gsm8k", {});
  ASSERT_EQ(g.size(), 1u);
  EXPECT_EQ(g[0].gold, "5");
  grade_generation(g[0], GradeCompat::none);
  EXPECT_EQ(g[0].extra["extraction"], "hashes");
  EXPECT_EQ(g[0].correct, true);
  const auto harness = folder.write(
      "h.jsonl",
      R"({"idx":11,"question":"?","gt_cot":"...","gt":"\\frac{1}{2}","level":"Level 2","type":"Algebra","unique_id":"test/algebra/1.json","solution":"...","answer":"\\frac{1}{2}","code":["Thus $\\boxed{0.5}$."],"pred":["0.5"],"report":[null],"score":[true]})");
  g = import_answers(harness, ImportFormat::harness, {}, "math", {});
  ASSERT_EQ(g.size(), 1u);
  grade_generation(g[0], GradeCompat::none);
  EXPECT_EQ(g[0].correct, true);
}

TEST(Import, BadRowsAreNamed) {
  TempFolder folder;
  const auto error = [&](const std::string& text, ImportFormat format, const std::vector<Question>& known,
                         std::optional<Side> side = {}) {
    const auto file = folder.write("f.jsonl", text);
    std::string message = error_of([&] { import_answers(file, format, side, "", known); });
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
  EXPECT_EQ(
      error(R"({"idx":1,"gt":"1","code":["5","6"],"generate_token_ids":[[1]]})", ImportFormat::harness, {}),
      "f.jsonl:1: field \"generate_token_ids\": 2 lists of token ids expected, one an answer, 1 found");
  EXPECT_EQ(
      error(R"({"idx":1,"gt":"1","code":["5"],"generate_token_ids":[1,-2]})", ImportFormat::harness, {}),
      "f.jsonl:1: field \"generate_token_ids\": entry 1: a token id expected, the number -2 found");
  EXPECT_EQ(error("{}", ImportFormat::pairs, {}),
            "--import pairs: --side is missing; f.jsonl holds the answers of both models");
  EXPECT_EQ(error("{}", ImportFormat::harness, {}, Side::after), "--side: only with --import pairs");
  const auto bad_pair = [&](const std::string& fields) {
    return error("{\"idx\":1,\"gt\":\"7\"," + fields + "}", ImportFormat::pairs, {}, Side::after);
  };
  EXPECT_EQ(bad_pair(R"("base_prompt_tokens":[1])"),
            "f.jsonl:1: field \"rl_prompt_tokens\" is missing (an array of token ids expected)");
  EXPECT_EQ(bad_pair(R"("rl_prompt_tokens":[1],"rl_answer_tokens":"2")"),
            "f.jsonl:1: field \"rl_answer_tokens\": an array of token ids expected, a string found");
  EXPECT_EQ(
      bad_pair(R"("rl_prompt_tokens":[1],"rl_answer_tokens":[2],"rl_answer_tokens_range":[1,3])"),
      "f.jsonl:1: field \"rl_answer_tokens_range\": [1, 2] expected from the token ids, \"[1,3]\" found");
  EXPECT_EQ(bad_pair(R"("rl_prompt_tokens":[1],"rl_answer_tokens":[2])"),
            "f.jsonl:1: field \"rl_pred\" is missing (a string expected)");
  EXPECT_EQ(bad_pair(R"("rl_prompt_tokens":[1],"rl_answer_tokens":[2],"rl_pred":"7","rl_score":3)"),
            "f.jsonl:1: field \"rl_score\": true or false expected, the number 3 found");
  const std::string row = R"({"idx":1,"gt":"7","rl_prompt_tokens":[1],"rl_answer_tokens":[2],"rl_pred":"7"})"
                          "\n";
  EXPECT_EQ(error(row + row, ImportFormat::pairs, {}, Side::after),
            "f.jsonl:2: field \"idx\": \"1\" stands there already; one row a question expected");
}

TEST(Import, TokenIdsComeAlong) {
  TempFolder folder;
  const auto harness = folder.write(
      "h.jsonl",
      R"({"idx":0,"gt":"5","code":["five","5"],"prompt_token_ids":[[1,2],[1,2]],"generate_token_ids":[[3],[4,5]]}
{"idx":1,"gt":"5","code":["5"],"prompt_token_ids":[1,2],"generate_token_ids":[6]})");
  const auto h = import_answers(harness, ImportFormat::harness, {}, "gsm8k", {});
  ASSERT_EQ(h.size(), 3u);
  EXPECT_EQ(h[1].prompt_tokens, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(h[1].answer_tokens, (std::vector<int64_t>{4, 5}));
  EXPECT_EQ(h[2].answer_tokens, (std::vector<int64_t>{6}));
  const auto vllm = folder.write(
      "v.jsonl",
      R"({"custom_id":"q1","response":{"body":{"prompt_token_ids":[7,8],"choices":[{"message":{"content":"It is 7."},"token_ids":[9]}]}}})");
  const auto v = import_answers(vllm, ImportFormat::vllm, {}, "", questions());
  EXPECT_EQ(v[0].prompt_tokens, (std::vector<int64_t>{7, 8}));
  EXPECT_EQ(v[0].answer_tokens, (std::vector<int64_t>{9}));
}

TEST(Import, PairFilesGiveTheAnswersOfOneSide) {
  TempFolder folder;
  const auto file = folder.write(
      "all_correct.jsonl",
      R"({"idx":4,"question":"?","gt":"0.5","solution":null,"base_prompt_tokens":[1,2],"base_answer_tokens":[3],"base_answer_tokens_range":[2,3],"base_pred":"1/2","base_score":true,"rl_prompt_tokens":[1,2],"rl_answer_tokens":[4,5],"rl_answer_tokens_range":[2,4],"rl_pred":"50","rl_score":"True"})");
  auto before = import_answers(file, ImportFormat::pairs, Side::before, "math", {});
  auto after = import_answers(file, ImportFormat::pairs, Side::after, "math", {});
  ASSERT_EQ(before.size(), 1u);
  ASSERT_EQ(after.size(), 1u);
  EXPECT_EQ(before[0].id, "4");
  EXPECT_EQ(before[0].gold, "0.5");
  EXPECT_EQ(before[0].answer_tokens, (std::vector<int64_t>{3}));
  EXPECT_EQ(after[0].prompt_tokens, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(after[0].answer_tokens, (std::vector<int64_t>{4, 5}));
  // Judged by what was taken out of the answer; the harness's verdict is the one in the file.
  grade_generation(before[0], GradeCompat::none);
  EXPECT_EQ(before[0].extracted, "1/2");
  EXPECT_EQ(before[0].correct, true);
  EXPECT_EQ(before[0].extra["extraction"], "recorded");
  grade_generation(after[0], GradeCompat::none);
  EXPECT_EQ(after[0].correct, false);
  grade_generation(after[0], GradeCompat::harness);
  EXPECT_EQ(after[0].correct, true);
  EXPECT_EQ(after[0].extra["reason"], "as recorded");
}

}  // namespace
}  // namespace circuitdiff
