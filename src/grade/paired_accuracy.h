// Whether two models' accuracies on the same questions differ: exact McNemar where a question has one answer,
// a sign-flip test of the shares where it has several.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "grade/sampled_accuracy.h"

namespace circuitdiff {

struct PairedAccuracy {
  int64_t n = 0;                                                   // questions that both answered
  int64_t both = 0, only_before = 0, only_after = 0, neither = 0;  // one answer a question; else 0
  double difference = 0;  // after - before, mean over questions of the shares of right answers
  double p = 1;
  std::string test;  // "exact McNemar" or "sign flip of 10000"
};

// before[k], after[k]: the answers to question k. n >= 1. Seeded: the same input gives the same p.
PairedAccuracy paired_accuracy(std::span<const SampleCount> before, std::span<const SampleCount> after);

}  // namespace circuitdiff
