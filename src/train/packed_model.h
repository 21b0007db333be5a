// Forward and backward of a decoder over a packed micro-batch by the one layer of model/layer.h, which tells
// of the weights' gradients. The loss enters as one number a token: d loss / d log p. The plain forward with
// autograd is the oracle of its tests.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "train/packed_batch.h"
#include "train/packed_head.h"
#include "train/parameters.h"

namespace circuitdiff {

// Of logits kept or computed at once: as much as layers may keep, or little beside them.
int64_t logit_bytes(bool recompute);

class PackedModel {
 public:
  // recompute: layers keep only their input and are computed again in
  // backward: less memory, a third more work.
  PackedModel(const Parameters& parameters, bool recompute);

  // log p of the answers under logits / temperature. with_gradient: without, nothing is kept and backward may
  // not be called.
  TokenFigures forward(const PackedBatch& batch, double temperature, bool with_gradient, bool with_entropy);
  // The stream ahead of the final norm at the rows that predict the answer tokens: [answers, d_model].
  const Tensor& answer_states() const { return states_; }
  // Adds the gradient of sum_t coefficients[t] * log p(t) to the parameters' gradients: of the last forward.
  void backward(const PackedBatch& batch, const std::vector<double>& coefficients);

 private:
  struct Saved {
    Tensor x, x_mlp;  // the stream ahead of attention and of the MLP, [rows, d_model]
    AttentionSaved attention;
    MlpSaved mlp;
  };
  // Layer l's forward pass from s.x; returns the stream behind it.
  Tensor layer_forward(int64_t l, const PackedBatch& batch, Saved& s);
  LayerCall layer_call(const LayerWeights& weights, int64_t l, const PackedBatch& batch);

  const Parameters& p_;
  bool recompute_;
  std::vector<Saved> saved_;
  Buffers new_tensors_;
  PackedHead head_;
  Tensor states_;
};

}  // namespace circuitdiff
