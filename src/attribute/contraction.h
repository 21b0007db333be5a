// Sums -weight * <O_s, g_d> into the score matrices of a chunk as the gradients g_d appear, so that they need
// not be kept.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "attribute/layout.h"
#include "graph/graph.h"

namespace circuitdiff {

class Contraction {
 public:
  // sources: [n_forward, rows, d_model]; must stay alive; those that a destination sees unchanged until it was added.
  Contraction(const Layout& layout, const Tensor& sources, const Graph& graph, double weight);
  // g: [n, gradient_rows, d_model], the gradients of destinations first, .., first + n - 1 (which read the
  // same stream; on a GPU four at most).
  void add(int64_t first, const Tensor& g);
  // Destinations first .. whose gradients lie apart, each [gradient_rows, d_model], and which do not all see
  // the same sources. On a GPU all of them meet the sources in one reading of these, of which there is most.
  void add(int64_t first, const std::vector<Tensor>& gradients);
  // From here on only this source's row is summed; -1: all of them.
  void restrict_to(int64_t source) { only_ = source; }
  const Tensor& totals() const { return totals_; }  // [cuts, n_forward, n_backward], float32 at least

 private:
  bool add_on_device(int64_t first, const std::vector<Tensor>& gradients);
  void add_plainly(int64_t first, const Tensor& g);

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
