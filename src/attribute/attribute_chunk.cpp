// Picks the method, checks options that contradict each other, and turns numbers that are not finite into a
// problem of their sample alone.
#include <cmath>

#include "attribute/eap.h"
#include "base/error.h"

namespace circuitdiff {
namespace {

// Names the first cell or loss that is not finite, so that one bad sample does not hide where it broke.
void find_problem(const Graph& graph, SampleScores& s) {
  for (const auto& [name, value] :
       {std::pair{"loss", s.loss}, std::pair{"error", s.error}, std::pair{"objective", s.objective}})
    if (!std::isfinite(value)) {
      s.problem = fmt::format("its {} is {}", name, value);
      return;
    }
  for (size_t e = 0; e < s.scores.size(); ++e)
    if (!std::isfinite(s.scores[e])) {
      const auto columns = static_cast<size_t>(graph.n_backward());
      s.problem = fmt::format(
          "the score of {} is {}",
          graph.edge_name(static_cast<int64_t>(e / columns), static_cast<int64_t>(e % columns)), s.scores[e]);
      return;
    }
}

}  // namespace

void check_scoring(const ScoringOptions& o) {
  if (o.gradient == GradientKind::residual && o.graph != GraphKind::block)
    usage_error("--gradient residual needs --graph block: q, k and v have no stream of their own");
  if (o.ig_steps < 1 || o.ig_steps > 10000)
    usage_error("--ig-steps: 1 to 10000 expected, {} found", o.ig_steps);
  if (o.gradient == GradientKind::residual && o.method == Method::eap_ig_activations)
    usage_error("--method eap-ig-activations is defined with --gradient branch only");
}

void apply_attribute_preset(AttributeOptions& options, std::string_view preset) {
  if (preset == "paper") {
    options.scoring.graph = GraphKind::block;
    options.scoring.gradient = GradientKind::residual;
    options.scoring.edges = EdgeSet::paper;
  } else if (preset == "code") {
    options.t_cut_rule = TCutRule::code;
    options.dtype = DtypeChoice::bfloat16;
  } else {
    usage_error("--preset: paper or code expected, \"{}\" found", preset);
  }
}

std::vector<std::vector<SampleScores>> attribute_chunk(const Decoder& decoder, const ScoringOptions& options,
                                                       const std::vector<AttributionSample>& samples,
                                                       bool keep) {
  std::vector<std::vector<SampleScores>> out;
  if (options.method == Method::exact) {
    for (const AttributionSample& sample : samples) {
      out.emplace_back();
      for (const int64_t t : sample.t_cut) out.back().push_back(exact_scores(decoder, options, sample, t));
    }
  } else {
    out = eap_chunk(decoder, options, samples, keep);
  }
  const Graph graph = graph_of(decoder, options);
  for (auto& of_sample : out)
    for (SampleScores& s : of_sample) find_problem(graph, s);
  return out;
}

}  // namespace circuitdiff
