// The control that a real effect has to beat (docs/spec.md#controls): the differences that copies of the
// before-model show whose weights were moved as far as post-training moved them, but at random. Everything is
// scored on the before-model's texts, so the effect it is held against is the model's alone.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "metrics/metrics.h"

namespace circuitdiff {

struct NoiseControlInput {
  std::filesystem::path before;               // scores of the before-model on its own texts
  std::filesystem::path after;                // of the after-model on the same texts
  std::vector<std::filesystem::path> copies;  // of the noisy copies on the same texts
};

// {"copies", "n", "metrics": {NAME: {"before", "effect", "noise": [copies], "noise_mean", "noise_sd", "p",
// "reason"}}}: differences to `before`; p = (1 + copies whose abs(difference) is at least the effect's) /
// (1 + copies). Samples are those that every file has. Errors as of `compare`.
nlohmann::ordered_json noise_control(const NoiseControlInput& input, const MetricOptions& options);

}  // namespace circuitdiff
