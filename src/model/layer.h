// One decoder layer, written once: what attention and the MLP add to the stream, and their input gradients,
// over rows of many sequences packed without padding. Every linear map is one product over all rows;
// attention runs sequence by sequence. Attribution, ablation, training, scoring and the tensor engine all
// call these functions; the plain form with autograd in tests/support/plain_decoder.h is their oracle.
// The stream is float32 at least; products are in the weights' dtype. Gradients have rows of their own:
// several prefixes of one sequence (one a cut) share its forward rows (model/packing.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <array>

#include "model/buffers.h"
#include "model/packing.h"
#include "model/weights.h"

namespace circuitdiff {

// On the way back, whoever trains the layer is told of each map's input and of the gradient at its output.
class WeightGradients {
 public:
  using Member = Tensor LayerWeights::*;
  virtual ~WeightGradients() = default;
  // y = x W' + b. x: [rows, in], dy: [rows, out], in the weights' dtype.
  virtual void linear(Member weight, const Tensor& x, const Tensor& dy) = 0;
  // y = x w / rms(x). x: [rows, width], inverse = 1 / rms(x): [rows, 1], dy: [rows, width].
  virtual void norm(Member weight, const Tensor& x, const Tensor& inverse, const Tensor& dy) = 0;
};

// A layer at work: its weights, the angles of the rows, and where results go.
struct LayerCall {
  const ModelConfig& config;
  const LayerWeights& weights;
  int64_t window = 0;     // keys that a query sees; 0: all before it
  const RopeTable& rope;  // of the packing's rows, [rows, d_head]
  const Packing& packing;
  Buffers& buffers;
  WeightGradients* gradients = nullptr;  // needs prefixes that are the sequences
};

// What the backward of a branch needs beside the stream itself.
struct AttentionSaved {
  Tensor inverse;       // [rows, 1], 1 / rms of the stream
  Tensor q, k, v;       // after RoPE: [rows, n_heads | n_kv_heads, d_head]
  Tensor q_raw, k_raw;  // ahead of q_norm / k_norm; undefined where the model has none
  Tensor z;             // what each head mixes from its values: [rows, n_heads, d_head]
  Tensor output;        // [rows, d_model], ahead of its norm; undefined where the model has none
};
struct MlpSaved {
  Tensor inverse;   // [rows, 1]
  Tensor gate, up;  // [rows, d_mlp]
  Tensor output;    // [rows, d_model], ahead of its norm; undefined where the model has none
};

// Into `out` [rows, d_model], in the weights' dtype: what attention adds to the stream x [rows, d_model].
void attention_forward(const LayerCall& layer, const Tensor& x, AttentionSaved& saved, const Tensor& out);
// What backward needs alone: without attention itself and its output map, unless a norm follows that.
void attention_recompute(const LayerCall& layer, const Tensor& x, AttentionSaved& saved);
// From the gradient at what attention adds, [gradient_rows, d_model], to that at what it reads, in the
// stream's dtype: [3, gradient_rows, d_model] for q, k and v apart, or [1, ..] their sum. The sum is added to
// grad, which so becomes the gradient of the stream ahead of the branch.
Tensor attention_backward(const LayerCall& layer, const Tensor& x, AttentionSaved& saved, const Tensor& grad,
                          bool apart);

// Into `out` [rows, d_model]: what the MLP adds. `keep`: gate and up stay for backward; else what comes of
// them may take their places.
void mlp_forward(const LayerCall& layer, const Tensor& x, MlpSaved& saved, bool keep, const Tensor& out);
void mlp_recompute(const LayerCall& layer, const Tensor& x, MlpSaved& saved);
// From the gradient at what the MLP adds to that at what it reads, [gradient_rows, d_model] both, which is
// added to grad as above. Gradients take the places of what was saved.
Tensor mlp_backward(const LayerCall& layer, const Tensor& x, MlpSaved& saved, const Tensor& grad);

// The pieces of attention_forward, for attention over keys that are kept from before: q, k and v of rows x,
// behind their norms and RoPE; z of the last queries [n, n_heads, d_head] of one sequence, of whose keys and
// values, [pos, n_kv_heads, d_head], the last n are theirs; and what attention adds from z.
void project_qkv(const LayerCall& layer, const Tensor& x, AttentionSaved& saved);
void attend(const LayerCall& layer, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& z);
void attention_output(const LayerCall& layer, AttentionSaved& saved, const Tensor& out);

// Attention of equally long runs of one sample whose q, k and v may read streams of their own. x: what each
// reads, [runs, pos, d_model], or [1, pos, d_model] where it is the same for all runs; layer.rope: of one
// run. Returns what attention adds at the last `queries` positions, [runs, queries, d_model].
Tensor attention_of_runs(const LayerCall& layer, const std::array<Tensor, 3>& x, int64_t queries);

// The norm ahead of lm_head. x: [rows, d_model], float32 at least -> the same in the model's dtype; inverse:
// 1 / rms of each row, [rows, 1].
Tensor final_norm(const Weights& weights, const Tensor& x, Tensor& inverse);
// Its input gradient, [rows, d_model] in x's dtype, from that at its output.
Tensor final_norm_backward(const Weights& weights, const Tensor& x, const Tensor& inverse,
                           const Tensor& grad);

// Rows of an MLP whose gradient at the product of gate and up lies in memory at once on a CPU: enough for
// full matrix products. Elsewhere all rows.
inline constexpr int64_t kMlpGradientRows = 512;

}  // namespace circuitdiff
