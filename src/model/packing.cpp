#include "model/packing.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>

#include "kernels/gpu/device_jobs.h"

namespace circuitdiff {

bool Packing::prefixes_are_sequences() const {
  return rows() == gradient_rows() && std::all_of(prefixes.begin(), prefixes.end(), [&](const auto& p) {
           return p.begin == sequences[p.sequence].begin;
         });
}

void place_on(Packing& packing, at::Device device) {
  if (!device.is_cuda()) return;
  const auto rows_of = [&](const auto& segments) {
    std::vector<int32_t> starts{0};
    FlashRows out;
    for (const auto& s : segments) {
      starts.push_back(static_cast<int32_t>(s.begin + s.length));
      out.longest = std::max(out.longest, s.length);
    }
    out.starts =
        upload(at::from_blob(starts.data(), {static_cast<int64_t>(starts.size())}, at::kInt), device);
    return out;
  };
  packing.flash_sequences = rows_of(packing.sequences);
  packing.flash_prefixes = rows_of(packing.prefixes);
}

RopeTable packed_rope(const ModelConfig& config, const Packing& packing, const at::TensorOptions& options) {
  std::vector<Tensor> cos, sin;
  int64_t longest = 0;
  for (const Segment& s : packing.sequences) longest = std::max(longest, s.length);
  const bool by_length = config.rope.by_length();  // the angles depend on the sequence's own length
  RopeTable table = rope_table(config, 0, longest, longest, options);
  for (const Segment& s : packing.sequences) {
    if (by_length) table = rope_table(config, 0, s.length, s.length, options);
    cos.push_back(table.cos.narrow(0, 0, s.length));
    sin.push_back(table.sin.narrow(0, 0, s.length));
  }
  return {at::cat(cos, /*dim=*/0), at::cat(sin, /*dim=*/0)};
}

Tensor prefix_rows(const Packing& packing, const PrefixSegment& prefix, const Tensor& t) {
  return t.narrow(0, packing.sequences[prefix.sequence].begin, prefix.length);
}

Tensor all_prefix_rows(const Packing& packing, const Tensor& t) {
  if (packing.prefixes_are_sequences()) return t;
  std::vector<Tensor> parts;
  for (const PrefixSegment& p : packing.prefixes) parts.push_back(prefix_rows(packing, p, t));
  return at::cat(parts);
}

}  // namespace circuitdiff
