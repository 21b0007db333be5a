#include "train/update_table.h"

#include <algorithm>

#include "kernels/product.h"
#include "model/attention_bytes.h"
#include "model/layer.h"
#include "train/packed_model.h"

namespace circuitdiff {
namespace {

// The head, and then from the last layer to the first: the MLP in three steps, attention in two.
constexpr Phases kHead = 1, kDownProj = 2, kSwiglu = 4, kGateUp = 8, kMix = 16, kProjections = 32;
constexpr Phases kMlp = kDownProj | kSwiglu | kGateUp, kAttention = kMix | kProjections,
                 kLayer = kMlp | kAttention;

int64_t bytes(int64_t numbers, at::ScalarType type) {
  return numbers * static_cast<int64_t>(c10::elementSize(type));
}

// What adding a weight's gradient [out, in] takes beside it: the product where it cannot add in place, or a
// stripe of it with its operand's copy.
int64_t weight_gradient_scratch(const TrainInputs& in, int64_t out, int64_t inner, int64_t dy_bytes) {
  constexpr int64_t kStripe = int64_t{16} << 20;
  if (in.options.lora.rank > 0) return 0;
  const int64_t weight = bytes(out * inner, in.compute);
  if (in.compute == at::kBFloat16) return weight;
  if (in.compute != at::kFloat || !in.device.is_cpu() || !has_wider_products()) return 0;
  return std::min(weight, kStripe) +
         static_cast<int64_t>(static_cast<double>(dy_bytes) *
                              std::min(1.0, static_cast<double>(kStripe) / static_cast<double>(weight)));
}

void add_head(BufferTable& table, const TrainInputs& in, const UpdateShape& u, at::ScalarType stream) {
  const ModelConfig& c = in.checkpoint->config();
  const int64_t row = bytes(c.d_vocab, stream);
  const int64_t rows = std::clamp<int64_t>(logit_bytes(in.options.recompute) / row, 1, u.answers);
  table.add("states, their norm and its gradient", {4 * u.answers, c.d_model}, stream, kHead);
  table.add("logits", {rows, c.d_vocab}, stream, kHead);
  if (in.compute != stream) table.add("logits in the compute dtype", {rows, c.d_vocab}, in.compute, kHead);
  constexpr int64_t kPieces = int64_t{2} << 20;  // of logits worked on at once
  table.add_scratch("lm_head's gradient and pieces of logits",
                    std::max(weight_gradient_scratch(in, c.d_vocab, c.d_model, rows * row),
                             2 * std::min(rows * row, kPieces)) +
                        (widens_products(in.device, in.compute)
                             ? linear_scratch_bytes(in.device, in.compute, u.answers, c.d_model, c.d_vocab)
                             : 0),
                    kHead);
}

}  // namespace

BufferTable update_table(const TrainInputs& in, const UpdateShape& u) {
  const ModelConfig& c = in.checkpoint->config();
  const at::ScalarType type = in.compute, stream = type == at::kDouble ? at::kDouble : at::kFloat;
  const bool recompute = in.options.recompute;
  const int64_t d_q = c.n_heads * c.d_head, d_kv = c.n_kv_heads * c.d_head, r = u.rows;
  BufferTable table;
  // Of every layer: its input, and what backward needs. Where that is computed again, of one.
  const int64_t kept = recompute ? 1 : c.n_layers;
  const auto add_saved = [&](const char* name, int64_t width, at::ScalarType dtype, Phases until) {
    if (recompute) return table.add(name, {r, width}, dtype, until);
    table.add(name, {r, width}, dtype, kHead | kLayer, kept - 1);
    table.add(name, {r, width}, dtype, kHead | until);
  };
  table.add("layers' inputs", {r, c.d_model}, stream, kHead | kLayer, c.n_layers);
  add_saved("q", d_q, type, kLayer);
  add_saved("k, v", 2 * d_kv, type, kLayer);
  if (c.qk_norm) add_saved("q, k ahead of their norms", d_q + d_kv, type, kLayer);
  add_saved("z", d_q, type, kLayer);
  add_saved("MLP's input", c.d_model, stream, kMlp);
  add_saved("gate, up", 2 * c.d_mlp, type, kMlp);

  table.add("gradient of the stream", {r, c.d_model}, stream, kLayer);
  if (type != stream) table.add("gradient at an output map", {r, c.d_model}, type, kLayer);
  table.add("product of gate and up", {r, c.d_mlp}, type, kDownProj);
  table.add("gradient at it", {std::min(r, kMlpGradientRows), c.d_mlp}, type, kSwiglu);
  table.add("gradient behind a norm, and the norm", {2 * r, c.d_model}, type, kGateUp | kProjections);
  table.add("gradient of a branch", {r, c.d_model}, stream, kGateUp | kProjections);
  table.add("gradient at z", {r, d_q}, type, kAttention);
  table.add("gradients at q, k, v", {r, d_q + 2 * d_kv}, type, kAttention);
  const auto product = [&](int64_t inner, int64_t out) {
    return linear_scratch_bytes(in.device, type, r, inner, out);
  };
  const auto sequences = std::max<int64_t>(1, r / std::max<int64_t>(1, u.longest));
  const AttentionBytes attention = attention_bytes(c, in.device, type, u.longest, sequences, sequences);
  const int64_t plain = type == at::kDouble ? 3 * bytes(std::min(r, kMlpGradientRows) * c.d_mlp, type) : 0;
  table.add_scratch("swiglu", plain, kSwiglu);
  table.add_scratch("attention", attention.scores_back + attention.copies_back + attention.widened, kMix);
  table.add_scratch("products and a norm's weight gradient",
                    std::max({product(c.d_mlp, c.d_model), 2 * bytes(r * c.d_model, stream),
                              weight_gradient_scratch(in, c.d_mlp, c.d_model, bytes(r * c.d_mlp, type))}),
                    kGateUp | kProjections | kDownProj);
  if (c.n_layers > 0) add_head(table, in, u, stream);
  return table;
}

}  // namespace circuitdiff
