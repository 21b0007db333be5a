// Bootstrap intervals of contrasts: sums of coefficient * metric over the files of a table. after - before is
// the contrast {-1, 1}; the effects of the 2 x 2 are contrasts of four files.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "metrics/sample_table.h"
#include "records/metrics_file.h"

namespace circuitdiff {

// It hangs on the one largest value: its bootstrap interval covers half of what it claims, so it has none.
inline constexpr auto kRangeStatistic = static_cast<size_t>(Metric::info_complexity);

// How near two values of a metric count as tied, so that rounding decides neither a rank nor a p value.
double tie_tolerance(std::span<const double> values);

// sum over files of coefficients[f] * values[f]; null where a file's value is. No interval yet.
ContrastFigure contrast_value(std::span<const double> coefficients,
                              std::span<const std::optional<double>> values);

// Fills the intervals: questions are resampled with all their matrices, each metric is computed anew.
// figures [contrasts][kMetrics]; values [files][kMetrics].
void add_intervals(const SampleTable& table, std::span<const std::vector<double>> contrasts,
                   std::span<const std::array<Figure, kMetrics>> values, const MetricOptions& options,
                   std::span<std::array<ContrastFigure, kMetrics>> figures);

}  // namespace circuitdiff
