#include "metrics/score_matrices.h"

#include <cmath>

#include "base/error.h"

namespace circuitdiff {

void check_matrices(const ScoreMatrices& w, std::string_view name) {
  if (w.n < 1 || w.n_forward < 1 || w.n_backward < 1)
    fail("{}: at least one sample, source and destination expected, [{}, {}, {}] found", name, w.n,
         w.n_forward, w.n_backward);
  const auto size = [&](const char* what, size_t found, int64_t expected) {
    if (found != static_cast<size_t>(expected))
      fail("{}: {}: {} entries expected, {} found", name, what, expected, found);
  };
  size("scores", w.scores.size(), w.n * w.cells());
  size("edges", w.edges.size(), w.cells());
  size("loss", w.loss.size(), w.n);
  if (!w.error.empty()) size("error", w.error.size(), w.n);
  for (const uint8_t edge : w.edges)
    if (edge > 1) fail("{}: edges: 0 or 1 expected, {} found", name, edge);
  for (size_t i = 0; i < w.scores.size(); ++i) {
    if (std::isfinite(w.scores[i])) continue;
    const auto cell = static_cast<int64_t>(i) % w.cells();
    fail("{}: sample {}, cell [{}, {}]: a finite number expected, {} found", name,
         static_cast<int64_t>(i) / w.cells(), cell / w.n_backward, cell % w.n_backward, w.scores[i]);
  }
  const auto finite = [&](const char* what, std::span<const double> values) {
    for (size_t k = 0; k < values.size(); ++k)
      if (!std::isfinite(values[k]))
        fail("{}: sample {}: {}: a finite number expected, {} found", name, k, what, values[k]);
  };
  finite("loss", w.loss);
  finite("error", w.error);
}

void check_paired(std::span<const ScoreMatrices> files, std::span<const std::string_view> names) {
  const ScoreMatrices& a = files.front();
  for (size_t f = 0; f < files.size(); ++f) {
    const ScoreMatrices& b = files[f];
    check_matrices(b, names[f]);
    if (a.n_forward != b.n_forward || a.n_backward != b.n_backward)
      fail("{}: shape [{}, {}] expected, as {} has, [{}, {}] found", names[f], a.n_forward, a.n_backward,
           names[0], b.n_forward, b.n_backward);
    if (a.n != b.n) fail("{}: {} samples expected, as {} has, {} found", names[f], a.n, names[0], b.n);
    for (size_t c = 0; c < a.edges.size(); ++c)
      if (a.edges[c] != b.edges[c])
        fail("{}: edges: cell [{}, {}] is {} here and {} in {}", names[f],
             static_cast<int64_t>(c) / a.n_backward, static_cast<int64_t>(c) % a.n_backward, b.edges[c],
             a.edges[c], names[0]);
  }
}

}  // namespace circuitdiff
