// What attribution is asked for (docs/spec.md#scores). One struct for the command line, experiment files and
// the manifest.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/options.h"
#include "graph/graph.h"
#include "model/decoder.h"

namespace circuitdiff {

enum class Method { eap, eap_ig, eap_ig_activations, exact };
enum class IgRule { mid, right };
enum class IgActivation { clean, difference };
enum class GradientKind { branch, residual };
enum class Objective { nll, logit, entropy };
enum class TCutRule { paper, code };
enum class PairSide { before, after };

template <>
struct EnumWords<Method> {
  static constexpr std::array words{std::pair{Method::eap, "eap"}, std::pair{Method::eap_ig, "eap-ig"},
                                    std::pair{Method::eap_ig_activations, "eap-ig-activations"},
                                    std::pair{Method::exact, "exact"}};
};
template <>
struct EnumWords<IgRule> {
  static constexpr std::array words{std::pair{IgRule::mid, "mid"}, std::pair{IgRule::right, "right"}};
};
template <>
struct EnumWords<IgActivation> {
  static constexpr std::array words{std::pair{IgActivation::clean, "clean"},
                                    std::pair{IgActivation::difference, "difference"}};
};
template <>
struct EnumWords<GradientKind> {
  static constexpr std::array words{std::pair{GradientKind::branch, "branch"},
                                    std::pair{GradientKind::residual, "residual"}};
};
template <>
struct EnumWords<Objective> {
  static constexpr std::array words{std::pair{Objective::nll, "nll"}, std::pair{Objective::logit, "logit"},
                                    std::pair{Objective::entropy, "entropy"}};
};
template <>
struct EnumWords<TCutRule> {
  static constexpr std::array words{std::pair{TCutRule::paper, "paper"}, std::pair{TCutRule::code, "code"}};
};
template <>
struct EnumWords<PairSide> {
  static constexpr std::array words{std::pair{PairSide::before, "before"},
                                    std::pair{PairSide::after, "after"}};
};

// How an edge is scored: what the numbers depend on.
struct ScoringOptions {
  Method method = Method::eap;
  GraphKind graph = GraphKind::qkv;
  GradientKind gradient = GradientKind::branch;
  EdgeSet edges = EdgeSet::all;
  Objective objective = Objective::nll;
  int64_t ig_steps = 5;
  IgRule ig_rule = IgRule::mid;
  IgActivation ig_activation = IgActivation::clean;
  int64_t top_edges = 0;
  int64_t edge_sample = 0;
  // Where top_edges or edge_sample is set: the edges to run, [n_forward, n_backward]. Follows from them and
  // the input; not an option of its own.
  std::vector<uint8_t> chosen_edges;
};
template <class V>
void visit(V& v, ScoringOptions& o) {
  v(o.method, "method", "how an edge is scored: eap, eap-ig, eap-ig-activations or exact");
  v(o.graph, "graph", "destinations: q, k and v of a block apart (qkv) or together (block)");
  v(o.gradient, "gradient",
    "gradient at a branch's own input (branch) or of the whole stream (residual, block graph only)");
  v(o.edges, "edges", "all edges, or the set of the paper's eq. (7)");
  v(o.objective, "objective", "what is differentiated: nll, logit or entropy");
  v(o.ig_steps, "ig_steps", "interpolation steps of the eap-ig methods");
  v(o.ig_rule, "ig_rule", "where in its step an interpolation point lies: mid or right");
  v(o.ig_activation, "ig_activation",
    "eap-ig: O_s of the clean run, or its difference to the run with a zero embedding");
  v(o.top_edges, "top_edges", "exact: only the edges with the largest mean |eap| score; 0: all");
  v(o.edge_sample, "edge_sample", "exact: only this many edges, spread evenly over kinds and layers; 0: all");
}
// UsageError where options contradict each other.
void check_scoring(const ScoringOptions& options);

struct AttributeOptions {
  std::filesystem::path model, adapter;
  std::filesystem::path pairs;
  std::optional<PairSide> side;
  std::filesystem::path sequences;
  std::vector<double> alpha;
  std::optional<int64_t> t_cut;
  TCutRule t_cut_rule = TCutRule::paper;
  std::filesystem::path out;
  ScoringOptions scoring;
  int64_t chunk = 16;
  int64_t limit = 0;
  std::string device = "auto";
  DtypeChoice dtype = DtypeChoice::automatic;
  int64_t threads = 0;
  double memory = 0;
  std::string shard;
  bool overwrite = false;
  bool dry_run = false;
};
template <class V>
void visit(V& v, AttributeOptions& o) {
  v(o.model, "model", "Hugging Face folder or GGUF file");
  v(o.adapter, "adapter", "folder of a LoRA adapter to merge into the model");
  v(o.pairs, "pairs", "pairs.jsonl to take one side's sequences from");
  v(o.side, "side", "with --pairs: before or after");
  v(o.sequences, "sequences", "sequences.jsonl, instead of --pairs");
  v(o.alpha, "alpha", "with --pairs: T_cut = max(1, floor(alpha * T_mean)), one output file each");
  v(o.t_cut, "t_cut", "answer tokens in the loss, for all samples, instead of --alpha");
  v(o.t_cut_rule, "t_cut_rule", "T_mean of the paper, or the published code's min of the two means");
  v(o.out, "out", "folder for the scores");
  visit(v, o.scoring);
  v(o.chunk, "chunk", "samples computed together (a CPU takes at most 2048 tokens of them at once)");
  v(o.limit, "limit", "use only the first samples; 0: all");
  v(o.device, "device", "auto, cpu, cuda or cuda:INDEX");
  v(o.dtype, "dtype", "of weights and products: auto, float32, bfloat16 or float64");
  v(o.threads, "threads", "CPU threads; 0: one a core");
  v(o.memory, "memory",
    "GiB that may be held beside the mapped weights; what does not fit is computed again, streamed or "
    "spilled; "
    "0: what the machine has free");
  v(o.shard, "shard",
    "I/N: only every N-th chunk, from the I-th; a run without it puts the shards in the folder together");
  v(o.overwrite, "overwrite", "begin anew where earlier work with other options or inputs lies");
  v(o.dry_run, "dry_run", "forecast memory and time, and stop");
}

// Sets what docs/papers.md#presets says for "paper" or "code"; UsageError on another word.
void apply_attribute_preset(AttributeOptions& options, std::string_view preset);

}  // namespace circuitdiff
