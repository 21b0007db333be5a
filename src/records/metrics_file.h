// metrics.json of `compare` (docs/spec.md#files): what two sets of score matrices of the same questions have
// to say, in full precision, null where a figure is not defined. Arrays keep their order, so that the place
// of a value in the file follows from its names and indices: /metrics/gini/before,
// /relative_change/before/3/7.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace circuitdiff {

// One of the two scores files, or of the four of the 2 x 2.
struct ComparedFile {
  std::string name;  // "before", "after", "before_on_after", "after_on_before"
  std::string file, sha256;
  int64_t samples = 0;                          // in the file
  int64_t unpaired = 0;                         // of these left out, since another file lacks them
  std::map<std::string, std::string> metadata;  // of the file, without ids and names of nodes
};

struct CompareSettings {
  std::string cells;  // "matrix" or "edges"
  int64_t bins = 0, bootstrap = 0, permutations = 0;
  uint64_t seed = 0;
};

struct MetricComparison {
  std::string name;  // as in docs/spec.md#metrics
  std::optional<double> before, after;
  std::optional<double> difference;       // after - before
  std::optional<double> relative;         // difference / before; null where before is 0
  std::optional<double> ci_low, ci_high;  // 95 % bootstrap interval of the difference
  std::string interval;                   // "BCa", "percentile" or ""
  std::optional<double> p;                // permutation, two-sided
  std::optional<double> p_adjusted;       // Benjamini-Hochberg over the metrics of this comparison
  std::optional<double> effect_size;      // Cohen's d_z; only for means over samples
  std::string reason;  // why something of the above (but effect_size) is null; empty if nothing is
  // 95 % percentile interval of `relative`: of act_intensity, intensity_per_nat and intensity_per_error
  std::optional<double> relative_low = {}, relative_high = {};
};

// ln(I_after/I_before) = ln(loss_after/loss_before) + ln(per_nat_after/per_nat_before), I = mean abs(W) over
// edges. The same with error for loss where both sides have it.
struct IntensityDecomposition {
  std::optional<double> log_ratio;                 // of I
  std::optional<double> from_loss, beyond_loss;    // sum to log_ratio
  std::optional<double> from_error, beyond_error;  // likewise
  std::string reason, error_reason;
};

struct ContrastFigure {
  std::optional<double> value;
  std::optional<double> ci_low, ci_high;  // 95 %
  std::string interval;                   // "BCa", "percentile" or ""
  std::string reason;                     // why the interval is null, where the value is not
};

struct TwoByTwoMetric {
  std::string name;
  // The metric in the four cells, M of the fixed histograms being the largest over all four.
  std::optional<double> before, after, before_on_after, after_on_before;
  ContrastFigure model, text, interaction;
};

// All vectors are [n_forward, n_backward]; null where there is no edge.
struct EdgeChanges {
  std::vector<std::optional<double>> before, after;  // mean abs(W)
  std::vector<std::optional<double>> relative;       // (after - before) / before; null too where before is 0
  std::vector<std::optional<double>> ci_low, ci_high;  // 95 % percentile interval of `relative`
  std::vector<std::optional<double>> p;             // sign flips of abs(W_after) - abs(W_before), two-sided
  std::vector<std::optional<double>> p_adjusted;    // Benjamini-Hochberg over the edges
  std::vector<std::optional<double>> p_familywise;  // max-T over the edges
  // 5, 25, 50, 75 and 95 % of abs(W) over the questions; empty where there is no edge.
  std::vector<std::vector<double>> spread_before, spread_after;
  // Where a map's colours end: the 99th percentile of abs(log2(after / before)) over the edges where both are
  // above 0, and of what is left of it after dividing by the change of their sums. Null where there is none.
  std::optional<double> log2_clip, log2_clip_beside_whole;
  int64_t permutations = 0, bootstrap = 0;  // done
};

// The values of one metric that is a mean over samples, [n] each; "edge_intensity" is mean abs(W) over the
// existing edges.
struct PerSample {
  std::string name;
  std::vector<std::optional<double>> before, after;
};

// The Pearson correlations of all pairs of samples (Fig. 3a): their order statistics and a histogram over
// [-1, 1].
struct CorrelationSummary {
  int64_t pairs = 0;
  std::optional<double> mean, sd, minimum, q25, median, q75, maximum;
  std::vector<int64_t> histogram;  // 40 equal bins over [-1, 1]
  std::string reason;
};

template <class T>
struct BothSides {
  T before, after;
};

struct MetricsFile {
  std::string version;
  int64_t n = 0, n_forward = 0, n_backward = 0, n_edges = 0;
  std::vector<ComparedFile> inputs;
  CompareSettings options;
  std::vector<std::string> warnings;
  std::vector<MetricComparison> metrics;
  IntensityDecomposition decomposition;
  std::vector<TwoByTwoMetric> two_by_two;  // empty (null in the file) for two files
  std::vector<std::string> sources, destinations;
  std::vector<uint8_t> edges;  // [n_forward, n_backward]
  EdgeChanges relative_change;
  std::vector<std::string> ids;  // [n]
  std::vector<PerSample> per_sample;
  BothSides<std::vector<std::optional<double>>> node_entropy;  // [n_forward]
  BothSides<CorrelationSummary> correlation;
};

nlohmann::ordered_json metrics_file_json(const MetricsFile& file);
// Error naming file and field where something is missing, of another type or of another size than n,
// n_forward and n_backward say.
MetricsFile read_metrics_file(const std::filesystem::path& path);
void write_metrics_file(const std::filesystem::path& path, const MetricsFile& file);

}  // namespace circuitdiff
