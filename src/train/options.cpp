#include "train/options.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace circuitdiff {
namespace {

constexpr std::array kTargets{"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"};

void not_below(const char* table, const char* key, int64_t least, int64_t value) {
  if (value < least) usage_error("[{}] {}: at least {} expected, {} found", table, key, least, value);
}

void check_lora(const LoraOptions& o) {
  not_below("lora", "rank", 0, o.rank);
  if (o.rank == 0) return;
  if (!(o.alpha > 0)) usage_error("[lora] alpha: above 0 expected, {} found", o.alpha);
  if (o.targets.empty()) usage_error("[lora] targets: at least one matrix expected");
  const std::vector<std::string> known(kTargets.begin(), kTargets.end());
  for (const std::string& target : o.targets)
    if (std::find(known.begin(), known.end(), target) == known.end())
      usage_error("[lora] targets: \"{}\" is not one of {}", target, fmt::join(known, ", "));
}

}  // namespace

void check_train_options(const TrainOptions& o, AlgorithmName name) {
  const auto algorithm = make_algorithm(name, o.algorithm);
  check_optimizer(o.optimizer);
  if (o.model.empty()) usage_error("train: model is missing");
  if (o.out.empty()) usage_error("train: out is missing");
  if (o.data.file.empty()) usage_error("[data] file is missing");
  if (o.steps < 1) usage_error("train: steps: at least 1 expected, {} found", o.steps);
  if (o.threads < 0) usage_error("train: threads: 0 or more expected, {} found", o.threads);
  if (o.seeds.empty()) usage_error("train: seeds: at least one expected");
  if (std::set(o.seeds.begin(), o.seeds.end()).size() != o.seeds.size())
    usage_error("train: seeds: one of them stands there twice");
  not_below("data", "batch", 1, o.data.batch);
  not_below("data", "limit", 0, o.data.limit);
  not_below("rollout", "max_new_tokens", 1, o.rollout.max_new_tokens);
  not_below("checkpoint", "every", 0, o.checkpoint.every);
  not_below("checkpoint", "keep", 0, o.checkpoint.keep);
  not_below("eval", "every", 0, o.eval.every);
  not_below("eval", "limit", 0, o.eval.limit);
  not_below("probe", "every", 0, o.probe.every);
  not_below("probe", "limit", 0, o.probe.limit);
  not_below("probe", "t_cut", 1, o.probe.t_cut);
  check_lora(o.lora);
  if (o.lora.rank > 0 && o.optimizer.name == OptimizerName::muon)
    usage_error("[optimizer] name: muon is for whole matrices; with [lora] use adamw");
  if (o.eval.every > 0 && o.eval.file.empty()) usage_error("[eval] file is missing");
  if (o.probe.every > 0 && o.probe.sequences.empty()) usage_error("[probe] sequences is missing");
  if (o.init == InitialWeights::random && name != AlgorithmName::sft)
    usage_error("train: init = \"random\" is for sft; {} begins from a checkpoint", to_word(name));
  if (!algorithm->on_policy()) return;
  if (!(o.rollout.temperature > 0) || !std::isfinite(o.rollout.temperature))
    usage_error("[rollout] temperature: above 0 expected, {} found", o.rollout.temperature);
  if (o.rollout.top_p != 1 || o.rollout.top_k != 0)
    usage_error(
        "[rollout] {}: answers are drawn from the whole distribution, since the loss is of that one; "
        "leave it out",
        o.rollout.top_p != 1 ? "top_p" : "top_k");
  if (!std::isfinite(o.reward.correct) || !std::isfinite(o.reward.wrong))
    usage_error("[reward] correct and wrong: finite numbers expected");
  if (o.reward.correct == o.reward.wrong)
    usage_error("[reward] correct and wrong are both {}: nothing could be learnt", o.reward.correct);
}

}  // namespace circuitdiff
