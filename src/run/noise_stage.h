// The noise control of one pair of models (docs/spec.md#controls): noisy copies of the before-model, made one
// after the other and thrown away, each scored on the before-model's texts of every data set.
#pragma once

#include <filesystem>
#include <vector>

#include "attribute/options.h"
#include "base/progress.h"
#include "checkpoint/checkpoint.h"
#include "metrics/metrics.h"

namespace circuitdiff {

// One data set of the pair.
struct NoiseWork {
  std::filesystem::path folder;               // receives copy-K/scores.CUT.safetensors and CUT.json
  AttributeOptions attribute;                 // of the before-model on its texts; model and out are replaced
  std::vector<std::filesystem::path> before;  // scores of the before-model, one file a cut
  std::vector<std::filesystem::path> after;   // of the after-model on the same texts
};

// Returns samples that failed, as attribute() names them. Work whose results are there is not done again.
std::vector<std::string> run_noise_control(const Checkpoint& before, const Checkpoint& after,
                                           const std::filesystem::path& scratch, int64_t copies,
                                           uint64_t seed, const MetricOptions& options,
                                           const std::vector<NoiseWork>& work, Progress& progress);

}  // namespace circuitdiff
