// The oracle of model/layer.h: the plain form of a decoder layer in differentiable tensor operations, and the
// decoder that they compose. Pure functions of tensors; statistics of norms and softmax in float32 at least.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/decoder.h"

namespace circuitdiff {

// x / sqrt(mean(x^2) + eps) * weight over the last axis, in the weight's dtype; statistics in float32 at
// least. Where the model has no such norm (weight undefined), x itself.
Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps);

// Rotates pairs (i, i + d_head/2) as transformers does. x: [batch, pos, n_heads, d_head] -> the same.
Tensor apply_rope(const Tensor& x, const RopeTable& rope);

// [query_pos, key_pos] bool, true where the key is seen: key <= query and (window == 0 or key > query -
// window). Query i stands at position key_pos - query_pos + i.
Tensor attention_mask(int64_t query_pos, int64_t key_pos, int64_t window, at::Device device);

// Causal softmax attention with grouped keys. q: [batch, query_pos, n_heads, d_head]; k, v: [batch, key_pos,
// n_kv_heads, d_head] -> [batch, query_pos, n_heads * d_head]. K and V are never copied per query head.
// Scale and softcap are the model's.
Tensor grouped_attention(const ModelConfig& config, const Tensor& q, const Tensor& k, const Tensor& v,
                         int64_t window);

// cap * tanh(x / cap); x itself where cap is 0.
Tensor softcap(const Tensor& x, double cap);

// The norm of q or k ahead of RoPE: of each head, or of all at once. x: [.., n_heads, d_head] -> the same.
Tensor head_norm(const ModelConfig& config, const Tensor& x, const Tensor& weight);

// What attention of one layer adds to the stream. xq, xk, xv: the stream as q, k and v read it, ahead of the
// norm, [batch, pos, d_model] -> [batch, pos, d_model].
Tensor attention(const ModelConfig& config, const LayerWeights& w, int64_t window, const RopeTable& rope,
                 const Tensor& xq, const Tensor& xk, const Tensor& xv);

// What the MLP of one layer adds to the stream. x: [.., d_model] -> the same.
Tensor mlp(const ModelConfig& config, const LayerWeights& w, const Tensor& x);

// Logits of the final stream, float32 at least. x: [.., d_model] -> [.., d_vocab].
Tensor head(const ModelConfig& config, const Weights& w, const Tensor& x);

// Sees every source as it is added to the stream and may replace what a branch reads ahead of its norm.
// Points of the stream are counted as the block graph's destinations (docs/spec.md#graph): 2l before
// attention l, 2l + 1 before MLP l, 2L final.
class StreamTap {
 public:
  virtual ~StreamTap() = default;
  // `stream` at a point, before anything reads it. What is returned goes on in its place, for this and all
  // that follows.
  virtual Tensor stream(int64_t /*point*/, const Tensor& stream) { return stream; }
  // What the branch `destination` (numbered as in the qkv graph) reads. [batch, pos, d_model]
  virtual Tensor branch(int64_t /*destination*/, const Tensor& stream) { return stream; }
  // What source s adds. What is returned is added instead. [batch, pos, d_model]
  virtual Tensor source(int64_t /*source*/, const Tensor& added) { return added; }
};

// tokens: [batch, pos] -> the final stream [batch, pos, d_model]; head() of it gives the logits.
Tensor plain_final_stream(const Decoder& decoder, const Tensor& tokens, StreamTap* tap = nullptr);
// tokens: [batch, pos] -> logits [batch, pos, d_vocab], float32 at least.
Tensor plain_logits(const Decoder& decoder, const Tensor& tokens, StreamTap* tap = nullptr);

}  // namespace circuitdiff
