#include "train/forecast.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/rand.h>

#include <algorithm>
#include <chrono>
#include <map>

namespace circuitdiff {
namespace {

using Clock = std::chrono::steady_clock;

// Multiply-adds a second, times two, of a product as an update has them.
double product_speed(const TrainInputs& in, int64_t rows) {
  const auto options = at::TensorOptions().dtype(in.compute).device(in.device);
  const ModelConfig& c = in.checkpoint->config();
  rows = std::min<int64_t>(rows, 2048);
  const Tensor x = at::rand({rows, c.d_model}, options), w = at::rand({c.d_model, 2 * c.d_mlp}, options);
  double best = 0;
  const auto begun = Clock::now();
  for (int i = 0; i < 50 && (i < 3 || std::chrono::duration<double>(Clock::now() - begun).count() < 0.3);
       ++i) {
    const auto start = Clock::now();
    x.mm(w).sum().item<double>();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::max(best, 2.0 * static_cast<double>(rows * c.d_model * 2 * c.d_mlp) / seconds);
  }
  return best;
}

struct Lengths {
  int64_t longest = 0;     // tokens of a sequence
  double mean_prompt = 0;  // tokens
  double mean = 0;         // tokens of a sequence, answers at their longest
  double mean_answer = 0;
};

Lengths lengths_of(const TrainInputs& in) {
  Lengths out;
  int64_t n = 0;
  const auto add = [&](int64_t prompt, int64_t answer) {
    out.longest = std::max(out.longest, prompt + answer);
    out.mean_prompt += static_cast<double>(prompt);
    out.mean_answer += static_cast<double>(answer);
    ++n;
  };
  for (const TrainPrompt& p : in.data.prompts)
    add(static_cast<int64_t>(p.tokens.size()), in.options.rollout.max_new_tokens);
  for (const auto& unit : in.data.units)
    for (const TrainSample& s : unit) add(s.prompt_len, s.answer());
  out.mean_prompt /= static_cast<double>(n);
  out.mean_answer /= static_cast<double>(n);
  out.mean = out.mean_prompt + out.mean_answer;
  return out;
}

}  // namespace

nlohmann::ordered_json forecast_training(const TrainInputs& in) {
  const TrainOptions& o = in.options;
  const ModelConfig& c = in.checkpoint->config();
  const auto algorithm = make_algorithm(in.algorithm, o.algorithm);
  const int64_t parameters = in.checkpoint->n_parameters();
  const int64_t compute = static_cast<int64_t>(c10::elementSize(in.compute));
  const int64_t master = in.compute == at::kDouble ? 8 : 4;
  int64_t trained = parameters;
  if (o.lora.rank > 0) {
    const int64_t q = c.n_heads * c.d_head, kv = c.n_kv_heads * c.d_head;
    const std::map<std::string, int64_t> ends{
        {"q_proj", c.d_model + q},          {"k_proj", c.d_model + kv},
        {"v_proj", c.d_model + kv},         {"o_proj", c.d_model + q},
        {"gate_proj", c.d_model + c.d_mlp}, {"up_proj", c.d_model + c.d_mlp},
        {"down_proj", c.d_model + c.d_mlp}};
    trained = 0;
    for (const std::string& target : o.lora.targets) trained += c.n_layers * o.lora.rank * ends.at(target);
  }
  const bool copies = o.lora.rank > 0 || compute != master;
  const int64_t weights =
      parameters * (master + (copies ? compute : 0)) + (o.lora.rank > 0 ? trained * master : 0);
  const int64_t reference = in.reference ? parameters * compute : 0;

  const Lengths lengths = lengths_of(in);
  const double answers_a_step =
      static_cast<double>(o.data.batch) * (algorithm->on_policy()
                                               ? (in.algorithm == AlgorithmName::ppo ? 1 : o.algorithm.group)
                                               : algorithm->unit());
  // Rows of one micro-batch, at least one sequence.
  const double rows =
      std::max(static_cast<double>(lengths.longest),
               std::min(static_cast<double>(o.optimizer.tokens_per_batch), answers_a_step * lengths.mean));
  const double width = static_cast<double>((c.n_heads + 2 * c.n_kv_heads) * c.d_head),
               heads = static_cast<double>(c.n_heads * c.d_head), d = static_cast<double>(c.d_model),
               mlp = static_cast<double>(c.d_mlp), vocab = static_cast<double>(c.d_vocab);
  const double wide = static_cast<double>(std::max<int64_t>(compute, 4)),
               narrow = static_cast<double>(compute);
  const double kept_input = 2 * d * wide;  // the stream ahead of both branches
  const double attention_row = static_cast<double>(c.n_heads) * lengths.mean;  // weights of a row
  const double kept_layer = (width + heads + attention_row + 2 * mlp) * narrow;
  // The MLP's backward holds the most at once: gate and up, their gradients, the product, and the activation.
  const double working = std::max((2 * mlp + 4 * mlp) * narrow + 3 * d * wide,
                                  (3 * attention_row + 4 * width) * narrow + 3 * d * wide);
  const double layers = static_cast<double>(c.n_layers);
  const double answer_rows = rows * lengths.mean_answer / lengths.mean;
  const double logit_bytes = std::min(answer_rows * vocab * wide, 256.0 * 1024 * 1024);
  const double activations =
      rows * (layers * kept_input + (o.recompute ? kept_layer : layers * kept_layer) + working) +
      3 * logit_bytes;
  const double cache = algorithm->on_policy() ? std::min(64.0, answers_a_step) * lengths.mean * 2 * layers *
                                                        static_cast<double>(c.n_kv_heads * c.d_head) * wide +
                                                    static_cast<double>(parameters * compute)
                                              : 0;

  const double passes = static_cast<double>(o.algorithm.epochs);
  const double n = static_cast<double>(parameters), tokens = answers_a_step * lengths.mean;
  double flops = (o.recompute ? 8.0 : 6.0) * n * tokens * passes;
  if (algorithm->on_policy())
    flops += 2 * n *
             (static_cast<double>(o.data.batch) * lengths.mean_prompt + answers_a_step * lengths.mean_answer);
  if (in.reference) flops += 2 * n * tokens;
  if (algorithm->uses_values() || (algorithm->uses_ratio() && o.algorithm.minibatches > 1))
    flops += 2 * n * tokens;
  const double speed = product_speed(in, static_cast<int64_t>(rows));

  const int64_t gradients = trained * master, moments = 2 * trained * master;
  const double peak =
      static_cast<double>(weights + gradients + moments + reference) + std::max(activations, cache);
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
  out["flops_per_step"] = flops;
  out["flops_per_second"] = speed;
  out["seconds_per_step"] = flops / speed;
  out["seconds"] = flops / speed * static_cast<double>(o.steps) * static_cast<double>(o.seeds.size());
  return out;
}

}  // namespace circuitdiff
