// T_cut = max(1, floor(alpha * T)) (SPEC 3): how many answer tokens the loss is taken over. The product is rounded to
// double before the floor, as Python's int(alpha * t) does, so 0.1 * 30 gives 3.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace circuitdiff {

inline int64_t t_cut(double alpha, double reference_length) {
  return std::max<int64_t>(1, static_cast<int64_t>(std::floor(alpha * reference_length)));
}

}  // namespace circuitdiff
