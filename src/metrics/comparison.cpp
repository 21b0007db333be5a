#include "metrics/comparison.h"

#include <algorithm>
#include <cmath>

#include "base/progress.h"
#include "metrics/contrast.h"
#include "metrics/sample_table.h"
#include "statistics/intervals.h"
#include "statistics/resampling.h"
#include "statistics/significance.h"
#include "statistics/summary.h"

namespace circuitdiff {
namespace {

constexpr int64_t kRelativeBootstrap = 2000;  // resamples at most

void add_reason(std::string& reason, const std::string& more) {
  if (!more.empty()) reason += (reason.empty() ? "" : "; ") + more;
}

MetricComparison without_statistics(const char* name, const Figure& before, const Figure& after) {
  MetricComparison m;
  m.name = name;
  m.before = before.value;
  m.after = after.value;
  if (before.reason == after.reason) {
    m.reason = before.reason;
  } else {
    if (!before.value) add_reason(m.reason, "before: " + before.reason);
    if (!after.value) add_reason(m.reason, "after: " + after.reason);
  }
  if (!m.before || !m.after) return m;
  const double difference = *m.after - *m.before;
  if (!std::isfinite(difference)) {
    m.reason = "difference: too large for float64";
    return m;
  }
  m.difference = difference;
  if (const double relative = difference / *m.before; *m.before != 0 && std::isfinite(relative))
    m.relative = relative;
  else
    add_reason(m.reason, *m.before == 0 ? "relative: before is 0" : "relative: too large for float64");
  return m;
}

// Two-sided p of every difference: before and after swapped within questions, the metric computed anew.
void add_p_values(const SampleTable& table, const MetricOptions& options,
                  std::vector<MetricComparison>& out) {
  const int64_t n = table.n();
  std::array<double, kMetrics> least{};  // a difference this large counts as a hit
  std::array<int64_t, kMetrics> hits{};
  for (size_t i = 0; i < kMetrics; ++i)
    if (out[i].difference)
      least[i] = std::abs(*out[i].difference) - tie_tolerance(std::array{*out[i].before, *out[i].after});
  const auto count_hit = [&](size_t i, double difference) {
    // A value that is undefined after the swap counts as a hit: p can only grow by it.
    if (!(std::abs(difference) < least[i])) ++hits[i];
  };
  std::vector<uint8_t> swaps(static_cast<size_t>(n));
  std::vector<UnitSet> sets;          // before and after of each permutation, kept for info_complexity
  constexpr int64_t kKept = 2000000;  // units kept at a time
  for (int64_t r = 0; r < options.permutations; ++r) {
    if (r % 64 == 0) check_interrupt();
    draw_swaps(options.seed, r, swaps);
    UnitSet before;
    UnitSet after;
    for (int64_t k = 0; k < n; ++k) {
      const bool swap = swaps[static_cast<size_t>(k)];
      before.add(swap ? n + k : k);
      after.add(swap ? k : n + k);
    }
    const MetricValues b = table.evaluate(before);
    const MetricValues a = table.evaluate(after);
    for (size_t i = 0; i < kMetrics; ++i)
      if (i != kRangeStatistic) count_hit(i, a[i] - b[i]);
    if (!out[kRangeStatistic].difference) continue;
    sets.push_back(std::move(before));
    sets.push_back(std::move(after));
    if (static_cast<int64_t>(sets.size()) * n < kKept && r + 1 < options.permutations) continue;
    const auto complexity = table.info_complexities(sets);
    for (size_t j = 0; j < complexity.size(); j += 2)
      count_hit(kRangeStatistic, complexity[j + 1] - complexity[j]);
    sets.clear();
  }
  for (size_t i = 0; i < kMetrics; ++i)
    if (out[i].difference) out[i].p = permutation_p(hits[i], options.permutations);
}

// Intensity and its two siblings: how far their relative change may lie from what was seen. The interval of
// the difference, divided by the value before, would take that value for certain, and a fall could end below
// nothing.
void add_relative_intervals(const SampleTable& table, const MetricOptions& options,
                            std::vector<MetricComparison>& out) {
  using MaybeColumn = std::optional<SampleTable::Column>;
  const auto values = [&](const MaybeColumn& column, bool after) {
    std::vector<double> found;
    for (int64_t k = 0; column && k < table.n(); ++k)
      found.push_back(table.column(after ? table.n() + k : k, *column));
    return found;
  };
  struct Ratio {
    Metric metric;
    MaybeColumn sum, scale;
  };
  const MaybeColumn intensity = SampleTable::edge_intensity;
  for (const Ratio& r : {Ratio{Metric::act_intensity, mean_column(Metric::act_intensity), std::nullopt},
                         Ratio{Metric::intensity_per_nat, intensity, mean_column(Metric::mean_loss)},
                         Ratio{Metric::intensity_per_error, intensity, mean_column(Metric::mean_error)}}) {
    MetricComparison& m = out[static_cast<size_t>(r.metric)];
    if (!m.relative) continue;
    const auto found = relative_interval(values(r.sum, false), values(r.sum, true), values(r.scale, false),
                                         values(r.scale, true),
                                         std::min(options.bootstrap, kRelativeBootstrap), options.seed);
    if (!found) continue;
    m.relative_low = found->low;
    m.relative_high = found->high;
  }
}

}  // namespace

std::vector<MetricComparison> compare_metrics(const ScoreMatrices& before, const ScoreMatrices& after,
                                              const MetricOptions& options) {
  check_metric_options(options);
  const std::array files{before, after};
  check_paired(files, std::array<std::string_view, 2>{"before", "after"});
  const double largest = std::max(largest_on_edges(before), largest_on_edges(after));
  const SampleTable table(files, options, largest, /*cross=*/options.permutations > 0);
  const std::array values{table.values(0), table.values(1)};

  std::vector<MetricComparison> out;
  std::array<std::array<ContrastFigure, kMetrics>, 1> figures;
  for (size_t i = 0; i < kMetrics; ++i) {
    out.push_back(without_statistics(EnumWords<Metric>::words[i].second, values[0][i], values[1][i]));
    figures[0][i].value = out[i].difference;
  }
  add_intervals(table, std::array{std::vector{-1.0, 1.0}}, values, options, figures);
  add_relative_intervals(table, options, out);
  if (options.permutations > 0) add_p_values(table, options, out);

  std::vector<std::optional<double>> p;
  for (const MetricComparison& m : out) p.push_back(m.p);
  const auto adjusted = benjamini_hochberg(p);
  for (size_t i = 0; i < kMetrics; ++i) {
    MetricComparison& m = out[i];
    const ContrastFigure& figure = figures[0][i];
    m.ci_low = figure.ci_low;
    m.ci_high = figure.ci_high;
    m.interval = figure.interval;
    m.p_adjusted = adjusted[i];
    if (m.difference) add_reason(m.reason, figure.reason);
    if (m.difference && !m.p) add_reason(m.reason, "p: no permutations asked for");
    const auto column = mean_column(static_cast<Metric>(i));
    if (!m.difference || !column) continue;
    std::vector<double> differences;
    for (int64_t k = 0; k < before.n; ++k)
      differences.push_back(table.column(before.n + k, *column) - table.column(k, *column));
    m.effect_size = cohen_dz(differences);
  }
  return out;
}

}  // namespace circuitdiff
