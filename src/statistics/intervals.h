// 95 % intervals: of bootstrap values (percentile and BCa), of a mean and of a change by drawing questions
// again, of a share (Wilson), and of a claim in two levels (seeds, then questions).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

namespace circuitdiff {

struct Interval {
  double low = 0, high = 0;
  std::string kind;  // "BCa", "percentile" or "Wilson"
};

// The 2.5 and 97.5 % quantiles of the values, which are sorted in place. At least one value.
Interval percentile_interval(std::span<double> values);

// Interval from bootstrap values and the leave-one-out values of the same figure (Efron 1987): the bias is
// the share of values below `observed` (ties, which are values within `tolerance`, count half), the
// acceleration comes from the jackknife. The percentile interval where BCa is undefined: all values on one
// side, or a jackknife without variance or with an undefined (NaN) value. `values` is sorted in place and not
// empty.
Interval bootstrap_interval(std::span<double> values, double observed, std::span<const double> jackknife,
                            double tolerance);

// Percentile interval of the mean, from `resamples` draws of as many values. Error where either is missing.
Interval mean_interval(std::span<const double> values, int64_t resamples, uint64_t seed);

// Percentile interval of (sum after / sum after_scale) / (sum before / sum before_scale) - 1 over resamples
// of questions, each with both its models' values. Scales may be empty: means are compared then. All spans
// have one value a question. Null for fewer than two questions and where it is undefined in a resample.
std::optional<Interval> relative_interval(std::span<const double> before, std::span<const double> after,
                                          std::span<const double> before_scale,
                                          std::span<const double> after_scale, int64_t resamples,
                                          uint64_t seed);

// Wilson's score interval of a share; [0, 1] where n = 0.
Interval wilson_interval(int64_t successes, int64_t n);

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
