#include "statistics/intervals.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "base/progress.h"
#include "base/random.h"
#include "statistics/resampling.h"
#include "statistics/summary.h"
#include "statistics/tails.h"

namespace circuitdiff {
namespace {

constexpr double kLow = 0.025, kHigh = 0.975;

// statistic(indices) of `resamples` draws of n indices out of n, all from one stream.
template <class F>
std::vector<double> resampled(size_t n, int64_t resamples, uint64_t seed, F&& statistic) {
  Philox random(seed);
  std::vector<size_t> drawn(n);
  std::vector<double> out;
  for (int64_t r = 0; r < resamples; ++r) {
    for (size_t& i : drawn) i = random.below(n);
    out.push_back(statistic(drawn));
  }
  return out;
}

// The acceleration: a sixth of the jackknife's skewness. Null where it has no variance or a NaN.
std::optional<double> acceleration(std::span<const double> jackknife, double tolerance) {
  const double mean = mean_of(jackknife);
  double squares = 0, cubes = 0, largest = 0;
  for (const double v : jackknife) {
    const double d = mean - v;
    largest = std::max(largest, std::abs(d));
    squares += d * d;
    cubes += d * d * d;
  }
  // NaN compares false. A leave-one-out value moves by about 1/n of what a question does.
  if (!(largest * static_cast<double>(jackknife.size()) > tolerance)) return std::nullopt;
  const double a = cubes / (6 * std::pow(squares, 1.5));
  return std::isfinite(a) ? std::optional(a) : std::nullopt;
}

}  // namespace

Interval percentile_interval(std::span<double> values) {
  std::sort(values.begin(), values.end());
  return {quantile_of_sorted(values, kLow), quantile_of_sorted(values, kHigh), "percentile"};
}

Interval bootstrap_interval(std::span<double> values, double observed, std::span<const double> jackknife,
                            double tolerance) {
  const Interval percentile = percentile_interval(values);
  double below = 0;
  for (const double v : values)
    below += v < observed - tolerance ? 1.0 : v <= observed + tolerance ? 0.5 : 0.0;
  const double share = below / static_cast<double>(values.size());
  if (!(share > 0 && share < 1) || values.back() - values.front() <= tolerance) return percentile;
  const auto a = acceleration(jackknife, tolerance);
  if (!a) return percentile;
  const double z0 = normal_quantile(share);
  const double z_low = z0 + normal_quantile(kLow), z_high = z0 + normal_quantile(kHigh);
  if (!(std::max(*a * z_low, *a * z_high) < 1)) return percentile;  // past the pole of the acceleration
  const auto corrected = [&](double z) {
    return quantile_of_sorted(values, normal_cdf(z0 + z / (1 - *a * z)));
  };
  return {corrected(z_low), corrected(z_high), "BCa"};
}

Interval mean_interval(std::span<const double> values, int64_t resamples, uint64_t seed) {
  if (values.empty() || resamples < 1) fail("bootstrap: at least one value and one resample expected");
  auto means = resampled(values.size(), resamples, seed, [&](std::span<const size_t> drawn) {
    double sum = 0;
    for (const size_t i : drawn) sum += values[i];
    return sum / static_cast<double>(values.size());
  });
  return percentile_interval(means);
}

std::optional<Interval> relative_interval(std::span<const double> before, std::span<const double> after,
                                          std::span<const double> before_scale,
                                          std::span<const double> after_scale, int64_t resamples,
                                          uint64_t seed) {
  const size_t n = before.size();
  const bool scaled = !before_scale.empty();
  if (n < 2 || resamples < 1 || after.size() != n ||
      (scaled && (before_scale.size() != n || after_scale.size() != n)))
    return std::nullopt;
  auto changes = resampled(n, resamples, seed, [&](std::span<const size_t> drawn) {
    double b = 0, a = 0, b_scale = 0, a_scale = 0;
    for (const size_t k : drawn) {
      b += before[k];
      a += after[k];
      b_scale += scaled ? before_scale[k] : 1;
      a_scale += scaled ? after_scale[k] : 1;
    }
    return b > 0 && a_scale > 0 && b_scale > 0 ? a / a_scale * b_scale / b - 1 : std::nan("");
  });
  if (std::any_of(changes.begin(), changes.end(), [](double v) { return !std::isfinite(v); })) return {};
  return percentile_interval(changes);
}

Interval wilson_interval(int64_t successes, int64_t n) {
  if (n == 0) return {0, 1, "Wilson"};
  const auto count = static_cast<double>(n);
  const double z = normal_quantile(kHigh), z2 = z * z;
  const double p = static_cast<double>(successes) / count;
  const double middle = (p + z2 / (2 * count)) / (1 + z2 / count);
  const double half = z / (1 + z2 / count) * std::sqrt(p * (1 - p) / count + z2 / (4 * count * count));
  return {std::max(0.0, middle - half), std::min(1.0, middle + half), "Wilson"};
}

TwoLevel two_level_bootstrap(
    std::span<const int64_t> questions,
    const std::function<double(int64_t group, std::span<const int64_t> questions)>& statistic,
    int64_t resamples, uint64_t seed) {
  const auto groups = static_cast<int64_t>(questions.size());
  TwoLevel out;
  if (groups == 0) return {{}, {}, {}, "no group"};
  double sum = 0;
  std::vector<int64_t> drawn;
  for (int64_t g = 0; g < groups; ++g) {
    drawn.resize(static_cast<size_t>(questions[static_cast<size_t>(g)]));
    std::iota(drawn.begin(), drawn.end(), int64_t{0});
    sum += statistic(g, drawn);
  }
  if (!std::isfinite(sum)) return {{}, {}, {}, "undefined in a group"};
  out.value = sum / static_cast<double>(groups);
  if (groups < 2) {
    out.reason = "one group";
    return out;
  }
  std::vector<double> values;
  for (int64_t r = 0; r < resamples; ++r) {
    if (r % 64 == 0) check_interrupt();
    Philox random = resample_stream(seed, Draw::two_level, r);
    double total = 0;
    for (int64_t i = 0; i < groups; ++i) {
      const auto g = random.below(static_cast<uint64_t>(groups));
      const auto count = static_cast<uint64_t>(questions[g]);
      drawn.resize(count);
      for (int64_t& q : drawn) q = static_cast<int64_t>(random.below(count));
      total += statistic(static_cast<int64_t>(g), drawn);
    }
    if (std::isfinite(total)) values.push_back(total / static_cast<double>(groups));
  }
  if (values.empty() || static_cast<int64_t>(values.size()) < resamples) {
    out.reason = resamples == 0 ? "no resamples asked for" : "undefined in some resamples";
    return out;
  }
  const Interval interval = percentile_interval(values);
  out.low = interval.low;
  out.high = interval.high;
  return out;
}

}  // namespace circuitdiff
