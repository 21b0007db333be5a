#include "statistics/tails.h"

#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/normal.hpp>

namespace circuitdiff {

double normal_cdf(double x) { return boost::math::cdf(boost::math::normal(), x); }

double normal_quantile(double p) { return boost::math::quantile(boost::math::normal(), p); }

double fair_coin_tail(int64_t k, int64_t n) {
  const boost::math::binomial coin(static_cast<double>(n), /*success_fraction=*/0.5);
  return boost::math::cdf(coin, static_cast<double>(k));
}

}  // namespace circuitdiff
