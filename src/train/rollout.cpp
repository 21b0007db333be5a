#include "train/rollout.h"

#include <ATen/core/grad_mode.h>

#include "base/random.h"
#include "generate/batch.h"

namespace circuitdiff {

uint64_t step_seed(uint64_t seed, int64_t step) {
  const auto word =
      philox4x32({static_cast<uint32_t>(step), static_cast<uint32_t>(step >> 32), 0, 0x53544550},
                 {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  return uint64_t{word[1]} << 32 | word[0];
}

std::vector<TrainSample> roll_out(const Parameters& parameters,
                                  const std::vector<const TrainPrompt*>& prompts,
                                  const std::vector<int64_t>& first_sample, int64_t n,
                                  const Sampling& sampling, const RolloutContext& context) {
  const at::NoGradGuard no_grad;
  std::vector<Request> requests;
  for (size_t i = 0; i < prompts.size(); ++i)
    for (int64_t k = 0; k < n; ++k)
      requests.push_back({prompts[i]->id, first_sample[i] + k, prompts[i]->tokens, context.max_new_tokens});
  std::vector<TrainSample> out(requests.size());
  const auto engine = make_engine(parameters.weights(), context.threads);
  BatchHooks hooks;
  hooks.finished = [&](size_t index, Answer&& answer) {
    TrainSample& s = out[index];
    s.id = requests[index].id;
    s.sample = requests[index].sample;
    s.tokens = requests[index].prompt;
    s.prompt_len = static_cast<int64_t>(s.tokens.size());
    s.tokens.insert(s.tokens.end(), answer.tokens.begin(), answer.tokens.end());
    s.text = std::move(answer.text);
    s.finished = answer.reason == FinishReason::stop;
  };
  generate_answers(*engine, context.tokenizer, requests, sampling, context.rules,
                   {engine->good_batch(), engine->free_bytes()}, hooks);
  return out;
}

}  // namespace circuitdiff
