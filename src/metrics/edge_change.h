// Where the circuit changed (relative_change of docs/spec.md#metrics): per edge, mean abs(W) before and
// after, their ratio, a bootstrap interval, and a p value by sign flips of the questions' differences, with
// the same swaps for all edges.
#pragma once

#include <cstdint>

#include "metrics/metrics.h"
#include "metrics/score_matrices.h"
#include "records/metrics_file.h"

namespace circuitdiff {

// Intervals take at most so many resamples.
inline constexpr int64_t kEdgeBootstrap = 2000;

EdgeChanges edge_changes(const ScoreMatrices& before, const ScoreMatrices& after,
                         const MetricOptions& options);

}  // namespace circuitdiff
