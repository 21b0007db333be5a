// Whether a difference is beyond chance: permutation p values, the exact sign test and McNemar's, sign flips
// of differences, and Benjamini-Hochberg's correction for many tests. All are two-sided.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace circuitdiff {

// p = (1 + hits) / (1 + draws)
double permutation_p(int64_t hits, int64_t draws);

// Exact test of as many ups as downs: p = min(1, 2 P(X <= min(ups, downs))), X ~ Binomial(ups + downs, 1/2);
// 1 where there is neither. McNemar's exact test is this on the questions that only one side gets right.
double sign_test_p(int64_t ups, int64_t downs);

// p of the sum of paired differences against `flips` draws that turn each difference round or not.
double sign_flip_p(std::span<const double> differences, int64_t flips, uint64_t seed);

// p values adjusted for the false discovery rate; null stays null and does not count.
std::vector<std::optional<double>> benjamini_hochberg(std::span<const std::optional<double>> p);

}  // namespace circuitdiff
