// What a training run is asked for (docs/training.md#a-training-file): one
// struct a table of the training file.
#pragma once

#include <array>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/options.h"
#include "model/decoder.h"
#include "train/algorithm.h"
#include "train/optimizer.h"

namespace circuitdiff {

enum class InitialWeights { checkpoint, random };
template <>
struct EnumWords<InitialWeights> {
  static constexpr std::array words{std::pair{InitialWeights::checkpoint, "checkpoint"},
                                    std::pair{InitialWeights::random, "random"}};
};
enum class RewardKind { exact, graded, format, random };
template <>
struct EnumWords<RewardKind> {
  static constexpr std::array words{
      std::pair{RewardKind::exact, "exact"}, std::pair{RewardKind::graded, "graded"},
      std::pair{RewardKind::format, "format"}, std::pair{RewardKind::random, "random"}};
};

struct TrainDataOptions {
  std::filesystem::path file;
  std::string dataset = "generic";
  std::string id_field, question_field, answer_field;
  std::string completion_field = "completion", chosen_field = "chosen", rejected_field = "rejected";
  bool chat = false;
  std::string prompt;
  std::string system;
  int64_t limit = 0;
  int64_t batch = 32;
  bool shuffle = true;
};
template <class V>
void visit(V& v, TrainDataOptions& o) {
  v(o.file, "file",
    "JSON Lines: questions, for sft with completions, for dpo with chosen and rejected ones or graded "
    "generations");
  v(o.dataset, "dataset", "whose fields the questions have");
  v(o.id_field, "id_field", "field of the ids, instead of the data set's");
  v(o.question_field, "question_field", "field of the questions, instead of the data set's");
  v(o.answer_field, "answer_field", "field of the reference answers, instead of the data set's");
  v(o.completion_field, "completion_field", "sft: field of the answer that is learnt");
  v(o.chosen_field, "chosen_field", "dpo: field of the better answer");
  v(o.rejected_field, "rejected_field", "dpo: field of the worse answer");
  v(o.chat, "chat", "prompt by the checkpoint's chat template; the default where it has one");
  v(o.prompt, "prompt", "prompt by a preset");
  v(o.system, "system", "with a chat template: the system message");
  v(o.limit, "limit", "use only the first rows; 0: all");
  v(o.batch, "batch", "questions, rows or pairs a step");
  v(o.shuffle, "shuffle", "a new order in each epoch, by the seed");
}

struct RolloutOptions {
  double temperature = 1;
  int64_t max_new_tokens = 200;
  double top_p = 1;
  int64_t top_k = 0;
};
template <class V>
void visit(V& v, RolloutOptions& o) {
  v(o.temperature, "temperature", "of the answers drawn, and of the log-probabilities in the loss");
  v(o.max_new_tokens, "max_new_tokens", "longest answer, end token included");
  v(o.top_p, "top_p", "must stay 1: the loss needs the whole distribution");
  v(o.top_k, "top_k", "must stay 0: the loss needs the whole distribution");
}

struct RewardOptions {
  RewardKind kind = RewardKind::exact;
  double correct = 1, wrong = 0;
  bool inverted = false;
};
template <class V>
void visit(V& v, RewardOptions& o) {
  v(o.kind, "kind",
    "exact: a right answer; graded: Appendix B's scale; format: a boxed answer, right or not; random");
  v(o.correct, "correct", "reward of what is wanted; graded has values of its own");
  v(o.wrong, "wrong", "reward of the rest");
  v(o.inverted, "inverted", "exact, format, random: correct and wrong change places; graded: the sign turns");
}

struct LoraOptions {
  int64_t rank = 0;
  double alpha = 16;
  std::vector<std::string> targets{"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                   "gate_proj", "up_proj", "down_proj"};
};
template <class V>
void visit(V& v, LoraOptions& o) {
  v(o.rank, "rank", "of the adapters; 0: every weight is trained");
  v(o.alpha, "alpha", "adapters are scaled by alpha / rank");
  v(o.targets, "targets", "which matrices of each layer have one");
}

struct CheckpointOptions {
  int64_t every = 0;
  int64_t keep = 0;
};
template <class V>
void visit(V& v, CheckpointOptions& o) {
  v(o.every, "every", "a checkpoint each so many steps; 0: only at the end");
  v(o.keep, "keep", "keep only so many of the latest; 0: all");
}

struct EvalOptions {
  std::filesystem::path file;
  std::string dataset = "generic";
  int64_t every = 0;
  int64_t limit = 0;
};
template <class V>
void visit(V& v, EvalOptions& o) {
  v(o.file, "file", "held-out questions, answered greedily");
  v(o.dataset, "dataset", "whose fields they have");
  v(o.every, "every", "each so many steps, before the first and after the last; 0: never");
  v(o.limit, "limit", "use only the first rows; 0: all");
}

struct ProbeOptions {
  std::filesystem::path sequences;
  int64_t every = 0;
  int64_t t_cut = 8;
  int64_t limit = 100;
};
template <class V>
void visit(V& v, ProbeOptions& o) {
  v(o.sequences, "sequences", "sequences.jsonl on which circuit metrics are taken");
  v(o.every, "every", "each so many steps, before the first and after the last; 0: never");
  v(o.t_cut, "t_cut", "answer tokens in the loss");
  v(o.limit, "limit", "use only the first sequences; 0: all");
}

struct TrainOptions {
  std::filesystem::path model, reference, out;
  InitialWeights init = InitialWeights::checkpoint;
  std::vector<uint64_t> seeds{0};
  int64_t steps = 100;
  std::string device = "auto";
  DtypeChoice dtype = DtypeChoice::automatic;
  int64_t threads = 0;
  bool recompute = false;
  TrainDataOptions data;
  AlgorithmOptions algorithm;
  OptimizerOptions optimizer;
  RolloutOptions rollout;
  RewardOptions reward;
  LoraOptions lora;
  CheckpointOptions checkpoint;
  EvalOptions eval;
  ProbeOptions probe;
};
// The keys ahead of the first table.
template <class V>
void visit(V& v, TrainOptions& o) {
  v(o.model, "model", "Hugging Face folder to begin from");
  v(o.reference, "reference", "Hugging Face folder of the reference; the model itself where unset");
  v(o.out, "out", "folder for checkpoints and metrics; with several seeds a folder in it for each");
  v(o.init, "init", "the checkpoint's weights, or random ones in its shape");
  v(o.seeds, "seeds", "one run a seed");
  v(o.steps, "steps", "updates, each of one batch");
  v(o.device, "device", "auto, cpu, cuda or cuda:INDEX");
  v(o.dtype, "dtype", "of products: auto, float32, float64, or bfloat16 with float32 masters");
  v(o.threads, "threads", "CPU threads; 0: one a core");
  v(o.recompute, "recompute", "layers are computed again in backward: less memory, a third more work");
}

// UsageError naming table and key where a value is out of range or contradicts another.
void check_train_options(const TrainOptions& options, AlgorithmName algorithm);

}  // namespace circuitdiff
