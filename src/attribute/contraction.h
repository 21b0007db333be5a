// Sums -weight * <O_s, g_d> into the score matrices of a chunk as the gradients g_d appear, so that they need
// not be kept.
#pragma once

#include <ATen/core/Tensor.h>

#include <limits>
#include <vector>

#include "attribute/layout.h"
#include "graph/graph.h"

namespace circuitdiff {

class Contraction {
 public:
  // sources: [n_forward, rows, d_model]. They must stay as they are until the last destination was added.
  Contraction(const Layout& layout, const Tensor& sources, const Graph& graph, double weight);
  // gradients: those of destinations first, .., each [gradient_rows, d_model], four at most: they meet the
  // sources in one reading of these, of which there is most. Each destination meets those that it sees.
  void add(int64_t first, const std::vector<Tensor>& gradients);
  // From here on only this source's row is summed; -1: all of them.
  void restrict_to(int64_t source) { only_ = source; }
  const Tensor& totals() const { return totals_; }  // [cuts, n_forward, n_backward], float32 at least

 private:
  struct Sources {
    int64_t from = 0, to = std::numeric_limits<int64_t>::max();
  };
  bool add_on_device(int64_t first, const std::vector<Tensor>& gradients, Sources of);
  // All of these sources are seen.
  void add_plainly(int64_t first, const std::vector<Tensor>& gradients, Sources of);

  const Layout& layout_;
  Tensor sources_;
  const Graph& graph_;
  double weight_;
  int64_t only_ = -1;
  Tensor totals_;
  // Of a GPU's kernel: see DeviceContraction.
  Tensor stretches_, first_stretch_;
};

}  // namespace circuitdiff
