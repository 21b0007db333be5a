#include "metrics/sample_table.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/progress.h"
#include "metrics/distribution.h"
#include "statistics/summary.h"

namespace circuitdiff {
namespace {

constexpr int kFixedBins = 100;         // of info_complexity_fixed and entropy_log
constexpr double kLogFloor = 1e-12;     // of M: where the first bin of entropy_log begins
constexpr double kSmallestLoss = 1e-6;  // mean nats (or error) below which a ratio to it is undefined

// The edges of entropy_log exist where M and 1e-12 M are numbers one can take the logarithm of.
bool has_log_range(double largest) { return largest > 0 && kLogFloor * largest > 0; }

double mean_or_undefined(std::span<const double> values) {
  return values.empty() ? kUndefined : mean_of(values);
}

}  // namespace

std::optional<SampleTable::Column> mean_column(Metric metric) {
  switch (metric) {
    case Metric::act_intensity:
      return SampleTable::intensity;
    case Metric::dist_kurtosis:
      return SampleTable::kurtosis;
    case Metric::gini:
      return SampleTable::gini;
    case Metric::effective_edges:
      return SampleTable::effective_edges;
    case Metric::top1_share:
      return SampleTable::top1_share;
    case Metric::mean_loss:
      return SampleTable::loss;
    case Metric::mean_error:
      return SampleTable::error;
    default:
      return std::nullopt;
  }
}

std::vector<double> row_entropies(std::span<const double> matrix, int64_t n_forward, int64_t n_backward,
                                  std::span<const uint8_t> edges, Cells cells) {
  std::vector<double> out;
  std::vector<double> row;
  for (int64_t s = 0; s < n_forward; ++s) {
    row.clear();
    for (int64_t d = 0; d < n_backward; ++d) {
      const auto c = static_cast<size_t>(s * n_backward + d);
      if (cells == Cells::matrix || edges[c]) row.push_back(std::abs(matrix[c]));
    }
    out.push_back(share_entropy(row));
  }
  return out;
}

SampleTable::SampleTable(std::span<const ScoreMatrices> files, const MetricOptions& options, double largest,
                         bool cross)
    : n_(files.front().n), bins_(options.bins), largest_(largest) {
  const ScoreMatrices& first = files.front();
  for (size_t c = 0; c < first.edges.size(); ++c) {
    if (first.edges[c]) edges_.push_back(c);
    if (options.cells == Cells::matrix || first.edges[c]) chosen_.push_back(c);
  }
  m_ = static_cast<int64_t>(chosen_.size());
  n_edges_ = static_cast<int64_t>(edges_.size());
  const auto units = static_cast<int64_t>(files.size()) * n_;
  const auto size = [](int64_t count) { return static_cast<size_t>(count); };
  columns_.assign(size(units * kColumns), kUndefined);
  absolute_.resize(size(units * m_));
  low_.resize(size(units));
  high_.resize(size(units));
  fixed_counts_.resize(size(units * kFixedBins));
  log_counts_.resize(size(units * kFixedBins));

  std::vector<double> signed_values(size(units * m_));
  int64_t unit = 0;
  for (const ScoreMatrices& w : files) {
    has_error_.push_back(!w.error.empty());
    for (int64_t k = 0; k < n_; ++k, ++unit) {
      fill_chosen(unit, w.matrix(k), {signed_values.data() + unit * m_, size(m_)});
      fill_node_entropy(unit, w, k, options.cells);
      fill_edges(unit, w.matrix(k));
      double* row = &columns_[size(unit * kColumns)];
      row[loss] = w.loss[size(k)];
      if (!w.error.empty()) row[error] = w.error[size(k)];
    }
    check_interrupt();
  }
  correlations_ = std::make_unique<Correlations>(std::move(signed_values), units, m_, n_, cross);
}

// Eqs. 13-15 and what diversity needs, over the chosen cells.
void SampleTable::fill_chosen(int64_t unit, std::span<const double> matrix, std::span<double> signed_values) {
  if (m_ == 0) return;
  const auto at = static_cast<size_t>(unit);
  double* row = &columns_[at * kColumns];
  double* magnitudes = &absolute_[at * chosen_.size()];
  for (size_t i = 0; i < chosen_.size(); ++i) {
    signed_values[i] = matrix[chosen_[i]];
    magnitudes[i] = std::abs(matrix[chosen_[i]]);
  }
  const auto [low, high] = std::minmax_element(magnitudes, magnitudes + m_);
  low_[at] = *low;
  high_[at] = *high;
  row[intensity] = mean_or_undefined(absolute(unit));
  row[kurtosis] = excess_kurtosis(signed_values);
}

void SampleTable::fill_node_entropy(int64_t unit, const ScoreMatrices& w, int64_t k, Cells cells) {
  double* row = &columns_[static_cast<size_t>(unit * kColumns)];
  row[row_entropy] = row[rows] = row[row_entropy_norm] = row[rows_norm] = 0;
  for (const double e : row_entropies(w.matrix(k), w.n_forward, w.n_backward, w.edges, cells)) {
    if (std::isnan(e)) continue;
    row[row_entropy] += e;
    row[rows] += 1;
  }
  const auto on_edges = row_entropies(w.matrix(k), w.n_forward, w.n_backward, w.edges, Cells::edges);
  for (int64_t s = 0; s < w.n_forward; ++s) {
    const auto own =
        w.edges.subspan(static_cast<size_t>(s * w.n_backward), static_cast<size_t>(w.n_backward));
    const auto count = std::accumulate(own.begin(), own.end(), int64_t{0});
    const double e = on_edges[static_cast<size_t>(s)];
    if (count < 2 || std::isnan(e)) continue;
    row[row_entropy_norm] += e / std::log(static_cast<double>(count));
    row[rows_norm] += 1;
  }
}

// What is taken over existing edges, whatever --cells says.
void SampleTable::fill_edges(int64_t unit, std::span<const double> matrix) {
  const auto at = static_cast<size_t>(unit);
  double* row = &columns_[at * kColumns];
  std::vector<double> x;
  for (const size_t c : edges_) x.push_back(std::abs(matrix[c]));
  row[edge_intensity] = mean_or_undefined(x);
  Histogram(0, largest_, kFixedBins).count(x, {&fixed_counts_[at * kFixedBins], kFixedBins});
  if (has_log_range(largest_)) {
    std::vector<double> logs;
    for (const double v : x) logs.push_back(std::log10(std::max(v, kLogFloor * largest_)));
    Histogram(std::log10(kLogFloor * largest_), std::log10(largest_), kFixedBins)
        .count(logs, {&log_counts_[at * kFixedBins], kFixedBins});
  }
  const Concentration c = concentration(x);
  row[gini] = c.gini;
  row[effective_edges] = c.effective_edges;
  row[top1_share] = c.top1_share;
}

MetricValues SampleTable::evaluate(const UnitSet& set) const {
  std::array<double, kColumns> sums{};
  std::array<uint32_t, kFixedBins> fixed{};
  std::array<uint32_t, kFixedBins> logs{};
  int64_t count = 0;
  for (size_t i = 0; i < set.units.size(); ++i) {
    const auto unit = static_cast<size_t>(set.units[i]);
    const auto weight = static_cast<uint32_t>(set.weights[i]);
    const double* row = &columns_[unit * kColumns];
    const uint32_t* f = &fixed_counts_[unit * kFixedBins];
    const uint32_t* l = &log_counts_[unit * kFixedBins];
    for (size_t c = 0; c < kColumns; ++c) sums[c] += weight * row[c];
    // Adding a row twice is cheaper than a multiplication that vector registers may not have.
    for (uint32_t times = 0; times < weight; ++times) {
      for (size_t b = 0; b < kFixedBins; ++b) fixed[b] += f[b];
      for (size_t b = 0; b < kFixedBins; ++b) logs[b] += l[b];
    }
    count += weight;
  }
  const auto n = static_cast<double>(count);
  const auto ratio = [](double a, double b, double least) { return b > least ? a / b : kUndefined; };
  MetricValues out;
  out.fill(kUndefined);
  const auto at = [&](Metric m) -> double& { return out[static_cast<size_t>(m)]; };
  at(Metric::act_intensity) = sums[intensity] / n;
  at(Metric::dist_kurtosis) = sums[kurtosis] / n;
  at(Metric::diversity) = m_ > 0 ? 1.0 - correlations_->mean(set.units, set.weights) : kUndefined;
  at(Metric::node_entropy) = ratio(sums[row_entropy], sums[rows], 0);
  at(Metric::node_entropy_normalised) = ratio(sums[row_entropy_norm], sums[rows_norm], 0);
  at(Metric::info_complexity_fixed) = histogram_entropy(fixed);
  at(Metric::entropy_log) = histogram_entropy(logs);
  at(Metric::gini) = sums[gini] / n;
  at(Metric::effective_edges) = sums[effective_edges] / n;
  at(Metric::top1_share) = sums[top1_share] / n;
  at(Metric::mean_loss) = sums[loss] / n;
  at(Metric::mean_error) = sums[error] / n;
  at(Metric::intensity_per_nat) =
      sums[loss] >= kSmallestLoss * n ? sums[edge_intensity] / sums[loss] : kUndefined;
  at(Metric::intensity_per_error) =
      sums[error] >= kSmallestLoss * n ? sums[edge_intensity] / sums[error] : kUndefined;
  for (double& v : out)
    if (!std::isfinite(v)) v = kUndefined;
  return out;
}

std::pair<double, double> SampleTable::range(const UnitSet& set) const {
  double low = std::numeric_limits<double>::infinity();
  double high = 0;
  for (const int32_t u : set.units) {
    low = std::min(low, low_[static_cast<size_t>(u)]);
    high = std::max(high, high_[static_cast<size_t>(u)]);
  }
  return {low, high};
}

double SampleTable::info_complexity(const UnitSet& set) const { return info_complexities({&set, 1}).front(); }

// The range of a set is that of a few extreme samples, so that thousands of
// sets have but a hundred or so ranges.
std::vector<double> SampleTable::info_complexities(std::span<const UnitSet> sets) const {
  std::vector<double> out(sets.size(), kUndefined);
  if (m_ == 0) return out;
  std::vector<std::pair<double, double>> ranges;
  for (const UnitSet& set : sets) ranges.push_back(range(set));
  std::vector<size_t> order(sets.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return ranges[a] < ranges[b]; });
  const auto bins = static_cast<size_t>(bins_);
  std::vector<uint32_t> counts;  // [units, bins] of the present range
  std::vector<bool> counted;
  std::vector<uint32_t> total(bins);
  for (size_t i = 0; i < order.size();) {
    const auto [low, high] = ranges[order[i]];
    const Histogram histogram(low, high, bins_);
    counts.assign(low_.size() * bins, 0);
    counted.assign(low_.size(), false);
    for (; i < order.size() && ranges[order[i]] == std::pair(low, high); ++i) {
      std::fill(total.begin(), total.end(), 0u);
      const UnitSet& set = sets[order[i]];
      for (size_t j = 0; j < set.units.size(); ++j) {
        const auto unit = static_cast<size_t>(set.units[j]);
        uint32_t* own = &counts[unit * bins];
        if (!counted[unit]) histogram.count(absolute(set.units[j]), {own, bins});
        counted[unit] = true;
        const auto weight = static_cast<uint32_t>(set.weights[j]);
        for (size_t b = 0; b < bins; ++b) total[b] += weight * own[b];
      }
      out[order[i]] = histogram_entropy(total);
    }
    check_interrupt();
  }
  return out;
}

UnitSet SampleTable::file_units(int64_t file) const {
  UnitSet set;
  for (int64_t k = 0; k < n_; ++k) set.add(file * n_ + k);
  return set;
}

std::array<Figure, kMetrics> SampleTable::values(int64_t file) const {
  const UnitSet set = file_units(file);
  MetricValues numbers = evaluate(set);
  numbers[static_cast<size_t>(Metric::info_complexity)] = info_complexity(set);
  std::array<Figure, kMetrics> out;
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (std::isfinite(numbers[i]))
      out[i].value = numbers[i];
    else
      out[i].reason = reason(static_cast<Metric>(i), file);
  }
  return out;
}

std::string SampleTable::reason(Metric metric, int64_t file) const {
  const auto first_undefined = [&](Column c, const char* what) -> std::string {
    for (int64_t k = 0; k < n_; ++k)
      if (std::isnan(column(file * n_ + k, c))) return fmt::format("sample {} has {}", k, what);
    return "too large for float64";
  };
  const bool over_chosen_cells = metric <= Metric::node_entropy;
  if ((over_chosen_cells ? m_ : n_edges_) == 0 && metric != Metric::mean_loss && metric != Metric::mean_error)
    return "no existing edge";
  switch (metric) {
    case Metric::dist_kurtosis:
      return first_undefined(kurtosis, "no variance");
    case Metric::diversity:
      if (n_ == 1) return "one sample";
      return first_undefined(kurtosis, "no variance");
    case Metric::node_entropy:
      return "every source's row is all zero";
    case Metric::node_entropy_normalised:
      return "no source with more than one edge has a row that is not all zero";
    case Metric::entropy_log:
      return largest_ > 0 ? "the scores are too small for float64" : "no non-zero score";
    case Metric::gini:
    case Metric::effective_edges:
    case Metric::top1_share:
      return first_undefined(gini, "no non-zero score");
    case Metric::mean_error:
      return has_error_[static_cast<size_t>(file)] ? "too large for float64" : "the file has no error";
    case Metric::intensity_per_nat:
      return "mean loss below 1e-6 nats";
    case Metric::intensity_per_error:
      return has_error_[static_cast<size_t>(file)] ? "mean error below 1e-6" : "the file has no error";
    default:
      return "too large for float64";
  }
}

}  // namespace circuitdiff
