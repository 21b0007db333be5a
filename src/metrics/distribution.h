// What one sample's scores look like as a distribution: kurtosis of the signed scores, and how concentrated
// their absolute values are on few edges. Each returns NaN where its formula is undefined; callers turn that
// into null with a reason before anybody sees it.
#pragma once

#include <limits>
#include <span>

namespace circuitdiff {

inline constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

// m4 / m2^2 - 3 with population moments (15). Undefined where all values are equal.
double excess_kurtosis(std::span<const double> values);

struct Concentration {
  double gini;             // sum_i (2i - n - 1) x_i / (n sum x), x sorted ascending, i from 1
  double effective_edges;  // exp(-sum p ln p), p = x / sum x
  double top1_share;       // of sum x, the largest ceil(n / 100)
};
// Of non-negative x, which is sorted in place. Undefined where the sum is 0 or x is empty.
Concentration concentration(std::span<double> x);

// -sum p ln p of x / sum x, in nats; x non-negative. Undefined where the sum is 0.
double share_entropy(std::span<const double> x);

// 2^-k that brings the largest of abs(values) into [0.5, 1): exact to multiply with, so that moments of very
// large or small values neither overflow nor vanish. 1 where all values are 0.
double power_of_two_scale(std::span<const double> values);

}  // namespace circuitdiff
