#include "model/layer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "kernels/product.h"
#include "kernels/rows.h"
#include "model/tiled_attention.h"

namespace circuitdiff {
namespace {

at::ScalarType weight_type(const LayerCall& layer) { return layer.weights.o_proj.scalar_type(); }

// A place for rows of the weights' dtype, or of the stream's.
Tensor weight_place(const LayerCall& layer, std::string_view name, at::IntArrayRef sizes) {
  return layer.buffers.place(name, sizes, layer.weights.o_proj.options());
}
Tensor stream_place(const LayerCall& layer, std::string_view name, at::IntArrayRef sizes, const Tensor& x) {
  return layer.buffers.place(name, sizes, x.options());
}

// x / rms(x) * weight, with 1 / rms of each row into `inverse`.
Tensor norm_rows(const LayerCall& layer, const Tensor& x, const Tensor& weight, const Tensor& inverse) {
  const Tensor h = weight_place(layer, "norm", x.sizes());
  rms_norm(x, weight, layer.config.norm_eps, h, inverse);
  return h;
}

at::ScalarType stream_type(const Tensor& t) {
  return t.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
}

// The norm of rows y [rows, width] of the weights' dtype, into `out`.
void norm_of_output(const LayerCall& layer, const Tensor& y, const Tensor& weight, const Tensor& out) {
  const Tensor x = y.to(stream_type(y));
  rms_norm(x, weight, layer.config.norm_eps, out, at::empty({x.size(0), 1}, x.options()));
}

// q or k [rows, heads, d_head] as the rows that its norm takes: each head, or all of a token's at once.
Tensor norm_rows_of_heads(const ModelConfig& config, const Tensor& q) {
  return config.qk_norm_whole ? q.flatten(1) : q.flatten(0, 1);
}

// The gradient at a branch's output map, in the weights' dtype, from that at what the branch adds.
Tensor at_output_map(const LayerCall& layer, const Tensor& output, WeightGradients::Member norm,
                     const Tensor& grad) {
  Tensor d = grad;
  if (const Tensor& weight = layer.weights.*norm; weight.defined()) {
    const Tensor y = all_prefix_rows(layer.packing, output).to(grad.scalar_type());
    const Tensor inverse = inverse_rms(y, layer.config.norm_eps);
    if (layer.gradients) layer.gradients->norm(norm, y, inverse, grad);
    d = rms_norm_backward(y, inverse, weight, grad);
  }
  if (d.scalar_type() == weight_type(layer)) return d;
  const Tensor narrow = weight_place(layer, "d_output", d.sizes());
  narrow.copy_(d);
  return narrow;
}

// Rows of the stream, or of what goes with them, for every gradient row.
Tensor gradient_rows_of(const LayerCall& layer, std::string_view name, const Tensor& t) {
  const Packing& packing = layer.packing;
  if (packing.prefixes_are_sequences()) return t;
  const Tensor out = layer.buffers.place(name, {packing.gradient_rows(), t.size(1)}, t.options());
  for (const PrefixSegment& p : packing.prefixes)
    out.narrow(0, p.begin, p.length).copy_(prefix_rows(packing, p, t));
  return out;
}

Tensor as_heads(const Tensor& rows, int64_t d_head) { return rows.view({rows.size(0), -1, d_head}); }

// q or k of every head behind its norm, where the model has one: `raw` keeps what was ahead of it.
Tensor normed_heads(const LayerCall& layer, const Tensor& q, const Tensor& weight, std::string_view name,
                    Tensor& raw) {
  if (!layer.config.qk_norm) return q;
  raw = q;
  const Tensor out = weight_place(layer, name, q.sizes());
  norm_of_output(layer, norm_rows_of_heads(layer.config, q), weight, norm_rows_of_heads(layer.config, out));
  return out;
}

// h: behind the norm, [rows, d_model] -> one of q, k and v, [rows, heads, d_head].
Tensor project(const LayerCall& layer, std::string_view name, const Tensor& h, const Tensor& weight,
               const Tensor& bias) {
  const Tensor out = weight_place(layer, name, {h.size(0), weight.size(0)});
  linear_into(out, h, weight, bias);
  return as_heads(out, layer.config.d_head);
}

// softmax(q k') v of every sequence into saved.z.
void mix_values(const LayerCall& layer, AttentionSaved& s) {
  const Packing& packing = layer.packing;
  if (can_flash(layer.config, s.q, packing.flash_sequences)) {
    s.z = flash_attention(layer.config, s.q, s.k, s.v, packing.flash_sequences, layer.window);
    return;
  }
  s.z = weight_place(layer, "z", s.q.sizes());
  std::vector<AttentionPiece> pieces;
  for (const Segment& segment : packing.sequences) {
    const auto rows = [&](const Tensor& t) { return t.narrow(0, segment.begin, segment.length); };
    AttentionPiece& piece = pieces.emplace_back();
    piece.q = rows(s.q), piece.k = rows(s.k), piece.v = rows(s.v), piece.out = rows(s.z);
  }
  tiled_attention(layer.config, pieces, layer.window);
}

// Gradients at q, k and v (behind RoPE) from that at z, of every prefix: [gradient_rows, heads, d_head].
std::array<Tensor, 3> mix_values_backward(const LayerCall& layer, const AttentionSaved& s,
                                          const Tensor& d_z) {
  const Packing& packing = layer.packing;
  const ModelConfig& c = layer.config;
  if (can_flash(c, s.q, packing.flash_prefixes))
    return flash_attention_backward(c, all_prefix_rows(packing, s.q), all_prefix_rows(packing, s.k),
                                    all_prefix_rows(packing, s.v), d_z, packing.flash_prefixes, layer.window);
  const int64_t n = packing.gradient_rows();
  const std::array<Tensor, 3> d{weight_place(layer, "d_q", {n, c.n_heads, c.d_head}),
                                weight_place(layer, "d_k", {n, c.n_kv_heads, c.d_head}),
                                weight_place(layer, "d_v", {n, c.n_kv_heads, c.d_head})};
  std::vector<AttentionPiece> pieces;
  for (const PrefixSegment& p : packing.prefixes) {
    const auto seen = [&](const Tensor& t) { return prefix_rows(packing, p, t); };
    const auto own = [&](const Tensor& t) { return t.narrow(0, p.begin, p.length); };
    AttentionPiece& piece = pieces.emplace_back();
    piece.q = seen(s.q), piece.k = seen(s.k), piece.v = seen(s.v), piece.d_out = own(d_z);
    piece.dq = own(d[0]), piece.dk = own(d[1]), piece.dv = own(d[2]);
  }
  tiled_attention_backward(c, pieces, layer.window);
  return d;
}

// Through the norm of q or k, from the gradient behind it; in its place.
void through_head_norm(const LayerCall& layer, const Tensor& raw, WeightGradients::Member norm,
                       const Tensor& d) {
  const Tensor x = norm_rows_of_heads(layer.config, all_prefix_rows(layer.packing, raw)).to(stream_type(raw));
  const Tensor inverse = inverse_rms(x, layer.config.norm_eps), dy = d.view_as(x);
  const Tensor dx = rms_norm_backward(x, inverse, layer.weights.*norm, dy);
  if (layer.gradients) layer.gradients->norm(norm, x, inverse, dy);
  d.copy_(dx.view_as(d));
}

}  // namespace

void project_qkv(const LayerCall& layer, const Tensor& x, AttentionSaved& s) {
  const LayerWeights& w = layer.weights;
  s.inverse = stream_place(layer, "attention.inverse", {x.size(0), 1}, x);
  const Tensor h = norm_rows(layer, x, w.input_layernorm, s.inverse);
  const bool raw = layer.config.qk_norm;
  s.q =
      normed_heads(layer, project(layer, raw ? "q_raw" : "q", h, w.q_proj, w.q_bias), w.q_norm, "q", s.q_raw);
  s.k =
      normed_heads(layer, project(layer, raw ? "k_raw" : "k", h, w.k_proj, w.k_bias), w.k_norm, "k", s.k_raw);
  s.v = project(layer, "v", h, w.v_proj, w.v_bias);
  rope_in_place(s.q, layer.rope.cos, layer.rope.sin, /*backward=*/false);
  rope_in_place(s.k, layer.rope.cos, layer.rope.sin, /*backward=*/false);
}

void attend(const LayerCall& layer, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& z) {
  AttentionPiece piece;
  piece.q = q, piece.k = k, piece.v = v, piece.out = z;
  tiled_attention(layer.config, {piece}, layer.window);
}

void attention_output(const LayerCall& layer, AttentionSaved& s, const Tensor& out) {
  const LayerWeights& w = layer.weights;
  const Tensor z = s.z.flatten(1);
  if (!w.attention_output_norm.defined()) return linear_into(out, z, w.o_proj, w.o_bias);
  s.output = weight_place(layer, "attention.output", out.sizes());
  linear_into(s.output, z, w.o_proj, w.o_bias);
  norm_of_output(layer, s.output, w.attention_output_norm, out);
}

void attention_forward(const LayerCall& layer, const Tensor& x, AttentionSaved& saved, const Tensor& out) {
  project_qkv(layer, x, saved);
  mix_values(layer, saved);
  attention_output(layer, saved, out);
}

void attention_recompute(const LayerCall& layer, const Tensor& x, AttentionSaved& saved) {
  project_qkv(layer, x, saved);
  if (!layer.weights.attention_output_norm.defined()) return;
  mix_values(layer, saved);
  saved.output = weight_place(layer, "attention.output", x.sizes());
  linear_into(saved.output, saved.z.flatten(1), layer.weights.o_proj, layer.weights.o_bias);
}

Tensor attention_backward(const LayerCall& layer, const Tensor& x, AttentionSaved& s, const Tensor& grad,
                          bool apart) {
  const LayerWeights& w = layer.weights;
  const ModelConfig& c = layer.config;
  const int64_t n = layer.packing.gradient_rows();
  const Tensor d_output = at_output_map(layer, s.output, &LayerWeights::attention_output_norm, grad);
  if (layer.gradients) layer.gradients->linear(&LayerWeights::o_proj, s.z.flatten(1), d_output);
  const Tensor d_z = weight_place(layer, "d_z", {n, c.n_heads * c.d_head});
  linear_backward_into(d_z, d_output, w.o_proj);
  const auto [dq, dk, dv] = mix_values_backward(layer, s, as_heads(d_z, c.d_head));
  // Each prefix has its sequence's first rows.
  const Tensor cos = gradient_rows_of(layer, "cos_rows", layer.rope.cos),
               sin = gradient_rows_of(layer, "sin_rows", layer.rope.sin);
  rope_in_place(dq, cos, sin, /*backward=*/true);
  rope_in_place(dk, cos, sin, /*backward=*/true);
  if (c.qk_norm) {
    through_head_norm(layer, s.q_raw, &LayerWeights::q_norm, dq);
    through_head_norm(layer, s.k_raw, &LayerWeights::k_norm, dk);
  }
  const Tensor x_rows = gradient_rows_of(layer, "x_rows", x),
               inverse = gradient_rows_of(layer, "inverse_rows", s.inverse);
  // In the place of what was behind the norm, which nothing reads any more.
  const Tensor d_h = weight_place(layer, "norm", {n, c.d_model}),
               out = stream_place(layer, "g_qkv", {apart ? 3 : 1, n, c.d_model}, x);
  const auto to_stream = [&](int64_t branch) {
    rms_norm_backward(out.select(0, branch), x_rows, inverse, w.input_layernorm, d_h, grad);
  };
  if (apart) {
    int64_t branch = 0;
    for (const auto& [d, weight] :
         {std::pair{dq, w.q_proj}, std::pair{dk, w.k_proj}, std::pair{dv, w.v_proj}}) {
      linear_backward_into(d_h, d.flatten(1), weight);
      to_stream(branch++);
    }
    return out;
  }
  linear_backward_into(d_h, dq.flatten(1), w.q_proj);
  add_linear_rows_backward(d_h, dk.flatten(1), w.k_proj);
  add_linear_rows_backward(d_h, dv.flatten(1), w.v_proj);
  if (layer.gradients) {
    const Tensor h = norm_rows(layer, x, w.input_layernorm, s.inverse);
    layer.gradients->linear(&LayerWeights::q_proj, h, dq.flatten(1));
    layer.gradients->linear(&LayerWeights::k_proj, h, dk.flatten(1));
    layer.gradients->linear(&LayerWeights::v_proj, h, dv.flatten(1));
    layer.gradients->norm(&LayerWeights::input_layernorm, x, s.inverse, d_h);
  }
  to_stream(0);
  return out;
}

Tensor attention_of_runs(const LayerCall& layer, const std::array<Tensor, 3>& x, int64_t queries) {
  const LayerWeights& w = layer.weights;
  const ModelConfig& c = layer.config;
  const int64_t runs = std::max({x[0].size(0), x[1].size(0), x[2].size(0)}), pos = x[0].size(1);
  // Behind the norm, [runs or 1, pos, d_model]; inputs are often one and the same.
  std::array<Tensor, 3> h;
  for (size_t branch = 0; branch < 3; ++branch) {
    for (size_t b = 0; b < branch; ++b)
      if (x[b].is_same(x[branch])) h[branch] = h[b];
    if (h[branch].defined()) continue;
    const Tensor rows = x[branch].reshape({-1, c.d_model});
    const Tensor inverse = stream_place(layer, "attention.inverse", {rows.size(0), 1}, rows);
    h[branch] = norm_rows(layer, rows, w.input_layernorm, inverse).view(x[branch].sizes());
  }
  // One of q, k and v at the last n positions: [runs or 1, n, heads, d_head].
  const auto heads_at = [&](size_t branch, std::string_view name, int64_t n, const Tensor& weight,
                            const Tensor& bias) {
    return project(layer, name, h[branch].narrow(1, pos - n, n).reshape({-1, c.d_model}), weight, bias);
  };
  const auto with_rope = [&](const Tensor& heads, const Tensor& norm, std::string_view name, int64_t n) {
    Tensor raw;
    const Tensor out = normed_heads(layer, heads, norm, name, raw);
    const auto of_rows = [&](const Tensor& table) {
      return table.narrow(0, pos - n, n).repeat({out.size(0) / n, 1});
    };
    rope_in_place(out, of_rows(layer.rope.cos), of_rows(layer.rope.sin), /*backward=*/false);
    return out;
  };
  const auto of_run = [&](const Tensor& t, int64_t n, int64_t run) {
    return t.narrow(0, t.size(0) == n ? 0 : run * n, n);
  };
  const Tensor q = with_rope(heads_at(0, "q", queries, w.q_proj, w.q_bias), w.q_norm, "q_normed", queries);
  const Tensor k = with_rope(heads_at(1, "k", pos, w.k_proj, w.k_bias), w.k_norm, "k_normed", pos);
  const Tensor v = heads_at(2, "v", pos, w.v_proj, w.v_bias);
  AttentionSaved s;
  s.z = weight_place(layer, "z", {runs * queries, c.n_heads, c.d_head});
  std::vector<AttentionPiece> pieces;
  for (int64_t run = 0; run < runs; ++run) {
    AttentionPiece& piece = pieces.emplace_back();
    piece.q = of_run(q, queries, run), piece.k = of_run(k, pos, run), piece.v = of_run(v, pos, run);
    piece.out = of_run(s.z, queries, run);
  }
  tiled_attention(c, pieces, layer.window);
  const Tensor out = weight_place(layer, "attention.added", {runs * queries, c.d_model});
  attention_output(layer, s, out);
  return out.view({runs, queries, c.d_model});
}

void mlp_recompute(const LayerCall& layer, const Tensor& x, MlpSaved& s) {
  const LayerWeights& w = layer.weights;
  s.inverse = stream_place(layer, "mlp.inverse", {x.size(0), 1}, x);
  const Tensor h = norm_rows(layer, x, w.post_attention_layernorm, s.inverse);
  s.gate = weight_place(layer, "gate", {x.size(0), layer.config.d_mlp});
  s.up = weight_place(layer, "up", s.gate.sizes());
  linear_into(s.gate, h, w.gate_proj, w.gate_bias);
  linear_into(s.up, h, w.up_proj, w.up_bias);
  if (!w.mlp_output_norm.defined()) return;
  const Tensor product = weight_place(layer, "swiglu", s.gate.sizes());
  swiglu(layer.config.activation, s.gate, s.up, product);
  s.output = weight_place(layer, "mlp.output", x.sizes());
  linear_into(s.output, product, w.down_proj, w.down_bias);
}

void mlp_forward(const LayerCall& layer, const Tensor& x, MlpSaved& s, bool keep, const Tensor& out) {
  const LayerWeights& w = layer.weights;
  mlp_recompute(layer, x, s);
  if (w.mlp_output_norm.defined()) return norm_of_output(layer, s.output, w.mlp_output_norm, out);
  const Tensor product = keep ? weight_place(layer, "swiglu", s.gate.sizes()) : s.gate;
  swiglu(layer.config.activation, s.gate, s.up, product);
  linear_into(out, product, w.down_proj, w.down_bias);
}

namespace {

// Gradients at gate and up, [gradient_rows, d_mlp] each, from that at the output map. They take the places of
// gate and up where no two prefixes share rows.
std::array<Tensor, 2> swiglu_gradients(const LayerCall& layer, MlpSaved& s, const Tensor& d_output) {
  const LayerWeights& w = layer.weights;
  const Packing& packing = layer.packing;
  const int64_t n = d_output.size(0), d_mlp = layer.config.d_mlp;
  const bool in_place = packing.prefixes_are_sequences();
  const Tensor d_gate = in_place ? s.gate : weight_place(layer, "d_gate", {n, d_mlp}),
               d_up = in_place ? s.up : weight_place(layer, "d_up", {n, d_mlp});
  // Some rows at a time: the whole product's gradient would be half as much again at the peak of memory.
  const int64_t step = d_output.device().is_cpu() ? std::min(n, kMlpGradientRows) : n;
  for (int64_t begin = 0; begin < n; begin += step) {
    const int64_t end = std::min(begin + step, n);
    const Tensor d = linear_rows_backward(d_output.narrow(0, begin, end - begin), w.down_proj);
    // Rows [from, to) of the gradient, which lie `ahead` rows further down in gate and up.
    const auto add = [&](int64_t from, int64_t to, int64_t ahead) {
      const auto forward = [&](const Tensor& t) { return t.narrow(0, from + ahead, to - from); };
      const auto back = [&](const Tensor& t) { return t.narrow(0, from, to - from); };
      swiglu_backward(layer.config.activation, forward(s.gate), forward(s.up),
                      d.narrow(0, from - begin, to - from), back(d_gate), back(d_up));
    };
    if (in_place) {
      add(begin, end, 0);
      continue;
    }
    for (const PrefixSegment& p : packing.prefixes) {
      const int64_t from = std::max(begin, p.begin), to = std::min(end, p.begin + p.length);
      if (from < to) add(from, to, packing.sequences[p.sequence].begin - p.begin);
    }
  }
  return {d_gate, d_up};
}

}  // namespace

Tensor mlp_backward(const LayerCall& layer, const Tensor& x, MlpSaved& s, const Tensor& grad) {
  const LayerWeights& w = layer.weights;
  const Tensor d_output = at_output_map(layer, s.output, &LayerWeights::mlp_output_norm, grad);
  if (layer.gradients) {
    const Tensor product = weight_place(layer, "swiglu", s.gate.sizes());
    swiglu(layer.config.activation, s.gate, s.up, product);
    layer.gradients->linear(&LayerWeights::down_proj, product, d_output);
  }
  const auto [d_gate, d_up] = swiglu_gradients(layer, s, d_output);
  const Tensor d_h = weight_place(layer, "norm", grad.sizes());  // as above
  linear_backward_into(d_h, d_gate, w.gate_proj);
  add_linear_rows_backward(d_h, d_up, w.up_proj);
  if (layer.gradients) {
    const Tensor h = norm_rows(layer, x, w.post_attention_layernorm, s.inverse);
    layer.gradients->linear(&LayerWeights::gate_proj, h, d_gate);
    layer.gradients->linear(&LayerWeights::up_proj, h, d_up);
    layer.gradients->norm(&LayerWeights::post_attention_layernorm, x, s.inverse, d_h);
  }
  const Tensor x_rows = gradient_rows_of(layer, "x_rows", x),
               inverse = gradient_rows_of(layer, "inverse_rows", s.inverse),
               out = stream_place(layer, "g_mlp", grad.sizes(), x);
  rms_norm_backward(out, x_rows, inverse, w.post_attention_layernorm, d_h, grad);
  return out;
}

Tensor final_norm(const Weights& weights, const Tensor& x, Tensor& inverse) {
  const Tensor h = at::empty(x.sizes(), x.options().dtype(weights.dtype()));
  inverse = at::empty({x.size(0), 1}, x.options());
  rms_norm(x, weights.norm(), weights.checkpoint().config().norm_eps, h, inverse);
  return h;
}

Tensor final_norm_backward(const Weights& weights, const Tensor& x, const Tensor& inverse,
                           const Tensor& grad) {
  return rms_norm_backward(x, inverse, weights.norm(), grad);
}

}  // namespace circuitdiff
