// The one loop (docs/training.md#the-rule): answers from a file or drawn now, what they are worth,
// coefficients, gradient, update; a line of metrics a step, a checkpoint each so many. What an algorithm is
// lies in its own file.
#pragma once

#include <functional>
#include <memory>

#include "base/progress.h"
#include "train/metrics_log.h"
#include "train/packed_model.h"
#include "train/rollout.h"
#include "train/step_figures.h"
#include "train/train_state.h"

namespace circuitdiff {

// Metrics of the weights as they are, by name ("circuit/act_intensity"); called every [probe] every steps.
using CircuitProbe = std::function<nlohmann::ordered_json(const Weights&)>;

// What all seeds of a run share.
struct TrainInputs {
  TrainOptions options;
  AlgorithmName algorithm = AlgorithmName::sft;
  std::shared_ptr<const Checkpoint> checkpoint, reference;  // reference: null where the algorithm needs none
  std::shared_ptr<const Tokenizer> tokenizer;
  TrainData data;
  std::vector<TrainPrompt> eval;
  StopRules rules;
  at::Device device = at::kCPU;
  at::ScalarType compute = at::kFloat;
  CircuitProbe probe;
};

class Trainer {
 public:
  Trainer(const TrainInputs& inputs, uint64_t seed, const std::filesystem::path& out, Progress& progress);
  // From the last checkpoint in `out`, or the start, to the end.
  void run();

 private:
  using Samples = std::vector<TrainSample>;
  Samples collect(StepFigures& figures);
  Samples draw_answers(int64_t questions, int64_t round, StepFigures& figures);
  void fill_logps(const Parameters& of, std::span<TrainSample> samples,
                  std::vector<double> TrainSample::*into, bool with_values);
  void update(std::span<TrainSample> samples, StepFigures& figures, bool is_first);
  void train_on(Samples& samples, StepFigures& figures);
  void observe(nlohmann::ordered_json& line);
  double evaluate() const;
  std::vector<std::span<TrainSample>> micro_batches(std::span<TrainSample> samples) const;
  PackedBatch pack_samples(std::span<const TrainSample> samples) const;
  void save();
  // Whether a failure may come of the numbers that the latest checkpoint holds.
  enum class Suspect { none, latest };
  // What fails in there is told with the step and with what there is to go on from.
  void in_step(int64_t step, Suspect suspect, const std::function<void()>& work) const;
  [[noreturn]] void stop(const std::string& what, std::span<const TrainSample> samples) const;
  std::string last_good(Suspect suspect) const;

  const TrainInputs& in_;
  const TrainOptions& o_;
  uint64_t seed_;
  std::filesystem::path out_;
  Progress& progress_;
  std::unique_ptr<Algorithm> algorithm_;
  int64_t group_;
  double temperature_;
  std::unique_ptr<Parameters> parameters_, reference_;
  std::unique_ptr<PackedModel> model_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<ValueHead> value_head_;
  ShuffledOrder order_;
  TrainPosition position_;
};

}  // namespace circuitdiff
