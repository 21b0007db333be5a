// The 2 x 2 of models and texts (docs/spec.md#texts): does the circuit differ because the model changed, or
// because the text it is scored on did? W_mt is model m on text t. Model effect: mean over texts of
// (after-model - before-model); text effect: mean over models of (after's text - before's text); interaction:
// how much the model effect differs between texts.
#pragma once

#include <vector>

#include "metrics/contrast.h"
#include "metrics/metrics.h"

namespace circuitdiff {

// Question k is sample k of all four.
std::vector<TwoByTwoMetric> compare_two_by_two(const ScoreMatrices& before, const ScoreMatrices& after,
                                               const ScoreMatrices& before_on_after,
                                               const ScoreMatrices& after_on_before,
                                               const MetricOptions& options);

}  // namespace circuitdiff
