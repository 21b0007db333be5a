#include "attribute/contraction.h"

#include <ATen/ops/zeros.h>

#include <algorithm>

#include "model/fused.h"

namespace circuitdiff {
namespace {

// Rows [begin, begin + count) of every entry of t [n, rows, d_model] as one long row each: [n, count *
// d_model], a view.
Tensor flat_rows(const Tensor& t, int64_t begin, int64_t count) {
  return t.as_strided({t.size(0), count * t.size(2)}, {t.stride(0), 1},
                      t.storage_offset() + begin * t.size(2));
}

}  // namespace

Contraction::Contraction(const Layout& layout, const Tensor& sources, const Graph& graph, double weight)
    : layout_(layout), sources_(sources), graph_(graph), weight_(weight) {
  const at::ScalarType type = sources.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  totals_ = at::zeros({static_cast<int64_t>(layout.cuts.size()), graph.n_forward(), graph.n_backward()},
                      sources.options().dtype(type));
}

void Contraction::add(int64_t first, const Tensor& g) {
  const int64_t before = graph_.sources_before(first);
  if (only_ >= before) return;
  const int64_t from = std::max<int64_t>(only_, 0), n_sources = only_ < 0 ? before : 1;
  const Tensor of = sources_.narrow(0, from, n_sources);
  for (size_t p = 0; p < layout_.cuts.size(); ++p) {
    const PrefixSegment& prefix = layout_.packing.prefixes[p];
    const Tensor o = flat_rows(of, layout_.packing.sequences[prefix.sequence].begin, prefix.length);
    const Tensor gradient = flat_rows(g, prefix.begin, prefix.length).to(totals_.scalar_type());
    // bfloat16 sources are widened as they are read: a wide copy of them for every destination would cost
    // more than all else here.
    Tensor products;
    if (!fused_dots(o, gradient, products)) products = o.to(totals_.scalar_type()).matmul(gradient.t());
    totals_.select(0, static_cast<int64_t>(p))
        .narrow(0, from, n_sources)
        .narrow(1, first, g.size(0))
        .sub_(products, weight_);
  }
}

}  // namespace circuitdiff
