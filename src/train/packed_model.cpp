#include "train/packed_model.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/gelu_backward.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "model/packed.h"

namespace circuitdiff {
namespace {

constexpr int64_t kLogitBytes = int64_t{256} << 20;  // of logits kept or computed at once

at::ScalarType stream_type(at::ScalarType compute) {
  return compute == at::kDouble ? at::kDouble : at::kFloat;
}

Tensor act(const std::string& name, const Tensor& gate) {
  if (name == "silu") return at::silu(gate);
  if (name == "gelu") return at::gelu(gate);
  if (name == "gelu_pytorch_tanh") return at::gelu(gate, "tanh");
  if (name == "relu") return at::relu(gate);
  fail("activation \"{}\" is not known", name);
}

Tensor act_backward(const std::string& name, const Tensor& grad, const Tensor& gate) {
  if (name == "silu") return at::silu_backward(grad, gate);
  if (name == "gelu") return at::gelu_backward(grad, gate);
  if (name == "gelu_pytorch_tanh") return at::gelu_backward(grad, gate, "tanh");
  return grad * (gate > 0);
}

// [rows, heads, d_head] rotated in place by the rows' angles; with `inverse`, rotated back.
void rotate_rows(Tensor x, const RopeTable& rope, bool inverse) {
  const int64_t half = x.size(2) / 2;
  Tensor a = x.narrow(2, 0, half), b = x.narrow(2, half, half);
  const double sign = inverse ? 1 : -1;
  const Tensor a_old = a.clone();
  a.mul_(rope.cos).addcmul_(b, rope.sin, sign);
  b.mul_(rope.cos).addcmul_(a_old, rope.sin, -sign);
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
  const Tensor hidden = attention_mask(n, n, window, q.device()).logical_not();
  Tensor bias = at::zeros({n, n}, q.options()).masked_fill_(hidden, -std::numeric_limits<double>::infinity());
  if (group > 1) bias = bias.repeat({group, 1});
  const Tensor scores = at::baddbmm(bias.unsqueeze(0), q, k.transpose(1, 2), /*beta=*/1, /*alpha=*/scale);
  return scores.softmax(/*dim=*/-1, stream_type(q.scalar_type()));
}

// dx of y = x r w, and the summand of dw's rows.
Tensor norm_backward(const TrainedNorm& norm, const Tensor& x, const Tensor& inverse, const Tensor& grad) {
  if (norm.weight_grad.defined()) norm.accumulate((x * inverse).mul_(grad));
  return rms_norm_backward(x, inverse, norm.weight, grad);
}

Tensor apply_norm(const TrainedNorm& norm, const Tensor& x, const Tensor& inverse) {
  return (x * inverse).to(norm.weight.scalar_type()).mul_(norm.weight);
}

}  // namespace

void PackedModel::attention_forward(int64_t l, const PackedBatch& batch, Saved& s, Tensor* added) {
  const ModelConfig& c = p_.config();
  const TrainedLayer& layer = p_.layer(l);
  const int64_t heads = c.n_heads, kv = c.n_kv_heads, d = c.d_head, rows = s.x.size(0);
  s.inverse = inverse_rms(s.x, c.norm_eps);
  s.qkv = layer.qkv.forward(apply_norm(layer.input_norm, s.x, s.inverse)).view({rows, heads + 2 * kv, d});
  if (c.qk_norm) {
    s.qk_raw = s.qkv.narrow(1, 0, heads + kv).to(stream_type(s.qkv.scalar_type())).clone();
    const Tensor q = s.qk_raw.narrow(1, 0, heads), k = s.qk_raw.narrow(1, heads, kv);
    s.q_inverse = inverse_rms(q, c.norm_eps);
    s.k_inverse = inverse_rms(k, c.norm_eps);
    s.qkv.narrow(1, 0, heads).copy_(apply_norm(layer.q_norm, q, s.q_inverse));
    s.qkv.narrow(1, heads, kv).copy_(apply_norm(layer.k_norm, k, s.k_inverse));
  }
  rotate_rows(s.qkv.narrow(1, 0, heads + kv), batch.rope, /*inverse=*/false);
  s.mixed = at::empty({rows, heads, d}, s.qkv.options());
  s.weights.clear();
  const double scale = 1.0 / std::sqrt(static_cast<double>(d));
  for (const AttentionBucket& b : batch.buckets) {
    const Tensor q = filled(b, s.qkv.narrow(1, 0, heads), kv), k = filled(b, s.qkv.narrow(1, heads, kv), kv);
    const Tensor v = filled(b, s.qkv.narrow(1, heads + kv, kv), kv);
    s.weights.push_back(
        bucket_weights(b, q, k, c.sliding_window[static_cast<size_t>(l)], scale).to(q.scalar_type()));
    unfill(b, s.weights.back().bmm(v), kv, s.mixed);
  }
  if (added) *added = layer.o.forward(s.mixed.view({rows, heads * d}));
}

void PackedModel::mlp_forward(int64_t l, Saved& s, Tensor* added) {
  const ModelConfig& c = p_.config();
  const TrainedLayer& layer = p_.layer(l);
  s.inverse_mlp = inverse_rms(s.x_mlp, c.norm_eps);
  s.gate_up = layer.gate_up.forward(apply_norm(layer.post_norm, s.x_mlp, s.inverse_mlp));
  if (added) {
    const Tensor gate = s.gate_up.narrow(1, 0, c.d_mlp), up = s.gate_up.narrow(1, c.d_mlp, c.d_mlp);
    *added = layer.down.forward(act(c.activation, gate).mul_(up));
  }
}

Tensor PackedModel::mlp_backward(int64_t l, Saved& s, const Tensor& grad) {
  const ModelConfig& c = p_.config();
  const TrainedLayer& layer = p_.layer(l);
  if (recompute_) mlp_forward(l, s, nullptr);
  const Tensor gate = s.gate_up.narrow(1, 0, c.d_mlp), up = s.gate_up.narrow(1, c.d_mlp, c.d_mlp);
  const Tensor activated = act(c.activation, gate);
  const Tensor d = layer.down.backward(activated * up, grad.to(gate.scalar_type()));  // [rows, d_mlp]
  Tensor d_gate_up = at::empty_like(s.gate_up);
  d_gate_up.narrow(1, c.d_mlp, c.d_mlp).copy_(activated.mul(d));
  d_gate_up.narrow(1, 0, c.d_mlp).copy_(act_backward(c.activation, d * up, gate));
  const Tensor dh = layer.gate_up.backward(apply_norm(layer.post_norm, s.x_mlp, s.inverse_mlp), d_gate_up);
  return norm_backward(layer.post_norm, s.x_mlp, s.inverse_mlp, dh.to(s.x_mlp.scalar_type()));
}

Tensor PackedModel::attention_backward(int64_t l, const PackedBatch& batch, Saved& s, const Tensor& grad) {
  const ModelConfig& c = p_.config();
  const TrainedLayer& layer = p_.layer(l);
  const int64_t heads = c.n_heads, kv = c.n_kv_heads, d = c.d_head, rows = s.x.size(0);
  if (recompute_) attention_forward(l, batch, s, nullptr);
  const at::ScalarType type = s.qkv.scalar_type();
  const double scale = 1.0 / std::sqrt(static_cast<double>(d));
  const Tensor d_mixed =
      layer.o.backward(s.mixed.view({rows, heads * d}), grad.to(type)).view({rows, heads, d});
  Tensor d_qkv = at::empty_like(s.qkv);
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
    const Tensor d_weights = d_out.bmm(v.transpose(1, 2));
    const Tensor d_scores = at::_softmax_backward_data(d_weights, w, /*dim=*/-1, w.scalar_type()).mul_(scale);
    unfill(b, d_scores.bmm(k), kv, d_qkv.narrow(1, 0, heads));
    unfill(b, d_scores.transpose(1, 2).bmm(q), kv, d_qkv.narrow(1, heads, kv));
    unfill(b, w.transpose(1, 2).bmm(d_out), kv, d_qkv.narrow(1, heads + kv, kv));
  }
  rotate_rows(d_qkv.narrow(1, 0, heads + kv), batch.rope, /*inverse=*/true);
  if (c.qk_norm) {
    const auto through = [&](const TrainedNorm& norm, int64_t begin, int64_t n, const Tensor& inverse) {
      const Tensor raw = s.qk_raw.narrow(1, begin, n).reshape({-1, d});
      Tensor part = d_qkv.narrow(1, begin, n);
      part.copy_(
          norm_backward(norm, raw, inverse.reshape({-1, 1}), part.reshape({-1, d}).to(raw.scalar_type()))
              .view({rows, n, d}));
    };
    through(layer.q_norm, 0, heads, s.q_inverse);
    through(layer.k_norm, heads, kv, s.k_inverse);
  }
  const Tensor dh = layer.qkv.backward(apply_norm(layer.input_norm, s.x, s.inverse),
                                       d_qkv.view({rows, (heads + 2 * kv) * d}));
  return norm_backward(layer.input_norm, s.x, s.inverse, dh.to(s.x.scalar_type()));
}

TokenFigures PackedModel::forward(const PackedBatch& batch, double temperature, bool with_gradient,
                                  bool with_entropy) {
  const ModelConfig& c = p_.config();
  temperature_ = temperature;
  saved_.assign(with_gradient ? static_cast<size_t>(c.n_layers) : 0, {});
  const at::ScalarType wide = stream_type(p_.embedding().scalar_type());
  Tensor x = at::embedding(p_.embedding(), batch.tokens).to(wide);  // [rows, d_model]
  for (int64_t l = 0; l < c.n_layers; ++l) {
    Saved own;
    Saved& s = with_gradient ? saved_[static_cast<size_t>(l)] : own;
    Tensor added;
    s.x = x;
    attention_forward(l, batch, s, &added);
    x = x + added;
    s.x_mlp = x;
    mlp_forward(l, s, &added);
    x = x + added;
    if (with_gradient && recompute_) {
      Saved least;
      least.x = s.x;
      least.x_mlp = s.x_mlp;
      s = least;
    }
  }
  states_ = x.index_select(0, batch.predicting);  // [answers, d_model]
  final_inverse_ = inverse_rms(states_, c.norm_eps);
  const Tensor h = apply_norm(p_.norm(), states_, final_inverse_);
  const int64_t answers = h.size(0);
  const int64_t row_bytes = c.d_vocab * static_cast<int64_t>(c10::elementSize(wide));
  const bool keep = with_gradient && answers * row_bytes <= kLogitBytes;
  const int64_t chunk = std::max<int64_t>(1, kLogitBytes / row_bytes);
  log_softmax_ = Tensor();
  TokenFigures out;
  for (int64_t begin = 0; begin < answers; begin += chunk) {
    const int64_t n = std::min(chunk, answers - begin);
    Tensor logits = p_.head().forward(h.narrow(0, begin, n)).to(wide);
    if (temperature != 1) logits.mul_(1 / temperature);
    const Tensor log_p = at::log_softmax(logits, /*dim=*/-1);
    const Tensor picked = log_p.gather(1, batch.targets.narrow(0, begin, n).unsqueeze(1))
                              .squeeze(1)
                              .to(at::kCPU, at::kDouble)
                              .contiguous();
    out.logps.insert(out.logps.end(), picked.const_data_ptr<double>(), picked.const_data_ptr<double>() + n);
    if (with_entropy) {
      const Tensor e = log_p.exp().mul_(log_p).sum(-1).neg_().to(at::kCPU, at::kDouble).contiguous();
      out.entropies.insert(out.entropies.end(), e.const_data_ptr<double>(), e.const_data_ptr<double>() + n);
    }
    if (keep) log_softmax_ = log_p;
  }
  return out;
}

void PackedModel::backward(const PackedBatch& batch, const std::vector<double>& coefficients) {
  const ModelConfig& c = p_.config();
  const int64_t answers = states_.size(0);
  const at::ScalarType wide = states_.scalar_type();
  // d log p(t) / d logits = (onehot - p) / temperature
  const Tensor scale = at::from_blob(const_cast<double*>(coefficients.data()), {answers}, at::kDouble)
                           .to(wide)
                           .to(states_.device())
                           .mul(1 / temperature_)
                           .unsqueeze(1);
  const Tensor h = apply_norm(p_.norm(), states_, final_inverse_);
  Tensor dh = at::empty_like(h);
  const int64_t row_bytes = c.d_vocab * static_cast<int64_t>(c10::elementSize(wide));
  const int64_t chunk = std::max<int64_t>(1, kLogitBytes / row_bytes);
  for (int64_t begin = 0; begin < answers; begin += chunk) {
    const int64_t n = std::min(chunk, answers - begin);
    Tensor p;
    if (log_softmax_.defined()) {
      p = log_softmax_.exp();
    } else {
      Tensor logits = p_.head().forward(h.narrow(0, begin, n)).to(wide);
      p = logits.mul_(1 / temperature_).softmax(-1);
    }
    const Tensor s = scale.narrow(0, begin, n);
    p.mul_(-s).scatter_add_(1, batch.targets.narrow(0, begin, n).unsqueeze(1), s);
    dh.narrow(0, begin, n).copy_(p_.head().backward(h.narrow(0, begin, n), p.to(h.scalar_type())));
  }
  log_softmax_ = Tensor();
  Tensor grad = at::zeros({batch.rows, c.d_model}, states_.options());
  grad.index_copy_(0, batch.predicting, norm_backward(p_.norm(), states_, final_inverse_, dh.to(wide)));
  for (int64_t l = c.n_layers - 1; l >= 0; --l) {
    Saved& s = saved_[static_cast<size_t>(l)];
    grad.add_(mlp_backward(l, s, grad));
    grad.add_(attention_backward(l, batch, s, grad));
    s = {};
  }
  if (p_.embedding_grad().defined()) {
    Tensor into = p_.embedding_grad();
    into.index_add_(0, batch.tokens, grad.to(into.scalar_type()));
  }
}

}  // namespace circuitdiff
