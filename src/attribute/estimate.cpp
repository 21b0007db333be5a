#include "attribute/estimate.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <chrono>

#include "attribute/layout.h"
#include "checkpoint/inspect.h"

namespace circuitdiff {
namespace {

constexpr int64_t kLogitBytes = int64_t{96} << 20;  // as objective.cpp holds at once
constexpr int64_t kScoreBytes = int64_t{64} << 20;  // as packed.cpp holds at once

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

}  // namespace

Forecast forecast(const Checkpoint& checkpoint, at::ScalarType dtype, const ScoringOptions& options,
                  const std::vector<std::vector<AttributionSample>>& chunks, bool keep, double rate) {
  const ModelConfig& c = checkpoint.config();
  const int64_t bytes = dtype == at::kDouble ? 8 : dtype == at::kBFloat16 ? 2 : 4;
  const int64_t wide = dtype == at::kDouble ? 8 : 4;
  const Graph graph{c.n_layers, options.graph, options.edges};
  Forecast out;
  const bool same_type = (dtype == at::kFloat && checkpoint.widest_type() == TensorType::f32) ||
                         (dtype == at::kBFloat16 && checkpoint.widest_type() == TensorType::bf16) ||
                         (dtype == at::kDouble && checkpoint.widest_type() == TensorType::f64);
  out.weight_bytes = same_type ? 0 : checkpoint.n_parameters() * bytes;
  for (const auto& samples : chunks) {
    const Layout layout = lay_out(samples);
    const int64_t rows = layout.packing.rows(), gradient_rows = layout.packing.gradient_rows();
    int64_t longest = 0, answers = 0;
    double attention = 0;
    for (size_t i = 0; i < samples.size(); ++i) {
      const int64_t length = layout.packing.sequences[i].length;
      longest = std::max(longest, length);
      answers += length - samples[i].prompt_len + 1;
      attention +=
          2.0 * static_cast<double>(length) * static_cast<double>(length * c.n_heads * c.d_head * c.n_layers);
    }
    double attention_back = 0;
    for (const PrefixSegment& p : layout.packing.prefixes)
      attention_back += 5.0 * static_cast<double>(p.length) *
                        static_cast<double>(p.length * c.n_heads * c.d_head * c.n_layers);
    const double head = 4.0 * static_cast<double>(answers) * static_cast<double>(c.d_model * c.d_vocab);
    const auto [forwards, backwards] = passes(options, c.n_layers);
    const double forward = 2.0 * layer_products(c) * static_cast<double>(rows) + 2.0 * attention;
    const double recomputed = keep ? 0.0 : 0.6 * forward;  // all but o_proj, down_proj and attention itself
    const double contraction = static_cast<double>(graph.n_forward() * graph.n_backward()) *
                               static_cast<double>(gradient_rows * c.d_model);
    out.flops += forwards * (forward + head) +
                 backwards * (recomputed + 2.0 * layer_products(c) * static_cast<double>(gradient_rows) +
                              2.0 * attention_back + contraction);
    if (options.method ==
        Method::exact)  // every edge a run of the layers behind it: half the model on average
      out.flops += static_cast<double>(graph.n_edges()) * static_cast<double>(layout.cuts.size()) /
                   static_cast<double>(samples.size()) * (0.5 * forward + 0.5 * head);

    const int64_t heads = (c.n_heads + 2 * c.n_kv_heads) * c.d_head;
    const int64_t layer_graph = rows * (2 * c.d_mlp + heads) * bytes;
    const int64_t sources =
        graph.n_forward() * rows * c.d_model * bytes * (options.method == Method::eap ? 1 : 2);
    const int64_t mlp_work = gradient_rows * 3 * c.d_mlp * bytes;
    const int64_t scores = 4 * std::min(kScoreBytes, longest * longest * c.n_heads * wide);
    const int64_t attention_work = gradient_rows * (2 * heads * bytes + 3 * c.d_model * wide) + scores;
    const int64_t logits = std::min(kLogitBytes, answers * c.d_vocab * wide);
    const int64_t stream = rows * c.d_model * (8 + wide) + 4 * gradient_rows * c.d_model * wide;
    const int64_t graph_bytes = keep ? layer_graph * c.n_layers : layer_graph;
    const int64_t working = stream + std::max({mlp_work, attention_work, logits});
    if (sources + graph_bytes + working > out.source_bytes + out.graph_bytes + out.working_bytes) {
      out.rows = rows;
      out.gradient_rows = gradient_rows;
      out.source_bytes = sources;
      out.graph_bytes = graph_bytes;
      out.working_bytes = working;
    }
  }
  out.peak_bytes = out.weight_bytes + out.source_bytes + out.graph_bytes + out.working_bytes;
  out.seconds = out.flops / rate;
  return out;
}

double matmul_rate(at::Device device, at::ScalarType dtype, int64_t d_model) {
  const at::NoGradGuard no_grad;
  const auto options = at::TensorOptions().dtype(dtype).device(device);
  const int64_t rows = 256, width = std::clamp<int64_t>(4 * d_model, 64, 8192);
  const Tensor a = at::randn({rows, d_model}, options), b = at::randn({d_model, width}, options);
  a.matmul(b);  // warm-up
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  int64_t times = 0;
  double spent = 0;
  while (spent < 0.1) {
    const Tensor product = a.matmul(b);
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
    const Forecast f = forecast(checkpoint, dtype, options, {{sample}}, /*keep=*/false, rate);
    // Short words: `inspect` shows them in a column of its own.
    out["cost " + to_word(method)] = {{"tokens", fmt::format("{} + {}", prompt, answer)},
                                      {"dtype", dtype_name(dtype)},
                                      {"memory", print_bytes(f.peak_bytes)},
                                      {"about", about_text(f.seconds) + " a sample"}};
  }
  return out;
}

}  // namespace circuitdiff
