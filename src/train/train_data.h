// What a run trains on, read and checked whole before its first step: prompts to be answered, rows of prompt
// and completion (sft), or of prompt and two completions (dpo).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "generate/prompts.h"
#include "generate/stopping.h"
#include "train/options.h"

namespace circuitdiff {

struct TrainPrompt {
  std::string id, gold, dataset;
  std::vector<int64_t> tokens;
};

struct TrainData {
  std::vector<TrainPrompt> prompts;             // on-policy
  std::vector<std::vector<TrainSample>> units;  // off-policy: one answer, or chosen and rejected
  int64_t size() const { return static_cast<int64_t>(prompts.empty() ? units.size() : prompts.size()); }
};

// What every file of prompts is turned into tokens by.
struct PromptContext {
  const ModelConfig& config;
  const Tokenizer& tokenizer;
  const Prompter& prompter;
  int64_t end_token = -1;  // appended to completions
};

// Errors name file and row: a missing field, no tokens, one outside the vocabulary, more
// than the model has positions for.
TrainData read_train_data(const TrainDataOptions& options, AlgorithmName algorithm,
                          const PromptContext& context, int64_t max_new_tokens);
std::vector<TrainPrompt> read_train_prompts(const std::filesystem::path& file, const std::string& dataset,
                                            const TrainDataOptions& fields, int64_t limit,
                                            const PromptContext& context, int64_t max_new_tokens);

// End tokens of checkpoint and tokenizer, and the preset's stops.
StopRules stop_rules(const Checkpoint& checkpoint, const Tokenizer& tokenizer, const Prompter& prompter);

// Index number `cursor` of an endless walk over n things, each epoch in an order of its own.
class ShuffledOrder {
 public:
  ShuffledOrder(int64_t n, uint64_t seed, bool shuffle) : n_(n), seed_(seed), shuffle_(shuffle) {}
  size_t at(int64_t cursor);

 private:
  int64_t n_;
  uint64_t seed_;
  bool shuffle_;
  int64_t epoch_ = -1;
  std::vector<size_t> order_;
};

}  // namespace circuitdiff
