// Causal attention of one sequence and its input gradients, some key heads and some queries at a time: the
// scores of a tile stay in the processor's caches, and keys that no query of a tile sees are never met, half
// of all for a long sequence. The plain form of tests/support/plain_decoder.h with
// autograd is the oracle.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "checkpoint/config.h"

namespace circuitdiff {

using at::Tensor;

// What is in memory together where plain products do it: scores [kv_heads, group * queries, keys] with group
// = n_heads / n_kv_heads. It follows from shapes and the kind of device alone, so that the same products are
// made everywhere.
struct AttentionTile {
  int64_t kv_heads = 1, queries = 1;
};
AttentionTile attention_tile(const ModelConfig& config, int64_t queries, int64_t keys, at::Device device);

// Whether attention_jobs.h does it, a query head a thread at a time; else plain products do.
bool attention_by_jobs(const ModelConfig& config, at::Device device, at::ScalarType dtype);

// How many threads share so many pieces of at most `queries` and `keys` then, and what each of them holds.
struct AttentionRooms {
  int64_t threads = 1, numbers = 0;  // float32
};
AttentionRooms attention_rooms(const ModelConfig& config, int64_t pieces, int64_t queries, int64_t keys,
                               bool backward);

// A sequence and the places of its results, all one number behind another, after RoPE. Forward reads q, k
// and v, backward those and d_out.
struct AttentionPiece {
  Tensor q;       // [queries, n_heads, d_head], the last positions of the sequence; backward: all of them
  Tensor k, v;    // [pos, n_kv_heads, d_head]
  Tensor out;     // as q: softmax(scale q k') v
  Tensor d_out;   // as q: the gradient at `out`
  Tensor dq;      // as q: that at q
  Tensor dk, dv;  // as k: those at k and v
};

// Writes `out` of every piece. window: as attention_mask.
void tiled_attention(const ModelConfig& config, const std::vector<AttentionPiece>& pieces, int64_t window);

// Writes dq, dk and dv of every piece.
void tiled_attention_backward(const ModelConfig& config, const std::vector<AttentionPiece>& pieces,
                              int64_t window);

}  // namespace circuitdiff
