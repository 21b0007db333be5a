// Forward and backward of a decoder over a packed micro-batch, with the gradients of the weights written out:
// few large products over all rows instead of one autograd node an operation. The loss enters as one number a
// token: d loss / d log p. The plain forward with autograd is the oracle of its tests.
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
    Tensor x, qkv, qk_raw, mixed;  // attention: input, after RoPE, ahead of q/k norm, ahead of its output map
    Tensor q_inverse, k_inverse;
    std::vector<Tensor> weights;  // of attention, one a bucket
    Tensor x_mlp, gate_up;
  };
  Tensor attention_forward(int64_t l, const PackedBatch& batch, Saved& s) const;
  Tensor gate_and_up(int64_t l, const Tensor& x) const;
  Tensor attention_backward(int64_t l, const PackedBatch& batch, Saved& s, const Tensor& grad) const;
  Tensor mlp_backward(int64_t l, Saved& s, const Tensor& grad) const;

  const Parameters& p_;
  bool recompute_;
  std::vector<Saved> saved_;
  PackedHead head_;
  Tensor states_;
};

}  // namespace circuitdiff
