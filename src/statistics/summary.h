// Numbers that sum up many: mean, standard deviation, effect size, quantile.
#pragma once

#include <optional>
#include <span>

namespace circuitdiff {

double mean_of(std::span<const double> values);     // 0 of none
double sample_std(std::span<const double> values);  // divisor n - 1; 0 for fewer than two values

// Cohen's d_z: mean over standard deviation of paired differences. Null for n = 1 or without variance.
std::optional<double> cohen_dz(std::span<const double> differences);

// Quantile q in [0, 1] of ascending values by linear interpolation (numpy's default). At least one value.
double quantile_of_sorted(std::span<const double> sorted, double q);

}  // namespace circuitdiff
