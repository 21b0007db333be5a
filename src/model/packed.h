// The two functions of a layer and their input gradients, written out, over many sequences packed row under
// row without padding: every linear map is one product over all rows, attention runs segment by segment.
// Weights never need a gradient. The gradient side has rows of its own: several prefixes of one sequence (one
// an alpha) share its forward rows. The stream is float32 at least; products are in the weights' dtype. The
// plain forms of layers.h with autograd are the oracle.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

#include "model/flash_attention.h"
#include "model/layers.h"

namespace circuitdiff {

struct Segment {
  int64_t begin = 0, length = 0;  // rows of the packed forward tensors: one sequence
};
struct PrefixSegment {
  int64_t begin = 0, length = 0;  // rows of the packed gradient tensors
  size_t sequence = 0;            // they are the first `length` rows of this forward segment
};
struct Packing {
  std::vector<Segment> sequences;
  std::vector<PrefixSegment> prefixes;
  // The same for a GPU's fused attention, once place_on() has put them there; without, attention goes one
  // segment at a time.
  FlashRows flash_sequences, flash_prefixes;
  int64_t rows() const { return sequences.empty() ? 0 : sequences.back().begin + sequences.back().length; }
  int64_t gradient_rows() const {
    return prefixes.empty() ? 0 : prefixes.back().begin + prefixes.back().length;
  }
};

// Puts the bounds of sequences and prefixes on a GPU; nothing on a CPU.
void place_on(Packing& packing, at::Device device);

// What the backward of a branch needs beside the stream itself.
struct AttentionSaved {
  Tensor inverse;       // [rows, 1], 1 / rms of the stream
  Tensor q, k, v;       // after RoPE: [rows, n_heads | n_kv_heads, d_head]
  Tensor q_raw, k_raw;  // ahead of q_norm / k_norm; undefined where the model has none
  Tensor output;        // [rows, d_model], ahead of its norm; undefined where the model has none
};
struct MlpSaved {
  Tensor inverse;   // [rows, 1]
  Tensor gate, up;  // [rows, d_mlp]
  Tensor output;    // [rows, d_model], ahead of its norm; undefined where the model has none
};

// Of so many rows, those whose gradient at an MLP's product, [.., d_mlp], is in memory on a CPU: enough for
// full products.
int64_t rows_of_product(int64_t rows, at::ScalarType type);

// Rows of cos and sin for a packing, [rows, d_head].
RopeTable packed_rope(const ModelConfig& config, const Packing& packing, const at::TensorOptions& options);

// x: the stream [rows, d_model] -> what attention adds [rows, d_model], in the weights' dtype.
Tensor packed_attention(const ModelConfig& config, const LayerWeights& w, int64_t window,
                        const RopeTable& rope, const Packing& packing, const Tensor& x,
                        AttentionSaved* saved);
// Only what backward needs, for recomputing: without attention itself and its output projection, unless that
// has a norm.
void packed_attention_saved(const ModelConfig& config, const LayerWeights& w, int64_t window,
                            const RopeTable& rope, const Packing& packing, const Tensor& x,
                            AttentionSaved& saved);
// Gradients at the three branch inputs, from that at attention's output. grad: [gradient_rows, d_model] ->
// [3, gradient_rows, d_model] for q, k, v, in the stream's dtype. With `carry`, their sum is added to grad,
// which so becomes the gradient of the stream ahead of the branch.
Tensor packed_attention_backward(const ModelConfig& config, const LayerWeights& w, int64_t window,
                                 const RopeTable& rope, const Packing& packing, const Tensor& x,
                                 const AttentionSaved& saved, const Tensor& grad, bool carry = false);

// Attention of equally long runs of one sample that read other streams on some of their branches only. x:
// what q, k and v read, [runs, pos, d_model], or [1, pos, d_model] where it is the same for all runs; rope:
// of one run. Returns what attention adds at the last `queries` positions, [runs, queries, d_model].
Tensor branched_attention(const ModelConfig& config, const LayerWeights& w, int64_t window,
                          const RopeTable& rope, const std::array<Tensor, 3>& x, int64_t queries);

Tensor packed_mlp(const ModelConfig& config, const LayerWeights& w, const Tensor& x, MlpSaved* saved);
void packed_mlp_saved(const ModelConfig& config, const LayerWeights& w, const Tensor& x, MlpSaved& saved);
// [gradient_rows, d_model] -> [gradient_rows, d_model]. Consumes what was saved: gradients take its place.
// With `carry`, the result is added to grad.
Tensor packed_mlp_backward(const ModelConfig& config, const LayerWeights& w, const Packing& packing,
                           const Tensor& x, MlpSaved& saved, const Tensor& grad, bool carry = false);

// Input gradient of rms_norm: x [rows, d], inverse [rows, 1], grad [rows, d] (of the output) -> [rows, d] in
// x's dtype. Without a norm (weight undefined), grad in x's dtype. `total`, if defined, += the result.
Tensor rms_norm_backward(const Tensor& x, const Tensor& inverse, const Tensor& weight, const Tensor& grad,
                         const Tensor& total = {});
// 1 / sqrt(mean(x^2) + eps), [rows, 1]
Tensor inverse_rms(const Tensor& x, double eps);

}  // namespace circuitdiff
