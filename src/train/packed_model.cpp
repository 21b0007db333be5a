#include "train/packed_model.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

namespace circuitdiff {

int64_t logit_bytes(bool recompute) { return int64_t{recompute ? 64 : 256} << 20; }

PackedModel::PackedModel(const Parameters& parameters, bool recompute)
    : p_(parameters), recompute_(recompute), head_(parameters, logit_bytes(recompute)) {}

LayerCall PackedModel::layer_call(const LayerWeights& weights, int64_t l, const PackedBatch& batch) {
  return {p_.config(),     weights,       p_.config().sliding_window[static_cast<size_t>(l)],
          batch.rope,      batch.packing, new_tensors_,
          &p_.gradients(l)};
}

Tensor PackedModel::layer_forward(int64_t l, const PackedBatch& batch, Saved& s) {
  const LayerWeights w = p_.weights().layer(l);
  const LayerCall layer = layer_call(w, l, batch);
  const Tensor added = at::empty(s.x.sizes(), w.o_proj.options());
  attention_forward(layer, s.x, s.attention, added);
  s.x_mlp = s.x + added;
  mlp_forward(layer, s.x_mlp, s.mlp, /*keep=*/true, added);
  return s.x_mlp + added;
}

TokenFigures PackedModel::forward(const PackedBatch& batch, double temperature, bool with_gradient,
                                  bool with_entropy) {
  const ModelConfig& c = p_.config();
  saved_.assign(with_gradient ? static_cast<size_t>(c.n_layers) : 0, {});
  Tensor x = at::embedding(p_.embedding(), batch.tokens)
                 .to(stream_type(p_.embedding().scalar_type()));  // [rows, d_model]
  for (int64_t l = 0; l < c.n_layers; ++l) {
    Saved s{x, {}, {}, {}};
    x = layer_forward(l, batch, s);
    if (!with_gradient) continue;
    if (recompute_) s = {s.x, {}, {}, {}};
    saved_[static_cast<size_t>(l)] = std::move(s);
  }
  states_ = x.index_select(0, batch.predicting);  // [answers, d_model]
  return head_.forward(states_, batch.targets, temperature, with_gradient, with_entropy);
}

void PackedModel::backward(const PackedBatch& batch, const std::vector<double>& coefficients) {
  const ModelConfig& c = p_.config();
  const Tensor grad = at::zeros({batch.packing.rows(), c.d_model}, states_.options());
  Tensor(grad).index_copy_(0, batch.predicting, head_.backward(coefficients));
  for (int64_t l = c.n_layers - 1; l >= 0; --l) {
    Saved s = std::exchange(saved_[static_cast<size_t>(l)], {});
    if (recompute_) layer_forward(l, batch, s);
    const LayerWeights w = p_.weights().layer(l);
    const LayerCall layer = layer_call(w, l, batch);
    mlp_backward(layer, s.x_mlp, s.mlp, grad);
    s.mlp = {}, s.x_mlp = Tensor();
    attention_backward(layer, s.x, s.attention, grad, /*apart=*/false);
  }
  if (Tensor into = p_.embedding_grad(); into.defined())
    into.index_add_(0, batch.tokens, grad.to(into.scalar_type()));
}

}  // namespace circuitdiff
