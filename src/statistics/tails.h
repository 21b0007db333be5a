// Tails of the normal and the binomial distribution, by Boost.Math.
#pragma once

#include <cstdint>

namespace circuitdiff {

double normal_cdf(double x);
double normal_quantile(double p);  // 0 < p < 1

// P(X <= k), X ~ Binomial(n, 1/2): k or fewer heads in n tosses of a fair coin. 0 <= k <= n.
double fair_coin_tail(int64_t k, int64_t n);

}  // namespace circuitdiff
