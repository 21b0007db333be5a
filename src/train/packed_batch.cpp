#include "train/packed_batch.h"

#include <ATen/ops/from_blob.h>

namespace circuitdiff {
namespace {

Tensor to_tensor(const std::vector<int64_t>& values, at::Device device) {
  return at::from_blob(const_cast<int64_t*>(values.data()), {static_cast<int64_t>(values.size())}, at::kLong)
      .clone()
      .to(device);
}

}  // namespace

PackedBatch pack_sequences(const ModelConfig& config, std::span<const PackedSequence> sequences,
                           const at::TensorOptions& compute) {
  PackedBatch out;
  std::vector<int64_t> tokens, predicting, targets;
  for (const PackedSequence& s : sequences) {
    const auto begin = static_cast<int64_t>(tokens.size());
    out.packing.prefixes.push_back({begin, s.rows(), out.packing.sequences.size()});
    out.packing.sequences.push_back({begin, s.rows()});
    tokens.insert(tokens.end(), s.tokens.begin(), s.tokens.end() - 1);
    out.answer_begin.push_back(static_cast<int64_t>(targets.size()));
    for (auto t = static_cast<size_t>(s.prompt_len); t < s.tokens.size(); ++t) {
      predicting.push_back(begin + static_cast<int64_t>(t) - 1);
      targets.push_back(s.tokens[t]);
    }
  }
  out.answer_begin.push_back(static_cast<int64_t>(targets.size()));
  const at::Device device = compute.device();
  place_on(out.packing, device);
  out.tokens = to_tensor(tokens, device);
  out.predicting = to_tensor(predicting, device);
  out.targets = to_tensor(targets, device);
  out.rope = packed_rope(config, out.packing, compute);
  return out;
}

}  // namespace circuitdiff
