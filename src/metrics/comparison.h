// Two sets of score matrices of the same questions, before and after: every metric of docs/spec.md#metrics
// with its difference, bootstrap interval, permutation p value and effect size; what plots need beside the
// table (values per sample and per source, correlations between samples); and the split of the change of
// intensity into loss and the rest. The structs are those of metrics.json (records/metrics_file.h). Question
// k is sample k of both sides. What changes per edge stands in edge_change.h, the 2 x 2 in two_by_two.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "metrics/metrics.h"
#include "metrics/score_matrices.h"
#include "records/metrics_file.h"

namespace circuitdiff {

// Order and names: enum Metric. Throws Error where sizes disagree or a number is not finite, UsageError for
// options out of range. The same seed gives the same result on every machine.
std::vector<MetricComparison> compare_metrics(const ScoreMatrices& before, const ScoreMatrices& after,
                                              const MetricOptions& options);

// One number a sample for every metric that is a mean over samples, and intensity
// over edges; null where undefined.
struct SampleValues {
  std::string name;  // of the metric; "edge_intensity" for mean abs(W) over existing edges
  std::vector<std::optional<double>> values;  // [n]
};
std::vector<SampleValues> sample_values(const ScoreMatrices& w, const MetricOptions& options);

// Mean entropy (nats) of each source's outgoing abs(W) over the samples where its row is not all zero.
std::vector<std::optional<double>> node_entropy_by_source(const ScoreMatrices& w, Cells cells);

// Of all pairs of samples (Fig. 3a).
CorrelationSummary correlation_summary(const ScoreMatrices& w, Cells cells);

IntensityDecomposition decompose_intensity(const ScoreMatrices& before, const ScoreMatrices& after);

}  // namespace circuitdiff
