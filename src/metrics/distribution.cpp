#include "metrics/distribution.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

namespace circuitdiff {
double power_of_two_scale(std::span<const double> values) {
  double largest = 0;
  for (const double v : values) largest = std::max(largest, std::abs(v));
  if (largest == 0) return 1;
  int exponent = 0;
  std::frexp(largest, &exponent);
  // Beyond 2^1000 the scale itself would leave the range of a double.
  return std::ldexp(1.0, std::clamp(-exponent, -1000, 1000));
}

double excess_kurtosis(std::span<const double> values) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  if (values.empty() || *least == *most) return kUndefined;
  const double scale = power_of_two_scale(values);
  const auto n = static_cast<double>(values.size());
  double mean = 0;
  for (const double v : values) mean += v * scale;
  mean /= n;
  double m2 = 0;
  double m4 = 0;
  for (const double v : values) {
    const double d = v * scale - mean;
    m2 += d * d;
    m4 += d * d * d * d;
  }
  m2 /= n;
  m4 /= n;
  const double kurtosis = m4 / (m2 * m2) - 3.0;
  return std::isfinite(kurtosis) ? kurtosis : kUndefined;
}

Concentration concentration(std::span<double> x) {
  std::sort(x.begin(), x.end());
  if (x.empty() || x.back() == 0) return {kUndefined, kUndefined, kUndefined};
  const double scale = power_of_two_scale(x);
  const auto n = static_cast<double>(x.size());
  double sum = 0;
  double weighted = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] *= scale;
    sum += x[i];
    weighted += (2.0 * static_cast<double>(i + 1) - n - 1.0) * x[i];
  }
  const size_t top = (x.size() + 99) / 100;
  double largest = 0;
  for (size_t i = x.size() - top; i < x.size(); ++i) largest += x[i];
  return {weighted / (n * sum), std::exp(share_entropy(x)), largest / sum};
}

double share_entropy(std::span<const double> x) {
  double sum = 0;
  for (const double v : x) sum += v;
  if (!(sum > 0)) return kUndefined;
  if (!std::isfinite(sum) || sum < 1e-290) {  // the same shares at a scale that has room
    const double scale = power_of_two_scale(x);
    sum = 0;
    for (const double v : x) sum += v * scale;
    double entropy = 0;
    for (const double v : x)
      if (const double p = v * scale / sum; p > 0) entropy -= p * std::log(p);
    return entropy;
  }
  double entropy = 0;
  for (const double v : x)
    if (const double p = v / sum; p > 0) entropy -= p * std::log(p);
  return entropy;
}

}  // namespace circuitdiff
