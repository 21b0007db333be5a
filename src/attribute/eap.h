// Edge attribution patching (docs/spec.md#methods, eq. 9) and its integrated-gradient form over inputs, for a
// chunk of samples. One forward keeps the sources O_s: they are the only checkpoints, since the stream
// anywhere is a sum of them. Backward goes layer by layer, recomputes that layer, and contracts each
// destination's gradient with the sources as it appears. One forward serves every cut of a sample; each cut
// has a backward over its own prefix.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "attribute/options.h"
#include "graph/graph.h"
#include "model/decoder.h"

namespace circuitdiff {

// One sequence to score, with the number of answer tokens in the loss for each output (already no longer than
// the answer).
struct AttributionSample {
  std::string id;
  std::vector<int64_t> tokens;
  int64_t prompt_len = 0;
  std::vector<int64_t> t_cut;
};

// Of one sample at one cut.
struct SampleScores {
  std::vector<double> scores;  // [n_forward, n_backward]; 0 where no edge exists
  double loss = 0;             // mean NLL over the cut, nats
  double error = 0;            // mean of 1 - p(token)
  double objective = 0;        // mean of what was differentiated
  std::string problem;         // not empty: a number was not finite; says which
};

// How a chunk is computed. Nothing here moves a score.
struct ChunkPlan {
  // Every layer's part of the graph is kept from the forward pass; else computed again, but mostly for
  // the last one's (first_kept_layer).
  bool keep = false;
  std::filesystem::path spill;  // folder of the file that takes the sources; empty: they stay in memory
  bool read_ahead = false;      // weights are streamed: the next layer is read while one is computed
};

// Any method of `options`. Returns [samples][cuts].
std::vector<std::vector<SampleScores>> attribute_chunk(const Decoder& decoder, const ScoringOptions& options,
                                                       const std::vector<AttributionSample>& samples,
                                                       const ChunkPlan& plan = {});

// eap, eap-ig and eap-ig-activations:
std::vector<std::vector<SampleScores>> eap_chunk(const Decoder& decoder, const ScoringOptions& options,
                                                 const std::vector<AttributionSample>& samples,
                                                 const ChunkPlan& plan);
// exact (8), one sample and cut at a time:
SampleScores exact_scores(const Decoder& decoder, const ScoringOptions& options,
                          const AttributionSample& sample, int64_t t_cut);

// Ablated streams of `length` tokens that run together, one at least: more would take more memory and no less
// time. And final streams' answer rows, [.., d_model], from which on they meet lm_head.
int64_t ablations_at_once(const ModelConfig& config, int64_t length, at::ScalarType dtype);
inline constexpr int64_t kAblatedLossRows = 1024;

// Interpolation point k (1-based) of m: (k - 1/2)/m or k/m.
double ig_point(IgRule rule, int64_t k, int64_t m);

// Of a sample whose numbers are not finite: the first weight, source or gradient that is not, by name and
// layer.
std::string find_not_finite(const Decoder& decoder, const ScoringOptions& options,
                            const AttributionSample& sample, const SampleScores& scores);

Graph graph_of(const Decoder& decoder, const ScoringOptions& options);

}  // namespace circuitdiff
