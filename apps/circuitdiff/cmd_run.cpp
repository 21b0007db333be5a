#include "command.h"
#include "commands.h"
#include "run/dynamics_stage.h"
#include "run/run_stage.h"

namespace circuitdiff {
namespace {

int run_run(const RunOptions& options, const CommonFlags& common) {
  TerminalProgress progress = make_progress(common);
  if (options.experiment.empty()) usage_error("run: EXPERIMENT.toml is missing");
  const RunResult result = is_dynamics_file(options.experiment) ? run_dynamics(options, progress)
                                                                : run_experiment(options, progress);
  for (const std::string& problem : result.problems) progress.warn(problem);
  if (common.json) {
    fmt::print("{}\n", result.summary.dump());
  } else {
    for (const std::string& sentence : result.sentences) fmt::print("{}\n", sentence);
    fmt::print("tables   {}\nreport   {}\n", result.table.string(), result.report.string());
  }
  return result.problems.empty() ? 0 : 3;
}

}  // namespace

void setup_run(CLI::App& app, int& exit_code) {
  command<RunOptions>(
      app, exit_code, "run",
      "a whole experiment: from checkpoints to a report, or training watched at several temperatures",
      {"experiment"}, run_run, [](RunOptions& options, const std::string& name) { options.preset = name; });
}

}  // namespace circuitdiff
