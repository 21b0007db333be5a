// How far the relative change of a ratio of sums may lie from what was seen: questions are drawn again, each
// with both its models' values. metrics.json has the interval of the difference; divided by the value before
// it would take that value for certain, and a fall could end below nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>

namespace circuitdiff {

// 95 % percentile interval of (sum after / sum after_scale) / (sum before / sum before_scale) - 1 over 2000
// resamples of questions. Scales may be empty: means are compared then. All spans have one value a question.
// Null for fewer than two questions and where a denominator of a resample is not positive.
std::optional<std::pair<double, double>> relative_interval(std::span<const double> before,
                                                           std::span<const double> after,
                                                           std::span<const double> before_scale,
                                                           std::span<const double> after_scale);

}  // namespace circuitdiff
