#include "train/algorithm.h"

#include "base/error.h"

namespace circuitdiff {
namespace {

void check(const AlgorithmOptions& o, AlgorithmName name) {
  const auto at_least_one = [](const char* key, int64_t value) {
    if (value < 1) usage_error("[algorithm] {}: at least 1 expected, {} found", key, value);
  };
  const int64_t group = group_size(name, o);
  at_least_one("group", group);
  at_least_one("minibatches", o.minibatches);
  at_least_one("epochs", o.epochs);
  at_least_one("value_hidden", o.value_hidden);
  const bool grouped = name != AlgorithmName::sft && name != AlgorithmName::dpo && name != AlgorithmName::ppo;
  if (grouped && group < 2)
    usage_error("[algorithm] group: {} compares the answers to one question; at least 2 expected, {} found",
                to_word(name), group);
  const auto positive = [](const char* key, double value) {
    if (!(value > 0)) usage_error("[algorithm] {}: above 0 expected, {} found", key, value);
  };
  if (o.clip_low && !(*o.clip_low > 0 && *o.clip_low < 1))
    usage_error("[algorithm] clip_low: between 0 and 1 expected, {} found", *o.clip_low);
  if (o.clip_high) positive("clip_high", *o.clip_high);
  if (o.beta && !(*o.beta >= 0)) usage_error("[algorithm] beta: 0 or more expected, {} found", *o.beta);
  if (!(o.gamma > 0 && o.gamma <= 1))
    usage_error("[algorithm] gamma: above 0 and at most 1 expected, {} found", o.gamma);
  if (!(o.lambda >= 0 && o.lambda <= 1))
    usage_error("[algorithm] lambda: from 0 to 1 expected, {} found", o.lambda);
  positive("value_lr", o.value_lr);
}

}  // namespace

int64_t group_size(AlgorithmName name, const AlgorithmOptions& options) {
  return options.group.value_or(name == AlgorithmName::ppo ? 1 : 4);
}

std::unique_ptr<Algorithm> make_algorithm(AlgorithmName name, const AlgorithmOptions& o) {
  check(o, name);
  const int64_t group = group_size(name, o);
  const double low = o.clip_low.value_or(0.2), high = o.clip_high.value_or(0.2);
  switch (name) {
    case AlgorithmName::sft:
      return make_sft();
    case AlgorithmName::dpo:
      return make_dpo(o.beta.value_or(0.1));
    case AlgorithmName::online_dpo:
      return make_online_dpo(o.beta.value_or(0.1), group);
    case AlgorithmName::ppo:
      return make_ppo(o, low, high, o.beta.value_or(0));
    case AlgorithmName::grpo:
      return make_grpo(group, low, high, o.beta.value_or(0.04));
    case AlgorithmName::dapo:
      return make_dapo(group, low, o.clip_high.value_or(0.28), o.beta.value_or(0), o.redraw);
    case AlgorithmName::dr_grpo:
      return make_dr_grpo(group, low, high);
    case AlgorithmName::rloo:
      break;
  }
  return make_rloo(group, low, high);
}

}  // namespace circuitdiff
