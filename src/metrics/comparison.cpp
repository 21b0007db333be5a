#include "metrics/comparison.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/progress.h"
#include "metrics/resampling.h"
#include "metrics/sample_table.h"
#include "metrics/statistics.h"

namespace circuitdiff {
namespace {

// Two values nearer than this, relative to the metric's, count as tied: rounding must not decide a p value.
constexpr double kTie = 1e-10;

struct Observed {
  MetricComparison* out;
  double before, after, difference, tolerance;
};

MetricValues minus(const MetricValues& after, const MetricValues& before) {
  MetricValues out;
  for (size_t i = 0; i < out.size(); ++i) out[i] = after[i] - before[i];
  return out;
}

void add_reason(std::string& reason, const std::string& more) {
  if (more.empty() || reason == more) return;
  reason += (reason.empty() ? "" : "; ") + more;
}

}  // namespace

std::vector<MetricComparison> compare_metrics(const ScoreMatrices& before, const ScoreMatrices& after,
                                              const MetricOptions& options) {
  check_metric_options(options);
  const std::array files{before, after};
  check_paired(files, std::array<std::string_view, 2>{"before", "after"});
  const double largest = std::max(largest_on_edges(before), largest_on_edges(after));
  const SampleTable table(files, options, largest, /*cross=*/options.permutations > 0);
  const int64_t n = before.n;

  std::vector<MetricComparison> out(kMetrics);
  const auto b = table.values(0);
  const auto a = table.values(1);
  std::vector<Observed> observed;  // metrics with a difference
  for (size_t i = 0; i < kMetrics; ++i) {
    MetricComparison& m = out[i];
    m.name = EnumWords<Metric>::words[i].second;
    m.before = b[i].value;
    m.after = a[i].value;
    if (b[i].reason == a[i].reason) {
      m.reason = b[i].reason;
    } else {
      if (!b[i].reason.empty()) add_reason(m.reason, "before: " + b[i].reason);
      if (!a[i].reason.empty()) add_reason(m.reason, "after: " + a[i].reason);
    }
    if (!m.before || !m.after) continue;
    const double difference = *m.after - *m.before;
    if (!std::isfinite(difference)) {
      add_reason(m.reason, "difference: too large for float64");
      continue;
    }
    m.difference = difference;
    if (*m.before != 0 && std::isfinite(difference / *m.before))
      m.relative = difference / *m.before;
    else
      add_reason(m.reason, "relative: before is 0");
    observed.push_back(
        {&m, *m.before, *m.after, difference, kTie * std::max(std::abs(*m.before), std::abs(*m.after))});
  }
  const auto index = [&](const Observed& o) { return static_cast<size_t>(o.out - out.data()); };
  const auto info = static_cast<size_t>(Metric::info_complexity);

  // Intervals: questions resampled with both their matrices; the acceleration from leaving out one question.
  if (options.bootstrap > 0 && n > 1 && !observed.empty()) {
    std::vector<std::vector<double>> values(kMetrics);
    std::vector<int32_t> weights(static_cast<size_t>(n));
    UnitSet units_before;
    UnitSet units_after;
    const auto difference_of_weights = [&] {
      units_before.clear();
      units_after.clear();
      for (int64_t k = 0; k < n; ++k) {
        const int32_t w = weights[static_cast<size_t>(k)];
        if (w == 0) continue;
        units_before.add(k, w);
        units_after.add(n + k, w);
      }
      return minus(table.evaluate(units_after), table.evaluate(units_before));
    };
    for (int64_t r = 0; r < options.bootstrap; ++r) {
      if (r % 64 == 0) check_interrupt();
      draw_weights(options.seed, r, weights);
      const MetricValues d = difference_of_weights();
      for (size_t i = 0; i < kMetrics; ++i)
        if (std::isfinite(d[i])) values[i].push_back(d[i]);
    }
    std::vector<std::vector<double>> left_out(kMetrics);
    std::fill(weights.begin(), weights.end(), 1);
    for (int64_t k = 0; k < n; ++k) {
      if (k % 64 == 0) check_interrupt();
      weights[static_cast<size_t>(k)] = 0;
      const MetricValues d = difference_of_weights();
      weights[static_cast<size_t>(k)] = 1;
      for (size_t i = 0; i < kMetrics; ++i) left_out[i].push_back(d[i]);
    }
    for (const Observed& o : observed) {
      const size_t i = index(o);
      if (i == info) continue;
      const auto undefined = options.bootstrap - static_cast<int64_t>(values[i].size());
      if (undefined * 20 > options.bootstrap) {
        add_reason(o.out->reason,
                   fmt::format("interval: undefined in {} of {} resamples", undefined, options.bootstrap));
        continue;
      }
      const Interval interval = bootstrap_interval(values[i], o.difference, left_out[i], o.tolerance);
      o.out->ci_low = interval.low;
      o.out->ci_high = interval.high;
      o.out->interval = interval.kind;
    }
  } else {
    for (const Observed& o : observed)
      if (index(o) != info)
        add_reason(o.out->reason, n == 1 ? "interval: one question" : "interval: no resamples asked for");
  }
  if (out[info].difference) add_reason(out[info].reason, "range statistic");

  // p values: before and after swapped within questions.
  if (options.permutations > 0 && !observed.empty()) {
    std::vector<int64_t> hits(kMetrics, 0);
    const auto count_hits = [&](const Observed& o, double difference) {
      // An undefined value counts as a hit: p can only get larger by it.
      if (!(std::abs(difference) < std::abs(o.difference) - o.tolerance)) ++hits[index(o)];
    };
    std::vector<uint8_t> swaps(static_cast<size_t>(n));
    std::vector<UnitSet> sets;  // before and after of each permutation, for info_complexity
    const bool with_info = out[info].difference.has_value();
    constexpr int64_t kBatch = 20000;  // permutations kept at a time
    for (int64_t r = 0; r < options.permutations; ++r) {
      if (r % 64 == 0) check_interrupt();
      draw_swaps(options.seed, r, swaps);
      UnitSet units_before;
      UnitSet units_after;
      for (int64_t k = 0; k < n; ++k) {
        const bool swap = swaps[static_cast<size_t>(k)];
        units_before.add(swap ? n + k : k);
        units_after.add(swap ? k : n + k);
      }
      const MetricValues d = minus(table.evaluate(units_after), table.evaluate(units_before));
      for (const Observed& o : observed)
        if (index(o) != info) count_hits(o, d[index(o)]);
      if (!with_info) continue;
      sets.push_back(std::move(units_before));
      sets.push_back(std::move(units_after));
      if (r % kBatch != kBatch - 1 && r + 1 < options.permutations) continue;
      const auto complexity = table.info_complexities(sets);
      for (const Observed& o : observed)
        if (index(o) == info)
          for (size_t j = 0; j < sets.size(); j += 2) count_hits(o, complexity[j + 1] - complexity[j]);
      sets.clear();
    }
    for (const Observed& o : observed) o.out->p = permutation_p(hits[index(o)], options.permutations);
  } else {
    for (const Observed& o : observed) add_reason(o.out->reason, "p: no permutations asked for");
  }
  std::vector<std::optional<double>> p;
  for (const MetricComparison& m : out) p.push_back(m.p);
  const auto adjusted = benjamini_hochberg(p);
  for (size_t i = 0; i < kMetrics; ++i) out[i].p_adjusted = adjusted[i];

  for (const Observed& o : observed) {
    const auto column = mean_column(static_cast<Metric>(index(o)));
    if (!column) continue;
    std::vector<double> differences;
    for (int64_t k = 0; k < n; ++k)
      differences.push_back(table.column(n + k, *column) - table.column(k, *column));
    o.out->effect_size = cohen_dz(differences);
  }
  return out;
}

}  // namespace circuitdiff
