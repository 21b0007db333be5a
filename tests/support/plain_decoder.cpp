#include "support/plain_decoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>

#include <limits>

#include "base/error.h"

namespace circuitdiff {
namespace {

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return at::linear(x.to(weight.scalar_type()), weight,
                    bias.defined() ? std::optional<Tensor>(bias) : std::nullopt);
}

bool is_low_precision(at::ScalarType type) { return type == at::kBFloat16 || type == at::kHalf; }

}  // namespace

Tensor softcap(const Tensor& x, double cap) { return cap > 0 ? (x / cap).tanh() * cap : x; }

Tensor head_norm(const ModelConfig& config, const Tensor& x, const Tensor& weight) {
  if (!config.qk_norm_whole) return rms_norm(x, weight, config.norm_eps).to(x.scalar_type());
  return rms_norm(x.flatten(-2), weight, config.norm_eps).to(x.scalar_type()).view_as(x);
}

Tensor rms_norm(const Tensor& x, const Tensor& weight, double eps) {
  if (!weight.defined()) return x;
  const Tensor wide = is_low_precision(x.scalar_type()) ? x.to(at::kFloat) : x;
  const Tensor inverse = (wide * wide).mean(/*dim=*/-1, /*keepdim=*/true).add_(eps).rsqrt_();
  return (wide * inverse).to(weight.scalar_type()) * weight;
}

Tensor apply_rope(const Tensor& x, const RopeTable& rope) {
  const int64_t half = x.size(-1) / 2;
  const Tensor rotated = at::cat({x.slice(-1, half).neg(), x.slice(-1, 0, half)}, /*dim=*/-1);
  return x * rope.cos.unsqueeze(1) + rotated * rope.sin.unsqueeze(1);  // [pos, 1, d_head] against every head
}

Tensor attention_mask(int64_t query_pos, int64_t key_pos, int64_t window, at::Device device) {
  const auto options = at::TensorOptions().dtype(at::kLong).device(device);
  const Tensor query = at::arange(key_pos - query_pos, key_pos, options).unsqueeze(1);
  const Tensor key = at::arange(key_pos, options).unsqueeze(0);
  Tensor seen = key <= query;
  if (window > 0) seen = seen.logical_and(key > query - window);
  return seen;
}

Tensor grouped_attention(const ModelConfig& config, const Tensor& q, const Tensor& k, const Tensor& v,
                         int64_t window) {
  const int64_t batch = q.size(0), query_pos = q.size(1), n_heads = q.size(2), d_head = q.size(3);
  const int64_t key_pos = k.size(1), n_kv_heads = k.size(2);
  const int64_t group = n_heads / n_kv_heads;
  // The query heads that share a key head become further rows of one product.
  const Tensor qg = q.view({batch, query_pos, n_kv_heads, group, d_head})
                        .permute({0, 2, 3, 1, 4})
                        .reshape({batch * n_kv_heads, group * query_pos, d_head});
  const Tensor kg = k.transpose(1, 2).reshape({batch * n_kv_heads, key_pos, d_head});
  const Tensor vg = v.transpose(1, 2).reshape({batch * n_kv_heads, key_pos, d_head});
  Tensor scores = qg.bmm(kg.transpose(1, 2)).mul_(config.attention_scale);
  if (is_low_precision(scores.scalar_type())) scores = scores.to(at::kFloat);
  scores = softcap(scores, config.attention_softcap);
  const Tensor hidden = attention_mask(query_pos, key_pos, window, q.device()).logical_not_();
  scores = scores.view({batch * n_kv_heads, group, query_pos, key_pos})
               .masked_fill(hidden, -std::numeric_limits<double>::infinity())
               .view({batch * n_kv_heads, group * query_pos, key_pos});
  const Tensor weights = scores.softmax(/*dim=*/-1).to(v.scalar_type());
  return weights.bmm(vg)
      .view({batch, n_kv_heads, group, query_pos, d_head})
      .permute({0, 3, 1, 2, 4})
      .reshape({batch, query_pos, n_heads * d_head});
}

Tensor attention(const ModelConfig& config, const LayerWeights& w, int64_t window, const RopeTable& rope,
                 const Tensor& xq, const Tensor& xk, const Tensor& xv) {
  const int64_t batch = xq.size(0), pos = xq.size(1);
  const auto project = [&](const Tensor& x, const Tensor& weight, const Tensor& bias, int64_t heads) {
    return linear(rms_norm(x, w.input_layernorm, config.norm_eps), weight, bias)
        .view({batch, pos, heads, config.d_head});
  };
  Tensor q = project(xq, w.q_proj, w.q_bias, config.n_heads);     // [batch, pos, n_heads, d_head]
  Tensor k = project(xk, w.k_proj, w.k_bias, config.n_kv_heads);  // [batch, pos, n_kv_heads, d_head]
  const Tensor v = project(xv, w.v_proj, w.v_bias, config.n_kv_heads);
  if (config.qk_norm) {
    q = head_norm(config, q, w.q_norm);
    k = head_norm(config, k, w.k_norm);
  }
  const Tensor mixed = grouped_attention(config, apply_rope(q, rope), apply_rope(k, rope), v, window);
  return rms_norm(linear(mixed, w.o_proj, w.o_bias), w.attention_output_norm, config.norm_eps);
}

Tensor mlp(const ModelConfig& config, const LayerWeights& w, const Tensor& x) {
  const Tensor normed = rms_norm(x, w.post_attention_layernorm, config.norm_eps);
  const Tensor gate = linear(normed, w.gate_proj, w.gate_bias);
  Tensor activated;
  switch (config.activation) {
    case Activation::silu:
      activated = at::silu(gate);
      break;
    case Activation::gelu:
      activated = at::gelu(gate);
      break;
    case Activation::gelu_pytorch_tanh:
      activated = at::gelu(gate, "tanh");
      break;
    case Activation::relu:
      activated = at::relu(gate);
      break;
  }
  return rms_norm(linear(activated * linear(normed, w.up_proj, w.up_bias), w.down_proj, w.down_bias),
                  w.mlp_output_norm, config.norm_eps);
}

Tensor head(const ModelConfig& config, const Weights& w, const Tensor& x) {
  // Where weights are streamed, lm_head is in the stored type.
  Tensor logits =
      linear(rms_norm(x, w.norm(), config.norm_eps), w.lm_head().to(w.device(), w.dtype()), Tensor());
  if (is_low_precision(logits.scalar_type())) logits = logits.to(at::kFloat);
  return softcap(logits, config.final_softcap);
}

Tensor plain_final_stream(const Decoder& decoder, const Tensor& tokens, StreamTap* tap) {
  const ModelConfig& config = decoder.config();
  StreamTap silent;
  if (!tap) tap = &silent;
  const RopeTable rope = decoder.rope(tokens.size(-1));
  // The stream is float32 at least, whatever the products are computed in.
  const Tensor embedded = decoder.embed(tokens);
  Tensor x = tap->source(0, decoder.dtype() == at::kDouble ? embedded : embedded.to(at::kFloat));
  for (int64_t l = 0; l < config.n_layers; ++l) {
    const LayerWeights w = decoder.weights().layer(l);
    x = tap->stream(2 * l, x);
    const Tensor xq = tap->branch(4 * l, x), xk = tap->branch(4 * l + 1, x), xv = tap->branch(4 * l + 2, x);
    x = x + tap->source(1 + 2 * l, attention(config, w, decoder.window(l), rope, xq, xk, xv));
    x = tap->stream(2 * l + 1, x);
    x = x + tap->source(2 + 2 * l, mlp(config, w, tap->branch(4 * l + 3, x)));
  }
  x = tap->stream(2 * config.n_layers, x);
  return tap->branch(4 * config.n_layers, x);
}

Tensor plain_logits(const Decoder& decoder, const Tensor& tokens, StreamTap* tap) {
  return head(decoder.config(), decoder.weights(), plain_final_stream(decoder, tokens, tap));
}

}  // namespace circuitdiff
