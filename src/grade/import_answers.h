// Answers that other programs wrote, as generations, so that they can be graded and selected from:
//   vllm      OpenAI batch output: {custom_id, response: {body: {choices: [{message: {content},
//   finish_reason}]}}} harness   Qwen2.5-Math harness: {idx, gt, code: [text, ...], question?} lm-eval
//   lm-evaluation-harness samples: {doc_id, target, resps: [[text, ...]], doc?}
// Golds come from the question file where one is given, else from the row. What is left out: token ids, which
// these files do not have; answers imported can be graded, and selected from once their tokens are known.
#pragma once

#include <array>
#include <filesystem>
#include <utility>
#include <vector>

#include "base/options.h"
#include "records/generation.h"
#include "records/question.h"

namespace circuitdiff {

enum class ImportFormat { vllm, harness, lm_eval };
template <>
struct EnumWords<ImportFormat> {
  static constexpr std::array words{std::pair{ImportFormat::vllm, "vllm"},
                                    std::pair{ImportFormat::harness, "harness"},
                                    std::pair{ImportFormat::lm_eval, "lm-eval"}};
};

// Every sample of every row, in file order. `questions` may be empty, except for vllm, whose rows have no
// gold. Errors name file, line and field; an id that is not among the questions is an error.
std::vector<Generation> import_answers(const std::filesystem::path& path, ImportFormat format,
                                       const std::string& dataset, const std::vector<Question>& questions);

}  // namespace circuitdiff
