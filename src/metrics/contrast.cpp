#include "metrics/contrast.h"

#include <algorithm>
#include <cmath>

#include "base/progress.h"
#include "statistics/intervals.h"
#include "statistics/resampling.h"

namespace circuitdiff {
namespace {

// All contrasts of all metrics over questions with these weights: [contrasts][kMetrics].
std::vector<MetricValues> contrasts_of(const SampleTable& table,
                                       std::span<const std::vector<double>> contrasts,
                                       std::span<const int32_t> weights) {
  const auto files = static_cast<int64_t>(contrasts.front().size());
  std::vector<MetricValues> out(contrasts.size());
  for (auto& values : out) values.fill(0);
  UnitSet set;
  for (int64_t f = 0; f < files; ++f) {
    set.clear();
    for (int64_t k = 0; k < table.n(); ++k)
      if (const int32_t w = weights[static_cast<size_t>(k)]; w > 0) set.add(f * table.n() + k, w);
    const MetricValues values = table.evaluate(set);
    for (size_t c = 0; c < contrasts.size(); ++c)
      for (size_t i = 0; i < kMetrics; ++i) out[c][i] += contrasts[c][static_cast<size_t>(f)] * values[i];
  }
  return out;
}

}  // namespace

double tie_tolerance(std::span<const double> values) {
  double largest = 0;
  for (const double v : values) largest = std::max(largest, std::abs(v));
  return 1e-10 * largest;
}

ContrastFigure contrast_value(std::span<const double> coefficients,
                              std::span<const std::optional<double>> values) {
  ContrastFigure out;
  double sum = 0;
  for (size_t f = 0; f < values.size(); ++f) {
    if (!values[f]) return out;
    sum += coefficients[f] * *values[f];
  }
  if (std::isfinite(sum)) out.value = sum;
  return out;
}

void add_intervals(const SampleTable& table, std::span<const std::vector<double>> contrasts,
                   std::span<const std::array<Figure, kMetrics>> values, const MetricOptions& options,
                   std::span<std::array<ContrastFigure, kMetrics>> figures) {
  const int64_t n = table.n();
  const auto for_each_value = [&](auto action) {
    for (size_t c = 0; c < figures.size(); ++c)
      for (size_t i = 0; i < kMetrics; ++i)
        if (figures[c][i].value) action(c, i, figures[c][i]);
  };
  const char* none = n == 1                   ? "interval: one question"
                     : options.bootstrap == 0 ? "interval: no resamples asked for"
                                              : nullptr;
  for_each_value([&](size_t, size_t i, ContrastFigure& figure) {
    if (i == kRangeStatistic)
      figure.reason = "range statistic";
    else if (none)
      figure.reason = none;
  });
  if (none) return;

  std::vector<int32_t> weights(static_cast<size_t>(n), 1);
  std::vector<std::array<std::vector<double>, kMetrics>> left_out(contrasts.size());
  for (int64_t k = 0; k < n; ++k) {
    if (k % 64 == 0) check_interrupt();
    weights[static_cast<size_t>(k)] = 0;
    const auto d = contrasts_of(table, contrasts, weights);
    weights[static_cast<size_t>(k)] = 1;
    for_each_value([&](size_t c, size_t i, ContrastFigure&) { left_out[c][i].push_back(d[c][i]); });
  }
  std::vector<std::array<std::vector<double>, kMetrics>> resampled(contrasts.size());
  for (int64_t r = 0; r < options.bootstrap; ++r) {
    if (r % 64 == 0) check_interrupt();
    draw_weights(options.seed, r, weights);
    const auto d = contrasts_of(table, contrasts, weights);
    for_each_value([&](size_t c, size_t i, ContrastFigure&) {
      if (std::isfinite(d[c][i])) resampled[c][i].push_back(d[c][i]);
    });
  }
  for_each_value([&](size_t c, size_t i, ContrastFigure& figure) {
    if (i == kRangeStatistic) return;
    // A resample where the figure is undefined is left out, as long as that is rare.
    const auto undefined = options.bootstrap - static_cast<int64_t>(resampled[c][i].size());
    if (undefined * 20 > options.bootstrap) {
      figure.reason = fmt::format("interval: undefined in {} of {} resamples", undefined, options.bootstrap);
      return;
    }
    std::vector<double> of_files;
    for (const auto& file : values) of_files.push_back(*file[i].value);
    const Interval interval =
        bootstrap_interval(resampled[c][i], *figure.value, left_out[c][i], tie_tolerance(of_files));
    figure.ci_low = interval.low;
    figure.ci_high = interval.high;
    figure.interval = interval.kind;
  });
}

}  // namespace circuitdiff
