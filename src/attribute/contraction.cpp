#include "attribute/contraction.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "kernels/fused.h"
#include "kernels/gpu/device_jobs.h"

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
  if (!sources.device().is_cuda()) return;
  constexpr int64_t kStretch = 8192;  // numbers of a source that one block of threads meets
  const int64_t d_model = sources.size(2);
  std::vector<int64_t> stretches, first_stretch{0};
  for (const PrefixSegment& p : layout.packing.prefixes) {
    const int64_t source = layout.packing.sequences[p.sequence].begin * d_model, all = p.length * d_model;
    for (int64_t at = 0; at < all; at += kStretch)
      stretches.insert(stretches.end(), {source + at, p.begin * d_model + at, std::min(kStretch, all - at)});
    first_stretch.push_back(static_cast<int64_t>(stretches.size()) / 3);
  }
  const auto on_device = [&](std::vector<int64_t>& values, at::IntArrayRef sizes) {
    return upload(at::from_blob(values.data(), sizes, at::kLong), sources.device());
  };
  stretches_ = on_device(stretches, {first_stretch.back(), 3});
  first_stretch_ = on_device(first_stretch, {static_cast<int64_t>(first_stretch.size())});
}

bool Contraction::add_on_device(int64_t first, const std::vector<Tensor>& gradients, Sources of) {
  if (!sources_.device().is_cuda()) return false;
  std::vector<int64_t> before;  // of the sources from `from` on, how many each destination sees
  for (size_t j = 0; j < gradients.size(); ++j) {
    const int64_t seen = graph_.sources_before(first + static_cast<int64_t>(j));
    before.push_back(std::max<int64_t>(0, std::min(of.to, seen) - of.from));
  }
  const int64_t most = *std::max_element(before.begin(), before.end());
  if (most == 0) return true;
  const DeviceContraction job{
      sources_.narrow(0, of.from, most), stretches_, first_stretch_, totals_, of.from, first, weight_};
  return device_contract(job, gradients, before);
}

void Contraction::add(int64_t first, const std::vector<Tensor>& gradients) {
  const Sources of = only_ >= 0 ? Sources{only_, only_ + 1} : Sources{};
  if (add_on_device(first, gradients, of)) return;
  const auto end_of = [&](size_t j) {
    return std::min(of.to, graph_.sources_before(first + static_cast<int64_t>(j)));
  };
  int64_t common = of.to;  // seen by all
  for (size_t j = 0; j < gradients.size(); ++j) common = std::min(common, end_of(j));
  add_plainly(first, gradients, {of.from, common});
  for (size_t j = 0; j < gradients.size(); ++j)
    add_plainly(first + static_cast<int64_t>(j), {gradients[j]}, {std::max(of.from, common), end_of(j)});
}

void Contraction::add_plainly(int64_t first, const std::vector<Tensor>& gradients, Sources of) {
  if (of.from >= of.to) return;
  const Tensor sources = sources_.narrow(0, of.from, of.to - of.from);
  for (size_t p = 0; p < layout_.cuts.size(); ++p) {
    const PrefixSegment& prefix = layout_.packing.prefixes[p];
    const Tensor o = flat_rows(sources, layout_.packing.sequences[prefix.sequence].begin, prefix.length);
    std::vector<Tensor> of_prefix;
    for (const Tensor& g : gradients)
      of_prefix.push_back(g.narrow(0, prefix.begin, prefix.length).flatten().to(totals_.scalar_type()));
    // bfloat16 sources are widened as they are read: a wide copy of them for every destination would cost
    // more than all else here.
    Tensor products;
    if (!fused_dots(o, of_prefix, products))
      products = o.to(totals_.scalar_type()).matmul(at::stack(of_prefix, /*dim=*/1));
    totals_.select(0, static_cast<int64_t>(p))
        .narrow(0, of.from, of.to - of.from)
        .narrow(1, first, static_cast<int64_t>(gradients.size()))
        .sub_(products, weight_);
  }
}

}  // namespace circuitdiff
