#include "train/packed_batch.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <numeric>

namespace circuitdiff {
namespace {

constexpr double kFill = 0.8;                         // a bucket's shortest sequence against its longest
constexpr int64_t kScoreEntries = int64_t{32} << 20;  // of one bucket's attention weights

Tensor to_tensor(const std::vector<int64_t>& values, at::Device device) {
  return at::from_blob(const_cast<int64_t*>(values.data()), {static_cast<int64_t>(values.size())}, at::kLong)
      .clone()
      .to(device);
}

AttentionBucket make_bucket(std::span<const int64_t> lengths, int64_t begin, at::Device device) {
  AttentionBucket bucket;
  bucket.begin = begin;
  bucket.sequences = static_cast<int64_t>(lengths.size());
  bucket.length = lengths.front();
  std::vector<int64_t> gather, scatter, filler;
  for (const int64_t length : lengths) {
    for (int64_t i = 0; i < bucket.length; ++i) {
      if (i < length) scatter.push_back(static_cast<int64_t>(gather.size()));
      gather.push_back(i < length ? bucket.rows + i : 0);
      filler.push_back(i >= length);
    }
    bucket.rows += length;
  }
  bucket.gather = to_tensor(gather, device);
  bucket.scatter = to_tensor(scatter, device);
  if (bucket.rows < bucket.sequences * bucket.length)
    bucket.filler = to_tensor(filler, device).to(at::kBool).view({-1, 1, 1});
  return bucket;
}

}  // namespace

PackedBatch pack_sequences(const ModelConfig& config, std::span<const PackedSequence> sequences,
                           const at::TensorOptions& compute) {
  const at::Device device = compute.device();
  std::vector<size_t> order(sequences.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return sequences[a].rows() > sequences[b].rows(); });
  PackedBatch out;
  std::vector<int64_t> tokens, lengths, begins(sequences.size());
  for (const size_t i : order) {
    begins[i] = out.rows;
    tokens.insert(tokens.end(), sequences[i].tokens.begin(), sequences[i].tokens.end() - 1);
    lengths.push_back(sequences[i].rows());
    out.rows += lengths.back();
  }
  out.tokens = to_tensor(tokens, device);

  const bool by_length = config.rope.by_length();  // the angles depend on the sequence's own length
  std::vector<Tensor> cos, sin;
  RopeTable table = rope_table(config, 0, lengths.front(), lengths.front(), compute);
  for (const int64_t length : lengths) {
    if (by_length) table = rope_table(config, 0, length, length, compute);
    cos.push_back(table.cos.narrow(0, 0, length));
    sin.push_back(table.sin.narrow(0, 0, length));
  }
  out.rope = {at::cat(cos), at::cat(sin)};

  for (size_t first = 0, row = 0; first < lengths.size();) {
    const int64_t longest = lengths[first];
    const int64_t most =
        std::max<int64_t>(1, kScoreEntries / std::max<int64_t>(1, config.n_heads * longest * longest));
    size_t end = first + 1;
    while (end < lengths.size() && static_cast<int64_t>(end - first) < most &&
           static_cast<double>(lengths[end]) >= kFill * static_cast<double>(longest))
      ++end;
    out.buckets.push_back(
        make_bucket(std::span(lengths).subspan(first, end - first), static_cast<int64_t>(row), device));
    row += static_cast<size_t>(out.buckets.back().rows);
    first = end;
  }

  std::vector<int64_t> predicting, targets;
  for (size_t i = 0; i < sequences.size(); ++i) {
    out.answer_begin.push_back(static_cast<int64_t>(targets.size()));
    for (auto t = static_cast<size_t>(sequences[i].prompt_len); t < sequences[i].tokens.size(); ++t) {
      predicting.push_back(begins[i] + static_cast<int64_t>(t) - 1);
      targets.push_back(sequences[i].tokens[t]);
    }
  }
  out.answer_begin.push_back(static_cast<int64_t>(targets.size()));
  out.predicting = to_tensor(predicting, device);
  out.targets = to_tensor(targets, device);
  return out;
}

}  // namespace circuitdiff
