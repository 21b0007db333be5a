// Two sets of score matrices of the same questions, before and after: every metric of docs/spec.md#metrics
// with its difference, bootstrap interval, permutation p value and effect size; what plots need beside the
// table (values per sample and per source, correlations between samples); and the split of the change of
// intensity into loss and the rest. Question k is sample k of both sides. What changes per edge stands in
// edge_change.h, the 2 x 2 in two_by_two.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "metrics/metrics.h"
#include "metrics/score_matrices.h"

namespace circuitdiff {

struct MetricComparison {
  std::string name;  // as in docs/spec.md#metrics
  std::optional<double> before, after;
  std::optional<double> difference;       // after - before
  std::optional<double> relative;         // difference / before; null where before is 0
  std::optional<double> ci_low, ci_high;  // 95 % bootstrap interval of the difference
  std::optional<double> p;                // permutation, two-sided
  std::optional<double> p_adjusted;       // Benjamini-Hochberg over the metrics of this comparison
  std::optional<double> effect_size;      // Cohen's d_z; only for means over samples
  std::string reason;    // why something of the above (but effect_size) is null; empty if nothing is
  std::string interval;  // "BCa", "percentile" or ""
};

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

// The Pearson correlations of all pairs of samples (Fig. 3a): their order
// statistics and a histogram over [-1, 1].
struct CorrelationSummary {
  int64_t pairs = 0;
  std::optional<double> mean, sd, minimum, q25, median, q75, maximum;
  std::vector<int64_t> histogram;  // 40 equal bins over [-1, 1]
  std::string reason;
};
CorrelationSummary correlation_summary(const ScoreMatrices& w, Cells cells);

// ln(I_after/I_before) = ln(loss_after/loss_before) + ln(per_nat_after/per_nat_before), I = mean abs(W) over
// edges. The same with error for loss where both sides have it.
struct IntensityDecomposition {
  std::optional<double> log_ratio;                 // of I
  std::optional<double> from_loss, beyond_loss;    // sum to log_ratio
  std::optional<double> from_error, beyond_error;  // likewise
  std::string reason, error_reason;
};
IntensityDecomposition decompose_intensity(const ScoreMatrices& before, const ScoreMatrices& after);

}  // namespace circuitdiff
