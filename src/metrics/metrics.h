// The scalar metrics of docs/spec.md#metrics, in the order of its tables, and their values over one
// file or two. The numbers that metrics are made of are computed once a sample (sample_table.h);
// statistics stand in comparison.h.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "metrics/score_matrices.h"

namespace circuitdiff {

enum class Metric {
  act_intensity,            // (13)
  info_complexity,          // (14)
  dist_kurtosis,            // (15)
  diversity,                // Fig. 3a
  node_entropy,             // Fig. 3b
  node_entropy_normalised,  // over existing edges
  // Over existing edges, whatever --cells says:
  info_complexity_fixed,
  entropy_log,
  gini,
  effective_edges,
  top1_share,
  mean_loss,
  mean_error,
  intensity_per_nat,
  intensity_per_error,
};
inline constexpr int kMetrics = 15;

template <>
struct EnumWords<Metric> {
  static constexpr std::array words{
      std::pair{Metric::act_intensity, "act_intensity"},
      std::pair{Metric::info_complexity, "info_complexity"},
      std::pair{Metric::dist_kurtosis, "dist_kurtosis"},
      std::pair{Metric::diversity, "diversity"},
      std::pair{Metric::node_entropy, "node_entropy"},
      std::pair{Metric::node_entropy_normalised, "node_entropy_normalised"},
      std::pair{Metric::info_complexity_fixed, "info_complexity_fixed"},
      std::pair{Metric::entropy_log, "entropy_log"},
      std::pair{Metric::gini, "gini"},
      std::pair{Metric::effective_edges, "effective_edges"},
      std::pair{Metric::top1_share, "top1_share"},
      std::pair{Metric::mean_loss, "mean_loss"},
      std::pair{Metric::mean_error, "mean_error"},
      std::pair{Metric::intensity_per_nat, "intensity_per_nat"},
      std::pair{Metric::intensity_per_error, "intensity_per_error"},
  };
};
static_assert(EnumWords<Metric>::words.size() == kMetrics);

struct MetricOptions {
  Cells cells = Cells::matrix;   // cells of the paper's metrics
  int bins = 100;                // of info_complexity
  int64_t bootstrap = 10000;     // resamples of an interval; 0: no intervals
  int64_t permutations = 10000;  // swaps of a p value; 0: no p values
  uint64_t seed = 0;             // of both
};
template <class V>
void visit_metric_options(V& v, MetricOptions& o) {
  v(o.cells, "cells", "cells of the paper's metrics: matrix (all, as its equations are written) or edges");
  v(o.bins, "bins", "bins of info_complexity's histogram");
  v(o.bootstrap, "bootstrap", "resamples of questions for the intervals; 0 for none");
  v(o.permutations, "permutations", "swaps of before and after for the p values; 0 for none");
  v(o.seed, "seed", "of resamples and swaps");
}
template <class V>
void visit(V& v, MetricOptions& o) {
  visit_metric_options(v, o);
}
// UsageError where an option is out of range.
void check_metric_options(const MetricOptions& options);

// All metrics of `w`, index = Metric. `largest` is M of info_complexity_fixed and entropy_log: the largest
// abs(W) over the existing edges of everything that is compared.
std::array<Figure, kMetrics> metrics_of(const ScoreMatrices& w, const MetricOptions& options, double largest);
// M for one file; take the maximum over files.
double largest_on_edges(const ScoreMatrices& w);

}  // namespace circuitdiff
