#include "statistics/intervals.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

#include "base/progress.h"
#include "base/random.h"
#include "statistics/resampling.h"

namespace circuitdiff {

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

// A rational start (Abramowitz and Stegun 26.2.23, error 5e-4), then Halley's
// iteration on the distribution function.
double normal_quantile(double p) {
  const double tail = std::min(p, 1 - p);
  const double t = std::sqrt(-2 * std::log(tail));
  double x =
      t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  x = -x;  // the quantile of the lower tail, where nothing cancels
  for (int i = 0; i < 4; ++i) {
    const double density = std::exp(-0.5 * x * x) / std::sqrt(2 * std::numbers::pi);
    const double u = (normal_cdf(x) - tail) / density;
    x -= u / (1 + 0.5 * x * u);
  }
  return p < 0.5 ? x : -x;
}

double quantile_of_sorted(std::span<const double> sorted, double q) {
  const double position = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(position);
  if (below + 1 >= sorted.size()) return sorted.back();
  const double fraction = position - static_cast<double>(below);
  return sorted[below] + fraction * (sorted[below + 1] - sorted[below]);
}

Interval bootstrap_interval(std::span<double> values, double observed, std::span<const double> jackknife,
                            double tolerance) {
  std::sort(values.begin(), values.end());
  const Interval percentile{quantile_of_sorted(values, 0.025), quantile_of_sorted(values, 0.975),
                            "percentile"};
  double below = 0;
  for (const double v : values)
    below += v < observed - tolerance ? 1.0 : v <= observed + tolerance ? 0.5 : 0.0;
  const double share = below / static_cast<double>(values.size());
  if (!(share > 0 && share < 1) || values.back() - values.front() <= tolerance) return percentile;
  const double z0 = normal_quantile(share);

  double mean = 0;
  for (const double v : jackknife) mean += v / static_cast<double>(jackknife.size());
  double squares = 0;
  double cubes = 0;
  double largest = 0;
  for (const double v : jackknife) {
    const double d = mean - v;
    largest = std::max(largest, std::abs(d));
    squares += d * d;
    cubes += d * d * d;
  }
  // NaN compares false. A leave-one-out value moves by about 1/n of what a question does.
  if (!(largest * static_cast<double>(jackknife.size()) > tolerance)) return percentile;
  const double a = cubes / (6 * std::pow(squares, 1.5));
  if (!std::isfinite(a)) return percentile;
  const auto corrected = [&](double probability) {
    const double z = z0 + normal_quantile(probability);
    return normal_cdf(z0 + z / (1 - a * z));
  };
  const double worst = std::max(a * (z0 + normal_quantile(0.025)), a * (z0 + normal_quantile(0.975)));
  if (!(worst < 1)) return percentile;  // past the pole of the acceleration
  return {quantile_of_sorted(values, corrected(0.025)), quantile_of_sorted(values, corrected(0.975)), "BCa"};
}

std::vector<std::optional<double>> benjamini_hochberg(std::span<const std::optional<double>> p) {
  std::vector<size_t> order;
  for (size_t i = 0; i < p.size(); ++i)
    if (p[i]) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return *p[a] < *p[b]; });
  std::vector<std::optional<double>> out(p.size());
  double least = 1;
  for (size_t rank = order.size(); rank > 0; --rank) {
    const size_t i = order[rank - 1];
    least = std::min(least, *p[i] * static_cast<double>(order.size()) / static_cast<double>(rank));
    out[i] = least;
  }
  return out;
}

std::optional<double> cohen_dz(std::span<const double> differences) {
  if (differences.size() < 2) return std::nullopt;
  const auto n = static_cast<double>(differences.size());
  const double mean = std::accumulate(differences.begin(), differences.end(), 0.0) / n;
  double squares = 0;
  for (const double d : differences) squares += (d - mean) * (d - mean);
  const double deviation = std::sqrt(squares / (n - 1));
  if (!(deviation > 1e-13 * std::abs(mean))) return std::nullopt;
  const double d = mean / deviation;
  return std::isfinite(d) ? std::optional(d) : std::nullopt;
}

SignTest sign_test(std::span<const double> differences) {
  SignTest out;
  for (const double d : differences) ++(d > 0 ? out.positive : d < 0 ? out.negative : out.zero);
  const int64_t n = out.positive + out.negative;
  const int64_t most = std::max(out.positive, out.negative);
  // P(X >= most), X ~ Binomial(n, 1/2): terms n! / (k! (n-k)!) 2^-n by their logarithms.
  double tail = 0;
  for (int64_t k = most; k <= n; ++k) {
    const auto real = [](int64_t v) { return static_cast<double>(v); };
    tail += std::exp(std::lgamma(real(n + 1)) - std::lgamma(real(k + 1)) - std::lgamma(real(n - k + 1)) -
                     real(n) * std::numbers::ln2);
  }
  out.p = std::min(1.0, 2 * tail);
  return out;
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
  std::sort(values.begin(), values.end());
  out.low = quantile_of_sorted(values, 0.025);
  out.high = quantile_of_sorted(values, 0.975);
  return out;
}

}  // namespace circuitdiff
