// How many answer tokens the loss looks at (docs/spec.md#pairs): T_cut = max(1, floor(alpha * T)),
// T being T_mean or, by the published code's rule, min(mean T_before, mean T_after). The product is
// rounded to float64 before the floor, as Python and numpy compute it, so that a published
// selection gives the published T_cut.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/error.h"

namespace circuitdiff {

inline int64_t t_cut(double alpha, double t) {
  const double product = alpha * t;
  if (!(product >= 0 && product < 9e15))
    fail("T_cut: alpha {} and mean length {}: both must be finite and not negative", alpha, t);
  return std::max<int64_t>(1, static_cast<int64_t>(std::floor(product)));
}

}  // namespace circuitdiff
