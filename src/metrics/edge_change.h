// Where the circuit changed (relative_change of docs/spec.md#metrics): per edge, mean abs(W) before and
// after, their ratio, a bootstrap interval, and a p value by sign flips of the questions' differences, with
// the same swaps for all edges.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "metrics/metrics.h"
#include "metrics/score_matrices.h"

namespace circuitdiff {

// All vectors are [n_forward, n_backward]; null where there is no edge.
struct EdgeChanges {
  std::vector<std::optional<double>> before, after;  // mean abs(W)
  std::vector<std::optional<double>> relative;       // (after - before) / before; null too where before is 0
  std::vector<std::optional<double>> ci_low, ci_high;  // 95 % percentile interval of `relative`
  std::vector<std::optional<double>> p;             // sign flips of abs(W_after) - abs(W_before), two-sided
  std::vector<std::optional<double>> p_adjusted;    // Benjamini-Hochberg over the edges
  std::vector<std::optional<double>> p_familywise;  // max-T over the edges
  int64_t permutations = 0, bootstrap = 0;          // done; intervals take at most kEdgeBootstrap resamples
};
inline constexpr int64_t kEdgeBootstrap = 2000;

EdgeChanges edge_changes(const ScoreMatrices& before, const ScoreMatrices& after,
                         const MetricOptions& options);

}  // namespace circuitdiff
