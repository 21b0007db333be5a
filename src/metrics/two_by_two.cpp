#include "metrics/two_by_two.h"

#include <algorithm>

#include "base/progress.h"

namespace circuitdiff {

std::vector<TwoByTwoMetric> compare_two_by_two(const ScoreMatrices& before, const ScoreMatrices& after,
                                               const ScoreMatrices& before_on_after,
                                               const ScoreMatrices& after_on_before,
                                               const MetricOptions& options) {
  check_metric_options(options);
  const std::array files{before, after, before_on_after, after_on_before};
  check_paired(files,
               std::array<std::string_view, 4>{"before", "after", "before_on_after", "after_on_before"});
  double largest = 0;
  for (const ScoreMatrices& w : files) largest = std::max(largest, largest_on_edges(w));
  const SampleTable table(files, options, largest, /*cross=*/false);

  // Coefficients of before, after, before_on_after, after_on_before.
  const std::array<std::vector<double>, 3> contrasts{
      std::vector{-0.5, 0.5, -0.5, 0.5},  // model: (aa - ba + ab - bb) / 2
      std::vector{-0.5, 0.5, 0.5, -0.5},  // text:  (aa - ab + ba - bb) / 2
      std::vector{1.0, 1.0, -1.0, -1.0},  // interaction: (aa - ba) - (ab - bb)
  };
  std::array<std::array<Figure, kMetrics>, 4> values;
  for (size_t f = 0; f < files.size(); ++f) values[f] = table.values(static_cast<int64_t>(f));
  std::array<std::array<ContrastFigure, kMetrics>, 3> figures;
  for (size_t c = 0; c < contrasts.size(); ++c)
    for (size_t i = 0; i < kMetrics; ++i) {
      figures[c][i] = contrast_value(contrasts[c], std::array{values[0][i].value, values[1][i].value,
                                                              values[2][i].value, values[3][i].value});
      if (figures[c][i].value) continue;
      for (const auto& file : values)
        if (figures[c][i].reason.empty()) figures[c][i].reason = file[i].reason;
      if (figures[c][i].reason.empty()) figures[c][i].reason = "too large for float64";
    }
  add_intervals(table, contrasts, values, options, figures);

  std::vector<TwoByTwoMetric> out;
  for (size_t i = 0; i < kMetrics; ++i)
    out.push_back({EnumWords<Metric>::words[i].second, values[0][i].value, values[1][i].value,
                   values[2][i].value, values[3][i].value, figures[0][i], figures[1][i], figures[2][i]});
  return out;
}

}  // namespace circuitdiff
