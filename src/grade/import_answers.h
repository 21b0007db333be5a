// Answers that other programs wrote, as generations, so that they can be graded and selected from:
//
//   vllm      OpenAI batch output: {custom_id, response: {body: {choices: [{message: {content},
//             finish_reason, token_ids?}], prompt_token_ids?}}}
//   harness   Qwen2.5-Math harness: {idx, gt, code: [text, ...], prompt_token_ids?, generate_token_ids?}
//   lm-eval   lm-evaluation-harness samples: {doc_id, target, resps: [[text, ...]], doc?}
//   pairs     pair files of the published code, both models in a row: {idx, gt, base_prompt_tokens,
//             base_answer_tokens, base_answer_tokens_range?, base_pred, base_score?}, the same with rl_
//
// Golds come from the question file where one is given, else from the row. Token ids come along where the
// file has them; answers without can be graded, and selected from once their tokens are known.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/options.h"
#include "records/generation.h"
#include "records/pair.h"
#include "records/question.h"

namespace circuitdiff {

enum class ImportFormat { vllm, harness, lm_eval, pairs };
template <>
struct EnumWords<ImportFormat> {
  static constexpr std::array words{
      std::pair{ImportFormat::vllm, "vllm"}, std::pair{ImportFormat::harness, "harness"},
      std::pair{ImportFormat::lm_eval, "lm-eval"}, std::pair{ImportFormat::pairs, "pairs"}};
};

template <>
struct EnumWords<Side> {
  static constexpr std::array words{std::pair{Side::before, "before"}, std::pair{Side::after, "after"}};
};

// Fields of an imported row whose answer has no text: what another program took out of it, and its verdict.
inline constexpr const char* kRecordedAnswer = "recorded_answer";
inline constexpr const char* kRecordedScore = "recorded_score";

// Every sample of every row, in file order. `side`: whose answers of `pairs`, set for no other format.
// `questions` may be empty, except for vllm, whose rows have no gold. Errors name file, line and field; an id
// that is not among the questions is an error.
std::vector<Generation> import_answers(const std::filesystem::path& path, ImportFormat format,
                                       std::optional<Side> side, const std::string& dataset,
                                       const std::vector<Question>& questions);

}  // namespace circuitdiff
