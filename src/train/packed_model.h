// Forward and backward of a decoder over a packed micro-batch, with the gradients of the weights written out:
// few large products over all rows instead of one autograd node an operation. The loss enters as one number a
// token: d loss / d log p. The plain forward with autograd is the oracle of its tests.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "train/packed_batch.h"
#include "train/parameters.h"

namespace circuitdiff {

// Of every answer token of a batch, float64 on the CPU.
struct TokenFigures {
  std::vector<double> logps;      // log p(token) at the temperature, nats
  std::vector<double> entropies;  // of that distribution, nats; empty where not asked for
};

class PackedModel {
 public:
  // recompute: layers keep only their input and are computed again in backward: less memory, a third more
  // work. with_gradient: without, nothing is kept and backward may not be called.
  PackedModel(const Parameters& parameters, bool recompute) : p_(parameters), recompute_(recompute) {}

  // log p of the answers under logits / temperature.
  TokenFigures forward(const PackedBatch& batch, double temperature, bool with_gradient, bool with_entropy);
  // The stream ahead of the final norm at the rows that predict the answer tokens: [answers, d_model].
  const Tensor& answer_states() const { return states_; }
  // Adds the gradient of sum_t coefficients[t] * log p(t) to the parameters' gradients: of the last forward.
  void backward(const PackedBatch& batch, const std::vector<double>& coefficients);

 private:
  struct Saved {
    Tensor x, inverse, qkv, qk_raw, mixed;  // attention: input, 1/rms, after RoPE, ahead of q/k norm
    Tensor q_inverse, k_inverse;
    std::vector<Tensor> weights;  // of attention, one a bucket
    Tensor x_mlp, inverse_mlp, gate_up;
  };
  void attention_forward(int64_t l, const PackedBatch& batch, Saved& s, Tensor* added);
  void mlp_forward(int64_t l, Saved& s, Tensor* added);
  Tensor attention_backward(int64_t l, const PackedBatch& batch, Saved& s, const Tensor& grad);
  Tensor mlp_backward(int64_t l, Saved& s, const Tensor& grad);

  const Parameters& p_;
  bool recompute_;
  double temperature_ = 1;
  std::vector<Saved> saved_;
  Tensor states_, final_inverse_;
  Tensor log_softmax_;  // [answers, d_vocab] where it is small enough to keep
};

}  // namespace circuitdiff
