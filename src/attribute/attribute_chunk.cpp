// Picks the method, checks options that contradict each other, and turns numbers that are not finite into a
// problem of their sample alone.
#include <algorithm>
#include <cmath>
#include <utility>

#include "attribute/eap.h"
#include "attribute/layout.h"
#include "base/error.h"

namespace circuitdiff {
namespace {

bool is_finite(const SampleScores& s) {
  return std::isfinite(s.loss) && std::isfinite(s.error) && std::isfinite(s.objective) &&
         std::all_of(s.scores.begin(), s.scores.end(), [](double v) { return std::isfinite(v); });
}

}  // namespace

void check_scoring(const ScoringOptions& o) {
  if (o.gradient == GradientKind::residual && o.graph != GraphKind::block)
    usage_error("--gradient residual needs --graph block: q, k and v have no stream of their own");
  if (o.ig_steps < 1 || o.ig_steps > 10000)
    usage_error("--ig-steps: 1 to 10000 expected, {} found", o.ig_steps);
  if (o.gradient == GradientKind::residual && o.method == Method::eap_ig_activations)
    usage_error("--method eap-ig-activations is defined with --gradient branch only");
  for (const auto& [name, count] :
       {std::pair{"--top-edges", o.top_edges}, std::pair{"--edge-sample", o.edge_sample}}) {
    if (count < 0) usage_error("{}: 0 or more expected, {} found", name, count);
    if (count > 0 && o.method != Method::exact) usage_error("{} goes with --method exact", name);
  }
  if (o.top_edges > 0 && o.edge_sample > 0) usage_error("--top-edges and --edge-sample exclude each other");
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
                                                       const ChunkPlan& plan) {
  std::vector<std::vector<SampleScores>> out;
  if (options.method == Method::exact) {
    for (const AttributionSample& sample : samples) {
      out.emplace_back();
      for (const int64_t t : sample.t_cut) out.back().push_back(exact_scores(decoder, options, sample, t));
    }
  } else {
    for (const auto& part : parts_of(samples, decoder.device()))
      for (auto& of_sample : eap_chunk(decoder, options, part, plan)) out.push_back(std::move(of_sample));
  }
  for (size_t i = 0; i < samples.size(); ++i)
    for (SampleScores& s : out[i])
      if (!is_finite(s)) s.problem = find_not_finite(decoder, options, samples[i], s);
  return out;
}

}  // namespace circuitdiff
