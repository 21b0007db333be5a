// Score matrices that own their numbers, for tests.
#pragma once

#include <cstdint>
#include <vector>

#include "metrics/score_matrices.h"

namespace circuitdiff::test {

struct Matrices {
  int64_t n = 0, n_forward = 0, n_backward = 0;
  std::vector<double> scores;  // [n, n_forward, n_backward]
  std::vector<uint8_t> edges;
  std::vector<double> loss, error;
  ScoreMatrices view() const { return {n, n_forward, n_backward, scores, edges, loss, error}; }
};

}  // namespace circuitdiff::test
