#include "metrics/metrics.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "metrics/sample_table.h"

namespace circuitdiff {

void check_metric_options(const MetricOptions& o) {
  constexpr int kMostBins = 100000;
  constexpr int64_t kMostResamples = 10000000;
  if (o.bins < 1 || o.bins > kMostBins)
    usage_error("--bins: a number from 1 to {} expected, {} found", kMostBins, o.bins);
  const auto count = [&](const char* flag, int64_t value) {
    if (value < 0 || value > kMostResamples)
      usage_error("{}: a number from 0 to {} expected, {} found", flag, kMostResamples, value);
  };
  count("--bootstrap", o.bootstrap);
  count("--permutations", o.permutations);
}

double largest_on_edges(const ScoreMatrices& w) {
  double largest = 0;
  for (int64_t k = 0; k < w.n; ++k) {
    const auto matrix = w.matrix(k);
    for (size_t c = 0; c < matrix.size(); ++c)
      if (w.edges[c]) largest = std::max(largest, std::abs(matrix[c]));
  }
  return largest;
}

std::array<Figure, kMetrics> metrics_of(const ScoreMatrices& w, const MetricOptions& options,
                                        double largest) {
  check_metric_options(options);
  check_matrices(w, "scores");
  return SampleTable({&w, 1}, options, largest, /*cross=*/false).values(0);
}

}  // namespace circuitdiff
