#include "statistics/relative_interval.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/random.h"

namespace circuitdiff {

std::optional<std::pair<double, double>> relative_interval(std::span<const double> before,
                                                           std::span<const double> after,
                                                           std::span<const double> before_scale,
                                                           std::span<const double> after_scale) {
  constexpr int kResamples = 2000;
  const size_t n = before.size();
  const bool scaled = !before_scale.empty();
  if (n < 2 || after.size() != n || (scaled && (before_scale.size() != n || after_scale.size() != n)))
    return std::nullopt;
  Philox random(0);
  std::vector<double> values;
  for (int r = 0; r < kResamples; ++r) {
    double b = 0, a = 0, b_scale = 0, a_scale = 0;
    for (size_t i = 0; i < n; ++i) {
      const size_t k = random.below(n);
      b += before[k];
      a += after[k];
      b_scale += scaled ? before_scale[k] : 1;
      a_scale += scaled ? after_scale[k] : 1;
    }
    if (!(b > 0 && a_scale > 0 && b_scale > 0)) return std::nullopt;
    values.push_back(a / a_scale * b_scale / b - 1);
  }
  std::sort(values.begin(), values.end());
  const auto quantile = [&](double q) {
    const double at = q * (kResamples - 1);
    const auto low = static_cast<size_t>(at);
    return values[low] + (at - std::floor(at)) * (values[std::min(low + 1, values.size() - 1)] - values[low]);
  };
  return std::pair(quantile(0.025), quantile(0.975));
}

}  // namespace circuitdiff
