#include "attribute/eap.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "attribute/objective.h"
#include "base/error.h"
#include "base/progress.h"
#include "model/packed.h"

namespace circuitdiff {
namespace {

// The samples of a chunk laid row under row. Every cut of a sample is a prefix of its rows.
struct Layout {
  Packing packing;
  std::vector<int64_t> tokens;                  // [rows]
  std::vector<std::pair<size_t, size_t>> cuts;  // (sample, cut) of each prefix
};

Layout lay_out(const std::vector<Sample>& samples) {
  Layout out;
  int64_t row = 0, gradient_row = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const Sample& s = samples[i];
    const int64_t longest = *std::max_element(s.t_cut.begin(), s.t_cut.end());
    const int64_t length = s.prompt_len + longest - 1;
    out.packing.sequences.push_back({row, length});
    out.tokens.insert(out.tokens.end(), s.tokens.begin(), s.tokens.begin() + length);
    row += length;
    for (size_t c = 0; c < s.t_cut.size(); ++c) {
      const int64_t prefix = s.prompt_len + s.t_cut[c] - 1;
      out.packing.prefixes.push_back({gradient_row, prefix, i});
      out.cuts.emplace_back(i, c);
      gradient_row += prefix;
    }
  }
  return out;
}

// What the layers read the stream in.
at::ScalarType stream_type(const Decoder& decoder) {
  return decoder.dtype() == at::kDouble ? at::kDouble : at::kFloat;
}

// One source is added to the stream times `scale`; everything after it follows.
struct Scaled {
  int64_t source = 0;
  double scale = 1.0;
};

// Runs the chunk forward. sources: [n_forward, rows, d_model], as they are added. Returns the final stream.
Tensor forward_sources(const Decoder& decoder, const Layout& layout, const RopeTable& rope, Scaled scaled,
                       Tensor& sources) {
  // Kept in float64, so that backward can take the sources off it again without what rounding in float32
  // would leave behind (a scaled embedding is small beside the stream it began).
  Tensor x =
      at::zeros({layout.packing.rows(), decoder.config().d_model}, decoder.options().dtype(at::kDouble));
  const at::ScalarType type = stream_type(decoder);
  const auto add = [&](int64_t index, const Tensor& added) {
    sources.select(0, index).copy_(added);
    if (index == scaled.source && scaled.scale != 1.0) sources.select(0, index).mul_(scaled.scale);
    x.add_(sources.select(0, index));
  };
  add(0, decoder.embed(decoder.tokens(layout.tokens)));
  for (int64_t l = 0; l < decoder.config().n_layers; ++l) {
    const LayerWeights w = decoder.weights().layer(l);
    add(1 + 2 * l,
        packed_attention(decoder.config(), w, decoder.window(l), rope, layout.packing, x.to(type), nullptr));
    add(2 + 2 * l, packed_mlp(decoder.config(), w, x.to(type), nullptr));
  }
  return x;
}

// Loss rows of all samples, at their longest cut, and the gradient that each cut sees at the final stream.
Tensor final_gradient(const Decoder& decoder, Objective objective, const std::vector<Sample>& samples,
                      const Layout& layout, const Tensor& x, std::vector<std::vector<SampleScores>>& out,
                      bool record) {
  std::vector<Tensor> rows;
  std::vector<int64_t> targets, first_row;
  for (size_t i = 0; i < samples.size(); ++i) {
    const Segment& s = layout.packing.sequences[i];
    const int64_t answer = s.length - samples[i].prompt_len + 1;
    first_row.push_back(static_cast<int64_t>(targets.size()));
    rows.push_back(x.narrow(0, s.begin + samples[i].prompt_len - 1, answer));
    const auto from = samples[i].tokens.begin() + samples[i].prompt_len;
    targets.insert(targets.end(), from, from + answer);
  }
  const RowLosses losses =
      row_losses(decoder, objective, at::cat(rows).to(stream_type(decoder)), targets, /*with_gradient=*/true);
  Tensor gradient =
      at::zeros({layout.packing.gradient_rows(), decoder.config().d_model}, losses.gradient.options());
  for (size_t p = 0; p < layout.cuts.size(); ++p) {
    const auto [i, c] = layout.cuts[p];
    const int64_t t = samples[i].t_cut[c];
    const PrefixSegment& prefix = layout.packing.prefixes[p];
    gradient.narrow(0, prefix.begin + prefix.length - t, t)
        .copy_(losses.gradient.narrow(0, first_row[i], t))
        .div_(static_cast<double>(t));
    if (!record) continue;
    const auto mean = [&](const std::vector<double>& values) {
      double sum = 0;
      for (int64_t k = 0; k < t; ++k) sum += values[static_cast<size_t>(first_row[i] + k)];
      return sum / static_cast<double>(t);
    };
    out[i][c].loss = mean(losses.nll);
    out[i][c].error = mean(losses.error);
    out[i][c].objective = mean(losses.objective);
  }
  return gradient;
}

// Sums -weight * <O_s, g_d> into the scores of the chunk: over all sources, or over one (`only`).
class Contraction {
 public:
  Contraction(const Layout& layout, const Tensor& sources, const Graph& graph, double weight)
      : layout_(layout), sources_(sources), graph_(graph), weight_(weight) {
    totals_ =
        at::zeros({static_cast<int64_t>(layout.cuts.size()), graph.n_forward(), graph.n_backward()},
                  sources.options().dtype(sources.scalar_type() == at::kDouble ? at::kDouble : at::kFloat));
  }
  int64_t only = -1;

  // g: [n_destinations, gradient_rows, d_model], of destinations first, first + 1, ...
  void add(int64_t first, const Tensor& g) {
    const int64_t before = graph_.sources_before(first);
    if (only >= before) return;
    const int64_t from = std::max<int64_t>(only, 0), n_sources = only < 0 ? before : 1;
    const int64_t d_model = g.size(2);
    const Tensor of = sources_.narrow(0, from, n_sources);
    for (size_t p = 0; p < layout_.cuts.size(); ++p) {
      const PrefixSegment& prefix = layout_.packing.prefixes[p];
      const Segment& sequence = layout_.packing.sequences[prefix.sequence];
      const int64_t width = prefix.length * d_model;
      // Rows of one source are contiguous; a source's stride is the whole chunk's.
      const Tensor o = of.narrow(1, sequence.begin, prefix.length)
                           .as_strided({n_sources, width}, {of.stride(0), 1},
                                       of.storage_offset() + sequence.begin * d_model)
                           .to(totals_.scalar_type());
      const Tensor gp =
          g.as_strided({g.size(0), width}, {g.stride(0), 1}, g.storage_offset() + prefix.begin * d_model);
      totals_.select(0, static_cast<int64_t>(p))
          .narrow(0, from, n_sources)
          .narrow(1, first, g.size(0))
          .sub_(o.matmul(gp.to(totals_.scalar_type()).t()), weight_);
    }
  }
  const Tensor& totals() const { return totals_; }

 private:
  const Layout& layout_;
  const Tensor& sources_;
  const Graph& graph_;
  double weight_;
  Tensor totals_;  // [cuts, n_forward, n_backward]
};

// Walks back from the final stream. x is consumed: sources are taken off it layer by layer.
void backward_scores(const Decoder& decoder, const ScoringOptions& options, const Layout& layout,
                     const RopeTable& rope, Tensor x, const Tensor& sources, Tensor g,
                     Contraction& contraction, const Graph& graph) {
  const ModelConfig& config = decoder.config();
  const bool residual = options.gradient == GradientKind::residual;
  contraction.add(graph.logits_destination(), g.unsqueeze(0));
  for (int64_t l = config.n_layers - 1; l >= 0; --l) {
    const LayerWeights w = decoder.weights().layer(l);
    x.sub_(sources.select(0, 2 + 2 * l));  // the stream ahead of MLP l
    Tensor read = x.to(g.scalar_type());
    MlpSaved mlp_saved;
    packed_mlp(config, w, read, &mlp_saved);
    const Tensor g_mlp = packed_mlp_backward(config, w, layout.packing, read, mlp_saved, g);
    g = g + g_mlp;
    contraction.add(graph.mlp_destination(l), (residual ? g : g_mlp).unsqueeze(0));
    x.sub_(sources.select(0, 1 + 2 * l));  // ahead of attention l
    read = x.to(g.scalar_type());
    AttentionSaved attention_saved;
    packed_attention(config, w, decoder.window(l), rope, layout.packing, read, &attention_saved);
    const Tensor g_qkv = packed_attention_backward(config, w, decoder.window(l), rope, layout.packing, read,
                                                   attention_saved, g);
    const Tensor together = g_qkv.sum(/*dim=*/0);
    g = g + together;
    if (graph.kind == GraphKind::qkv)
      contraction.add(graph.attention_destination(l), g_qkv);
    else
      contraction.add(graph.attention_destination(l), (residual ? g : together).unsqueeze(0));
  }
}

void hand_out(const Layout& layout, const Graph& graph, const Tensor& totals,
              std::vector<std::vector<SampleScores>>& out) {
  const Tensor t = totals.to(at::kCPU, at::kDouble).contiguous();
  const double* values = t.data_ptr<double>();
  const std::vector<uint8_t> edges = graph.edges();
  for (size_t p = 0; p < layout.cuts.size(); ++p) {
    const auto [i, c] = layout.cuts[p];
    SampleScores& s = out[i][c];
    s.scores.assign(edges.size(), 0.0);
    for (size_t e = 0; e < edges.size(); ++e)
      if (edges[e]) s.scores[e] = values[p * edges.size() + e];
  }
}

}  // namespace

double ig_point(IgRule rule, int64_t k, int64_t m) {
  const auto kd = static_cast<double>(k), md = static_cast<double>(m);
  return rule == IgRule::mid ? (kd - 0.5) / md : kd / md;
}

Graph graph_of(const Decoder& decoder, const ScoringOptions& options) {
  return {decoder.config().n_layers, options.graph, options.edges};
}

std::vector<std::vector<SampleScores>> eap_chunk(const Decoder& decoder, const ScoringOptions& options,
                                                 const std::vector<Sample>& samples) {
  const at::NoGradGuard no_grad;
  const Graph graph = graph_of(decoder, options);
  const Layout layout = lay_out(samples);
  const RopeTable rope = packed_rope(decoder.config(), layout.packing, decoder.options());
  std::vector<std::vector<SampleScores>> out;
  for (const Sample& s : samples) out.emplace_back(s.t_cut.size());

  const auto empty_sources = [&] {
    return at::empty({graph.n_forward(), layout.packing.rows(), decoder.config().d_model}, decoder.options());
  };
  Tensor clean = empty_sources();
  const Tensor x = forward_sources(decoder, layout, rope, {}, clean);
  Tensor g = final_gradient(decoder, options.objective, samples, layout, x, out, /*record=*/true);
  if (options.method == Method::eap) {
    Contraction contraction(layout, clean, graph, 1.0);
    backward_scores(decoder, options, layout, rope, x, clean, g, contraction, graph);
    hand_out(layout, graph, contraction.totals(), out);
    return out;
  }

  // The sum over steps of contractions is the contraction of the mean gradient.
  Tensor of_run = empty_sources();
  if (options.method == Method::eap_ig && options.ig_activation == IgActivation::difference) {
    forward_sources(decoder, layout, rope, {0, 0.0}, of_run);
    clean.sub_(of_run);
  }
  Contraction contraction(layout, clean, graph, 1.0 / static_cast<double>(options.ig_steps));
  // eap-ig scales the input for all rows of the matrix at once; eap-ig-activations each source for its own
  // row.
  const bool by_source = options.method == Method::eap_ig_activations;
  for (int64_t s = 0; s < (by_source ? graph.n_forward() : 1); ++s) {
    if (by_source) contraction.only = s;
    for (int64_t k = 1; k <= options.ig_steps; ++k) {
      check_interrupt();
      const Tensor x_k =
          forward_sources(decoder, layout, rope, {s, ig_point(options.ig_rule, k, options.ig_steps)}, of_run);
      g = final_gradient(decoder, options.objective, samples, layout, x_k, out, /*record=*/false);
      backward_scores(decoder, options, layout, rope, x_k, of_run, g, contraction, graph);
    }
  }
  hand_out(layout, graph, contraction.totals(), out);
  return out;
}

}  // namespace circuitdiff
