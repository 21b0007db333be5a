// The rule of all algorithms (docs/training.md#the-rule), eq. (4) of the paper:
//   grad J = E_(q,o)~D [ sum_t w(o) GC(q,o,t) grad log pi(o_t | q, o_<t) ]
// An algorithm is where its answers come from, a weight an answer and a gradient coefficient a token; the
// loop knows nothing else of it. One file an algorithm; clipping.cpp holds what several share.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/options.h"

namespace circuitdiff {

enum class AlgorithmName { sft, dpo, online_dpo, ppo, grpo, dapo, dr_grpo, rloo };
template <>
struct EnumWords<AlgorithmName> {
  static constexpr std::array words{std::pair{AlgorithmName::sft, "sft"},
                                    std::pair{AlgorithmName::dpo, "dpo"},
                                    std::pair{AlgorithmName::online_dpo, "online-dpo"},
                                    std::pair{AlgorithmName::ppo, "ppo"},
                                    std::pair{AlgorithmName::grpo, "grpo"},
                                    std::pair{AlgorithmName::dapo, "dapo"},
                                    std::pair{AlgorithmName::dr_grpo, "dr-grpo"},
                                    std::pair{AlgorithmName::rloo, "rloo"}};
};

struct AlgorithmOptions {
  std::optional<int64_t> group;  // G, answers a question: group_size()
  std::optional<double> beta;    // of dpo's logratio (0.1), grpo's KL (0.04), ppo's KL in the reward (0)
  std::optional<double> clip_low, clip_high;
  double gamma = 1, lambda = 0.95;
  bool whiten = true;
  bool redraw = true;
  int64_t minibatches = 1;
  int64_t epochs = 1;
  int64_t value_hidden = 64;
  double value_lr = 1e-3;
};
template <class V>
void visit(V& v, AlgorithmOptions& o) {
  v(o.group, "group", "answers to each question of a step, G (4; ppo 1)");
  v(o.beta, "beta",
    "dpo: of the log ratio (0.1); grpo: of the KL term (0.04); ppo: of the KL in the reward (0)");
  v(o.clip_low, "clip_low", "how far a ratio may fall below 1 (0.2)");
  v(o.clip_high, "clip_high", "how far a ratio may rise above 1 (0.2; dapo 0.28)");
  v(o.gamma, "gamma", "ppo: discount of later rewards");
  v(o.lambda, "lambda", "ppo: of generalised advantage estimation");
  v(o.whiten, "whiten", "ppo: advantages of a batch brought to mean 0 and variance 1");
  v(o.redraw, "redraw", "dapo: draw further questions in place of groups without variance");
  v(o.minibatches, "minibatches", "updates that a step's answers are divided into");
  v(o.epochs, "epochs", "times that a step's answers are gone through");
  v(o.value_hidden, "value_hidden", "ppo: width of the value head's hidden layer");
  v(o.value_lr, "value_lr", "ppo: learning rate of the value head");
}

// One answer and all that its coefficients may hang on. Per-token vectors have one entry an answer token.
struct TrainSample {
  std::string id;  // of the question
  int64_t sample = 0;
  std::vector<int64_t> tokens;  // prompt and answer
  int64_t prompt_len = 0;
  std::string text;  // of a generated answer
  bool finished = true;
  double reward = 0;
  std::vector<double> advantages;
  std::vector<double> old_logps;  // under the weights that drew the answer
  std::vector<double> ref_logps;  // under the reference
  std::vector<double> values, returns;
  int64_t answer() const { return static_cast<int64_t>(tokens.size()) - prompt_len; }
};

// What a weight may hang on beside the answer itself: of the samples of one update.
struct UpdateTotals {
  int64_t units = 0;   // answers; pairs for dpo
  int64_t tokens = 0;  // of all answers
  int64_t max_new_tokens = 0;
};

// GC of each token of each answer of a unit, and how many of them were clipped.
struct GradientCoefficients {
  std::vector<std::vector<double>> gc;
  int64_t clipped = 0;
  double objective = 0;  // of the unit, ahead of w: the textbook loss is minus the sum of w times this
};

class Algorithm {
 public:
  virtual ~Algorithm() = default;
  virtual bool on_policy() const { return true; }
  virtual int64_t unit() const { return 1; }  // answers whose coefficients hang on each other: 2 for pairs
  virtual bool needs_reference() const { return false; }
  virtual bool uses_ratio() const { return true; }    // reads old_logps
  virtual bool uses_values() const { return false; }  // reads values
  virtual bool redraws() const { return false; }      // prepare() drops groups that are to be replaced
  // From a step's answers, the G of a question beside each other with their rewards, to those that are
  // trained on, with advantages.
  virtual std::vector<TrainSample> prepare(std::vector<TrainSample> samples) const { return samples; }
  // w(o), the mean over D included: summed over an update's answers, w GC grad
  // log pi is the estimate of grad J.
  virtual double weight(const TrainSample& sample, const UpdateTotals& totals) const = 0;
  // logps: log pi(o_t) now, one vector an answer of the unit.
  virtual GradientCoefficients coefficients(std::span<const TrainSample> unit,
                                            std::span<const std::vector<double>> logps) const = 0;
};

// G where it is said, else the algorithm's own.
int64_t group_size(AlgorithmName name, const AlgorithmOptions& options);
// UsageError where options are out of range.
std::unique_ptr<Algorithm> make_algorithm(AlgorithmName name, const AlgorithmOptions& options);

std::unique_ptr<Algorithm> make_sft();
std::unique_ptr<Algorithm> make_dpo(double beta);
std::unique_ptr<Algorithm> make_online_dpo(double beta, int64_t group);
std::unique_ptr<Algorithm> make_ppo(const AlgorithmOptions& options, double clip_low, double clip_high,
                                    double beta);
std::unique_ptr<Algorithm> make_grpo(int64_t group, double clip_low, double clip_high, double beta);
std::unique_ptr<Algorithm> make_dapo(int64_t group, double clip_low, double clip_high, double beta,
                                     bool redraw);
std::unique_ptr<Algorithm> make_dr_grpo(int64_t group, double clip_low, double clip_high);
std::unique_ptr<Algorithm> make_rloo(int64_t group, double clip_low, double clip_high);

// Shared by the algorithms with a ratio.
// A_t rho_t, 0 where A > 0 and rho > 1 + high or A < 0 and rho < 1 - low, into `out`; counts the clipped
// tokens and adds min(rho A, clip(rho) A).
void add_clipped(const TrainSample& sample, const std::vector<double>& logps, double low, double high,
                 GradientCoefficients& out);
// + beta (pi_ref / pi - 1) to each of the last answer's: the gradient of minus beta times Schulman's k3.
void add_reference_pull(const TrainSample& sample, const std::vector<double>& logps, double beta,
                        GradientCoefficients& out);
// The same advantage at each token.
void spread_advantage(TrainSample& sample, double advantage);
// Rewards of one group, in order.
std::vector<double> rewards_of(std::span<const TrainSample> group);
// Groups of G samples; an Error where they do not come out even.
void for_each_group(std::span<TrainSample> samples, int64_t group,
                    const std::function<void(std::span<TrainSample>)>& each);

}  // namespace circuitdiff
