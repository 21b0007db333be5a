// What the tests of this room share: the shipped models, and answers to some of their questions.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "generate/batch.h"
#include "generate/prompts.h"
#include "records/question.h"
#include "tokenizer/tokenizer.h"

namespace circuitdiff {

inline std::filesystem::path source_folder() { return CIRCUITDIFF_SOURCE_DIR; }
inline std::filesystem::path tiny_model(const std::string& name = "arith-sft") {
  return source_folder() / "models" / name;
}
inline std::filesystem::path test_questions() { return source_folder() / "data/arithmetic_test.jsonl"; }

// The first questions as requests of `samples` each.
inline std::vector<Request> tiny_requests(int64_t count, int64_t samples = 1) {
  const Tokenizer tokenizer = Tokenizer::load(tiny_model());
  const Prompter prompter({.chat = true}, tiny_model());
  std::vector<Request> out;
  for (const Question& q : read_questions(test_questions(), "generic", {}, count))
    for (int64_t s = 0; s < samples; ++s)
      out.push_back({q.id, s, prompter.tokens(prompter.text(q.question), tokenizer), 46});
  return out;
}

inline std::vector<std::vector<int64_t>> answers_of(Engine& engine, const std::vector<Request>& requests,
                                                    const Sampling& sampling = {},
                                                    const BatchLimits& limits = {}) {
  std::vector<std::vector<int64_t>> out(requests.size());
  StopRules rules;
  rules.end_tokens = {3};
  generate_answers(engine, nullptr, requests, sampling, rules, limits,
                   {[&](size_t i, Answer&& answer) { out[i] = std::move(answer.tokens); }, {}});
  return out;
}

}  // namespace circuitdiff
