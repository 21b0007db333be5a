#include "statistics/significance.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "statistics/tails.h"

namespace circuitdiff {

double permutation_p(int64_t hits, int64_t draws) {
  return static_cast<double>(1 + hits) / static_cast<double>(1 + draws);
}

double sign_test_p(int64_t ups, int64_t downs) {
  if (ups + downs == 0) return 1;
  return std::min(1.0, 2 * fair_coin_tail(std::min(ups, downs), ups + downs));
}

double sign_flip_p(std::span<const double> differences, int64_t flips, uint64_t seed) {
  double sum = 0, largest = 0;
  for (const double d : differences) sum += d, largest += std::abs(d);
  const double tie = 1e-12 * largest;
  Philox random(seed);
  int64_t hits = 0;
  for (int64_t r = 0; r < flips; ++r) {
    double flipped = 0;
    for (const double d : differences) flipped += random.coin() ? d : -d;
    hits += std::abs(flipped) >= std::abs(sum) - tie;
  }
  return permutation_p(hits, flips);
}

std::vector<std::optional<double>> benjamini_hochberg(std::span<const std::optional<double>> p) {
  std::vector<size_t> order;
  for (size_t i = 0; i < p.size(); ++i)
    if (p[i]) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return *p[a] < *p[b]; });
  std::vector<std::optional<double>> out(p.size());
  double least = 1;
  for (size_t rank = order.size(); rank > 0; --rank) {
    const size_t i = order[rank - 1];
    least = std::min(least, *p[i] * static_cast<double>(order.size()) / static_cast<double>(rank));
    out[i] = least;
  }
  return out;
}

}  // namespace circuitdiff
