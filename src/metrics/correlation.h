// Diversity (Fig. 3a): 1 - mean Pearson correlation over pairs of samples of their flattened signed scores.
// Each sample is centred and brought to length 1 once; a correlation is then a dot product, and what
// resampling needs is the matrix of them (or, where samples are many, sums of the vectors).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace circuitdiff {

class Correlations {
 public:
  // `vectors` [units, length], taken over; units `k` and `l` are compared at all only if `cross` or if both
  // lie in one group of `group` consecutive units. An empty variance makes a unit undefined.
  Correlations(std::vector<double> vectors, int64_t units, int64_t length, int64_t group, bool cross);

  bool defined(int64_t unit) const { return defined_[static_cast<size_t>(unit)]; }
  double correlation(int64_t k, int64_t l) const;  // of two defined units
  // Mean correlation over pairs of different units of the set, a pair counted weight * weight times; NaN
  // where there is no pair or a unit is undefined. `units` without duplicates, weights positive.
  double mean(std::span<const int32_t> units, std::span<const int32_t> weights) const;

 private:
  double mean_by_pairs(std::span<const int32_t> units, std::span<const int32_t> weights) const;
  double mean_by_sums(std::span<const int32_t> units, std::span<const int32_t> weights) const;

  std::vector<double> unit_vectors_;  // [units, length]
  int64_t units_, length_;
  std::vector<bool> defined_;
  std::vector<double> matrix_;  // [units, units], symmetric; empty where there are more than kPairLimit units
};

}  // namespace circuitdiff
