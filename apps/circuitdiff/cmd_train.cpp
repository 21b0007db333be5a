// train: one rule, eight algorithms. The training file says what; the flags
// here what changes from run to run.
#include "command.h"
#include "commands.h"
#include "run/circuit_probe.h"
#include "run/train_file.h"
#include "train/forecast.h"
#include "train/train_stage.h"

namespace circuitdiff {
namespace {

struct TrainCommand {
  AlgorithmName algorithm = AlgorithmName::sft;
  std::filesystem::path recipe;
  std::filesystem::path model, out;
  std::vector<uint64_t> seed;
  std::optional<int64_t> steps;
  std::optional<double> temperature;
  std::optional<std::string> device;
  std::optional<int64_t> threads;
  bool resume = false, overwrite = false, dry_run = false;
};
template <class V>
void visit(V& v, TrainCommand& o) {
  v(o.algorithm, "algorithm", "sft, dpo, online-dpo, ppo, grpo, dapo, dr-grpo or rloo");
  v(o.recipe, "recipe", "training file (TOML)");
  v(o.model, "model", "folder to begin from, instead of the file's");
  v(o.out, "out", "folder for the result, instead of the file's");
  v(o.seed, "seed", "one run a seed, instead of the file's seeds");
  v(o.steps, "steps", "updates, instead of the file's");
  v(o.temperature, "temperature", "of the answers drawn, instead of the file's");
  v(o.device, "device", "auto, cpu, cuda or cuda:INDEX, instead of the file's");
  v(o.threads, "threads", "CPU threads, instead of the file's");
  v(o.resume, "resume", "go on with a run that was begun, from its last checkpoint; an error where none was");
  v(o.overwrite, "overwrite", "begin anew where earlier work with other options or inputs lies");
  v(o.dry_run, "dry_run", "read and check everything, forecast memory and time, and stop");
}

int print_forecast(const TrainRequest& request, const CommonFlags& common) {
  const auto f = forecast_training(read_train_inputs(request));
  if (common.json) {
    fmt::print("{}\n", f.dump());
    return 0;
  }
  const auto mib = [&](const char* key) { return f[key].get<double>() / (1 << 20); };
  fmt::print(
      "memory   {:.0f} MiB: weights {:.0f}, gradients {:.0f}, moments {:.0f}, reference {:.0f}, activations "
      "{:.0f}; "
      "the answers' cache {:.0f}\n",
      mib("peak_bytes"), mib("weight_bytes"), mib("gradient_bytes"), mib("moment_bytes"),
      mib("reference_bytes"), mib("activation_bytes"), mib("cache_bytes"));
  fmt::print(
      "time     about {:.3g} s a step, {:.3g} s in all, at the {:.3g} GFLOP/s that a product reaches here\n",
      f["seconds_per_step"].get<double>(), f["seconds"].get<double>(),
      f["flops_per_second"].get<double>() / 1e9);
  return 0;
}

int run_train(const TrainCommand& o, const CommonFlags& common) {
  if (o.recipe.empty()) usage_error("train: ALGORITHM and a training file are needed: train sft recipe.toml");
  if (o.resume && o.overwrite) usage_error("train: --resume and --overwrite contradict each other");
  TrainRequest request;
  request.algorithm = o.algorithm;
  request.options = read_train_file(o.recipe);
  if (!o.model.empty()) request.options.model = o.model;
  if (!o.out.empty()) request.options.out = o.out;
  if (!o.seed.empty()) request.options.seeds = o.seed;
  if (o.steps) request.options.steps = *o.steps;
  if (o.temperature) request.options.rollout.temperature = *o.temperature;
  if (o.device) request.options.device = *o.device;
  if (o.threads) request.options.threads = *o.threads;
  request.resume = o.resume;
  request.overwrite = o.overwrite;
  const ProbeOptions& probe = request.options.probe;
  if (probe.every > 0 && !probe.sequences.empty())
    request.probe = make_circuit_probe(probe, request.options.model);
  if (o.dry_run) return print_forecast(request, common);
  TerminalProgress progress = make_progress(common);
  const auto summary = train(request, progress);
  if (common.json) {
    fmt::print("{}\n", summary.dump());
    return 0;
  }
  for (const auto& run : summary["runs"]) {
    const auto& m = run["metrics"];
    std::string line = run["folder"].get<std::string>();
    for (const char* name : {"loss", "reward", "eval/accuracy"})
      if (m.contains(name)) line += fmt::format("  {} {:.4f}", name, m[name].get<double>());
    fmt::print("{}\n", line);
  }
  return 0;
}

}  // namespace

void setup_train(CLI::App& app, int& exit_code) {
  command<TrainCommand>(app, exit_code, "train", "fine-tune a model: sft, dpo, ppo, grpo and their kin",
                        {"algorithm", "recipe"}, run_train);
}

}  // namespace circuitdiff
