#include "attribute/eap.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <utility>

#include "attribute/contraction.h"
#include "attribute/layout.h"
#include "attribute/objective.h"
#include "attribute/spill.h"
#include "base/heap.h"
#include "base/progress.h"
#include "kernels/denormals.h"
#include "kernels/fused.h"
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
  // [n_forward, rows, d_model], as they were added; the walk back may put the stream where the last ones
  // were.
  Tensor sources;
  // What the backward of every layer needs, where it was kept; else it is computed again.
  std::vector<AttentionSaved> attention;
  std::vector<MlpSaved> mlp;
  // What each of them reads, where kept too: on a GPU, which has the memory, and whose time goes into passes
  // over it.
  std::vector<Tensor> read;  // ahead of attention 0, of MLP 0, ...
};

// Of each of the pieces `all` that t's rows are divided into, the last rows, as many as `some` has there: one
// below another.
template <class Rows>
Tensor last_rows(const Tensor& t, const std::vector<Rows>& all, const std::vector<Rows>& some) {
  std::vector<Tensor> parts;
  for (size_t i = 0; i < all.size(); ++i)
    parts.push_back(t.narrow(0, all[i].begin + all[i].length - some[i].length, some[i].length));
  return at::cat(parts);
}

// The other way round, with zeros at all other rows.
template <class Rows>
Tensor as_last_rows(const Tensor& t, const std::vector<Rows>& all, const std::vector<Rows>& some) {
  Tensor out = at::zeros({all.back().begin + all.back().length, t.size(1)}, t.options());
  for (size_t i = 0; i < all.size(); ++i)
    out.narrow(0, all[i].begin + all[i].length - some[i].length, some[i].length)
        .copy_(t.narrow(0, some[i].begin, some[i].length));
  return out;
}

class Engine {
 public:
  Engine(const Decoder& decoder, const ScoringOptions& options, const std::vector<AttributionSample>& samples,
         const ChunkMeans& means)
      : decoder_(decoder),
        config_(decoder.config()),
        options_(options),
        samples_(samples),
        means_(means),
        graph_(graph_of(decoder, options)),
        layout_(lay_out(samples)),
        rope_(packed_rope(config_, layout_.packing, decoder.options())),
        type_(decoder.dtype() == at::kDouble ? at::kDouble : at::kFloat),
        takes_places_(decoder.device().is_cpu() && decoder.dtype() == at::kFloat && means.spill.empty()),
        first_kept_(first_kept_layer(config_.n_layers, decoder.device(), decoder.dtype(), means.keep,
                                     !means.spill.empty())),
        layers_(decoder.weights(), means.read_ahead) {
    for (const AttributionSample& s : samples) scores_.emplace_back(s.t_cut.size());
    // What the device needs of the samples is put there before it has anything to do; tokens where the
    // embedding lies.
    place_on(layout_.packing, decoder.device());
    tokens_ = decoder.tokens(layout_.tokens).to(decoder.weights().embed_tokens().device());
    std::vector<int64_t> targets;
    for (size_t i = 0; i < samples.size(); ++i) {
      const auto from = samples[i].tokens.begin() + samples[i].prompt_len;
      targets.insert(targets.end(), from, from + layout_.answers.sequences[i].length);
    }
    targets_ = decoder.tokens(targets);
  }

  std::vector<std::vector<SampleScores>> run() {
    Pass clean = forward({}, /*to_walk_back=*/options_.method == Method::eap);
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
  Pass forward(Scaled scaled, bool to_walk_back) {
    const int64_t rows = layout_.packing.rows();
    Pass pass;
    pass.stream = at::zeros({rows, config_.d_model}, decoder_.options().dtype(at::kDouble));
    const std::vector<int64_t> sizes{graph_.n_forward(), rows, config_.d_model};
    pass.sources = means_.spill.empty() ? at::empty(sizes, decoder_.options())
                                        : spilled_tensor(means_.spill, sizes, decoder_.dtype());
    const auto add = [&](int64_t index, const Tensor& added) {
      const Tensor source = pass.sources.select(0, index);
      source.copy_(added);
      if (index == scaled.source && scaled.scale != 1.0) source.mul_(scaled.scale);
      return moved(pass.stream, source, 1);
    };
    if (to_walk_back) {
      pass.attention.resize(static_cast<size_t>(config_.n_layers));
      pass.mlp.resize(static_cast<size_t>(config_.n_layers));
    }
    // In float64 the layers read the stream itself, which moves on.
    const bool keep_read = to_walk_back && means_.keep && decoder_.device().is_cuda() && type_ != at::kDouble;
    Tensor x = add(0, decoder_.embed(tokens_));
    for (int64_t l = 0; l < config_.n_layers; ++l) {
      const LayerWeights& w = layers_.layer(l, l + 1 < config_.n_layers ? l + 1 : l - 1);
      const auto at = static_cast<size_t>(l);
      const bool keep = to_walk_back && l >= first_kept_;
      if (keep_read) pass.read.push_back(x);
      x = add(1 + 2 * l, packed_attention(config_, w, decoder_.window(l), rope_, layout_.packing, x,
                                          keep ? &pass.attention[at] : nullptr));
      if (keep_read) pass.read.push_back(x);
      MlpSaved* saved = keep ? &pass.mlp[at] : nullptr;
      x = add(2 + 2 * l, is_at_answers(l) ? from_answers(packed_mlp(config_, w, answers_of(x), saved))
                                          : packed_mlp(config_, w, x, saved));
    }
    return pass;
  }

  // Whether this layer's MLP runs over the answers' rows alone: behind the last one no others are read.
  // On a GPU, fewer launches are worth more.
  bool is_at_answers(int64_t layer) const {
    return decoder_.device().is_cpu() && layer + 1 == config_.n_layers &&
           layout_.answers.rows() < layout_.packing.rows();
  }

  // [rows, d_model] -> [answers' rows, d_model], and back, with zeros elsewhere.
  Tensor answers_of(const Tensor& t) const {
    return last_rows(t, layout_.packing.sequences, layout_.answers.sequences);
  }
  Tensor from_answers(const Tensor& t) const {
    return as_last_rows(t, layout_.packing.sequences, layout_.answers.sequences);
  }

  // Ahead of an MLP's backward, where memory is highest if it is computed again: the forward pass, and
  // attention of the layer behind, leave holes on the heap that its tensors do not fit in. Small layers have
  // no use for it, and behind the first few every layer's tensors lie where those of the last one did.
  void give_back_holes(int64_t layer) const {
    constexpr int64_t kSmall = int64_t{1} << 19;  // numbers
    constexpr int64_t kUnsettled = 3;             // layers
    if (means_.keep || !decoder_.device().is_cpu() || layer + kUnsettled < config_.n_layers) return;
    if (layout_.packing.rows() * config_.d_mlp >= kSmall) give_back_heap();
  }

  // Adds a source to the stream or takes it off; returns what the layers read there.
  Tensor moved(const Tensor& stream, const Tensor& source, double sign) const {
    Tensor x;
    if (fused_add_to_stream(source, stream, sign, x)) return x;
    stream.add_(source, sign);
    return stream.to(type_);
  }

  // Losses at the answers' rows, of all samples at their longest cut, and the gradient that each cut sees at
  // the final stream, [gradient_rows, d_model]. With `record`, the losses are those of the scores.
  Tensor final_gradient(const Tensor& stream, bool record) {
    const RowLosses losses = row_losses(decoder_, options_.objective, answers_of(stream).to(type_), targets_,
                                        /*with_gradient=*/true);
    Tensor gradient =
        at::zeros({layout_.packing.gradient_rows(), config_.d_model}, losses.gradient.options());
    for (size_t p = 0; p < layout_.cuts.size(); ++p) {
      const auto [i, c] = layout_.cuts[p];
      const int64_t t = samples_[i].t_cut[c];
      const PrefixSegment& prefix = layout_.packing.prefixes[p];
      // A row's own gradient does not depend on the cut; only the mean over the cut's rows does.
      gradient.narrow(0, prefix.begin + prefix.length - t, t)
          .copy_(losses.gradient.narrow(0, layout_.answers.sequences[i].begin, t))
          .div_(static_cast<double>(t));
    }
    if (record) losses_ = {losses.nll, losses.error, losses.objective, {}};
    return gradient;
  }

  // What the branch that adds source `branch` + 1 reads; to be asked for from the last to the first.
  Tensor read_by(Pass& pass, int64_t branch) const {
    if (!pass.read.empty()) return std::exchange(pass.read[static_cast<size_t>(branch)], {});
    const Tensor source = pass.sources.select(0, branch + 1);
    if (!takes_places_) return moved(pass.stream, source, -1);
    // No destination from here on sees this source: the stream takes its place.
    Tensor x = source;
    if (!fused_add_to_stream(source, pass.stream, -1, x)) x.copy_(pass.stream.sub_(source));
    return x;
  }

  // Walks back from the final stream, contracting each destination's gradient with the sources. Consumes the
  // pass.
  void backward(Pass& pass, const Tensor& g, Contraction& contraction) {
    const bool residual = options_.gradient == GradientKind::residual;
    const bool apart = graph_.kind == GraphKind::qkv;
    const Packing& packing = layout_.packing;
    contraction.add(graph_.logits_destination(), {g});
    for (int64_t l = config_.n_layers - 1; l >= 0; --l) {
      check_interrupt();
      give_back_holes(l);
      // After the first layer's backward comes, if anything, another forward.
      const LayerWeights& w = layers_.layer(l, l > 0 ? l - 1 : 1);
      const int64_t window = decoder_.window(l), of_mlp = graph_.mlp_destination(l);
      Tensor g_mlp;
      {
        const Tensor x = read_by(pass, 1 + 2 * l);
        MlpSaved saved = std::exchange(pass.mlp[static_cast<size_t>(l)], {});
        if (is_at_answers(l)) {
          const std::vector<PrefixSegment>&prefixes = packing.prefixes, &cuts = layout_.answers.prefixes;
          const Tensor x_answers = answers_of(x);
          if (!saved.gate.defined()) packed_mlp_saved(config_, w, x_answers, saved);
          g_mlp = as_last_rows(packed_mlp_backward(config_, w, layout_.answers, x_answers, saved,
                                                   last_rows(g, prefixes, cuts)),
                               prefixes, cuts);
          g.add_(g_mlp);
        } else {
          if (!saved.gate.defined()) packed_mlp_saved(config_, w, x, saved);
          g_mlp = packed_mlp_backward(config_, w, packing, x, saved, g, /*carry=*/true);
        }
      }
      // The MLP's gradient waits for attention's, to meet the sources with them; but for the last of its
      // sources, whose place the stream may take now.
      const int64_t seen_by_all = 1 + 2 * l;
      if (residual) {
        contraction.add(of_mlp, {g});
        g_mlp = Tensor();
      } else if (takes_places_) {
        contraction.add(of_mlp, {g_mlp}, {seen_by_all});
      }
      const Tensor x = read_by(pass, 2 * l);
      AttentionSaved saved = std::exchange(pass.attention[static_cast<size_t>(l)], {});
      if (!saved.q.defined()) packed_attention_saved(config_, w, window, rope_, packing, x, saved);
      const Tensor g_qkv =
          packed_attention_backward(config_, w, window, rope_, packing, x, saved, g, /*carry=*/apart);
      std::vector<Tensor> together;
      if (apart)
        together = g_qkv.unbind(0);
      else
        g.add_(together.emplace_back(g_qkv.sum(/*dim=*/0)));
      if (residual)
        together = {g};
      else
        together.push_back(g_mlp);
      contraction.add(graph_.attention_destination(l), together,
                      takes_places_ ? Contraction::Sources{0, seen_by_all} : Contraction::Sources{});
    }
  }

  // Integrated gradients: the sum over steps of contractions is the contraction of the mean gradient. eap-ig
  // scales the input for all rows of the matrix at once; eap-ig-activations scales each source for its own
  // row.
  void integrate(Pass& clean) {
    clean.stream = Tensor();
    if (options_.method == Method::eap_ig && options_.ig_activation == IgActivation::difference)
      clean.sources.sub_(forward({0, 0.0}, /*to_walk_back=*/false).sources);
    Contraction contraction(layout_, clean.sources, graph_, 1.0 / static_cast<double>(options_.ig_steps));
    const bool by_source = options_.method == Method::eap_ig_activations;
    for (int64_t s = 0; s < (by_source ? graph_.n_forward() : 1); ++s) {
      if (by_source) contraction.restrict_to(s);
      for (int64_t k = 1; k <= options_.ig_steps; ++k) {
        check_interrupt();
        Pass pass = forward({s, ig_point(options_.ig_rule, k, options_.ig_steps)}, /*to_walk_back=*/true);
        const Tensor g = final_gradient(pass.stream, /*record=*/false);
        backward(pass, g, contraction);
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
      const auto mean = [&, begin = layout_.answers.sequences[i].begin,
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
  const ChunkMeans& means_;
  Graph graph_;
  Layout layout_;
  RopeTable rope_;
  at::ScalarType type_;  // what the layers read the stream in, and gradients
  bool takes_places_;    // the stream those of sources, on the way back
  int64_t first_kept_;   // the first layer whose part of the graph is kept until its backward
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
                                                 const ChunkMeans& means) {
  const at::NoGradGuard no_grad;
  const FlushDenormals flush(decoder.dtype());
  return Engine(decoder, options, samples, means).run();
}

}  // namespace circuitdiff
