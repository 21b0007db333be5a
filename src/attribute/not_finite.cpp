// Where NaN or infinity came from, looked for only once a sample's numbers are not finite: its forward pass
// is walked again alone, layer by layer, and the weights of the first layer that breaks are searched.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>

#include <cmath>

#include "attribute/eap.h"
#include "attribute/layout.h"
#include "base/error.h"
#include "kernels/denormals.h"
#include "model/layer.h"
#include "model/layer_stream.h"

namespace circuitdiff {
namespace {

// The first entry that is not finite: "[3, 5] is nan"; empty if there is none.
std::string first_bad(const Tensor& t) {
  const Tensor bad = at::isfinite(t).logical_not_();
  if (!bad.any().item<bool>()) return {};
  const Tensor where = bad.nonzero()[0].to(at::kCPU);
  std::string index;
  Tensor value = t;
  for (int64_t i = 0; i < where.size(0); ++i) {
    const auto k = where[i].item<int64_t>();
    index += (i ? ", " : "") + std::to_string(k);
    value = value.select(0, k);
  }
  return fmt::format("[{}] is {}", index, value.item<double>());
}

// Among the tensors whose names begin with `prefix`.
std::string bad_weight(const Decoder& decoder, const std::string& prefix) {
  const Checkpoint& checkpoint = decoder.weights().checkpoint();
  for (const TensorSpec& spec : tensor_table(checkpoint.config())) {
    if (spec.name.rfind(prefix, 0) != 0) continue;
    if (const std::string bad = first_bad(stored_tensor(checkpoint, spec.name)); !bad.empty())
      return fmt::format("weight {}{}", spec.name, bad);
  }
  return {};
}

// Ahead of the loss: the embedding's rows, then each layer.
std::string bad_source(const Decoder& decoder, const Graph& graph, const AttributionSample& sample) {
  const ModelConfig& config = decoder.config();
  const Layout layout = lay_out({sample});
  const Tensor embedded = decoder.embed(decoder.tokens(layout.tokens));
  if (const std::string bad = first_bad(embedded); !bad.empty()) {
    const Tensor rows = at::isfinite(embedded).all(/*dim=*/-1);
    size_t row = 0;
    while (rows[static_cast<int64_t>(row)].item<bool>()) ++row;
    return fmt::format(
        "the embedding of token {} at position {} (weight model.embed_tokens.weight) is not finite",
        layout.tokens[row], row);
  }
  const at::ScalarType type = decoder.dtype() == at::kDouble ? at::kDouble : at::kFloat;
  const RopeTable rope = packed_rope(config, layout.packing, decoder.options());
  Tensor x = embedded.to(type);
  LayerStream layers(decoder.weights(), /*ahead=*/false);
  Buffers buffers;
  for (int64_t l = 0; l < config.n_layers; ++l) {
    const LayerWeights& w = layers.layer(l, l + 1);
    const LayerCall layer{config, w, decoder.window(l), rope, layout.packing, buffers};
    for (int64_t part = 0; part < 2; ++part) {
      const Tensor added = at::empty(x.sizes(), decoder.options());
      if (part == 0) {
        AttentionSaved saved;
        attention_forward(layer, x, saved, added);
      } else {
        MlpSaved saved;
        mlp_forward(layer, x, saved, /*keep=*/false, added);
      }
      const std::string bad = first_bad(added);
      if (!bad.empty()) {
        const std::string weight = bad_weight(decoder, "model.layers." + std::to_string(l) + ".");
        const std::string source = graph.source_names()[static_cast<size_t>(1 + 2 * l + part)];
        return fmt::format("layer {}: source {} at [position, dimension] {}{}", l, source, bad,
                           weight.empty() ? "" : ", from " + weight);
      }
      x = x + added.to(type);
    }
  }
  for (const char* name :
       {"model.norm.weight", config.tied_head ? "model.embed_tokens.weight" : "lm_head.weight"})
    if (const std::string weight = bad_weight(decoder, name); !weight.empty()) return weight;
  return {};
}

}  // namespace

std::string find_not_finite(const Decoder& decoder, const ScoringOptions& options,
                            const AttributionSample& sample, const SampleScores& s) {
  const at::NoGradGuard no_grad;
  const FlushDenormals flush(decoder.dtype());  // as the scores were computed
  const Graph graph = graph_of(decoder, options);
  if (const std::string source = bad_source(decoder, graph, sample); !source.empty()) return source;
  // All that went forward is finite: a gradient is not. They appear from the logits downwards.
  for (int64_t d = graph.n_backward() - 1; d >= 0; --d)
    for (int64_t source = 0; source < graph.n_forward(); ++source) {
      const double value =
          s.scores.empty() ? 0 : s.scores[static_cast<size_t>(source * graph.n_backward() + d)];
      if (std::isfinite(value)) continue;
      return fmt::format(
          "{}: the gradient at {} makes the score of {} {}",
          d == graph.logits_destination() ? "head" : fmt::format("layer {}", graph.layer_of(d)),
          graph.destination_names()[static_cast<size_t>(d)], graph.edge_name(source, d), value);
    }
  return fmt::format("its loss is {}, its error {}, its objective {}", s.loss, s.error, s.objective);
}

}  // namespace circuitdiff
