// Causal attention of one sequence and its input gradients, some key heads and some queries at a time: the
// scores of a tile stay in the processor's caches, and keys that no query of a tile sees are never met, half
// of all for a long sequence. The plain form in layers.h with autograd is the oracle.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "checkpoint/config.h"

namespace circuitdiff {

using at::Tensor;

// What is in memory together: scores [kv_heads, group * queries, keys] with group = n_heads / n_kv_heads. It
// follows from shapes and the kind of device alone, so that the same products are made everywhere.
struct AttentionTile {
  int64_t kv_heads = 1, queries = 1;
};
AttentionTile attention_tile(const ModelConfig& config, int64_t queries, int64_t keys, at::Device device);

// Whether attention_jobs.h does it, one key head at a time; else plain products do.
bool attention_by_jobs(const ModelConfig& config, at::Device device, at::ScalarType dtype);

// q: [queries, n_heads, d_head], the last positions of the sequence; k, v: [pos, n_kv_heads, d_head], all
// after RoPE. out: softmax(q k') v, [queries, n_heads, d_head], a place of q's type. window: as
// attention_mask.
void tiled_attention(const ModelConfig& config, const Tensor& q, const Tensor& k, const Tensor& v,
                     int64_t window, const Tensor& out);

// From the gradient at `out`, of every position, those at q, k and v, into places of their shapes.
void tiled_attention_backward(const ModelConfig& config, const Tensor& q, const Tensor& k, const Tensor& v,
                              const Tensor& d_out, int64_t window, const Tensor& dq, const Tensor& dk,
                              const Tensor& dv);

}  // namespace circuitdiff
