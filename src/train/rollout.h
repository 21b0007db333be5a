// Answers drawn from the weights as they are at this moment: an engine over the very tensors that are
// trained, made anew for each step, so that no answer is of older weights than its step.
#pragma once

#include <vector>

#include "generate/sampling.h"
#include "train/parameters.h"
#include "train/train_data.h"

namespace circuitdiff {

struct RolloutContext {
  const Tokenizer* tokenizer = nullptr;
  StopRules rules;
  int64_t max_new_tokens = 0;
  int64_t threads = 0;
};

// `n` answers to each prompt, those of a prompt beside each other. first_sample: number of the first of them,
// so that a prompt drawn twice in a step has other answers.
std::vector<TrainSample> roll_out(const Parameters& parameters,
                                  const std::vector<const TrainPrompt*>& prompts,
                                  const std::vector<int64_t>& first_sample, int64_t n,
                                  const Sampling& sampling, const RolloutContext& context);

// The key of a step's random numbers.
uint64_t step_seed(uint64_t seed, int64_t step);

}  // namespace circuitdiff
