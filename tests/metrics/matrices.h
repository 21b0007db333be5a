// Score matrices that own their numbers, for tests.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "base/random.h"
#include "metrics/score_matrices.h"

namespace circuitdiff::test {

struct Matrices {
  int64_t n = 0, n_forward = 0, n_backward = 0;
  std::vector<double> scores;  // [n, n_forward, n_backward]
  std::vector<uint8_t> edges;
  std::vector<double> loss, error;

  ScoreMatrices view() const { return {n, n_forward, n_backward, scores, edges, loss, error}; }
  double& at(int64_t k, int64_t s, int64_t d) {
    return scores[static_cast<size_t>((k * n_forward + s) * n_backward + d)];
  }
  // Samples `units` of `files` one after the other; unit f * n + k is sample k of file f.
  static Matrices stack(const std::vector<Matrices>& files, const std::vector<int64_t>& units) {
    Matrices out = files.front();
    out.n = static_cast<int64_t>(units.size());
    out.scores.clear();
    out.loss.clear();
    out.error.clear();
    for (const int64_t u : units) {
      const Matrices& from = files[static_cast<size_t>(u / files.front().n)];
      const auto k = static_cast<size_t>(u % from.n);
      const auto matrix = from.view().matrix(static_cast<int64_t>(k));
      out.scores.insert(out.scores.end(), matrix.begin(), matrix.end());
      out.loss.push_back(from.loss[k]);
      out.error.push_back(from.error[k]);
    }
    return out;
  }
};

// Heavy-tailed scores on a triangle of edges, zero elsewhere; loss and error in (0, 2) and (0, 1).
inline Matrices random_matrices(uint64_t seed, int64_t n, int64_t n_forward = 4, int64_t n_backward = 5,
                                double scale = 1.0) {
  Philox random(seed);
  Matrices out{n, n_forward, n_backward, {}, {}, {}, {}};
  for (int64_t s = 0; s < n_forward; ++s)
    for (int64_t d = 0; d < n_backward; ++d) out.edges.push_back(d >= s ? 1 : 0);
  for (int64_t k = 0; k < n; ++k) {
    for (const uint8_t edge : out.edges) {
      const double x = scale * random.normal() * std::exp(random.normal());
      out.scores.push_back(edge ? x : 0.0);
    }
    out.loss.push_back(0.2 + random.uniform());
    out.error.push_back(0.1 + 0.5 * random.uniform());
  }
  return out;
}

}  // namespace circuitdiff::test
