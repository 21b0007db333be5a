#include "attribute/estimate.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "attribute/attention_bytes.h"
#include "attribute/edge_choice.h"
#include "attribute/layout.h"
#include "attribute/objective.h"
#include "checkpoint/inspect.h"
#include "kernels/product.h"
#include "model/flash_attention.h"
#include "model/packed.h"
#include "model/tiled_attention.h"

namespace circuitdiff {
namespace {

// Multiply-adds of the linear maps of one row through all layers.
double layer_products(const ModelConfig& c) {
  const double attention = static_cast<double>(c.d_model) * static_cast<double>(c.d_head) *
                           static_cast<double>(2 * c.n_heads + 2 * c.n_kv_heads);
  return static_cast<double>(c.n_layers) *
         (attention + 3.0 * static_cast<double>(c.d_model) * static_cast<double>(c.d_mlp));
}

// Passes over the model that a method makes: (forward, backward).
std::pair<double, double> passes(const ScoringOptions& o, int64_t n_layers) {
  const auto m = static_cast<double>(o.ig_steps);
  const double sources = 1.0 + 2.0 * static_cast<double>(n_layers);
  if (o.method == Method::eap) return {1, 1};
  if (o.method == Method::eap_ig) return {1 + m + (o.ig_activation == IgActivation::difference ? 1 : 0), m};
  if (o.method == Method::eap_ig_activations) return {1 + sources * m, sources * m};
  return {1, 0};
}

TensorType stored_type_of(at::ScalarType dtype) {
  return dtype == at::kDouble ? TensorType::f64 : dtype == at::kFloat ? TensorType::f32 : TensorType::bf16;
}

// Bytes of the weights that are not the files' own pages: of all of them where they are resident, else of the
// two widest layers that are in memory together, and of the ends where they must be computed.
int64_t converted_bytes(const Checkpoint& checkpoint, at::Device device, at::ScalarType dtype,
                        bool resident) {
  const auto element = static_cast<int64_t>(c10::elementSize(dtype));
  const TensorType same = stored_type_of(dtype);
  std::map<std::string, int64_t> layers;
  int64_t all = 0, rest = 0;
  int64_t largest_other = 0;  // of a layer, in a stored type that a GPU converts from
  for (const TensorSpec& spec : tensor_table(checkpoint.config())) {
    const Checkpoint::Outline outline = checkpoint.outline(spec.name);
    if (device.is_cpu() && !outline.computed && outline.type == same) continue;
    int64_t bytes = element;
    for (const int64_t n : spec.shape) bytes *= n;
    all += bytes;
    const bool in_layer = spec.name.rfind("model.layers.", 0) == 0;
    if (in_layer && outline.type != same) largest_other = std::max(largest_other, outline.bytes());
    if (in_layer)
      layers[spec.name.substr(0, spec.name.find('.', 13))] += bytes;
    else if (spec.shape.size() == 1)
      rest += bytes;
    else if (outline.computed)
      rest += outline.bytes();
  }
  if (resident) return all;
  int64_t widest = 0;
  for (const auto& [name, bytes] : layers) widest = std::max(widest, bytes);
  return (layers.size() > 1 ? 2 : 1) * widest + rest + (device.is_cpu() ? 0 : largest_other);
}

// How many edges `exact` takes out.
int64_t edges_run(const Graph& graph, const ScoringOptions& o) {
  int64_t n = graph.n_edges();
  if (o.top_edges > 0) n = std::min(n, o.top_edges);
  if (o.edge_sample > 0) n = std::min(n, o.edge_sample);
  return n;
}

// The edges into each destination that `exact` takes out; of the strongest, not known ahead, all may be.
std::vector<int64_t> edges_into(const Graph& graph, const ScoringOptions& o) {
  const std::vector<uint8_t> chosen = o.edge_sample > 0 ? sampled_edges(graph, o.edge_sample) : graph.edges();
  std::vector<int64_t> into(static_cast<size_t>(graph.n_backward()));
  for (size_t cell = 0; cell < chosen.size(); ++cell) into[cell % into.size()] += chosen[cell];
  if (o.top_edges > 0)
    for (int64_t& n : into) n = std::min(n, o.top_edges);
  return into;
}

// A piece of the logits of `answers` rows, and beside it the piece of lm_head that it comes from and goes
// back through, its narrow form, and the slope of a cap; or what the entropy makes of it.
int64_t logit_bytes(const ModelConfig& c, at::Device device, at::ScalarType dtype, Objective objective,
                    int64_t answers, int64_t head_piece_bytes, bool with_gradient) {
  const int64_t rows = std::min(answers, logit_rows(c, dtype, device)), width = vocabulary_piece(c, device);
  const int64_t piece = rows * width * (dtype == at::kDouble ? 8 : 4);
  const int64_t slope = c.final_softcap > 0 ? piece : 0;
  const int64_t at_product =
      (dtype == at::kBFloat16 ? piece / 2 : 0) + head_piece_bytes + slope +
      (with_gradient && widens_products(device, dtype) ? widened_product_bytes(rows, c.d_model, width) : 0);
  const int64_t at_entropy = objective == Objective::entropy ? 2 * piece + slope : 0;
  return piece + std::max(at_product, at_entropy);
}

// What one chunk holds at its peak, part by part; the phases are those of eap.cpp, packed.cpp and
// objective.cpp.
void add_memory(const ModelConfig& c, at::Device device, at::ScalarType dtype, const ScoringOptions& options,
                const Layout& layout, int64_t answers, const MemoryMeans& means, int64_t head_piece_bytes,
                Forecast& out) {
  const auto b = static_cast<int64_t>(c10::elementSize(dtype));
  const int64_t w = dtype == at::kDouble ? 8 : 4;
  const Graph graph{c.n_layers, options.graph, options.edges};
  const int64_t rows = layout.packing.rows(), gradients = layout.packing.gradient_rows();
  const int64_t d = c.d_model, d_q = c.n_heads * c.d_head, d_kv = c.n_kv_heads * c.d_head;
  int64_t longest = 0;
  for (const Segment& s : layout.packing.sequences) longest = std::max(longest, s.length);
  const bool gathered = rows != gradients;  // several cuts of a sample: their rows are copied
  const bool narrow = b < w;
  const bool in_parts = device.is_cpu() && !gathered;
  const bool takes_places = device.is_cpu() && dtype == at::kFloat && !means.spill;  // as eap.cpp

  const int64_t source_copies = options.method == Method::eap ? 1 : 2;
  const int64_t sources = source_copies * graph.n_forward() * rows * d * b;
  const int64_t output_saved = c.output_norms ? rows * d * b : 0;  // of a branch, ahead of its norm
  const int64_t attention_saved =
      rows * ((d_q + 2 * d_kv) * b + w + (c.qk_norm ? (d_q + d_kv) * b : 0)) + output_saved;
  const int64_t stream = rows * d * 8 + 2 * rows * c.d_head * b;

  const int64_t group = c.n_heads / c.n_kv_heads;
  const bool flash = !device.is_cpu() && flash_knows(c, dtype);
  const AttentionBytes tile =
      attention_bytes(c, device, dtype, longest, static_cast<int64_t>(layout.packing.sequences.size()),
                      static_cast<int64_t>(layout.packing.prefixes.size()));
  const int64_t x = rows * d * w, g = gradients * d * w, x_gathered = gathered ? g : 0;
  const bool wide_products = widens_products(device, dtype);
  const auto widened = [&](int64_t of_rows, int64_t width) {
    return wide_products ? widened_product_bytes(of_rows, d, width) : 0;
  };
  const int64_t forward_attention =
      x + rows * d_q * b +
      std::max(rows * d * b + widened(rows, d_q), tile.scores + tile.copies + tile.widened);
  const int64_t head =
      answers * d * (8 + 3 * w + b) + g +
      logit_bytes(c, device, dtype, options.objective, answers, head_piece_bytes, /*with_gradient=*/true);
  const int64_t x_behind = takes_places ? 0 : x;
  const int64_t through_norm = c.output_norms ? gradients * d * w : 0;  // the gradient ahead of that norm
  // An MLP over so many rows, and gradients of so many: what it saves, and what both ways hold beside the
  // stream's gradient and what the branch reads.
  struct Mlp {
    int64_t saved, forward, backward;
  };
  const auto mlp_of = [&](int64_t n, int64_t m, bool kept) {
    const int64_t middle = n * c.d_mlp * b, product = m * c.d_mlp * b, g_of = m * d * w;
    // The product takes the gate's place where that is not kept.
    const int64_t forward_product = device.is_cpu() && !kept && !c.output_norms ? 0 : middle;
    // Where no two cuts share rows, the gradients of gate and up take their places, on a CPU from a part of
    // the product's at a time; else they lie beside what was saved until that goes. The gate's is gone when
    // up's is taken back.
    const int64_t beside = gathered   ? 2 * product
                           : in_parts ? rows_of_product(n, dtype) * c.d_mlp * b
                                      : product;
    const int64_t grown = gathered ? 2 * (product - middle) : 0;
    return Mlp{
        2 * middle + n * w + (c.output_norms ? n * d * b : 0),
        forward_product + n * d * b + widened(n, c.d_mlp),
        (c.output_norms ? g_of : 0) + widened(m, c.d_mlp) +
            std::max({beside + (narrow ? g_of / 2 : 0), grown + m * d * b,
                      c.output_norms && !kept ? n * (c.d_mlp + d) * b : 0,  // the product, made again
                      grown - (gathered ? product : middle) + 2 * m * d * b + g_of + (gathered ? g_of : 0),
                      g_of})};
  };
  const bool keeps_end = first_kept_layer(c.n_layers, device, dtype, means.keep, means.spill) < c.n_layers;
  const Mlp mlp = mlp_of(rows, gradients, means.keep);
  // The last one runs over the answers' rows alone on a CPU, copied there and back.
  Mlp last = mlp_of(rows, gradients, keeps_end);
  if (device.is_cpu() && answers < rows) {
    last = mlp_of(answers, layout.answers.gradient_rows(), keeps_end);
    last.forward += answers * d * w + rows * d * b;
    last.backward += answers * d * w + layout.answers.gradient_rows() * d * w + g;
  }
  // The MLP's gradient waits for attention's. On a GPU the branches pass the norm together; flash attention
  // sums q's gradients in float32, and k's and v's for every query head.
  const int64_t waits = options.gradient == GradientKind::residual ? 0 : g;
  const int64_t on_gpu = device.is_cpu() || !narrow ? 0 : gradients * d * b;
  // So that sums have one order, each of the kernel's parts sums for itself: as many as fill the GPU.
  constexpr int64_t kProcessors = 132;  // an H100's and H200's
  const auto prefixes = static_cast<int64_t>(layout.packing.prefixes.size());
  const int64_t flash_parts = (kProcessors + prefixes * c.n_heads - 1) / (prefixes * c.n_heads);
  const int64_t inside_flash =
      flash
          ? gradients * d_q * b + flash_parts * (gradients + 128 * prefixes) * d_q * w +
                (group > 1 ? 2 * gradients * d_q * b : 0) + (gathered ? gradients * (d_q + 2 * d_kv) * b : 0)
          : 0;
  // The room for scores twice holds what is widened of them too.
  const int64_t backward_attention =
      g + x_behind + through_norm + waits + on_gpu + 2 * gradients * (d_q + d_kv) * b +
      std::max({tile.scores_back + tile.copies_back, inside_flash,
                3 * g + (device.is_cpu() ? 1 : 3) * gradients * d * b + x_gathered +
                    (gathered ? 2 * gradients * c.d_head * b : 0) + widened(gradients, d_q)});

  // What is saved counts with the phase that holds it, or as a whole where every layer is kept.
  const int64_t read = device.is_cpu() ? 0 : 2 * x;  // what the layer's branches read
  const int64_t of_end = attention_saved + last.saved + read;
  const int64_t end_kept = keeps_end && !means.keep ? of_end : 0;  // the last layer's part alone
  const int64_t kept = means.keep ? (c.n_layers - 1) * (attention_saved + mlp.saved + read) + of_end : 0;
  int64_t graph_bytes = kept, working = 0;
  const auto phase = [&](int64_t saved, int64_t bytes, int64_t gone = 0) {
    const int64_t own = means.keep ? kept - gone : saved;
    if (own + bytes > graph_bytes + working || working == 0) graph_bytes = own, working = bytes;
  };
  phase(attention_saved, forward_attention, /*gone=*/last.saved);
  phase(std::max(last.saved, end_kept), x + last.forward);
  phase(end_kept, head);
  phase(std::max(last.saved, end_kept), g + x_behind + last.backward);
  phase(attention_saved, backward_attention, /*gone=*/last.saved);
  if (c.n_layers > 1) {
    phase(mlp.saved, x + mlp.forward, /*gone=*/of_end);
    phase(mlp.saved, g + x_behind + mlp.backward, /*gone=*/of_end);
  }
  constexpr int64_t kProductScratch = int64_t{32} << 20;  // cuBLAS on a Hopper GPU, out of libtorch's pool
  working += stream + (device.is_cpu() ? 0 : kProductScratch);
  const int64_t in_memory = means.spill ? 0 : sources;
  if (in_memory + graph_bytes + working <= out.source_bytes + out.graph_bytes + out.working_bytes) return;
  out.rows = rows;
  out.gradient_rows = gradients;
  out.source_bytes = in_memory;
  out.spilled_bytes = means.spill ? sources : 0;
  out.graph_bytes = graph_bytes;
  out.working_bytes = working;
}

// What a batch of `runs` ablated streams of `length` positions holds in branched_attention, with so many
// runs' own queries, keys and values, the last `queries` positions asked for.
int64_t branched_bytes(const ModelConfig& c, at::Device device, at::ScalarType dtype, int64_t length,
                       int64_t queries, int64_t runs, int64_t q_runs, int64_t k_runs, int64_t v_runs) {
  const auto b = static_cast<int64_t>(c10::elementSize(dtype));
  const int64_t w = dtype == at::kDouble ? 8 : 4, d_q = c.n_heads * c.d_head, d_kv = c.n_kv_heads * c.d_head;
  const bool mixes = std::min({q_runs, k_runs, v_runs}) < runs;  // with the clean stream
  const int64_t read = (runs * w + (runs + (mixes ? 1 : 0)) * b) * length * c.d_model;  // and behind the norm
  const int64_t q = q_runs * queries * d_q * b, k = k_runs * length * d_kv * b,
                v = v_runs * length * d_kv * b;
  const int64_t tables = 2 * c.d_head * b;  // RoPE's, of a row
  // Turned in place where a row job does it, else through halves, products and their sums.
  const int64_t turns = dtype == at::kDouble ? 4 : 0;
  const int64_t normed = c.qk_norm ? 3 : 0;
  const int64_t mixed = runs * queries * d_q * b, output = runs * queries * c.d_model * b;
  const AttentionBytes tile = attention_bytes(c, device, dtype, length, runs, runs);
  const int64_t widened =
      widens_products(device, dtype) ? widened_product_bytes(runs * queries, d_q, c.d_model) : 0;
  return read + std::max({q * (1 + std::max(turns, normed)) + q_runs * queries * tables,
                          q + k * (1 + std::max(turns, normed)) + k_runs * length * tables,
                          q + k + v + mixed + tile.scores + tile.copies + tile.widened,
                          q + k + v + mixed + output + widened});
}

// The most that a batch of ablations into any one destination holds, and the passes from there to the end.
int64_t ablations_bytes(const ModelConfig& c, at::Device device, at::ScalarType dtype,
                        const ScoringOptions& options, const std::vector<int64_t>& into, int64_t length,
                        int64_t answer) {
  const auto b = static_cast<int64_t>(c10::elementSize(dtype));
  const int64_t w = dtype == at::kDouble ? 8 : 4;
  const Graph graph{c.n_layers, options.graph, options.edges};
  const int64_t per_layer = graph.kind == GraphKind::qkv ? 4 : 2, last = c.n_layers - 1;
  // What is read, that behind the norm, gate and up; their product too, where it takes no one's place, and
  // what a norm is to follow.
  const int64_t middles = c.output_norms || !device.is_cpu() ? 3 : 2;
  const int64_t a_row = middles * c.d_mlp * b + c.d_model * (w + b + (c.output_norms ? b : 0));
  const auto mlp = [&](int64_t rows) {
    const int64_t widened =
        widens_products(device, dtype) ? 4 * std::min(rows, kWidenedRows) * (c.d_model + c.d_mlp) : 0;
    return rows * a_row + widened;
  };
  const auto attention = [&](int64_t runs, int64_t queries) {
    return branched_bytes(c, device, dtype, length, queries, runs, runs, runs, runs);
  };
  int64_t most = std::max(attention(1, length), mlp(length));  // the clean run
  for (int64_t d = 0; d < graph.logits_destination(); ++d) {
    const int64_t n = std::min(ablations_at_once(c, length, dtype), into[static_cast<size_t>(d)]),
                  l = d / per_layer;
    const bool is_mlp = d % per_layer == per_layer - 1;
    const int64_t read = l == last ? answer : length;
    if (n == 0) continue;
    most = std::max(most, mlp(n * read));
    if (!is_mlp && graph.kind == GraphKind::qkv && options.gradient != GradientKind::residual) {
      const auto runs_of = [&](int64_t part) { return d % per_layer == part ? n : 1; };
      most = std::max(most, n * read * c.d_model * w + branched_bytes(c, device, dtype, length, read, n,
                                                                      runs_of(0), runs_of(1), runs_of(2)));
    } else if (!is_mlp) {
      most = std::max(most, attention(n, read));
    }
    if (l + 1 < last) most = std::max({most, attention(n, length), mlp(n * length)});
    if (l < last) most = std::max({most, attention(n, answer), mlp(n * answer)});
  }
  return most;
}

// exact keeps a clean run beside a batch of ablated streams and what a layer makes of them, and the final
// rows that wait; then these rows' losses and a piece of logits; and what products copy weights to.
void add_exact_memory(const ModelConfig& c, at::Device device, at::ScalarType dtype,
                      const ScoringOptions& options, const std::vector<AttributionSample>& samples,
                      const Layout& layout, int64_t head_piece_bytes, Forecast& out) {
  const Graph graph{c.n_layers, options.graph, options.edges};
  const int64_t w = dtype == at::kDouble ? 8 : 4;
  const std::vector<int64_t> into = edges_into(graph, options);
  for (size_t i = 0; i < samples.size(); ++i) {  // one at a time
    const int64_t length = layout.packing.sequences[i].length, answer = length - samples[i].prompt_len + 1;
    const int64_t batch =
        std::min(ablations_at_once(c, length, dtype), *std::max_element(into.begin(), into.end()));
    const int64_t final_rows =
        std::min(kAblatedLossRows + batch * answer, edges_run(graph, options) * answer);
    const int64_t waiting = final_rows * c.d_model * w;
    const int64_t logits = logit_bytes(c, device, dtype, options.objective, final_rows, head_piece_bytes,
                                       /*with_gradient=*/false);
    const int64_t rope = 2 * length * c.d_head * static_cast<int64_t>(c10::elementSize(dtype));
    const int64_t layers = ablations_bytes(c, device, dtype, options, into, length, answer) + rope;
    out.rows = std::max(out.rows, length);
    out.source_bytes = std::max(out.source_bytes, (4 * c.n_layers + 2) * length * c.d_model * w);
    // A product's copy of a weight, and of one widened from bfloat16 that itself.
    const int64_t copied = std::max(c.d_mlp, vocabulary_piece(c, device)) * c.d_model * w *
                           (widens_products(device, dtype) ? 2 : 1);
    out.working_bytes =
        std::max(out.working_bytes, std::max(layers + waiting, 3 * waiting + logits) + copied);
  }
}

}  // namespace

Forecast forecast(const Checkpoint& checkpoint, at::Device device, at::ScalarType dtype,
                  const ScoringOptions& options, const std::vector<std::vector<AttributionSample>>& chunks,
                  const MemoryMeans& means, double rate) {
  const ModelConfig& c = checkpoint.config();
  const Graph graph{c.n_layers, options.graph, options.edges};
  Forecast out;
  out.weight_bytes = converted_bytes(checkpoint, device, dtype, means.resident);
  const bool converts = converted_bytes(checkpoint, device, dtype, true) > 0;
  int64_t head_piece = !means.resident && converts ? vocabulary_piece(c, device) * c.d_model *
                                                         static_cast<int64_t>(c10::elementSize(dtype))
                                                   : 0;
  if (head_piece > 0 && !device.is_cpu()) {
    const auto stored = checkpoint.outline(c.tied_head ? "model.embed_tokens.weight" : "lm_head.weight");
    if (stored.type != stored_type_of(dtype))  // which lies there too while it is converted
      head_piece += vocabulary_piece(c, device) * c.d_model * stored.bytes() / (c.d_vocab * c.d_model);
  }
  // Of a sequence: queries times the keys that their tiles meet, half of all in the longest; jobs go by
  // panels of a few keys.
  const auto seen_pairs = [&](int64_t length) {
    const auto n = static_cast<double>(length);
    const int64_t tile =
        attention_by_jobs(c, device, dtype) ? 1 : attention_tile(c, length, length, device).queries;
    return n * (n + static_cast<double>(tile)) / 2;
  };
  const auto add = [&](const std::vector<AttributionSample>& samples) {
    const Layout layout = lay_out(samples);
    const int64_t rows = layout.packing.rows(), gradient_rows = layout.packing.gradient_rows();
    int64_t answers = 0;
    double attention = 0;
    for (size_t i = 0; i < samples.size(); ++i) {
      const int64_t length = layout.packing.sequences[i].length;
      answers += length - samples[i].prompt_len + 1;
      attention += 2.0 * seen_pairs(length) * static_cast<double>(c.n_heads * c.d_head * c.n_layers);
    }
    double attention_back = 0;
    for (const PrefixSegment& p : layout.packing.prefixes)
      attention_back += 5.0 * seen_pairs(p.length) * static_cast<double>(c.n_heads * c.d_head * c.n_layers);
    const double head = 4.0 * static_cast<double>(answers) * static_cast<double>(c.d_model * c.d_vocab);
    const auto [forwards, backwards] = passes(options, c.n_layers);
    // Rows that the last MLP does not see.
    const bool ends_at_answers = device.is_cpu() && options.method != Method::exact;
    const auto spared = [&](int64_t of, int64_t in_answers) {
      return ends_at_answers ? 6.0 * static_cast<double>((of - in_answers) * c.d_model * c.d_mlp) : 0.0;
    };
    const double forward =
        2.0 * layer_products(c) * static_cast<double>(rows) + 2.0 * attention - spared(rows, answers);
    const auto computed_again =
        static_cast<double>(first_kept_layer(c.n_layers, device, dtype, means.keep, means.spill));  // layers
    const double recomputed = 0.6 * forward * computed_again /
                              static_cast<double>(c.n_layers);  // all but o_proj, down_proj, attention itself
    const double contraction = static_cast<double>(graph.n_forward() * graph.n_backward()) *
                               static_cast<double>(gradient_rows * c.d_model);
    out.flops += forwards * (forward + head) +
                 backwards * (recomputed + 2.0 * layer_products(c) * static_cast<double>(gradient_rows) -
                              spared(gradient_rows, layout.answers.gradient_rows()) + 2.0 * attention_back +
                              contraction);
    if (options.method ==
        Method::exact) {  // every edge a run of the layers behind it: half the model on average
      out.flops += static_cast<double>(edges_run(graph, options)) * static_cast<double>(layout.cuts.size()) /
                   static_cast<double>(samples.size()) * (0.5 * forward + 0.5 * head);
      add_exact_memory(c, device, dtype, options, samples, layout, head_piece, out);
    } else {
      add_memory(c, device, dtype, options, layout, answers, means, head_piece, out);
    }
  };
  for (const auto& chunk : chunks)
    for (const auto& part : parts_of(chunk, device)) add(part);
  const auto held = [](const Forecast& f) { return f.source_bytes + f.graph_bytes + f.working_bytes; };
  if (options.method == Method::exact && options.top_edges > 0) {
    // Which edges are the strongest eap finds first, at the longest cuts (eap_strength).
    ScoringOptions eap = options;
    eap.method = Method::eap, eap.top_edges = 0;
    std::vector<std::vector<AttributionSample>> longest = chunks;
    for (auto& chunk : longest)
      for (AttributionSample& s : chunk) s.t_cut = {*std::max_element(s.t_cut.begin(), s.t_cut.end())};
    Forecast ranking = forecast(checkpoint, device, dtype, eap, longest, means, rate);
    ranking.flops += out.flops;
    if (held(ranking) > held(out)) out = ranking;
    out.flops = ranking.flops;
  }
  out.peak_bytes = out.weight_bytes + held(out);
  out.seconds = out.flops / rate;
  if (!device.is_cpu() && !means.resident) {
    // Every pass over a chunk brings all weights, beside the computation.
    const auto [forwards, backwards] = passes(options, c.n_layers);
    const double bytes = static_cast<double>(converted_bytes(checkpoint, device, dtype, true)) *
                         static_cast<double>(chunks.size()) * (forwards + backwards);
    out.seconds = std::max(out.seconds, bytes / kBusRate);
  }
  return out;
}

double matmul_rate(at::Device device, at::ScalarType dtype, int64_t d_model) {
  const at::NoGradGuard no_grad;
  const auto options = at::TensorOptions().dtype(dtype).device(device);
  // A GPU is full at some thousands of rows only.
  const int64_t rows = device.is_cpu() ? 256 : 4096, width = std::clamp<int64_t>(4 * d_model, 64, 8192);
  const Tensor a = at::randn({rows, d_model}, options), b = at::randn({width, d_model}, options);
  linear_rows(a, b);  // warm-up
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  int64_t times = 0;
  double spent = 0;
  while (spent < 0.1) {
    const Tensor product = linear_rows(a, b);
    product.select(0, 0).select(0, 0).item();  // a GPU has finished when a number is back
    ++times;
    spent = std::chrono::duration<double>(Clock::now() - start).count();
  }
  return 2.0 * static_cast<double>(times * rows * d_model) * static_cast<double>(width) / spent;
}

namespace {

// "0.12 s", "82 s", "7.3 min", "17 h": two digits, in the unit that a reader would use.
std::string about_text(double seconds) {
  if (seconds < 100) return fmt::format("{:.2g} s", seconds);
  const auto [value, unit] = seconds < 6000 ? std::pair{seconds / 60, "min"} : std::pair{seconds / 3600, "h"};
  return value < 10 ? fmt::format("{:.1f} {}", value, unit) : fmt::format("{:.0f} {}", value, unit);
}

}  // namespace

nlohmann::ordered_json method_estimates(const Checkpoint& checkpoint, int64_t prompt, int64_t answer) {
  const at::Device device = resolve_device("auto");
  const at::ScalarType dtype = resolve_dtype(DtypeChoice::automatic, device, checkpoint);
  const double rate = matmul_rate(device, dtype, checkpoint.config().d_model);
  nlohmann::ordered_json out;
  const AttributionSample sample{
      "", std::vector<int64_t>(static_cast<size_t>(prompt + answer), 0), prompt, {answer}};
  for (const Method method : {Method::eap, Method::eap_ig, Method::eap_ig_activations, Method::exact}) {
    ScoringOptions options;
    options.method = method;
    const Forecast f = forecast(checkpoint, device, dtype, options, {{sample}}, MemoryMeans{}, rate);
    // Short words: `inspect` shows them in a column of its own.
    out["cost " + to_word(method)] = {{"tokens", fmt::format("{} + {}", prompt, answer)},
                                      {"dtype", dtype_name(dtype)},
                                      {"memory", print_bytes(f.peak_bytes)},
                                      {"about", about_text(f.seconds) + " a sample"}};
  }
  return out;
}

}  // namespace circuitdiff
