#include "model/packed.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <utility>

#include "kernels/fused.h"
#include "kernels/gated.h"
#include "kernels/gpu/device_jobs.h"
#include "kernels/product.h"
#include "model/tiled_attention.h"

namespace circuitdiff {
namespace {

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return linear_rows(x.to(weight.scalar_type()), weight, bias);
}

at::ScalarType wide(at::ScalarType type) { return type == at::kDouble ? at::kDouble : at::kFloat; }

Tensor normed(const Tensor& x, const Tensor& inverse, const Tensor& weight) {
  if (!weight.defined()) return x;
  return (x * inverse).to(weight.scalar_type()) * weight;
}

// The same, with 1 / rms of each row into `inverse`.
Tensor normed_rows(const Tensor& x, const Tensor& weight, double eps, Tensor& inverse) {
  Tensor h;
  if (fused_norm(x, weight, eps, h, inverse)) return h;
  inverse = inverse_rms(x, eps);
  return normed(x, inverse, weight);
}

Tensor rows(const Tensor& t, const Segment& s) { return t.narrow(0, s.begin, s.length); }

// x * cos + rotate_half(x) * sin over [rows, heads, d_head]; with `inverse`, its transpose (the rotation
// back). May do so in place.
Tensor rotate(const Tensor& x, const Tensor& cos, const Tensor& sin, bool inverse) {
  if (fused_rotate(x, cos, sin, inverse)) return x;
  const int64_t half = x.size(-1) / 2;
  const Tensor a = x.slice(-1, 0, half), b = x.slice(-1, half);
  const Tensor c = cos.slice(-1, 0, half).unsqueeze(1), s = sin.slice(-1, 0, half).unsqueeze(1);
  if (inverse) return at::cat({a * c + b * s, b * c - a * s}, /*dim=*/-1);
  return at::cat({a * c - b * s, b * c + a * s}, /*dim=*/-1);
}

// Rows of a forward tensor as the prefixes of the packing see them.
Tensor prefix_rows(const Packing& packing, const PrefixSegment& p, const Tensor& t) {
  return t.narrow(0, packing.sequences[p.sequence].begin, p.length);
}

// One cut each, and each the whole sequence.
bool prefixes_are_sequences(const Packing& packing) {
  return packing.rows() == packing.gradient_rows() &&
         std::all_of(packing.prefixes.begin(), packing.prefixes.end(),
                     [&](const PrefixSegment& p) { return p.begin == packing.sequences[p.sequence].begin; });
}

// The same for all prefixes, one below another.
Tensor all_prefix_rows(const Packing& packing, const Tensor& t) {
  if (prefixes_are_sequences(packing)) return t;
  std::vector<Tensor> parts;
  for (const PrefixSegment& p : packing.prefixes) parts.push_back(prefix_rows(packing, p, t));
  return at::cat(parts);
}

}  // namespace

Tensor inverse_rms(const Tensor& x, double eps) {
  return (x * x).mean(/*dim=*/-1, /*keepdim=*/true).add_(eps).rsqrt_();
}

Tensor rms_norm_backward(const Tensor& x, const Tensor& inverse, const Tensor& weight, const Tensor& grad,
                         const Tensor& total) {
  if (weight.defined()) {
    const Tensor out = at::empty_like(x);
    if (fused_norm_backward(x, inverse, weight, grad, out, total)) return out;
  }
  Tensor g = grad.to(x.scalar_type());
  if (weight.defined()) {
    // y = x r w, r = (mean x^2 + eps)^-1/2:  dx = r (w dy) - x r^3 mean(x w dy)
    g = g * weight;
    const Tensor along = (g * x).mean(/*dim=*/-1, /*keepdim=*/true).mul_(inverse).mul_(inverse);
    g.sub_(x * along).mul_(inverse);
  }
  if (total.defined()) total.add_(g);
  return g;
}

RopeTable packed_rope(const ModelConfig& config, const Packing& packing, const at::TensorOptions& options) {
  std::vector<Tensor> cos, sin;
  int64_t longest = 0;
  for (const Segment& s : packing.sequences) longest = std::max(longest, s.length);
  const bool by_length = config.rope.by_length();  // the angles depend on the sequence's own length
  RopeTable table = rope_table(config, 0, longest, longest, options);
  for (const Segment& s : packing.sequences) {
    if (by_length) table = rope_table(config, 0, s.length, s.length, options);
    cos.push_back(table.cos.narrow(0, 0, s.length));
    sin.push_back(table.sin.narrow(0, 0, s.length));
  }
  return {at::cat(cos, /*dim=*/0), at::cat(sin, /*dim=*/0)};
}

namespace {

// Gradient ahead of the norm of what a branch adds, from that behind it.
Tensor through_output_norm(const ModelConfig& config, const Packing& packing, const Tensor& output,
                           const Tensor& weight, const Tensor& grad) {
  if (!weight.defined()) return grad;
  const Tensor y = all_prefix_rows(packing, output).to(wide(output.scalar_type()));
  return rms_norm_backward(y, inverse_rms(y, config.norm_eps), weight, grad);
}

// One of q, k and v: h [rows, d_model], behind the norm -> [rows, heads, d_head]
Tensor heads_of(const ModelConfig& config, const Tensor& h, const Tensor& weight, const Tensor& bias) {
  return linear(h, weight, bias).view({h.size(0), -1, config.d_head});
}

// q, k and v as attention takes them.
void project(const ModelConfig& config, const LayerWeights& w, const RopeTable& rope, const Tensor& x,
             AttentionSaved& saved) {
  const Tensor h = normed_rows(x, w.input_layernorm, config.norm_eps, saved.inverse);
  Tensor q = heads_of(config, h, w.q_proj, w.q_bias), k = heads_of(config, h, w.k_proj, w.k_bias);
  saved.v = heads_of(config, h, w.v_proj, w.v_bias);
  if (config.qk_norm) {
    saved.q_raw = q;
    saved.k_raw = k;
    q = head_norm(config, q, w.q_norm);
    k = head_norm(config, k, w.k_norm);
  }
  saved.q = rotate(q, rope.cos, rope.sin, /*inverse=*/false);
  saved.k = rotate(k, rope.cos, rope.sin, /*inverse=*/false);
}

// softmax(q k') v of every sequence: [rows, n_heads, d_head]
Tensor mixed_values(const ModelConfig& config, const AttentionSaved& s, int64_t window,
                    const Packing& packing) {
  if (can_flash(config, s.q, packing.flash_sequences))
    return flash_attention(config, s.q, s.k, s.v, packing.flash_sequences, window);
  const Tensor mixed = at::empty(s.q.sizes(), s.q.options());
  std::vector<AttentionPiece> pieces;
  for (const Segment& segment : packing.sequences) {
    AttentionPiece& piece = pieces.emplace_back();
    piece.q = rows(s.q, segment), piece.k = rows(s.k, segment), piece.v = rows(s.v, segment);
    piece.out = rows(mixed, segment);
  }
  tiled_attention(config, pieces, window);
  return mixed;
}

// Gradients at q, k and v (behind RoPE) from that at the mixed values, of every prefix:
// [gradient_rows, n_heads | n_kv_heads, d_head].
std::array<Tensor, 3> mixed_values_backward(const ModelConfig& config, const AttentionSaved& saved,
                                            int64_t window, const Packing& packing, const Tensor& d_mixed) {
  if (can_flash(config, saved.q, packing.flash_prefixes))
    return flash_attention_backward(config, all_prefix_rows(packing, saved.q),
                                    all_prefix_rows(packing, saved.k), all_prefix_rows(packing, saved.v),
                                    d_mixed, packing.flash_prefixes, window);
  const int64_t n_rows = packing.gradient_rows(), d_head = config.d_head;
  const Tensor dq = at::empty({n_rows, config.n_heads, d_head}, d_mixed.options());
  const Tensor dk = at::empty({n_rows, config.n_kv_heads, d_head}, d_mixed.options());
  const Tensor dv = at::empty_like(dk);
  std::vector<AttentionPiece> pieces;
  for (const PrefixSegment& p : packing.prefixes) {
    const auto seen = [&](const Tensor& t) { return prefix_rows(packing, p, t); };
    const auto own = [&](const Tensor& t) { return t.narrow(0, p.begin, p.length); };
    AttentionPiece& piece = pieces.emplace_back();
    piece.q = seen(saved.q), piece.k = seen(saved.k), piece.v = seen(saved.v), piece.d_out = own(d_mixed);
    piece.dq = own(dq), piece.dk = own(dk), piece.dv = own(dv);
  }
  tiled_attention_backward(config, pieces, window);
  return {dq, dk, dv};
}

}  // namespace

void place_on(Packing& packing, at::Device device) {
  if (!device.is_cuda()) return;
  const auto rows_of = [&](const auto& segments) {
    std::vector<int32_t> starts{0};
    FlashRows out;
    for (const auto& s : segments) {
      starts.push_back(static_cast<int32_t>(s.begin + s.length));
      out.longest = std::max(out.longest, s.length);
    }
    out.starts =
        upload(at::from_blob(starts.data(), {static_cast<int64_t>(starts.size())}, at::kInt), device);
    return out;
  };
  packing.flash_sequences = rows_of(packing.sequences);
  packing.flash_prefixes = rows_of(packing.prefixes);
}

void packed_attention_saved(const ModelConfig& config, const LayerWeights& w, int64_t window,
                            const RopeTable& rope, const Packing& packing, const Tensor& x,
                            AttentionSaved& saved) {
  if (w.attention_output_norm.defined())
    packed_attention(config, w, window, rope, packing, x, &saved);
  else
    project(config, w, rope, x, saved);
}

Tensor packed_attention(const ModelConfig& config, const LayerWeights& w, int64_t window,
                        const RopeTable& rope, const Packing& packing, const Tensor& x,
                        AttentionSaved* saved) {
  AttentionSaved own;
  AttentionSaved& s = saved ? *saved : own;
  project(config, w, rope, x, s);
  const Tensor mixed = mixed_values(config, s, window, packing);
  Tensor output = linear(mixed.view({x.size(0), config.n_heads * config.d_head}), w.o_proj, w.o_bias);
  if (!w.attention_output_norm.defined()) return output;
  s.output = output;
  return rms_norm(output, w.attention_output_norm, config.norm_eps);
}

Tensor branched_attention(const ModelConfig& config, const LayerWeights& w, int64_t window,
                          const RopeTable& rope, const std::array<Tensor, 3>& x, int64_t queries) {
  const int64_t runs = std::max({x[0].size(0), x[1].size(0), x[2].size(0)}), pos = x[0].size(1);
  // Behind the norm, [runs or 1, pos, d_model]; inputs are often one and the same.
  std::array<Tensor, 3> h;
  for (size_t branch = 0; branch < 3; ++branch) {
    for (size_t b = 0; b < branch; ++b)
      if (x[b].is_same(x[branch])) h[branch] = h[b];
    Tensor inverse;
    if (!h[branch].defined())
      h[branch] =
          normed_rows(x[branch].reshape({-1, config.d_model}), w.input_layernorm, config.norm_eps, inverse)
              .view(x[branch].sizes());
  }
  const auto heads_at = [&](size_t branch, int64_t n, const Tensor& weight, const Tensor& bias) {
    const Tensor rows = h[branch].narrow(1, pos - n, n).reshape({-1, config.d_model});
    return heads_of(config, rows, weight, bias);
  };
  // [runs or 1, the last n positions, heads, d_head]
  const auto apart = [&](const Tensor& t, int64_t n) { return t.view({-1, n, t.size(1), config.d_head}); };
  const auto turned = [&](Tensor t, const Tensor& norm, int64_t n) {
    if (config.qk_norm) t = head_norm(config, t, norm);
    const auto of_rows = [&](const Tensor& table) {
      return table.narrow(0, pos - n, n).repeat({t.size(0) / n, 1});
    };
    return apart(rotate(t, of_rows(rope.cos), of_rows(rope.sin), /*inverse=*/false), n);
  };
  const Tensor q = turned(heads_at(0, queries, w.q_proj, w.q_bias), w.q_norm, queries);
  const Tensor k = turned(heads_at(1, pos, w.k_proj, w.k_bias), w.k_norm, pos);
  const Tensor v = apart(heads_at(2, pos, w.v_proj, w.v_bias), pos);
  const Tensor mixed = at::empty({runs, queries, config.n_heads, config.d_head}, q.options());
  const auto of_run = [](const Tensor& t, int64_t run) { return t.select(0, t.size(0) == 1 ? 0 : run); };
  std::vector<AttentionPiece> pieces;
  for (int64_t run = 0; run < runs; ++run) {
    AttentionPiece& piece = pieces.emplace_back();
    piece.q = of_run(q, run), piece.k = of_run(k, run), piece.v = of_run(v, run), piece.out = mixed[run];
  }
  tiled_attention(config, pieces, window);
  const Tensor output = linear(mixed.view({runs * queries, -1}), w.o_proj, w.o_bias);
  return rms_norm(output, w.attention_output_norm, config.norm_eps).view({runs, queries, config.d_model});
}

Tensor packed_attention_backward(const ModelConfig& config, const LayerWeights& w, int64_t window,
                                 const RopeTable& rope, const Packing& packing, const Tensor& x,
                                 const AttentionSaved& saved, const Tensor& grad, bool carry) {
  const int64_t n_rows = packing.gradient_rows(), d_head = config.d_head;
  const at::ScalarType type = w.o_proj.scalar_type();
  const Tensor d_output = through_output_norm(config, packing, saved.output, w.attention_output_norm, grad);
  const Tensor d_mixed =
      linear_rows_backward(d_output.to(type), w.o_proj).view({n_rows, config.n_heads, d_head});
  auto [dq, dk, dv] = mixed_values_backward(config, saved, window, packing, d_mixed);
  // Each prefix has its sequence's first rows.
  const Tensor cos = all_prefix_rows(packing, rope.cos), sin = all_prefix_rows(packing, rope.sin);
  dq = rotate(dq, cos, sin, /*inverse=*/true);
  dk = rotate(dk, cos, sin, /*inverse=*/true);
  if (config.qk_norm) {
    const auto through_norm = [&](const Tensor& raw, const Tensor& weight, const Tensor& g) {
      Tensor r = all_prefix_rows(packing, raw).to(wide(type));
      if (config.qk_norm_whole) r = r.flatten(-2);
      const Tensor d = rms_norm_backward(r, inverse_rms(r, config.norm_eps), weight, g.view_as(r));
      return d.to(type).view_as(g);
    };
    dq = through_norm(saved.q_raw, w.q_norm, dq);
    dk = through_norm(saved.k_raw, w.k_norm, dk);
  }
  const Tensor x_rows = all_prefix_rows(packing, x), inverse = all_prefix_rows(packing, saved.inverse);
  Tensor out = at::empty({3, n_rows, config.d_model}, x.options());
  const auto behind_norm = [&](const Tensor& d, const Tensor& weight) {
    return linear_rows_backward(d.reshape({n_rows, weight.size(0)}), weight);
  };
  const Tensor total = carry ? grad : Tensor();
  const auto to_stream = [&](int64_t branch, const Tensor& dh) {
    const Tensor place = out.select(0, branch);
    if (!fused_norm_backward(x_rows, inverse, w.input_layernorm, dh, place, total))
      place.copy_(rms_norm_backward(x_rows, inverse, w.input_layernorm, dh, total));
  };
  if (x.device().is_cuda()) {
    // All three at once, so that the stream and its gradient are read but once.
    const std::array<Tensor, 3> dh{behind_norm(std::exchange(dq, {}), w.q_proj),
                                   behind_norm(std::exchange(dk, {}), w.k_proj),
                                   behind_norm(std::exchange(dv, {}), w.v_proj)};
    if (carry && device_branches_backward(x_rows, inverse, w.input_layernorm, dh, out, grad)) return out;
    for (int64_t branch = 0; branch < 3; ++branch) to_stream(branch, dh[static_cast<size_t>(branch)]);
  } else {
    to_stream(0, behind_norm(std::exchange(dq, {}), w.q_proj));
    to_stream(1, behind_norm(std::exchange(dk, {}), w.k_proj));
    to_stream(2, behind_norm(std::exchange(dv, {}), w.v_proj));
  }
  return out;
}

void packed_mlp_saved(const ModelConfig& config, const LayerWeights& w, const Tensor& x, MlpSaved& saved) {
  const Tensor h = normed_rows(x, w.post_attention_layernorm, config.norm_eps, saved.inverse);
  saved.gate = linear(h, w.gate_proj, w.gate_bias);
  saved.up = linear(h, w.up_proj, w.up_bias);
  if (w.mlp_output_norm.defined())
    saved.output = linear(gated(config.activation, saved.gate, saved.up), w.down_proj, w.down_bias);
}

Tensor packed_mlp(const ModelConfig& config, const LayerWeights& w, const Tensor& x, MlpSaved* saved) {
  MlpSaved own;
  MlpSaved& s = saved ? *saved : own;
  packed_mlp_saved(config, w, x, s);
  if (w.mlp_output_norm.defined()) return rms_norm(s.output, w.mlp_output_norm, config.norm_eps);
  const Tensor product = saved ? gated(config.activation, s.gate, s.up)
                               : gated_over_gate(config.activation, std::exchange(s.gate, {}), s.up);
  if (!saved) s.up = Tensor();
  return linear(product, w.down_proj, w.down_bias);
}

int64_t rows_of_product(int64_t rows, at::ScalarType type) {
  // Every product packs the weight anew: of a thousand rows halves cost a few hundredths more than the whole,
  // quarters a tenth; of two hundred a hundredth, for as large a share of memory. Of bfloat16 rows that costs
  // as much as many of them.
  constexpr int64_t kFewRows = 256, kOfFew = 64;
  return type == at::kBFloat16 ? rows : rows <= kFewRows ? kOfFew : (rows + 31) / 32 * 16;
}

namespace {

// Gradients at gate and up, [gradient_rows, d_mlp] each, from that at the MLP's output. Consumes what was
// saved.
std::array<Tensor, 2> gated_gradients(const ModelConfig& config, const LayerWeights& w,
                                      const Packing& packing, MlpSaved& saved, const Tensor& d_output) {
  const Tensor gate = std::exchange(saved.gate, {}), up = std::exchange(saved.up, {});
  const bool whole = prefixes_are_sequences(packing);
  if (whole && gate.device().is_cpu()) {
    // They take the places of gate and up themselves, some rows at a time: the gradient of the whole product
    // would be half as much again at the very peak of memory.
    const int64_t rows = gate.size(0), step = rows_of_product(rows, gate.scalar_type());
    for (int64_t begin = 0; begin < rows; begin += step) {
      const int64_t n = std::min(step, rows - begin);
      const Tensor g = gate.narrow(0, begin, n), u = up.narrow(0, begin, n);
      gated_backward(config.activation, g, u, linear_rows_backward(d_output.narrow(0, begin, n), w.down_proj),
                     g, u);
    }
    return {gate, up};
  }
  // The product's gradient becomes the gate's in place, and `up` its own where no two prefixes share its
  // rows.
  const Tensor d_gate = linear_rows_backward(d_output, w.down_proj);
  const Tensor d_up = whole ? up : at::empty_like(d_gate);
  if (whole) {  // one launch, not one a sample
    gated_backward(config.activation, gate, up, d_gate, d_gate, d_up);
  } else {
    for (const PrefixSegment& p : packing.prefixes) {
      const Tensor d = d_gate.narrow(0, p.begin, p.length);
      gated_backward(config.activation, prefix_rows(packing, p, gate), prefix_rows(packing, p, up), d, d,
                     d_up.narrow(0, p.begin, p.length));
    }
  }
  return {d_gate, d_up};
}

}  // namespace

Tensor packed_mlp_backward(const ModelConfig& config, const LayerWeights& w, const Packing& packing,
                           const Tensor& x, MlpSaved& saved, const Tensor& grad, bool carry) {
  const Tensor d_output = through_output_norm(config, packing, saved.output, w.mlp_output_norm, grad);
  auto [d_gate, d_up] = gated_gradients(config, w, packing, saved, d_output.to(w.down_proj.scalar_type()));
  const Tensor dh = linear_rows_backward(std::exchange(d_gate, {}), w.gate_proj);
  add_linear_rows_backward(dh, d_up, w.up_proj);
  const Tensor x_rows = all_prefix_rows(packing, x), inverse = all_prefix_rows(packing, saved.inverse);
  return rms_norm_backward(x_rows, inverse, w.post_attention_layernorm, dh, carry ? grad : Tensor());
}

}  // namespace circuitdiff
