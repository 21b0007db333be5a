// What one step's line in metrics.jsonl is made of, under TRL's names where TRL has one.
#pragma once

#include <span>
#include <vector>

#include "io/json_fwd.h"
#include "train/algorithm.h"

namespace circuitdiff {

class StepFigures {
 public:
  // Answers as drawn, ahead of dropping; G of a question beside each other. reward_std is the mean of the
  // groups', with one answer a question that of all.
  void add_rollouts(std::span<const TrainSample> samples, int64_t group, int64_t correct, int64_t undecided);
  // One unit of an update: logps and entropies now, and its coefficients.
  void add_unit(std::span<const TrainSample> unit, std::span<const std::vector<double>> logps,
                std::span<const std::vector<double>> entropies, const GradientCoefficients& coefficients);
  nlohmann::ordered_json to_json() const;

  double loss = 0;  // minus the sum of w times the objective, mean over updates
  double value_loss = 0;
  double grad_norm = 0, learning_rate = 0;
  int64_t updates = 0;
  int64_t dropped_groups = 0;
  int64_t tokens() const { return tokens_; }

 private:
  std::vector<double> rewards_, group_stds_, lengths_;
  int64_t groups_ = 0, flat_groups_ = 0, unfinished_ = 0, correct_ = 0, undecided_ = 0;
  int64_t tokens_ = 0, clipped_ = 0, gc_zero_ = 0, ratio_tokens_ = 0, kl_tokens_ = 0;
  double entropy_ = 0, kl_ = 0, gc_sum_ = 0, gc_squares_ = 0, nll_ = 0;
  static constexpr size_t kQuarters = 4;
  double quarter_sum_[kQuarters] = {};
  int64_t quarter_n_[kQuarters] = {};
  int64_t pairs_ = 0, right_pairs_ = 0;
  double chosen_ = 0, rejected_ = 0;
};

}  // namespace circuitdiff
