#include "run/circuit_probe.h"

#include <algorithm>

#include "attribute/eap.h"
#include "base/error.h"
#include "metrics/metrics.h"
#include "records/pair.h"

namespace circuitdiff {
namespace {

constexpr size_t kChunk = 16;  // samples scored together

std::vector<AttributionSample> probe_samples(const ProbeOptions& o, int64_t d_vocab) {
  std::vector<Sequence> sequences = read_sequences(o.sequences);
  check_vocabulary(sequences, d_vocab, o.sequences);
  if (o.limit > 0 && static_cast<int64_t>(sequences.size()) > o.limit)
    sequences.resize(static_cast<size_t>(o.limit));
  std::vector<AttributionSample> out;
  for (const Sequence& s : sequences) {
    const auto answer = static_cast<int64_t>(s.tokens.size()) - s.prompt_len;
    out.push_back({s.id, s.tokens, s.prompt_len, {std::min(o.t_cut, answer)}});
  }
  return out;
}

}  // namespace

CircuitProbe make_circuit_probe(const ProbeOptions& options, const std::filesystem::path& model) {
  const auto samples = probe_samples(options, Checkpoint::open(model)->config().d_vocab);
  return [samples](const Weights& weights) {
    const Decoder decoder(weights);
    const ScoringOptions scoring;
    const Graph graph = graph_of(decoder, scoring);
    std::vector<double> scores, loss, error;
    for (size_t begin = 0; begin < samples.size(); begin += kChunk) {
      const std::vector<AttributionSample> chunk(
          samples.begin() + static_cast<std::ptrdiff_t>(begin),
          samples.begin() + static_cast<std::ptrdiff_t>(std::min(samples.size(), begin + kChunk)));
      for (const auto& cuts : attribute_chunk(decoder, scoring, chunk)) {
        if (!cuts[0].problem.empty()) fail("circuit probe: {}", cuts[0].problem);
        scores.insert(scores.end(), cuts[0].scores.begin(), cuts[0].scores.end());
        loss.push_back(cuts[0].loss);
        error.push_back(cuts[0].error);
      }
    }
    const std::vector<uint8_t> edges = graph.edges();
    const ScoreMatrices w{static_cast<int64_t>(samples.size()),
                          graph.n_forward(),
                          graph.n_backward(),
                          scores,
                          edges,
                          loss,
                          error};
    const auto figures = metrics_of(w, {}, largest_on_edges(w));
    nlohmann::ordered_json out;
    for (const Metric metric : {Metric::act_intensity, Metric::intensity_per_error, Metric::info_complexity,
                                Metric::dist_kurtosis, Metric::diversity, Metric::mean_loss}) {
      const Figure& figure = figures[static_cast<size_t>(metric)];
      out["circuit/" + to_word(metric)] =
          figure.value ? nlohmann::ordered_json(*figure.value) : nlohmann::ordered_json(nullptr);
    }
    return out;
  };
}

}  // namespace circuitdiff
