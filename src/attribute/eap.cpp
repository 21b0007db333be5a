#include "attribute/eap.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>

#include <utility>

#include "attribute/chunk_table.h"
#include "attribute/contraction.h"
#include "attribute/layout.h"
#include "attribute/objective.h"
#include "attribute/spill.h"
#include "base/progress.h"
#include "kernels/denormals.h"
#include "kernels/fused.h"
#include "kernels/rows.h"
#include "model/layer.h"
#include "model/layer_stream.h"

namespace circuitdiff {
namespace {

// One source is added to the stream times `scale`; everything after it follows.
struct Scaled {
  int64_t source = 0;
  double scale = 1.0;
};

// A forward pass of the chunk, ready to be walked back.
struct Pass {
  // The final stream [rows, d_model], in float64: backward takes the sources off it again, and what rounding
  // in float32 would leave behind is not small where a scaled embedding is small beside the stream it began.
  Tensor stream;
  Tensor sources;  // O_s: [n_forward, rows, d_model], as they were added
  // What the backward of every layer needs, where it was kept; else it is computed again.
  std::vector<AttentionSaved> attention;
  std::vector<MlpSaved> mlp;
};

class EapChunk {
 public:
  EapChunk(const Decoder& decoder, const ScoringOptions& options,
           const std::vector<AttributionSample>& samples, const ChunkPlan& plan)
      : decoder_(decoder),
        config_(decoder.config()),
        options_(options),
        samples_(samples),
        plan_(plan),
        graph_(graph_of(decoder, options)),
        layout_(lay_out(samples)),
        rope_(packed_rope(config_, layout_.packing, decoder.options())),
        first_kept_(first_kept_layer(config_.n_layers, decoder.device(), decoder.dtype(), plan)),
        workspace_(chunk_table(config_, decoder.device(), decoder.dtype(), options, layout_, plan),
                   decoder.device()),
        layers_(decoder.weights(), plan.read_ahead) {
    for (const AttributionSample& s : samples) scores_.emplace_back(s.t_cut.size());
    // What the device needs of the samples is put there before it has anything to
    // do; tokens where the embedding lies.
    place_on(layout_.packing, decoder.device());
    tokens_ = decoder.tokens(layout_.tokens).to(decoder.weights().embed_tokens().device());
    targets_ = decoder.tokens(layout_.targets);
  }

  std::vector<std::vector<SampleScores>> run() {
    Pass clean = forward("sources", {}, /*to_walk_back=*/options_.method == Method::eap);
    const Tensor g = final_gradient(clean.stream, /*record=*/true);
    if (options_.method == Method::eap) {
      Contraction contraction(layout_, clean.sources, graph_, 1.0);
      backward(clean, g, contraction);
      hand_out(contraction.totals());
    } else {
      integrate(clean);
    }
    return std::move(scores_);
  }

 private:
  LayerCall layer_call(const LayerWeights& weights, int64_t l) {
    workspace_.use_copy(l);
    return {config_, weights, decoder_.window(l), rope_, layout_.packing, workspace_};
  }

  // [n_forward, rows, d_model], the workspace's buffer `name` or a file.
  Tensor room_for_sources(const char* name) {
    const std::vector<int64_t> sizes{graph_.n_forward(), layout_.packing.rows(), config_.d_model};
    return plan_.spill.empty() ? workspace_.place(name, sizes, decoder_.options())
                               : spilled_tensor(plan_.spill, sizes, decoder_.dtype());
  }

  Pass forward(const char* sources, Scaled scaled, bool to_walk_back) {
    const int64_t rows = layout_.packing.rows();
    Pass pass;
    pass.stream = workspace_.place("stream", {rows, config_.d_model}, stream_options());
    pass.stream.zero_();
    pass.sources = room_for_sources(sources);
    pass.attention.resize(static_cast<size_t>(config_.n_layers));
    pass.mlp.resize(static_cast<size_t>(config_.n_layers));
    const auto added = [&](int64_t s) {
      if (s == scaled.source && scaled.scale != 1.0) pass.sources.select(0, s).mul_(scaled.scale);
      return move_stream(pass, s, 1);
    };
    pass.sources.select(0, 0).copy_(decoder_.embed(tokens_));
    Tensor x = added(0);
    for (int64_t l = 0; l < config_.n_layers; ++l) {
      const LayerWeights& w = layers_.layer(l, l + 1 < config_.n_layers ? l + 1 : l - 1);
      const LayerCall layer = layer_call(w, l);
      const bool keep = to_walk_back && l >= first_kept_;
      AttentionSaved attention;
      MlpSaved mlp;
      attention_forward(layer, x, attention, pass.sources.select(0, graph_.attention_source(l)));
      x = added(graph_.attention_source(l));
      mlp_forward(layer, x, mlp, keep, pass.sources.select(0, graph_.mlp_source(l)));
      x = added(graph_.mlp_source(l));
      if (!keep) continue;
      pass.attention[static_cast<size_t>(l)] = std::move(attention);
      pass.mlp[static_cast<size_t>(l)] = std::move(mlp);
    }
    return pass;
  }

  at::TensorOptions stream_options() const { return decoder_.options().dtype(at::kDouble); }

  // Adds source s to the stream or takes it off (sign -1); returns what the
  // layers read there, float32 at least.
  Tensor move_stream(const Pass& pass, int64_t s, double sign) {
    const Tensor x = decoder_.dtype() == at::kDouble
                         ? pass.stream
                         : workspace_.place("x", pass.stream.sizes(), decoder_.options().dtype(at::kFloat));
    add_to_stream(pass.sources.select(0, s), pass.stream, sign, x);
    return x;
  }

  // Losses at the answers' rows, of all samples at their longest cut, and the gradient that each cut sees at
  // the final stream, [gradient_rows, d_model]. With `record`, the losses are those of the scores.
  Tensor final_gradient(const Tensor& stream, bool record) {
    const at::ScalarType type = decoder_.dtype() == at::kDouble ? at::kDouble : at::kFloat;
    const RowLosses losses = row_losses(decoder_, options_.objective, answer_rows(layout_, stream).to(type),
                                        targets_, /*with_gradient=*/true);
    const Tensor g =
        workspace_.place("g", {layout_.packing.gradient_rows(), config_.d_model}, losses.gradient.options());
    g.zero_();
    for (size_t p = 0; p < layout_.cuts.size(); ++p) {
      const auto [i, c] = layout_.cuts[p];
      const int64_t t = samples_[i].t_cut[c];
      const PrefixSegment& prefix = layout_.packing.prefixes[p];
      // A row's own gradient does not depend on the cut; only the mean over the cut's rows does.
      g.narrow(0, prefix.begin + prefix.length - t, t)
          .copy_(losses.gradient.narrow(0, layout_.answers[i].begin, t))
          .div_(static_cast<double>(t));
    }
    if (record) losses_ = {losses.nll, losses.error, losses.objective, {}};
    return g;
  }

  // Equation (9): walks back from the final stream, where the gradient is g, and contracts the gradient at
  // each destination with the sources that it sees. g moves along with the stream. Consumes the pass.
  void backward(Pass& pass, const Tensor& g, Contraction& contraction) {
    const bool residual = options_.gradient == GradientKind::residual;
    contraction.add(graph_.logits_destination(), {g});
    for (int64_t l = config_.n_layers - 1; l >= 0; --l) {
      check_interrupt();
      // After the first layer's backward comes, if anything, another forward.
      const LayerWeights& w = layers_.layer(l, l > 0 ? l - 1 : 1);
      const LayerCall layer = layer_call(w, l);
      Tensor x = move_stream(pass, graph_.mlp_source(l), -1);
      MlpSaved mlp = std::exchange(pass.mlp[static_cast<size_t>(l)], {});
      if (!mlp.gate.defined()) mlp_recompute(layer, x, mlp);
      const Tensor g_mlp = mlp_backward(layer, x, mlp, g);
      if (residual) contraction.add(graph_.mlp_destination(l), {g});

      x = move_stream(pass, graph_.attention_source(l), -1);
      AttentionSaved attention = std::exchange(pass.attention[static_cast<size_t>(l)], {});
      if (!attention.q.defined()) attention_recompute(layer, x, attention);
      std::vector<Tensor> gradients =
          attention_backward(layer, x, attention, g, /*apart=*/graph_.kind == GraphKind::qkv).unbind(0);
      gradients.push_back(g_mlp);  // it waited, so that the sources are read once for all of the layer
      contraction.add(graph_.attention_destination(l), residual ? std::vector{g} : gradients);
    }
  }

  // Integrated gradients: the sum over steps of contractions is the contraction of the mean
  // gradient. eap-ig scales the input for all rows of the matrix at once; eap-ig-activations
  // scales each source for its own row.
  void integrate(Pass& clean) {
    if (options_.method == Method::eap_ig && options_.ig_activation == IgActivation::difference)
      clean.sources.sub_(forward("scaled sources", {0, 0.0}, /*to_walk_back=*/false).sources);
    Contraction contraction(layout_, clean.sources, graph_, 1.0 / static_cast<double>(options_.ig_steps));
    const bool by_source = options_.method == Method::eap_ig_activations;
    for (int64_t s = 0; s < (by_source ? graph_.n_forward() : 1); ++s) {
      if (by_source) contraction.restrict_to(s);
      for (int64_t k = 1; k <= options_.ig_steps; ++k) {
        check_interrupt();
        Pass pass = forward("scaled sources", {s, ig_point(options_.ig_rule, k, options_.ig_steps)},
                            /*to_walk_back=*/true);
        backward(pass, final_gradient(pass.stream, /*record=*/false), contraction);
      }
    }
    hand_out(contraction.totals());
  }

  void hand_out(const Tensor& totals) {
    const std::vector<double> values = host_values(totals), nll = host_values(losses_.nll),
                              error = host_values(losses_.error), objective = host_values(losses_.objective);
    const std::vector<uint8_t> edges = graph_.edges();
    for (size_t p = 0; p < layout_.cuts.size(); ++p) {
      const auto [i, c] = layout_.cuts[p];
      SampleScores& s = scores_[i][c];
      const auto mean = [&, begin = layout_.answers[i].begin,
                         t = samples_[i].t_cut[c]](const std::vector<double>& of_rows) {
        double sum = 0;
        for (int64_t k = 0; k < t; ++k) sum += of_rows[static_cast<size_t>(begin + k)];
        return sum / static_cast<double>(t);
      };
      s.loss = mean(nll);
      s.error = mean(error);
      s.objective = mean(objective);
      s.scores.assign(edges.size(), 0.0);
      for (size_t e = 0; e < edges.size(); ++e)
        if (edges[e]) s.scores[e] = values[p * edges.size() + e];
    }
  }

  const Decoder& decoder_;
  const ModelConfig& config_;
  const ScoringOptions& options_;
  const std::vector<AttributionSample>& samples_;
  const ChunkPlan& plan_;
  Graph graph_;
  Layout layout_;
  RopeTable rope_;
  int64_t first_kept_;  // the first layer whose part of the graph is kept until its backward
  Workspace workspace_;
  LayerStream layers_;
  Tensor tokens_, targets_;  // of all rows; of the answers' rows, one sample after another
  RowLosses losses_;         // at the clean run
  std::vector<std::vector<SampleScores>> scores_;
};

}  // namespace

double ig_point(IgRule rule, int64_t k, int64_t m) {
  const auto kd = static_cast<double>(k), md = static_cast<double>(m);
  return rule == IgRule::mid ? (kd - 0.5) / md : kd / md;
}

Graph graph_of(const Decoder& decoder, const ScoringOptions& options) {
  return {decoder.config().n_layers, options.graph, options.edges};
}

std::vector<std::vector<SampleScores>> eap_chunk(const Decoder& decoder, const ScoringOptions& options,
                                                 const std::vector<AttributionSample>& samples,
                                                 const ChunkPlan& plan) {
  const at::NoGradGuard no_grad;
  const FlushDenormals flush(decoder.dtype());
  return EapChunk(decoder, options, samples, plan).run();
}

}  // namespace circuitdiff
