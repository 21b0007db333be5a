// What plots show beside the table: values per sample and per source, correlations between samples, and the
// split of the change of intensity.
#include <algorithm>
#include <cmath>

#include "metrics/comparison.h"
#include "metrics/histogram.h"
#include "metrics/sample_table.h"
#include "statistics/summary.h"

namespace circuitdiff {
namespace {

double mean_edge_intensity(const ScoreMatrices& w) {
  double sum = 0;
  int64_t edges = 0;
  for (const uint8_t e : w.edges) edges += e;
  for (int64_t k = 0; k < w.n; ++k) {
    const auto matrix = w.matrix(k);
    double own = 0;
    for (size_t c = 0; c < matrix.size(); ++c)
      if (w.edges[c]) own += std::abs(matrix[c]);
    sum += own / static_cast<double>(edges);
  }
  return sum / static_cast<double>(w.n);
}

}  // namespace

std::vector<SampleValues> sample_values(const ScoreMatrices& w, const MetricOptions& options) {
  check_metric_options(options);
  check_matrices(w, "scores");
  const SampleTable table({&w, 1}, options, largest_on_edges(w), /*cross=*/false);
  std::vector<SampleValues> out;
  const auto add = [&](const char* name, SampleTable::Column column) {
    SampleValues values{name, {}};
    for (int64_t k = 0; k < w.n; ++k) {
      const double v = table.column(k, column);
      values.values.push_back(std::isfinite(v) ? std::optional(v) : std::nullopt);
    }
    out.push_back(std::move(values));
  };
  for (const auto& [metric, name] : EnumWords<Metric>::words)
    if (const auto column = mean_column(metric)) add(name, *column);
  add("edge_intensity", SampleTable::edge_intensity);
  return out;
}

std::vector<std::optional<double>> node_entropy_by_source(const ScoreMatrices& w, Cells cells) {
  check_matrices(w, "scores");
  const auto sources = static_cast<size_t>(w.n_forward);
  std::vector<double> sums(sources, 0.0);
  std::vector<int64_t> rows(sources, 0);
  for (int64_t k = 0; k < w.n; ++k) {
    const auto entropies = row_entropies(w.matrix(k), w.n_forward, w.n_backward, w.edges, cells);
    for (size_t s = 0; s < sources; ++s) {
      if (std::isnan(entropies[s])) continue;
      sums[s] += entropies[s];
      ++rows[s];
    }
  }
  std::vector<std::optional<double>> out(sources);
  for (size_t s = 0; s < sources; ++s)
    if (rows[s] > 0) out[s] = sums[s] / static_cast<double>(rows[s]);
  return out;
}

CorrelationSummary correlation_summary(const ScoreMatrices& w, Cells cells) {
  check_matrices(w, "scores");
  CorrelationSummary out;
  std::vector<double> vectors;
  for (int64_t k = 0; k < w.n; ++k) {
    const auto matrix = w.matrix(k);
    for (size_t c = 0; c < matrix.size(); ++c)
      if (cells == Cells::matrix || w.edges[c]) vectors.push_back(matrix[c]);
  }
  const auto length = static_cast<int64_t>(vectors.size()) / w.n;
  const Correlations correlations(std::move(vectors), w.n, length, w.n, /*cross=*/false);
  if (w.n == 1) out.reason = "one sample";
  for (int64_t k = 0; k < w.n && out.reason.empty(); ++k)
    if (!correlations.defined(k)) out.reason = fmt::format("sample {} has no variance", k);
  if (!out.reason.empty()) return out;

  std::vector<double> r;
  for (int64_t k = 0; k < w.n; ++k)
    for (int64_t l = k + 1; l < w.n; ++l) r.push_back(std::clamp(correlations.correlation(k, l), -1.0, 1.0));
  std::sort(r.begin(), r.end());
  out.pairs = static_cast<int64_t>(r.size());
  out.mean = mean_of(r);
  double squares = 0;
  for (const double v : r) squares += (v - *out.mean) * (v - *out.mean);
  if (out.pairs > 1) out.sd = std::sqrt(squares / static_cast<double>(out.pairs - 1));
  out.minimum = r.front();
  out.q25 = quantile_of_sorted(r, 0.25);
  out.median = quantile_of_sorted(r, 0.5);
  out.q75 = quantile_of_sorted(r, 0.75);
  out.maximum = r.back();
  constexpr int kBins = 40;
  std::vector<uint32_t> counts(kBins, 0);
  Histogram(-1, 1, kBins).count(r, counts);
  out.histogram.assign(counts.begin(), counts.end());
  return out;
}

IntensityDecomposition decompose_intensity(const ScoreMatrices& before, const ScoreMatrices& after) {
  check_paired(std::array{before, after}, std::array<std::string_view, 2>{"before", "after"});
  IntensityDecomposition out;
  const double i_before = mean_edge_intensity(before);
  const double i_after = mean_edge_intensity(after);
  if (!(i_before > 0 && i_after > 0 && std::isfinite(i_before) && std::isfinite(i_after))) {
    out.reason = out.error_reason = "no non-zero score on an edge";
    return out;
  }
  out.log_ratio = std::log(i_after / i_before);
  constexpr double kSmallest = 1e-6;  // as for intensity_per_nat
  const double loss_before = mean_of(before.loss);
  const double loss_after = mean_of(after.loss);
  if (loss_before >= kSmallest && loss_after >= kSmallest) {
    out.from_loss = std::log(loss_after / loss_before);
    out.beyond_loss = std::log((i_after / loss_after) / (i_before / loss_before));
  } else {
    out.reason = "mean loss below 1e-6 nats";
  }
  if (before.error.empty() || after.error.empty()) {
    out.error_reason = "the file has no error";
    return out;
  }
  const double error_before = mean_of(before.error);
  const double error_after = mean_of(after.error);
  if (error_before >= kSmallest && error_after >= kSmallest) {
    out.from_error = std::log(error_after / error_before);
    out.beyond_error = std::log((i_after / error_after) / (i_before / error_before));
  } else {
    out.error_reason = "mean error below 1e-6";
  }
  return out;
}

}  // namespace circuitdiff
