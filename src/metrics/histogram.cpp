#include "metrics/histogram.h"

#include <cmath>
#include <limits>

namespace circuitdiff {

Histogram::Histogram(double lo, double hi, int bins)
    : lo_(lo == hi ? lo - 0.5 : lo), hi_(lo == hi ? hi + 0.5 : hi), bins_(bins) {
  // np.linspace(lo, hi, bins + 1)
  const double delta = hi_ - lo_;
  const double step = delta / bins_;
  edges_.resize(static_cast<size_t>(bins_) + 1);
  for (int i = 0; i <= bins_; ++i)
    edges_[static_cast<size_t>(i)] = (step != 0 ? i * step : i / static_cast<double>(bins_) * delta) + lo_;
  edges_.back() = hi_;
}

int64_t Histogram::bin(double value) const {
  auto i = static_cast<int64_t>((value - lo_) / (hi_ - lo_) * bins_);
  if (i == bins_) --i;
  const auto at = [&](int64_t k) { return edges_[static_cast<size_t>(k)]; };
  if (value < at(i)) --i;
  if (value >= at(i + 1) && i != bins_ - 1) ++i;
  return i;
}

void Histogram::count(std::span<const double> values, std::span<uint32_t> counts) const {
  for (const double v : values)
    if (v >= lo_ && v <= hi_) ++counts[static_cast<size_t>(bin(v))];
}

double histogram_entropy(std::span<const uint32_t> counts) {
  uint64_t total = 0;
  for (const uint32_t c : counts) total += c;
  if (total == 0) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0;
  for (const uint32_t c : counts) {
    if (c == 0) continue;
    const double p = static_cast<double>(c) / static_cast<double>(total);
    sum += p * std::log(p + 1e-12);
  }
  return -sum;
}

}  // namespace circuitdiff
