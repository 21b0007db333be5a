// Exact ablation (docs/spec.md#methods, eq. 8): the loss with one source taken out of one destination's
// input, less the loss. An edge into layer l needs the model from layer l on only, the last MLP only the rows
// that predict the answer, and many edges into one destination run together as a batch.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/sub.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "attribute/eap.h"
#include "attribute/objective.h"
#include "base/progress.h"
#include "kernels/denormals.h"
#include "model/layer.h"

namespace circuitdiff {
namespace {

// A clean run of one sample: the sources and the stream at every point (2l ahead of attention l, 2l + 1 ahead
// of MLP l).
struct CleanRun {
  std::vector<Tensor> sources;  // [pos, d_model] each
  std::vector<Tensor> stream;   // 2 n_layers + 1 points, [1, pos, d_model]
};

Tensor last_rows(const Tensor& streams, int64_t n) { return streams.narrow(1, streams.size(1) - n, n); }

class Ablation {
 public:
  Ablation(const Decoder& decoder, const ScoringOptions& options, const AttributionSample& sample,
           int64_t t_cut)
      : decoder_(decoder), options_(options), config_(decoder.config()) {
    length_ = sample.prompt_len + t_cut - 1;
    const std::vector<int64_t> input(sample.tokens.begin(), sample.tokens.begin() + length_);
    targets_.assign(sample.tokens.begin() + sample.prompt_len,
                    sample.tokens.begin() + sample.prompt_len + t_cut);
    rope_ = decoder.rope(length_);
    Tensor x = decoder.embed(decoder.tokens(input)).to(wide()).unsqueeze(0);
    const auto add = [&](const Tensor& source) {
      clean_.sources.push_back(source.to(wide()).squeeze(0));
      x = x + source;
      clean_.stream.push_back(x);
    };
    clean_.sources.push_back(x.squeeze(0));
    clean_.stream.push_back(x);
    for (int64_t l = 0; l < config_.n_layers; ++l) {
      const LayerWeights w = decoder.weights().layer(l);
      add(attention_of(l, w, {x, x, x}, length_));
      add(mlp_of(w, x));
    }
  }

  const CleanRun& clean() const { return clean_; }
  int64_t length() const { return length_; }
  int64_t answer() const { return static_cast<int64_t>(targets_.size()); }

  // The rows of streams [batch, pos, d_model] that predict the answer, [batch, answer, d_model]: the last.
  Tensor answer_rows(const Tensor& streams) const { return last_rows(streams, answer()); }

  // Losses of a batch of final streams' answer rows: mean over the answer, one
  // triple (nll, error, objective) each.
  std::vector<std::array<double, 3>> losses(const Tensor& final_rows) const {
    const int64_t batch = final_rows.size(0), t = answer();
    std::vector<int64_t> all;
    for (int64_t b = 0; b < batch; ++b) all.insert(all.end(), targets_.begin(), targets_.end());
    const Tensor rows = final_rows.reshape({batch * t, config_.d_model});
    const RowLosses r = row_losses(decoder_, options_.objective, rows.to(wide()), decoder_.tokens(all),
                                   /*with_gradient=*/false);
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
  Tensor run_from(int64_t point, Tensor x) const {
    if (point == 2 * config_.n_layers) return answer_rows(x);
    for (int64_t l = point / 2; l < config_.n_layers; ++l) {
      const LayerWeights w = decoder_.weights().layer(l);
      // Behind the last attention, the answer's rows are all that anything reads.
      const int64_t read = is_last(l) ? answer() : length_;
      const bool is_behind_attention = l == point / 2 && point % 2 == 1;
      x = is_behind_attention ? last_rows(x, read)
                              : sum(last_rows(x, read), attention_of(l, w, {x, x, x}, read));
      x = sum(x, mlp_of(w, x));
    }
    return x;
  }

  bool is_last(int64_t l) const { return l + 1 == config_.n_layers; }

  // a + b, where a may be the same for all runs, [1, ..]; b, [batch, ..], is the caller's no longer.
  Tensor sum(const Tensor& a, const Tensor& b) const { return b.scalar_type() == wide() ? b.add_(a) : a + b; }

  Tensor attention_of(int64_t l, const LayerWeights& w, const std::array<Tensor, 3>& x,
                      int64_t queries) const {
    return attention_of_runs({config_, w, decoder_.window(l), rope_, no_packing_, new_tensors_}, x, queries);
  }

  Tensor mlp_of(const LayerWeights& w, const Tensor& x) const {
    const Tensor rows = x.reshape({-1, config_.d_model}),
                 out = at::empty(rows.sizes(), w.down_proj.options());
    MlpSaved saved;
    mlp_forward({config_, w, 0, rope_, no_packing_, new_tensors_}, rows, saved, /*keep=*/false, out);
    return out.view(x.sizes());
  }

  // Final streams' answer rows with each source of `sources` left out of destination d's input (or of the
  // stream, under `residual`).
  Tensor ablate(const Graph& graph, int64_t d, const std::vector<int64_t>& sources) const {
    const int64_t l = graph.layer_of(d), part = graph.part_of(d);
    const bool is_logits = d == graph.logits_destination(), is_mlp = graph.is_mlp(d);
    const int64_t point = is_logits ? 2 * config_.n_layers : 2 * l + (is_mlp ? 1 : 0);
    // Where nothing but the answer's rows is read from here on, they alone are ablated.
    const int64_t read = is_logits || (is_mlp && is_last(l)) ? answer() : length_;
    const Tensor stream = last_rows(clean_.stream[static_cast<size_t>(point)], read);
    Tensor without =
        at::empty({static_cast<int64_t>(sources.size()), read, config_.d_model}, stream.options());
    for (size_t i = 0; i < sources.size(); ++i) {
      const Tensor source = clean_.sources[static_cast<size_t>(sources[i])];
      Tensor place = without[static_cast<int64_t>(i)];
      at::sub_out(place, stream[0], source.narrow(0, length_ - read, read));
    }
    if (is_logits) return without;
    if (options_.gradient == GradientKind::residual) return run_from(point, std::move(without));
    const LayerWeights w = decoder_.weights().layer(l);
    Tensor x;
    if (is_mlp) {
      x = sum(stream, mlp_of(w, without));
    } else {
      const auto input = [&](int64_t branch) {
        return graph.kind == GraphKind::block || part == branch ? without : stream;
      };
      const int64_t queries = is_last(l) ? answer() : length_;
      x = sum(last_rows(stream, queries), attention_of(l, w, {input(0), input(1), input(2)}, queries));
    }
    without = Tensor();
    return run_from(point + 1, std::move(x));
  }

 private:
  at::ScalarType wide() const { return decoder_.dtype() == at::kDouble ? at::kDouble : at::kFloat; }

  const Decoder& decoder_;
  const ScoringOptions& options_;
  const ModelConfig& config_;
  int64_t length_ = 0;
  std::vector<int64_t> targets_;
  RopeTable rope_;
  Packing no_packing_;           // runs of one length lie one below another
  mutable Buffers new_tensors_;  // of as many runs as there are
  CleanRun clean_;
};

void record_loss(const std::array<double, 3>& loss, SampleScores& out) {
  out.loss = loss[0];
  out.error = loss[1];
  out.objective = loss[2];
}

}  // namespace

int64_t ablations_at_once(const ModelConfig& config, int64_t length, at::ScalarType dtype) {
  constexpr int64_t kWidest = int64_t{24} << 20;  // bytes
  const int64_t width = std::max(config.d_mlp, config.n_heads * config.d_head);
  return std::max<int64_t>(1, kWidest / (length * width * (dtype == at::kDouble ? 8 : 4)));
}

SampleScores exact_scores(const Decoder& decoder, const ScoringOptions& options,
                          const AttributionSample& sample, int64_t t_cut) {
  const at::NoGradGuard no_grad;
  const FlushDenormals flush(decoder.dtype());
  const Graph graph = graph_of(decoder, options);
  const Ablation ablation(decoder, options, sample, t_cut);
  SampleScores out;
  out.scores.assign(static_cast<size_t>(graph.n_forward() * graph.n_backward()), 0.0);
  record_loss(ablation.losses(ablation.answer_rows(ablation.clean().stream.back())).front(), out);
  // Final streams wait for each other, so that lm_head is read for many rows at once.
  std::vector<size_t> cells;
  std::vector<Tensor> final_rows;
  const auto take_losses = [&] {
    if (cells.empty()) return;
    const auto losses = ablation.losses(at::cat(final_rows));
    for (size_t i = 0; i < cells.size(); ++i) out.scores[cells[i]] = losses[i][2] - out.objective;
    cells.clear();
    final_rows.clear();
  };
  const auto is_chosen = [&](int64_t cell) {
    return options.chosen_edges.empty() || options.chosen_edges[static_cast<size_t>(cell)];
  };
  const auto limit =
      static_cast<size_t>(ablations_at_once(decoder.config(), ablation.length(), decoder.dtype()));
  for (int64_t d = 0; d < graph.n_backward(); ++d) {
    std::vector<int64_t> present;
    for (int64_t s = 0; s < graph.sources_before(d); ++s)
      if (graph.edge_exists(s, d) && is_chosen(s * graph.n_backward() + d)) present.push_back(s);
    for (size_t begin = 0; begin < present.size(); begin += limit) {
      check_interrupt();
      const size_t end = std::min(present.size(), begin + limit);
      const std::vector<int64_t> sources(present.begin() + static_cast<std::ptrdiff_t>(begin),
                                         present.begin() + static_cast<std::ptrdiff_t>(end));
      final_rows.push_back(ablation.ablate(graph, d, sources));
      for (const int64_t s : sources) cells.push_back(static_cast<size_t>(s * graph.n_backward() + d));
      if (static_cast<int64_t>(cells.size()) * ablation.answer() >= kAblatedLossRows) take_losses();
    }
  }
  take_losses();
  return out;
}

}  // namespace circuitdiff
