#include "train/step_figures.h"

#include <algorithm>
#include <cmath>

#include "io/json.h"
#include "statistics/summary.h"

namespace circuitdiff {

void StepFigures::add_rollouts(std::span<const TrainSample> samples, int64_t group, int64_t correct,
                               int64_t undecided) {
  const auto g = static_cast<size_t>(group);
  if (g == 1) group_stds_.push_back(sample_std(rewards_of(samples)));  // one answer a question has no spread
  for (size_t i = 0; g > 1 && i + g <= samples.size(); i += g) {
    const std::vector<double> rewards = rewards_of(samples.subspan(i, g));
    group_stds_.push_back(sample_std(rewards));
    flat_groups_ += group_stds_.back() == 0;
    ++groups_;
  }
  for (const TrainSample& s : samples) {
    rewards_.push_back(s.reward);
    lengths_.push_back(static_cast<double>(s.answer()));
    unfinished_ += !s.finished;
  }
  correct_ += correct;
  undecided_ += undecided;
}

void StepFigures::add_unit(std::span<const TrainSample> unit, std::span<const std::vector<double>> logps,
                           std::span<const std::vector<double>> entropies, const GradientCoefficients& c) {
  clipped_ += c.clipped;
  double ratios[2] = {0, 0};
  for (size_t i = 0; i < unit.size(); ++i) {
    const TrainSample& s = unit[i];
    const size_t n = logps[i].size();
    tokens_ += static_cast<int64_t>(n);
    if (!s.old_logps.empty()) ratio_tokens_ += static_cast<int64_t>(n);
    for (size_t t = 0; t < n; ++t) {
      const double gc = c.gc[i][t];
      gc_sum_ += gc;
      gc_squares_ += gc * gc;
      gc_zero_ += gc == 0;
      const size_t quarter = t * kQuarters / n;
      quarter_sum_[quarter] += std::abs(gc);
      ++quarter_n_[quarter];
      nll_ -= logps[i][t];
      if (!entropies.empty()) entropy_ += entropies[i][t];
      if (s.ref_logps.empty()) continue;
      const double d = s.ref_logps[t] - logps[i][t];
      kl_ += std::expm1(d) - d;
      ++kl_tokens_;
      if (unit.size() == 2) ratios[i] -= d;
    }
  }
  if (unit.size() != 2) return;
  ++pairs_;
  right_pairs_ += ratios[0] > ratios[1];
  chosen_ += ratios[0];
  rejected_ += ratios[1];
}

nlohmann::ordered_json StepFigures::to_json() const {
  nlohmann::ordered_json out;
  const double n = static_cast<double>(std::max<int64_t>(1, tokens_));
  out["loss"] = loss;
  out["grad_norm"] = grad_norm;
  out["learning_rate"] = learning_rate;
  out["entropy"] = entropy_ / n;
  out["nll"] = nll_ / n;
  if (!rewards_.empty()) {
    const double answers = static_cast<double>(rewards_.size());
    out["reward"] = mean_of(rewards_);
    out["reward_std"] = mean_of(group_stds_);
    if (groups_ > 0)
      out["frac_reward_zero_std"] = static_cast<double>(flat_groups_) / static_cast<double>(groups_);
    out["train/accuracy"] = static_cast<double>(correct_) / answers;
    out["grader/undecided"] = undecided_;
    out["completions/mean_length"] = mean_of(lengths_);
    out["completions/min_length"] = *std::min_element(lengths_.begin(), lengths_.end());
    out["completions/max_length"] = *std::max_element(lengths_.begin(), lengths_.end());
    out["completions/clipped_ratio"] = static_cast<double>(unfinished_) / answers;
    out["groups/dropped"] = dropped_groups;
  }
  if (ratio_tokens_ > 0)
    out["clip_ratio"] = static_cast<double>(clipped_) / static_cast<double>(ratio_tokens_);
  if (kl_tokens_ > 0) out["kl"] = kl_ / static_cast<double>(kl_tokens_);
  if (pairs_ > 0) {
    const double pairs = static_cast<double>(pairs_);
    out["logratio/chosen"] = chosen_ / pairs;
    out["logratio/rejected"] = rejected_ / pairs;
    out["rewards/accuracies"] = static_cast<double>(right_pairs_) / pairs;
  }
  if (value_loss != 0) out["value_loss"] = value_loss;
  const double mean = gc_sum_ / n;
  out["gc/mean"] = mean;
  out["gc/std"] = std::sqrt(std::max(0.0, gc_squares_ / n - mean * mean));
  out["gc/frac_zero"] = static_cast<double>(gc_zero_) / n;
  for (size_t q = 0; q < kQuarters; ++q)
    out["gc/abs_quarter_" + std::to_string(q + 1)] =
        quarter_n_[q] ? quarter_sum_[q] / static_cast<double>(quarter_n_[q]) : 0.0;
  out["tokens"] = tokens_;
  return out;
}

}  // namespace circuitdiff
