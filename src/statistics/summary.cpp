#include "statistics/summary.h"

#include <cmath>
#include <numeric>

namespace circuitdiff {

double mean_of(std::span<const double> values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double sample_std(std::span<const double> values) {
  if (values.size() < 2) return 0;
  const double mean = mean_of(values);
  double squares = 0;
  for (const double v : values) squares += (v - mean) * (v - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

std::optional<double> cohen_dz(std::span<const double> differences) {
  const double mean = mean_of(differences);
  const double deviation = sample_std(differences);
  if (!(deviation > 1e-13 * std::abs(mean))) return std::nullopt;
  const double d = mean / deviation;
  return std::isfinite(d) ? std::optional(d) : std::nullopt;
}

double quantile_of_sorted(std::span<const double> sorted, double q) {
  const double position = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(position);
  if (below + 1 >= sorted.size()) return sorted.back();
  const double fraction = position - static_cast<double>(below);
  return sorted[below] + fraction * (sorted[below + 1] - sorted[below]);
}

}  // namespace circuitdiff
