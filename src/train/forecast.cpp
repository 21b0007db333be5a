#include "train/forecast.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/rand.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "kernels/product.h"
#include "train/update_table.h"

namespace circuitdiff {
namespace {

using Clock = std::chrono::steady_clock;

// Of what products alone reach, the part that an update does (bench/train_bench.cpp).
constexpr double kUpdateEfficiency = 0.75;

// Multiply-adds a second, times two, of products with `rows` rows, each by other weights: many rows as an
// update has them, few as drawing answers does, when reading the weights is what takes the time.
double product_speed(const TrainInputs& in, int64_t rows) {
  const auto options = at::TensorOptions().dtype(in.compute).device(in.device);
  const ModelConfig& c = in.checkpoint->config();
  rows = std::clamp<int64_t>(rows, 1, 2048);
  const int64_t width = 2 * c.d_mlp,
                bytes = width * c.d_model * static_cast<int64_t>(c10::elementSize(in.compute));
  const Tensor x = at::rand({rows, c.d_model}, options);
  std::vector<Tensor> weights;
  for (int64_t held = 0; held < (int64_t{128} << 20) && weights.size() < 64; held += bytes)
    weights.push_back(at::rand({width, c.d_model}, options));
  double best = 0;
  const auto begun = Clock::now();
  for (size_t i = 0; i < 4096; ++i) {
    const auto start = Clock::now();
    linear_rows(x, weights[i % weights.size()]).select(0, 0).sum().item<double>();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::max(best, 2.0 * static_cast<double>(rows * c.d_model * width) / seconds);
    if (i >= weights.size() + 2 && std::chrono::duration<double>(Clock::now() - begun).count() > 0.3) break;
  }
  return best;
}

// Of the sequences trained on, answers at their longest. Tokens.
struct Lengths {
  int64_t longest = 0;
  double prompt = 0, answer = 0;  // means
  double attended = 0;            // of the sequence that a token is in, mean over tokens
  double mean() const { return prompt + answer; }
};

Lengths lengths_of(const TrainInputs& in) {
  Lengths out;
  double n = 0, squares = 0;
  const auto add = [&](int64_t prompt, int64_t answer) {
    out.longest = std::max(out.longest, prompt + answer);
    out.prompt += static_cast<double>(prompt);
    out.answer += static_cast<double>(answer);
    squares += static_cast<double>((prompt + answer) * (prompt + answer));
    ++n;
  };
  for (const TrainPrompt& p : in.data.prompts)
    add(static_cast<int64_t>(p.tokens.size()), in.options.rollout.max_new_tokens);
  for (const auto& unit : in.data.units)
    for (const TrainSample& s : unit) add(s.prompt_len, s.answer());
  out.attended = squares / (out.prompt + out.answer);
  out.prompt /= n;
  out.answer /= n;
  return out;
}

// What a step works on.
struct StepShape {
  double drawn = 0, trained = 0;  // answers
  double rows = 0, answers = 0;   // tokens computed together, and those of them that are answers'
};

StepShape shape_of(const TrainInputs& in, const Algorithm& algorithm, const Lengths& lengths) {
  const TrainOptions& o = in.options;
  const auto batch = static_cast<double>(o.data.batch), unit = static_cast<double>(algorithm.unit());
  StepShape s;
  if (algorithm.on_policy()) s.drawn = batch * static_cast<double>(group_size(in.algorithm, o.algorithm));
  s.trained = algorithm.on_policy() && algorithm.unit() == 1 ? s.drawn : batch * unit;
  // At least one unit.
  s.rows = std::max(static_cast<double>(lengths.longest) * unit,
                    std::min(static_cast<double>(o.optimizer.tokens_per_batch),
                             s.trained / static_cast<double>(o.algorithm.minibatches) * lengths.mean()));
  s.answers = s.rows * lengths.answer / lengths.mean();
  return s;
}

// The largest tensor on its way into a checkpoint of another type than it is kept in: bytes.
double saving_bytes(const TrainInputs& in, at::ScalarType master) {
  const at::ScalarType kept = in.options.lora.rank > 0 ? in.compute : master;
  const TensorType type = in.checkpoint->widest_type();
  const bool same = kept == at::kFloat    ? type == TensorType::f32
                    : kept == at::kDouble ? type == TensorType::f64
                                          : type == TensorType::bf16;
  const double entry = type == TensorType::f64 ? 8 : type == TensorType::f32 ? 4 : 2;
  const ModelConfig& c = in.checkpoint->config();
  return same ? 0 : entry * static_cast<double>(std::max(c.d_vocab, c.d_mlp) * c.d_model);
}

// What the optimiser works with beside its moments: bytes.
double optimizer_bytes(const TrainInputs& in, double trained, double master) {
  if (in.options.optimizer.name != OptimizerName::muon)
    return std::min(trained, 64.0 * 1024) * (master + 8);  // a part at a time
  const ModelConfig& c = in.checkpoint->config();
  const double layers = static_cast<double>(c.n_layers), d = static_cast<double>(c.d_model);
  const double gates = layers * 2 * d * static_cast<double>(c.d_mlp) * master;  // the most of one shape
  const double attention =
      layers * d * static_cast<double>((c.n_heads + c.n_kv_heads) * 2 * c.d_head) * master;
  return 1.5 * gates + attention + 4 * gates;
}

int64_t trained_numbers(const TrainInputs& in) {
  const LoraOptions& lora = in.options.lora;
  if (lora.rank == 0) return in.checkpoint->n_parameters();
  const ModelConfig& c = in.checkpoint->config();
  const int64_t q = c.n_heads * c.d_head, kv = c.n_kv_heads * c.d_head;
  const std::map<std::string, int64_t> ends{
      {"q_proj", c.d_model + q},         {"k_proj", c.d_model + kv},         {"v_proj", c.d_model + kv},
      {"o_proj", c.d_model + q},         {"gate_proj", c.d_model + c.d_mlp}, {"up_proj", c.d_model + c.d_mlp},
      {"down_proj", c.d_model + c.d_mlp}};
  int64_t trained = 0;
  for (const std::string& target : lora.targets) trained += c.n_layers * lora.rank * ends.at(target);
  return trained;
}

// Floating point operations of a step: of passes over whole sequences, and of drawing answers.
struct StepWork {
  double passes = 0, drawing = 0;
};

StepWork work_of(const TrainInputs& in, const Algorithm& algorithm, const Lengths& lengths,
                 const StepShape& s) {
  const TrainOptions& o = in.options;
  const ModelConfig& c = in.checkpoint->config();
  const auto head = static_cast<double>(c.d_vocab * c.d_model);
  const double matrices = static_cast<double>(in.checkpoint->n_parameters()) - head * (c.tied_head ? 1 : 2);
  const auto forward = [&](double answers) {
    const double attention = 2 * static_cast<double>(c.n_layers * c.n_heads * c.d_head) * lengths.attended;
    return 2 * answers * ((matrices + attention) * lengths.mean() + head * lengths.answer);
  };
  const double backward = o.lora.rank > 0 ? 1 : 2;  // frozen weights have no gradient
  StepWork w;
  w.passes =
      (1 + backward + (o.recompute ? 1 : 0)) * forward(s.trained) * static_cast<double>(o.algorithm.epochs);
  if (in.reference) w.passes += forward(algorithm.uses_values() ? s.drawn : s.trained);
  if (algorithm.uses_values() || (algorithm.uses_ratio() && o.algorithm.minibatches > 1))
    w.passes += forward(s.trained);
  w.drawing = 2 * (matrices * (static_cast<double>(s.drawn > 0 ? o.data.batch : 0) * lengths.prompt +
                               s.drawn * lengths.answer) +
                   head * s.drawn * lengths.answer);
  return w;
}

}  // namespace

nlohmann::ordered_json forecast_training(const TrainInputs& in) {
  const TrainOptions& o = in.options;
  const ModelConfig& c = in.checkpoint->config();
  const auto algorithm = make_algorithm(in.algorithm, o.algorithm);
  const int64_t parameters = in.checkpoint->n_parameters(), trained = trained_numbers(in);
  const auto compute = static_cast<int64_t>(c10::elementSize(in.compute));
  const int64_t master = in.compute == at::kDouble ? 8 : 4;
  const bool lora = o.lora.rank > 0;
  const int64_t weights =
      parameters * (master + (lora || compute != master ? compute : 0)) + (lora ? trained * master : 0);
  const int64_t gradients = trained * master, moments = 2 * trained * master;
  const int64_t reference = in.reference ? parameters * compute : 0;
  const Lengths lengths = lengths_of(in);
  const StepShape shape = shape_of(in, *algorithm, lengths);
  const auto activations =
      static_cast<double>(update_table(in, {static_cast<int64_t>(shape.rows),
                                            static_cast<int64_t>(shape.answers), lengths.longest})
                              .counted_bytes());
  // Keys and values of the answers that are drawn together, and the weights as the generator packs them.
  const double together = std::min(64.0, shape.drawn);
  const double cache = together * lengths.mean() *
                           static_cast<double>(2 * c.n_layers * c.n_kv_heads * c.d_head) *
                           std::max<double>(4, static_cast<double>(compute)) +
                       static_cast<double>(shape.drawn > 0 ? parameters * compute : 0);
  const double peak =
      static_cast<double>(weights + gradients + moments + reference) +
      std::max({activations, cache,
                optimizer_bytes(in, static_cast<double>(trained), static_cast<double>(master)),
                saving_bytes(in, in.compute == at::kDouble ? at::kDouble : at::kFloat)});

  const StepWork work = work_of(in, *algorithm, lengths, shape);
  const double speed = product_speed(in, static_cast<int64_t>(shape.rows)) * kUpdateEfficiency;
  double seconds = work.passes / speed;
  if (shape.drawn > 0) seconds += work.drawing / product_speed(in, static_cast<int64_t>(together));
  nlohmann::ordered_json out;
  out["parameters"] = parameters;
  out["trained"] = trained;
  out["weight_bytes"] = weights;
  out["gradient_bytes"] = gradients;
  out["moment_bytes"] = moments;
  out["reference_bytes"] = reference;
  out["activation_bytes"] = static_cast<int64_t>(activations);
  out["cache_bytes"] = static_cast<int64_t>(cache);
  out["peak_bytes"] = static_cast<int64_t>(peak);
  out["flops_per_step"] = work.passes + work.drawing;
  out["flops_per_second"] = speed;
  out["seconds_per_step"] = seconds;
  out["seconds"] = seconds * static_cast<double>(o.steps) * static_cast<double>(o.seeds.size());
  return out;
}

}  // namespace circuitdiff
