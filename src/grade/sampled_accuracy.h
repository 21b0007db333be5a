// Accuracy from several samples a question: avg@k, the mean over questions of the share of right samples,
// with an interval from resampling questions (the samples of one question are not independent), and pass@k,
// the chance that one of k samples is right, by the unbiased estimator 1 - C(n-c, k)/C(n, k).
#pragma once

#include <cstdint>
#include <vector>

#include "io/json_fwd.h"
#include "records/generation.h"

namespace circuitdiff {

// One question: n samples, c of them right.
struct SampleCount {
  int64_t n = 0, correct = 0;
};

double pass_at_k(const SampleCount& count, int64_t k);  // 1 <= k <= n

// {"questions", "samples": [least, most], "avg_at_k", "bootstrap95": [low, high], "pass_at_k": {"1": .., "2":
// ..}}; null where no question has more than one sample. An undecided answer counts as not right.
json sampled_accuracy(const std::vector<Generation>& generations);

}  // namespace circuitdiff
