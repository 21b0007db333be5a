// Everything that a metric needs of one sample, computed once, so that a resample of thousands of questions
// is sums over rows: moments, concentration, row entropies, histogram counts over fixed edges, correlations.
// Rows ("units") are the samples of one or more files after each other: unit f * n + k is sample k of file f.
// Undefined numbers are NaN in here and nowhere else; value() turns them into null with a reason.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "metrics/correlation.h"
#include "metrics/histogram.h"
#include "metrics/metrics.h"

namespace circuitdiff {

using MetricValues = std::array<double, kMetrics>;  // index = Metric, NaN where undefined

// Units of one side and how often each counts: distinct, weights positive.
struct UnitSet {
  std::vector<int32_t> units, weights;
  void clear() {
    units.clear();
    weights.clear();
  }
  void add(int64_t unit, int32_t weight = 1) {
    units.push_back(static_cast<int32_t>(unit));
    weights.push_back(weight);
  }
};

class SampleTable {
 public:
  // Columns of the table; a metric is a mean of one of them or a ratio of two.
  enum Column {
    intensity,  // mean abs(W) over the chosen cells
    kurtosis,
    row_entropy,       // sum over sources whose row is not all zero
    rows,              // their number
    row_entropy_norm,  // the same over edges, each divided by ln(its edges), rows of one edge left out
    rows_norm,
    edge_intensity,  // mean abs(W) over existing edges
    gini,
    effective_edges,
    top1_share,
    loss,
    error,
    kColumns
  };

  // `files` agree in shape and `edges` and were checked. `largest` is M (docs/spec.md#metrics). `cross`:
  // units of different files will be mixed into one set (permutations).
  SampleTable(std::span<const ScoreMatrices> files, const MetricOptions& options, double largest, bool cross);

  int64_t n() const { return n_; }  // samples of one file
  double column(int64_t unit, Column c) const { return columns_[static_cast<size_t>(unit * kColumns + c)]; }
  const Correlations& correlations() const { return *correlations_; }

  // All metrics over a set, but info_complexity, whose range depends on the set: NaN here.
  MetricValues evaluate(const UnitSet& set) const;
  double info_complexity(const UnitSet& set) const;
  // info_complexity of many sets of weight 1: sets with the same range share their samples' histograms.
  std::vector<double> info_complexities(std::span<const UnitSet> sets) const;

  // The metrics of one whole file, with reasons.
  std::array<Figure, kMetrics> values(int64_t file) const;
  UnitSet file_units(int64_t file) const;

 private:
  void fill_chosen(int64_t unit, std::span<const double> matrix, std::span<double> signed_values);
  void fill_node_entropy(int64_t unit, const ScoreMatrices& w, int64_t k, Cells cells);
  void fill_edges(int64_t unit, std::span<const double> matrix);
  std::span<const double> absolute(int64_t unit) const {
    return {absolute_.data() + unit * m_, static_cast<size_t>(m_)};
  }
  std::pair<double, double> range(const UnitSet& set) const;
  std::string reason(Metric metric, int64_t file) const;

  int64_t n_ = 0;  // samples of one file
  int64_t m_ = 0;  // chosen cells
  int64_t n_edges_ = 0;
  int bins_ = 0;
  double largest_ = 0;
  std::vector<bool> has_error_;                      // [files]
  std::vector<size_t> chosen_;                       // cells of the paper's metrics
  std::vector<size_t> edges_;                        // existing edges
  std::vector<double> columns_;                      // [units, kColumns]
  std::vector<double> absolute_;                     // [units, m_]
  std::vector<double> low_, high_;                   // [units], range of absolute_
  std::vector<uint32_t> fixed_counts_, log_counts_;  // [units, kFixedBins]
  std::unique_ptr<Correlations> correlations_;
};

// The column whose plain mean over samples a metric is; nullopt for the others.
std::optional<SampleTable::Column> mean_column(Metric metric);

// Entropy (nats) of each source's abs(W) over its cells of one matrix, as shares: [n_forward], NaN for a row
// that is all zero or has no cell.
std::vector<double> row_entropies(std::span<const double> matrix, int64_t n_forward, int64_t n_backward,
                                  std::span<const uint8_t> edges, Cells cells);

}  // namespace circuitdiff
