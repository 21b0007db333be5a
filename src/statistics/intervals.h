// Statistics that know nothing of circuits: normal quantiles, percentile and BCa
// intervals, Benjamini-Hochberg, effect size, the exact sign test, and the bootstrap in
// two levels (seeds, then questions).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace circuitdiff {

double normal_cdf(double x);
double normal_quantile(double p);  // 0 < p < 1

// Quantile q in [0, 1] of ascending values by linear interpolation (numpy's default).
double quantile_of_sorted(std::span<const double> sorted, double q);

struct Interval {
  double low = 0, high = 0;
  std::string kind;  // "BCa" or "percentile"
};

// 95 % interval from bootstrap values and the leave-one-out values of the same figure (Efron 1987):
// the bias is the share of values below `observed` (ties, which are values within `tolerance`, count
// half), the acceleration comes from the jackknife. The percentile interval where BCa is undefined:
// all values on one side, or a jackknife without variance or with an undefined (NaN) value. `values`
// is sorted in place and not empty.
Interval bootstrap_interval(std::span<double> values, double observed, std::span<const double> jackknife,
                            double tolerance);

// p values adjusted for the false discovery rate; null stays null and does not count.
std::vector<std::optional<double>> benjamini_hochberg(std::span<const std::optional<double>> p);

// Cohen's d_z: mean over standard deviation (n - 1) of paired differences.
// Null for n = 1 or without variance.
std::optional<double> cohen_dz(std::span<const double> differences);

struct SignTest {
  int64_t positive = 0, negative = 0, zero = 0;
  double p = 1;  // exact, two-sided, zeros left out
};
SignTest sign_test(std::span<const double> differences);

// A claim about an algorithm: groups (seeds, or pairs of models) are resampled, then the questions within
// each drawn one. `statistic(group, questions)` is the figure of one group over those questions, repeats
// included; the claim is its mean over groups. Percentile interval; null for fewer than two groups. NaN
// statistics make it null too.
struct TwoLevel {
  std::optional<double> value, low, high;
  std::string reason;
};
TwoLevel two_level_bootstrap(
    std::span<const int64_t> questions,
    const std::function<double(int64_t group, std::span<const int64_t> questions)>& statistic,
    int64_t resamples, uint64_t seed);

}  // namespace circuitdiff
