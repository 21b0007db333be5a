#include "attribute/forecast.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "attribute/chunk_table.h"
#include "attribute/edge_choice.h"
#include "attribute/objective.h"
#include "checkpoint/inspect.h"
#include "kernels/product.h"

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

// Weights that are not the files' own pages: all of them where they are resident, else those of the two
// widest layers, which are in memory together, and the ends that must be computed.
BufferTable weight_table(const Checkpoint& checkpoint, at::Device device, at::ScalarType dtype,
                         bool resident) {
  const TensorType same = stored_type_of(dtype);
  BufferTable ends;
  std::map<std::string, BufferTable> layers;
  int64_t largest_other = 0;  // of a layer, in a stored type that a GPU converts from
  for (const TensorSpec& spec : tensor_table(checkpoint.config())) {
    const Checkpoint::Outline outline = checkpoint.outline(spec.name);
    if (device.is_cpu() && !outline.computed && outline.type == same) continue;
    const bool in_layer = spec.name.rfind("model.layers.", 0) == 0;
    if (in_layer && outline.type != same) largest_other = std::max(largest_other, outline.bytes());
    if (in_layer)
      layers[spec.name.substr(0, spec.name.find('.', 13))].add(spec.name, spec.shape, dtype, 1);
    else if (resident || spec.shape.size() == 1)
      ends.add(spec.name, spec.shape, dtype, 1);
    else if (outline.computed)
      ends.add_scratch(spec.name, outline.bytes(), 1);
  }
  const auto join = [&](const BufferTable& layer, int64_t copies) {
    for (const Buffer& b : layer.buffers()) ends.add(b.name, b.shape, b.dtype, 1, copies);
  };
  if (resident) {
    for (const auto& [name, layer] : layers) join(layer, 1);
    return ends;
  }
  const auto widest = std::max_element(layers.begin(), layers.end(), [](const auto& a, const auto& b) {
    return a.second.counted_bytes() < b.second.counted_bytes();
  });
  if (widest != layers.end()) join(widest->second, layers.size() > 1 ? 2 : 1);
  if (!device.is_cpu()) ends.add_scratch("a stored tensor that is converted", largest_other, 1);
  return ends;
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

// Of a sequence: queries times the keys that causal attention meets, half of all in the longest.
double seen_pairs(int64_t length) {
  return static_cast<double>(length) * static_cast<double>(length + 1) / 2;
}

// Floating-point operations of a chunk.
double chunk_flops(const ModelConfig& c, const ScoringOptions& options, const Layout& layout,
                   int64_t recomputed_layers) {
  const Graph graph{c.n_layers, options.graph, options.edges};
  const auto rows = static_cast<double>(layout.packing.rows()),
             gradient_rows = static_cast<double>(layout.packing.gradient_rows());
  const auto heads = static_cast<double>(c.n_heads * c.d_head * c.n_layers);
  double attention = 0, attention_back = 0;
  for (const Segment& s : layout.packing.sequences) attention += 4.0 * seen_pairs(s.length) * heads;
  for (const PrefixSegment& p : layout.packing.prefixes)
    attention_back += 10.0 * seen_pairs(p.length) * heads;
  const double head =
      4.0 * static_cast<double>(layout.targets.size()) * static_cast<double>(c.d_model * c.d_vocab);
  const double forward = 2.0 * layer_products(c) * rows + attention;
  if (options.method == Method::exact)  // every edge a run of the layers behind it: half the model on average
    return forward + head +
           static_cast<double>(edges_run(graph, options)) * static_cast<double>(layout.cuts.size()) /
               static_cast<double>(layout.packing.sequences.size()) * 0.5 * (forward + head);
  // All but o_proj, down_proj and attention itself.
  const double recomputed =
      0.6 * forward * static_cast<double>(recomputed_layers) / static_cast<double>(c.n_layers);
  const double contraction = static_cast<double>(graph.n_forward() * graph.n_backward()) * gradient_rows *
                             static_cast<double>(c.d_model);
  const auto [forwards, backwards] = passes(options, c.n_layers);
  return forwards * (forward + head) +
         backwards * (recomputed + 2.0 * layer_products(c) * gradient_rows + attention_back + contraction);
}

// What a piece of lm_head takes where weights are streamed, in the compute dtype
// and, on a GPU, as it is stored too.
int64_t head_piece_bytes(const Checkpoint& checkpoint, at::Device device, at::ScalarType dtype,
                         bool resident) {
  const ModelConfig& c = checkpoint.config();
  if (resident || weight_table(checkpoint, device, dtype, true).counted_bytes() == 0) return 0;
  const int64_t numbers = vocabulary_piece(c, device) * c.d_model;
  const int64_t bytes = numbers * static_cast<int64_t>(c10::elementSize(dtype));
  const auto stored = checkpoint.outline(c.tied_head ? "model.embed_tokens.weight" : "lm_head.weight");
  const bool both = !device.is_cpu() && stored.type != stored_type_of(dtype);
  return bytes + (both ? numbers * stored.bytes() / (c.d_vocab * c.d_model) : 0);
}

// Of the part of a chunk that takes most.
void take_larger(Forecast& out, const BufferTable& table, const Layout& layout) {
  int64_t sources = 0;
  for (const Buffer& b : table.buffers())
    if (b.name.ends_with("sources")) sources += b.bytes();
  const int64_t made = table.made_bytes() > 0 ? table.made_bytes() : table.counted_bytes();
  const int64_t operators = table.made_bytes() > 0 ? table.scratch_bytes() : 0;
  if (made + operators <= out.source_bytes + out.buffer_bytes + out.operator_bytes) return;
  out.rows = layout.packing.rows();
  out.gradient_rows = layout.packing.gradient_rows();
  out.source_bytes = sources;
  out.buffer_bytes = made - sources;
  out.operator_bytes = operators;
}

}  // namespace

Forecast forecast(const Checkpoint& checkpoint, at::Device device, at::ScalarType dtype,
                  const ScoringOptions& options, const std::vector<std::vector<AttributionSample>>& chunks,
                  const MemoryChoice& choice, double rate) {
  const ModelConfig& c = checkpoint.config();
  const Graph graph{c.n_layers, options.graph, options.edges};
  const int64_t head_bytes = head_piece_bytes(checkpoint, device, dtype, choice.resident);
  ChunkPlan plan{choice.keep, choice.spill ? "." : "", !choice.resident};
  Forecast out;
  out.weight_bytes = weight_table(checkpoint, device, dtype, choice.resident).counted_bytes();
  const auto add = [&](const std::vector<AttributionSample>& samples) {
    const Layout layout = lay_out(samples);
    out.flops += chunk_flops(c, options, layout, first_kept_layer(c.n_layers, device, dtype, plan));
    if (options.method != Method::exact)
      return take_larger(out, chunk_table(c, device, dtype, options, layout, plan, head_bytes), layout);
    const std::vector<int64_t> into = edges_into(graph, options);
    for (const AttributionSample& sample : samples) {  // one at a time
      const Layout alone = lay_out({sample});
      take_larger(out,
                  exact_table(c, device, dtype, options, into, alone.packing.rows(),
                              static_cast<int64_t>(alone.targets.size()), head_bytes),
                  alone);
    }
  };
  for (const auto& chunk : chunks)
    for (const auto& part : parts_of(chunk, device)) add(part);
  const auto held = [](const Forecast& f) { return f.source_bytes + f.buffer_bytes + f.operator_bytes; };
  if (options.method == Method::exact && options.top_edges > 0) {
    // Which edges are the strongest eap finds first, at the longest cuts (eap_strength).
    ScoringOptions eap = options;
    eap.method = Method::eap, eap.top_edges = 0;
    std::vector<std::vector<AttributionSample>> longest = chunks;
    for (auto& chunk : longest)
      for (AttributionSample& s : chunk) s.t_cut = {*std::max_element(s.t_cut.begin(), s.t_cut.end())};
    Forecast ranking = forecast(checkpoint, device, dtype, eap, longest, choice, rate);
    ranking.flops += out.flops;
    if (held(ranking) > held(out)) out = ranking;
    out.flops = ranking.flops;
  }
  if (choice.spill && options.method != Method::exact)
    out.spilled_bytes = (options.method == Method::eap ? 1 : 2) * graph.n_forward() * out.rows * c.d_model *
                        static_cast<int64_t>(c10::elementSize(dtype));
  out.peak_bytes = out.weight_bytes + held(out);
  out.seconds = out.flops / rate;
  if (!device.is_cpu() && !choice.resident) {
    // Every pass over a chunk brings all weights, beside the computation.
    const auto [forwards, backwards] = passes(options, c.n_layers);
    const double bytes = static_cast<double>(weight_table(checkpoint, device, dtype, true).counted_bytes()) *
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
    const Forecast f = forecast(checkpoint, device, dtype, options, {{sample}}, MemoryChoice{}, rate);
    // Short words: `inspect` shows them in a column of its own.
    out["cost " + to_word(method)] = {{"tokens", fmt::format("{} + {}", prompt, answer)},
                                      {"dtype", dtype_name(dtype)},
                                      {"memory", print_bytes(f.peak_bytes)},
                                      {"about", about_text(f.seconds) + " a sample"}};
  }
  return out;
}

}  // namespace circuitdiff
