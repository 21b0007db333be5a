// Exact ablation (SPEC 2, eq. 8): the loss with one source taken out of one destination's input, less the
// loss. An edge into layer l needs the model from layer l on only, the last MLP only the rows that predict
// the answer, and many edges into one destination run together as a batch.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "attribute/eap.h"
#include "attribute/objective.h"
#include "base/progress.h"
#include "model/layers.h"
#include "model/packed.h"

namespace circuitdiff {
namespace {

// A clean run of one sample: the sources and the stream at every point (2l ahead of attention l, 2l + 1 ahead
// of MLP l).
struct CleanRun {
  std::vector<Tensor> sources;  // [pos, d_model] each
  std::vector<Tensor> stream;   // 2 n_layers + 1 points, [pos, d_model]
};

class Ablation {
 public:
  Ablation(const Decoder& decoder, const ScoringOptions& options, const AttributionSample& sample,
           int64_t t_cut)
      : decoder_(decoder), options_(options), config_(decoder.config()) {
    length_ = sample.prompt_len + t_cut - 1;
    first_ = sample.prompt_len - 1;
    const std::vector<int64_t> input(sample.tokens.begin(), sample.tokens.begin() + length_);
    targets_.assign(sample.tokens.begin() + sample.prompt_len,
                    sample.tokens.begin() + sample.prompt_len + t_cut);
    rope_ = decoder.rope(length_);
    Tensor x = decoder.embed(decoder.tokens(input)).to(wide());
    clean_.sources.push_back(x);
    for (int64_t l = 0; l < config_.n_layers; ++l) {
      const LayerWeights w = decoder.weights().layer(l);
      clean_.stream.push_back(x);
      clean_.sources.push_back(attention_of(l, w, x.unsqueeze(0), x.unsqueeze(0), x.unsqueeze(0)).squeeze(0));
      x = x + clean_.sources.back();
      clean_.stream.push_back(x);
      clean_.sources.push_back(mlp(config_, w, x));
      x = x + clean_.sources.back();
    }
    clean_.stream.push_back(x);
  }

  const CleanRun& clean() const { return clean_; }
  int64_t length() const { return length_; }
  int64_t answer() const { return static_cast<int64_t>(targets_.size()); }
  const std::vector<int64_t>& targets() const { return targets_; }
  const RopeTable& rope() const { return rope_; }

  // The rows of streams [batch, pos, d_model] that predict the answer: [batch, answer, d_model].
  Tensor answer_rows(const Tensor& streams) const { return streams.narrow(1, first_, answer()); }

  // Losses of a batch of final streams' answer rows: mean over the answer, one triple (nll, error, objective)
  // each.
  std::vector<std::array<double, 3>> losses(const Tensor& final_rows) const {
    const int64_t batch = final_rows.size(0), t = answer();
    std::vector<int64_t> all;
    for (int64_t b = 0; b < batch; ++b) all.insert(all.end(), targets_.begin(), targets_.end());
    const Tensor rows = final_rows.reshape({batch * t, config_.d_model});
    const RowLosses r = row_losses(decoder_, options_.objective, rows.to(wide()), decoder_.tokens(all),
                                   LogitUse::losses_only);
    const std::vector<double> nll = host_values(r.nll), error = host_values(r.error),
                              objective = host_values(r.objective);
    std::vector<std::array<double, 3>> out;
    for (int64_t b = 0; b < batch; ++b) {
      std::array<double, 3> sum{};
      for (int64_t k = 0; k < t; ++k) {
        const auto i = static_cast<size_t>(b * t + k);
        sum[0] += nll[i], sum[1] += error[i], sum[2] += objective[i];
      }
      for (double& v : sum) v /= static_cast<double>(t);
      out.push_back(sum);
    }
    return out;
  }

  // From the streams at `point`, [batch, pos, d_model], to the final streams' answer rows.
  Tensor run_from(int64_t point, const Tensor& x) const {
    const int64_t batch = x.size(0);
    Packing packing;
    for (int64_t b = 0; b < batch; ++b) packing.sequences.push_back({b * length_, length_});
    const RopeTable rope{rope_.cos.repeat({batch, 1}), rope_.sin.repeat({batch, 1})};
    Tensor rows = x.flatten(0, 1);
    for (int64_t l = point / 2; l < config_.n_layers; ++l) {
      const LayerWeights w = decoder_.weights().layer(l);
      if (!(l == point / 2 && point % 2 == 1))
        rows = rows + packed_attention(config_, w, decoder_.window(l), rope, packing, rows, nullptr);
      if (is_last(l)) rows = answer_rows(rows.view_as(x)).flatten(0, 1);
      rows = rows + packed_mlp(config_, w, rows, nullptr);
    }
    return point == 2 * config_.n_layers ? answer_rows(x) : rows.view({batch, answer(), config_.d_model});
  }

  bool is_last(int64_t l) const { return l + 1 == config_.n_layers; }

  Tensor attention_of(int64_t l, const LayerWeights& w, const Tensor& q, const Tensor& k,
                      const Tensor& v) const {
    return attention(config_, w, decoder_.window(l), rope_, q, k, v);
  }

  int64_t batch_limit() const {
    const int64_t widest = std::max(config_.d_mlp, config_.n_heads * length_);
    return std::max<int64_t>(1,
                             kAblationBytes / (length_ * widest * (decoder_.dtype() == at::kDouble ? 8 : 4)));
  }

  // Final streams' answer rows with each source of `sources` left out of destination d's input (or of the
  // stream, under `residual`).
  Tensor ablate(const Graph& graph, int64_t d, const Tensor& sources) const {
    const bool residual = options_.gradient == GradientKind::residual;
    if (d == graph.logits_destination()) return answer_rows(clean_.stream.back() - sources);
    const int64_t per_layer = graph.kind == GraphKind::qkv ? 4 : 2;
    const int64_t l = d / per_layer, part = d % per_layer;
    const LayerWeights w = decoder_.weights().layer(l);
    const bool is_mlp = part == per_layer - 1;
    const int64_t point = 2 * l + (is_mlp ? 1 : 0);
    const Tensor stream = clean_.stream[static_cast<size_t>(point)];  // [pos, d_model]
    const Tensor without = stream - sources;                          // [batch, pos, d_model]
    if (residual) return run_from(point, without);
    if (is_mlp) {
      const Tensor input = is_last(l) ? answer_rows(without) : without;
      const Tensor out = packed_mlp(config_, w, input.flatten(0, 1), nullptr).view_as(input);
      return is_last(l) ? answer_rows(stream.unsqueeze(0)) + out : run_from(point + 1, stream + out);
    }
    const Tensor whole = stream.expand_as(without);
    const auto input = [&](int64_t branch) {
      return graph.kind == GraphKind::block || part == branch ? without : whole;
    };
    return run_from(point + 1, stream + attention_of(l, w, input(0), input(1), input(2)));
  }

  at::ScalarType wide() const { return decoder_.dtype() == at::kDouble ? at::kDouble : at::kFloat; }

 private:
  const Decoder& decoder_;
  const ScoringOptions& options_;
  const ModelConfig& config_;
  int64_t length_ = 0, first_ = 0;
  std::vector<int64_t> targets_;
  RopeTable rope_;
  CleanRun clean_;
};

void record_loss(const std::array<double, 3>& loss, SampleScores& out) {
  out.loss = loss[0];
  out.error = loss[1];
  out.objective = loss[2];
}

}  // namespace

SampleScores exact_scores(const Decoder& decoder, const ScoringOptions& options,
                          const AttributionSample& sample, int64_t t_cut) {
  const at::NoGradGuard no_grad;
  const Graph graph = graph_of(decoder, options);
  const Ablation ablation(decoder, options, sample, t_cut);
  SampleScores out;
  out.scores.assign(static_cast<size_t>(graph.n_forward() * graph.n_backward()), 0.0);
  record_loss(ablation.losses(ablation.answer_rows(ablation.clean().stream.back().unsqueeze(0))).front(),
              out);
  const int64_t limit = ablation.batch_limit();
  const auto is_chosen = [&](int64_t cell) {
    return options.chosen_edges.empty() || options.chosen_edges[static_cast<size_t>(cell)];
  };
  for (int64_t d = 0; d < graph.n_backward(); ++d) {
    std::vector<int64_t> present;
    for (int64_t s = 0; s < graph.sources_before(d); ++s)
      if (graph.edge_exists(s, d) && is_chosen(s * graph.n_backward() + d)) present.push_back(s);
    for (size_t begin = 0; begin < present.size(); begin += static_cast<size_t>(limit)) {
      check_interrupt();
      const size_t end = std::min(present.size(), begin + static_cast<size_t>(limit));
      std::vector<Tensor> left_out;
      for (size_t i = begin; i < end; ++i)
        left_out.push_back(ablation.clean().sources[static_cast<size_t>(present[i])].to(ablation.wide()));
      const auto losses = ablation.losses(ablation.ablate(graph, d, at::stack(left_out)));
      for (size_t i = begin; i < end; ++i)
        out.scores[static_cast<size_t>(present[i] * graph.n_backward() + d)] =
            losses[i - begin][2] - out.objective;
    }
  }
  return out;
}

}  // namespace circuitdiff
