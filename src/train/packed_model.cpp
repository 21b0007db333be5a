#include "train/packed_model.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>

#include "kernels/fused.h"
#include "kernels/gated.h"
#include "model/packed.h"

namespace circuitdiff {
namespace {

// [rows, heads, d_head] rotated in place by the rows' angles; with `inverse`, rotated back.
void rotate_rows(Tensor x, const RopeTable& rope, bool inverse) {
  if (fused_rotate(x, rope.cos, rope.sin, inverse)) return;
  const int64_t half = x.size(2) / 2;
  const Tensor cos = rope.cos.narrow(1, 0, half).unsqueeze(1), sin = rope.sin.narrow(1, 0, half).unsqueeze(1);
  Tensor a = x.narrow(2, 0, half), b = x.narrow(2, half, half);
  const double sign = inverse ? 1 : -1;
  const Tensor a_old = a.clone();
  a.mul_(cos).addcmul_(b, sin, sign);
  b.mul_(cos).addcmul_(a_old, sin, -sign);
}

// Rows of a bucket as [sequences * kv, group * length, d_head]: heads that share a key side by side.
Tensor filled(const AttentionBucket& b, const Tensor& rows, int64_t kv_heads) {
  const int64_t heads = rows.size(1), d = rows.size(2), group = heads / kv_heads;
  return rows.narrow(0, b.begin, b.rows)
      .index_select(0, b.gather)
      .view({b.sequences, b.length, kv_heads, group, d})
      .permute({0, 2, 3, 1, 4})
      .reshape({b.sequences * kv_heads, group * b.length, d});
}

// The way back into rows [begin, begin + rows) of `out`.
void unfill(const AttentionBucket& b, const Tensor& t, int64_t kv_heads, const Tensor& out) {
  const int64_t d = t.size(2), group = t.size(1) / b.length;
  out.narrow(0, b.begin, b.rows)
      .copy_(t.view({b.sequences, kv_heads, group, b.length, d})
                 .permute({0, 3, 1, 2, 4})
                 .reshape({b.sequences * b.length, kv_heads * group, d})
                 .index_select(0, b.scatter));
}

Tensor bucket_weights(const AttentionBucket& b, const Tensor& q, const Tensor& k, int64_t window,
                      double scale) {
  const int64_t group = q.size(1) / b.length, n = b.length;
  if (q.device().is_cpu() && q.scalar_type() == at::kFloat) {
    Tensor scores = q.bmm(k.transpose(1, 2));
    if (fused_softmax(scores, n, window, scale)) return scores;
  }
  const Tensor hidden = attention_mask(n, n, window, q.device()).logical_not();
  Tensor bias = at::zeros({n, n}, q.options()).masked_fill_(hidden, -std::numeric_limits<double>::infinity());
  if (group > 1) bias = bias.repeat({group, 1});
  const Tensor scores = at::baddbmm(bias.unsqueeze(0), q, k.transpose(1, 2), /*beta=*/1, /*alpha=*/scale);
  return scores.softmax(/*dim=*/-1, stream_type(q.scalar_type())).to(q.scalar_type());
}

// d: gradient of the weights, of the unscaled scores on return; perhaps in place.
Tensor scores_backward(const AttentionBucket& b, const Tensor& weights, const Tensor& d, int64_t window,
                       double scale) {
  if (fused_softmax_backward(weights, d, b.length, window, scale)) return d;
  return at::_softmax_backward_data(d, weights, /*dim=*/-1, weights.scalar_type()).mul_(scale);
}

}  // namespace

int64_t logit_bytes(bool recompute) { return int64_t{recompute ? 64 : 256} << 20; }

PackedModel::PackedModel(const Parameters& parameters, bool recompute)
    : p_(parameters), recompute_(recompute), head_(parameters, logit_bytes(recompute)) {}

// What attention adds to the stream.
Tensor PackedModel::attention_forward(int64_t l, const PackedBatch& batch, Saved& s) const {
  const ModelConfig& c = p_.config();
  const TrainedLayer& layer = p_.layer(l);
  const int64_t heads = c.n_heads, kv = c.n_kv_heads, d = c.d_head, rows = s.x.size(0);
  Tensor inverse;
  s.qkv =
      layer.qkv.forward(layer.input_norm.forward(s.x, c.norm_eps, inverse)).view({rows, heads + 2 * kv, d});
  if (c.qk_norm) {
    s.qk_raw = s.qkv.narrow(1, 0, heads + kv).to(stream_type(s.qkv.scalar_type())).clone();
    s.qkv.narrow(1, 0, heads)
        .copy_(layer.q_norm.forward(s.qk_raw.narrow(1, 0, heads), c.norm_eps, s.q_inverse));
    s.qkv.narrow(1, heads, kv)
        .copy_(layer.k_norm.forward(s.qk_raw.narrow(1, heads, kv), c.norm_eps, s.k_inverse));
  }
  rotate_rows(s.qkv.narrow(1, 0, heads + kv), batch.rope, /*inverse=*/false);
  s.mixed = at::empty({rows, heads, d}, s.qkv.options());
  s.weights.clear();
  const double scale = 1.0 / std::sqrt(static_cast<double>(d));
  for (const AttentionBucket& b : batch.buckets) {
    const Tensor q = filled(b, s.qkv.narrow(1, 0, heads), kv), k = filled(b, s.qkv.narrow(1, heads, kv), kv);
    const Tensor v = filled(b, s.qkv.narrow(1, heads + kv, kv), kv);
    s.weights.push_back(bucket_weights(b, q, k, c.sliding_window[static_cast<size_t>(l)], scale));
    unfill(b, s.weights.back().bmm(v), kv, s.mixed);
  }
  return layer.o.forward(s.mixed.view({rows, heads * d}));
}

Tensor PackedModel::gate_and_up(int64_t l, const Tensor& x) const {
  Tensor inverse;
  return p_.layer(l).gate_up.forward(p_.layer(l).post_norm.forward(x, p_.config().norm_eps, inverse));
}

// From the gradient behind the MLP to that at its input. The gradients of gate and up take their places.
Tensor PackedModel::mlp_backward(int64_t l, Saved& s, const Tensor& grad) const {
  const ModelConfig& c = p_.config();
  const TrainedLayer& layer = p_.layer(l);
  const Tensor gate = s.gate_up.narrow(1, 0, c.d_mlp), up = s.gate_up.narrow(1, c.d_mlp, c.d_mlp);
  gated_backward(c.activation, gate, up,
                 layer.down.backward(gated(c.activation, gate, up), grad.to(gate.scalar_type())), gate, up);
  Tensor inverse;
  const Tensor h = layer.post_norm.forward(s.x_mlp, c.norm_eps, inverse);
  return layer.post_norm.backward(s.x_mlp, inverse, layer.gate_up.backward(h, s.gate_up));
}

// From the gradient behind attention to that at its input. The gradients of q, k and v take their places.
Tensor PackedModel::attention_backward(int64_t l, const PackedBatch& batch, Saved& s,
                                       const Tensor& grad) const {
  const ModelConfig& c = p_.config();
  const TrainedLayer& layer = p_.layer(l);
  const int64_t heads = c.n_heads, kv = c.n_kv_heads, d = c.d_head, rows = s.x.size(0);
  const double scale = 1.0 / std::sqrt(static_cast<double>(d));
  const Tensor d_mixed =
      layer.o.backward(s.mixed.view({rows, heads * d}), grad.to(s.qkv.scalar_type())).view({rows, heads, d});
  s.mixed = Tensor();
  for (size_t i = 0; i < batch.buckets.size(); ++i) {
    const AttentionBucket& b = batch.buckets[i];
    const Tensor q = filled(b, s.qkv.narrow(1, 0, heads), kv), k = filled(b, s.qkv.narrow(1, heads, kv), kv);
    const Tensor v = filled(b, s.qkv.narrow(1, heads + kv, kv), kv);
    Tensor d_rows = d_mixed.narrow(0, b.begin, b.rows).index_select(0, b.gather);
    if (b.filler.defined()) d_rows.masked_fill_(b.filler, 0);
    const Tensor d_out = d_rows.view({b.sequences, b.length, kv, heads / kv, d})
                             .permute({0, 2, 3, 1, 4})
                             .reshape({b.sequences * kv, heads / kv * b.length, d});
    const Tensor& w = s.weights[i];  // [sequences * kv, group * length, length]
    const Tensor d_scores =
        scores_backward(b, w, d_out.bmm(v.transpose(1, 2)), c.sliding_window[static_cast<size_t>(l)], scale);
    unfill(b, d_scores.bmm(k), kv, s.qkv.narrow(1, 0, heads));
    unfill(b, d_scores.transpose(1, 2).bmm(q), kv, s.qkv.narrow(1, heads, kv));
    unfill(b, w.transpose(1, 2).bmm(d_out), kv, s.qkv.narrow(1, heads + kv, kv));
  }
  s.weights.clear();
  rotate_rows(s.qkv.narrow(1, 0, heads + kv), batch.rope, /*inverse=*/true);
  if (c.qk_norm) {
    const auto through = [&](const TrainedNorm& norm, int64_t begin, int64_t n, const Tensor& inverse) {
      Tensor part = s.qkv.narrow(1, begin, n);
      const Tensor raw = s.qk_raw.narrow(1, begin, n).reshape({-1, d});
      part.copy_(norm.backward(raw, inverse, part.reshape({-1, d})).view({rows, n, d}));
    };
    through(layer.q_norm, 0, heads, s.q_inverse);
    through(layer.k_norm, heads, kv, s.k_inverse);
  }
  Tensor inverse;
  const Tensor h = layer.input_norm.forward(s.x, c.norm_eps, inverse);
  return layer.input_norm.backward(s.x, inverse,
                                   layer.qkv.backward(h, s.qkv.view({rows, (heads + 2 * kv) * d})));
}

TokenFigures PackedModel::forward(const PackedBatch& batch, double temperature, bool with_gradient,
                                  bool with_entropy) {
  const ModelConfig& c = p_.config();
  saved_.assign(with_gradient ? static_cast<size_t>(c.n_layers) : 0, {});
  Tensor x = at::embedding(p_.embedding(), batch.tokens)
                 .to(stream_type(p_.embedding().scalar_type()));  // [rows, d_model]
  for (int64_t l = 0; l < c.n_layers; ++l) {
    Saved s;
    s.x = x;
    x = x + attention_forward(l, batch, s);
    s.x_mlp = x;
    s.gate_up = gate_and_up(l, x);
    x = x + p_.layer(l).down.forward(
                gated(c.activation, s.gate_up.narrow(1, 0, c.d_mlp), s.gate_up.narrow(1, c.d_mlp, c.d_mlp)));
    if (!with_gradient) continue;
    Saved& kept = saved_[static_cast<size_t>(l)];
    if (recompute_)
      kept.x = s.x;
    else
      kept = std::move(s);
  }
  states_ = x.index_select(0, batch.predicting);  // [answers, d_model]
  return head_.forward(states_, batch.targets, temperature, with_gradient, with_entropy);
}

void PackedModel::backward(const PackedBatch& batch, const std::vector<double>& coefficients) {
  const ModelConfig& c = p_.config();
  Tensor grad = at::zeros({batch.rows, c.d_model}, states_.options());
  grad.index_copy_(0, batch.predicting, head_.backward(coefficients));
  for (int64_t l = c.n_layers - 1; l >= 0; --l) {
    Saved& s = saved_[static_cast<size_t>(l)];
    if (recompute_) {
      s.x_mlp = s.x + attention_forward(l, batch, s);
      s.gate_up = gate_and_up(l, s.x_mlp);
    }
    grad.add_(mlp_backward(l, s, grad));
    s.gate_up = s.x_mlp = Tensor();
    grad.add_(attention_backward(l, batch, s, grad));
    s = {};
  }
  if (p_.embedding_grad().defined()) {
    Tensor into = p_.embedding_grad();
    into.index_add_(0, batch.tokens, grad.to(into.scalar_type()));
  }
}

}  // namespace circuitdiff
