#include "attribute/chunk_table.h"

#include <algorithm>

#include "attribute/objective.h"
#include "kernels/product.h"
#include "model/attention_bytes.h"
#include "model/flash_attention.h"
#include "model/layer.h"

namespace circuitdiff {
namespace {

// Of a chunk, layer after layer, in this order; and the norms and maps that its backward repeats are in its
// phase.
constexpr Phases kAttention = 1, kMlp = 2, kObjective = 4, kMlpBack = 8, kAttentionBack = 16;
constexpr Phases kForward = kAttention | kMlp, kBackward = kMlpBack | kAttentionBack;
constexpr Phases kAll = kForward | kObjective | kBackward;

// What is the same for every row of a table.
struct Shapes {
  const ModelConfig& c;
  at::Device device;
  at::ScalarType dtype;   // of weights and products
  at::ScalarType stream;  // of what the layers read, and of its gradients

  Shapes(const ModelConfig& config, at::Device d, at::ScalarType type)
      : c(config), device(d), dtype(type), stream(type == at::kDouble ? at::kDouble : at::kFloat) {}
  int64_t d_q() const { return c.n_heads * c.d_head; }
  int64_t d_kv() const { return c.n_kv_heads * c.d_head; }
  int64_t bytes(int64_t numbers, at::ScalarType type) const {
    return numbers * static_cast<int64_t>(c10::elementSize(type));
  }
  // What operators take for themselves, bytes, measured one by one. Products x [rows, in] to [rows, out]:
  int64_t product_scratch(int64_t rows, int64_t in, int64_t out) const {
    return linear_scratch_bytes(device, dtype, rows, in, out);
  }
  // A GPU's fused attention makes its results itself.
  bool is_flash() const { return !device.is_cpu() && flash_knows(c, dtype); }
  // What it holds: z; on the way back that and its own gradients too, sums in float32 of as many parts as
  // fill the GPU, so that they have one order, and k's and v's gradients for every query head.
  int64_t flash_scratch(int64_t rows) const { return bytes(rows * d_q(), dtype); }
  int64_t flash_backward_scratch(const Packing& packing) const {
    constexpr int64_t kProcessors = 132;  // an H100's and H200's
    const int64_t n = packing.gradient_rows(),
                  heads = static_cast<int64_t>(packing.prefixes.size()) * c.n_heads;
    const int64_t parts = (kProcessors + heads - 1) / heads;
    const int64_t gathered = packing.prefixes_are_sequences() ? 0 : n * (d_q() + 2 * d_kv());
    return bytes(n * (3 * d_q() + 2 * d_kv()) + gathered + (c.n_heads > c.n_kv_heads ? 2 * n * d_q() : 0),
                 dtype) +
           bytes(parts * (n + 128 * static_cast<int64_t>(packing.prefixes.size())) * d_q(), stream);
  }
  // Whether the elementwise kernels know the types; else plain operations make tensors of their own.
  bool is_plain() const { return dtype == at::kDouble; }
  int64_t norm_scratch(int64_t rows, int64_t width) const {
    return is_plain() || dtype != stream ? 2 * bytes(rows * width, stream) : 0;
  }
  int64_t rope_scratch(int64_t rows, int64_t heads) const {
    return is_plain() ? bytes(rows * heads * c.d_head / 2, dtype) : 0;
  }
  int64_t swiglu_scratch(int64_t rows) const {
    return is_plain() || c.activation != Activation::silu ? bytes(rows * c.d_mlp, dtype) : 0;
  }
  int64_t swiglu_backward_scratch(int64_t rows) const {
    constexpr int64_t kPiece = int64_t{1} << 22;  // numbers taken at once
    return 3 * std::min(swiglu_scratch(rows), bytes(kPiece, dtype));
  }
};

// Logits of some answer rows by a piece of the vocabulary, the slope of a cap beside them, and then in one of
// two phases what the entropy makes of them, or the piece of lm_head that they come from and go back through
// with their form in the weights' dtype.
void add_logits(BufferTable& table, const Shapes& s, Objective objective, int64_t answers, int64_t head_bytes,
                bool with_gradient, Phases at_product, Phases at_entropy) {
  const int64_t rows = std::min(answers, logit_rows(s.c, s.dtype, s.device)),
                width = vocabulary_piece(s.c, s.device);
  const std::vector<int64_t> piece{rows, width};
  table.add("logits", piece, s.stream, at_product | at_entropy);
  if (s.c.final_softcap > 0) table.add("logits' slope", piece, s.stream, at_product | at_entropy);
  if (objective == Objective::entropy) table.add("logits' entropy", {2 * rows, width}, s.stream, at_entropy);
  if (s.dtype == at::kBFloat16) table.add("logits in bfloat16", piece, s.dtype, at_product);
  table.add_scratch("piece of lm_head", head_bytes, at_product);
  if (!with_gradient) return;
  table.add_scratch("lm_head's product",
                    widens_products(s.device, s.dtype) ? s.product_scratch(rows, width, s.c.d_model)
                                                       : s.bytes(rows * s.c.d_model, s.dtype),
                    at_product);
}

// What a layer needs on the way forward. keeps: phases until which what backward needs is kept.
void add_forward(BufferTable& table, const Shapes& s, const Packing& packing, Phases attention_kept,
                 Phases mlp_kept, int64_t copies) {
  const ModelConfig& c = s.c;
  const int64_t rows = packing.rows();
  const Phases attention = kAttention | kAttentionBack | attention_kept, mlp = kMlp | kMlpBack | mlp_kept;
  table.add("norm", {std::max(rows, packing.gradient_rows()), c.d_model}, s.dtype, kForward | kBackward);
  table.add("attention.inverse", {rows, 1}, s.stream, attention, copies);
  table.add("q", {rows, s.d_q()}, s.dtype, attention, copies);
  table.add("k", {rows, s.d_kv()}, s.dtype, attention, copies);
  table.add("v", {rows, s.d_kv()}, s.dtype, attention, copies);
  if (c.qk_norm) {
    table.add("q_raw", {rows, s.d_q()}, s.dtype, attention, copies);
    table.add("k_raw", {rows, s.d_kv()}, s.dtype, attention, copies);
  }
  if (!s.is_flash())
    table.add("z", {rows, s.d_q()}, s.dtype, c.output_norms ? kAttention | kAttentionBack : kAttention);
  table.add("mlp.inverse", {rows, 1}, s.stream, mlp, copies);
  table.add("gate", {rows, c.d_mlp}, s.dtype, mlp, copies);
  table.add("up", {rows, c.d_mlp}, s.dtype, mlp, copies);
  if (c.output_norms) {
    table.add("swiglu", {rows, c.d_mlp}, s.dtype, kMlp | kMlpBack);
    table.add("attention.output", {rows, c.d_model}, s.dtype, attention, copies);
    table.add("mlp.output", {rows, c.d_model}, s.dtype, mlp, copies);
  } else if (mlp_kept != 0) {
    table.add("swiglu", {rows, c.d_mlp}, s.dtype, kMlp);
  }
}

void add_backward(BufferTable& table, const Shapes& s, const ScoringOptions& options, const Layout& layout) {
  const ModelConfig& c = s.c;
  const int64_t n = layout.packing.gradient_rows();
  table.add("g", {n, c.d_model}, s.stream, kObjective | kBackward);
  if (s.dtype != s.stream || c.output_norms) table.add("d_output", {n, c.d_model}, s.dtype, kBackward);
  table.add("g_mlp", {n, c.d_model}, s.stream, kBackward);
  table.add("d_z", {n, s.d_q()}, s.dtype, kAttentionBack);
  if (!s.is_flash()) {
    table.add("d_q", {n, s.d_q()}, s.dtype, kAttentionBack);
    table.add("d_k", {n, s.d_kv()}, s.dtype, kAttentionBack);
    table.add("d_v", {n, s.d_kv()}, s.dtype, kAttentionBack);
  }
  table.add("g_qkv", {options.graph == GraphKind::qkv ? 3 : 1, n, c.d_model}, s.stream, kAttentionBack);
  if (layout.packing.prefixes_are_sequences()) return;
  table.add("x_rows", {n, c.d_model}, s.stream, kBackward);
  table.add("inverse_rows", {n, 1}, s.stream, kBackward);
  table.add("cos_rows", {n, c.d_head}, s.dtype, kAttentionBack);
  table.add("sin_rows", {n, c.d_head}, s.dtype, kAttentionBack);
  table.add("d_gate", {n, c.d_mlp}, s.dtype, kMlpBack);
  table.add("d_up", {n, c.d_mlp}, s.dtype, kMlpBack);
}

// What operators take for themselves while they run. One row each; a phase has its largest.
void add_operators(BufferTable& table, const Shapes& s, const Layout& layout) {
  const ModelConfig& c = s.c;
  const int64_t rows = layout.packing.rows(), n = layout.packing.gradient_rows();
  int64_t longest = 0;
  for (const Segment& segment : layout.packing.sequences) longest = std::max(longest, segment.length);
  const AttentionBytes attention =
      attention_bytes(c, s.device, s.dtype, longest, static_cast<int64_t>(layout.packing.sequences.size()),
                      static_cast<int64_t>(layout.packing.prefixes.size()));
  const auto output_norm_scratch = [&](int64_t of_rows, int64_t width) {
    return s.bytes(of_rows * width, s.stream) + s.norm_scratch(of_rows, width);
  };
  const int64_t head_norm = c.qk_norm ? output_norm_scratch(rows, s.d_q()) : 0,
                output_norm = c.output_norms ? output_norm_scratch(rows, c.d_model) : 0;
  table.add_scratch(
      "attention",
      std::max({attention.scores + attention.copies, head_norm, output_norm, s.norm_scratch(rows, c.d_model),
                s.rope_scratch(rows, c.n_heads), s.product_scratch(rows, c.d_model, s.d_q()),
                s.product_scratch(rows, s.d_q(), c.d_model)}),
      kAttention);
  table.add_scratch(
      "mlp",
      std::max({s.product_scratch(rows, c.d_model, c.d_mlp), output_norm, s.swiglu_scratch(rows),
                s.norm_scratch(rows, c.d_model), s.product_scratch(rows, c.d_mlp, c.d_model)}),
      kMlp);
  const int64_t output_norm_back = c.output_norms ? 2 * output_norm_scratch(n, c.d_model) : 0;
  // The gradient at the product of gate and up, of some rows at a time.
  const int64_t together = s.device.is_cpu() ? std::min(n, kMlpGradientRows) : n;
  const int64_t widened =
      widens_products(s.device, s.dtype) ? s.product_scratch(together, c.d_model, c.d_mlp) : 0;
  table.add_scratch(
      "mlp's gradients",
      std::max({s.bytes(together * c.d_mlp, s.dtype) +
                    std::max(widened, s.swiglu_backward_scratch(std::min(longest, together))),
                output_norm_back, s.norm_scratch(n, c.d_model), s.product_scratch(n, c.d_mlp, c.d_model)}),
      kMlpBack);
  table.add_scratch(
      "attention's gradients",
      std::max({attention.scores_back + attention.copies_back, output_norm_back,
                c.qk_norm ? 2 * output_norm_scratch(n, s.d_q()) : 0, s.product_scratch(n, c.d_model, s.d_q()),
                s.product_scratch(n, s.d_q(), c.d_model)}),
      kAttentionBack);
}

}  // namespace

BufferTable chunk_table(const ModelConfig& config, at::Device device, at::ScalarType dtype,
                        const ScoringOptions& options, const Layout& layout, const ChunkPlan& plan,
                        int64_t head_bytes) {
  const Shapes s(config, device, dtype);
  const Graph graph{config.n_layers, options.graph, options.edges};
  const int64_t rows = layout.packing.rows(), d = config.d_model;
  BufferTable table;
  table.add("stream", {rows, d}, at::kDouble, kAll);
  if (dtype != at::kDouble) table.add("x", {rows, d}, at::kFloat, kForward | kBackward);
  if (plan.spill.empty()) {
    table.add("sources", {graph.n_forward(), rows, d}, dtype, kAll);
    if (options.method != Method::eap) table.add("scaled sources", {graph.n_forward(), rows, d}, dtype, kAll);
  }
  table.add_scratch("rope", s.bytes(2 * rows * config.d_head, dtype), kAll);
  const bool keeps_end = first_kept_layer(config.n_layers, device, dtype, plan) < config.n_layers;
  const Phases until_backward = kMlp | kObjective | kMlpBack;
  add_forward(table, s, layout.packing,
              plan.keep   ? kAll
              : keeps_end ? until_backward
                          : Phases{0},
              plan.keep   ? kAll
              : keeps_end ? kObjective
                          : Phases{0},
              plan.keep ? config.n_layers : 1);
  const auto answers = static_cast<int64_t>(layout.targets.size());
  table.add_scratch("answer rows",
                    answers * (s.bytes(d, at::kDouble) + 3 * s.bytes(d, s.stream) + s.bytes(d, dtype)) +
                        s.norm_scratch(answers, d),
                    kObjective);
  BufferTable logits;  // made as they are needed
  add_logits(logits, s, options.objective, answers, head_bytes, /*with_gradient=*/true, 1, 2);
  table.add_scratch("logits", logits.counted_bytes(), kObjective);
  add_backward(table, s, options, layout);
  add_operators(table, s, layout);
  table.lay_out();
  return table;
}

namespace {

// What attention_of_runs makes of `runs` streams of which so many have their own queries, keys and values,
// the last `queries` positions asked for.
struct Runs {
  int64_t all, q, k, v, length, queries;
  bool apart = false;  // some branches read the clean stream, which has a norm of its own
};

void add_attention_of_runs(BufferTable& table, const Shapes& s, const Runs& r, Phases projecting,
                           Phases mixing) {
  const ModelConfig& c = s.c;
  const Phases both = projecting | mixing;
  table.add("streams", {r.all, r.length, c.d_model}, s.stream, both);
  table.add("norms", {r.all + (r.apart ? 1 : 0), r.length, c.d_model}, s.dtype, both);
  table.add("inverse", {r.all + (r.apart ? 1 : 0), r.length}, s.stream, both);
  table.add("q", {r.q * r.queries, s.d_q()}, s.dtype, both);
  table.add("k", {r.k * r.length, s.d_kv()}, s.dtype, both);
  table.add("v", {r.v * r.length, s.d_kv()}, s.dtype, mixing);
  table.add("z", {r.all * r.queries, s.d_q()}, s.dtype, mixing);
  table.add_scratch("projections",
                    std::max({s.bytes(2 * std::max(r.q * r.queries, r.k * r.length) * c.d_head, s.dtype) +
                                  s.rope_scratch(r.q * r.queries, c.n_heads),
                              s.norm_scratch(r.all * r.length, c.d_model),
                              s.product_scratch(r.q * r.queries, c.d_model, s.d_q())}),
                    projecting);
  const AttentionBytes attention = attention_bytes(c, s.device, s.dtype, r.length, r.all, r.all);
  const int64_t rows = r.all * r.queries;
  table.add_scratch("attention",
                    std::max(attention.scores + attention.copies,
                             s.bytes(rows * c.d_model, s.dtype) * (c.output_norms ? 4 : 1) +
                                 s.product_scratch(rows, s.d_q(), c.d_model)),
                    mixing);
}

void add_mlp_of_runs(BufferTable& table, const Shapes& s, int64_t rows, Phases phase) {
  const ModelConfig& c = s.c;
  table.add("streams", {rows, c.d_model}, s.stream, phase);
  table.add("norm", {rows, c.d_model}, s.dtype, phase);
  table.add("inverse", {rows, 1}, s.stream, phase);
  table.add("gate", {rows, c.d_mlp}, s.dtype, phase);
  table.add("up", {rows, c.d_mlp}, s.dtype, phase);
  if (c.output_norms) {
    table.add("swiglu", {rows, c.d_mlp}, s.dtype, phase);
    table.add("mlp.output", {rows, c.d_model}, s.dtype, phase);
  }
  table.add_scratch("mlp",
                    std::max({s.product_scratch(rows, c.d_model, c.d_mlp), s.swiglu_scratch(rows),
                              s.norm_scratch(rows, c.d_model), s.product_scratch(rows, c.d_mlp, c.d_model)}),
                    phase);
}

}  // namespace

BufferTable exact_table(const ModelConfig& config, at::Device device, at::ScalarType dtype,
                        const ScoringOptions& options, const std::vector<int64_t>& into, int64_t length,
                        int64_t answer, int64_t head_bytes) {
  const Shapes s(config, device, dtype);
  const Graph graph{config.n_layers, options.graph, options.edges};
  BufferTable table;
  Phases phase = 1;
  const auto next = [&] { return phase <<= 1; };
  const auto add_attention = [&](const Runs& runs) {
    const Phases projecting = next();
    add_attention_of_runs(table, s, runs, projecting, next());
    return projecting | phase;
  };
  const auto whole = [&](int64_t runs, int64_t queries) {
    return Runs{runs, runs, runs, runs, length, queries};
  };
  add_attention(whole(1, length));
  add_mlp_of_runs(table, s, length, next());
  // The most edges into any destination that are taken out together.
  const auto most_together = [&](const auto& is_meant) {
    int64_t n = 0;
    for (int64_t d = 0; d < graph.logits_destination(); ++d)
      if (is_meant(d)) n = std::max(n, into[static_cast<size_t>(d)]);
    return std::min(n, ablations_at_once(config, length, dtype));
  };
  // Into q, k, v (or attention as a whole) and the MLP of the last layer and of the others.
  const int64_t last = config.n_layers - 1;
  for (const bool is_last : {false, true})
    for (int64_t part = 0; part < graph.destinations_a_layer(); ++part) {
      const int64_t read = is_last ? answer : length,
                    n = most_together([&](int64_t d) {
                      return graph.part_of(d) == part && (graph.layer_of(d) == last) == is_last;
                    });
      if (n == 0) continue;
      if (part + 1 < graph.destinations_a_layer()) {
        const bool apart = graph.kind == GraphKind::qkv && options.gradient != GradientKind::residual;
        const auto runs = [&](int64_t own) { return !apart || part == own ? n : 1; };
        const Phases phases = add_attention({n, runs(0), runs(1), runs(2), length, read, apart});
        if (apart) table.add("ablated", {n, read, config.d_model}, s.stream, phases);
      }
      add_mlp_of_runs(table, s, n * read, next());
    }
  // The passes from there to the end: all rows but in the last layer.
  if (const int64_t n = most_together([&](int64_t d) { return graph.layer_of(d) + 1 < last; }); n > 0) {
    add_attention(whole(n, length));
    add_mlp_of_runs(table, s, n * length, next());
  }
  if (const int64_t n = most_together([&](int64_t d) { return graph.layer_of(d) < last; }); n > 0) {
    add_attention(whole(n, answer));
    add_mlp_of_runs(table, s, n * answer, next());
  }
  int64_t edges = 0;
  for (const int64_t n : into) edges += n;
  const int64_t most_batch =
      std::min(*std::max_element(into.begin(), into.end()), ablations_at_once(config, length, dtype));
  const int64_t final_rows = std::min(kAblatedLossRows + most_batch * answer, edges * answer);
  const Phases layers = 2 * phase - 1, at_product = next(), at_entropy = next(),
               head = at_product | at_entropy;
  table.add("clean sources and streams", {4 * config.n_layers + 2, length, config.d_model}, s.stream,
            layers | head);
  table.add("final rows", {final_rows, config.d_model}, s.stream, layers);
  table.add("final rows, together and normed", {3 * final_rows, config.d_model}, s.stream, head);
  add_logits(table, s, options.objective, final_rows, head_bytes, /*with_gradient=*/false, at_product,
             at_entropy);
  table.add_scratch("rope", s.bytes(2 * length * config.d_head, dtype), layers);
  table.add_scratch("tokens", 2 * s.bytes(final_rows + length, at::kLong), layers | head);
  // A library's copy of a weight, and of one widened from bfloat16.
  table.add_scratch(
      "packed weight",
      s.bytes(std::max(config.d_mlp, vocabulary_piece(config, device)) * config.d_model, s.stream),
      layers | head);
  return table;
}

}  // namespace circuitdiff
