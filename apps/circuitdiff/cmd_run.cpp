#include "command.h"
#include "commands.h"
#include "run/run_stage.h"

namespace circuitdiff {
namespace {

int run_run(const RunOptions& options, const CommonFlags& common) {
  TerminalProgress progress = make_progress(common);
  const RunResult result = run_experiment(options, progress);
  for (const std::string& problem : result.problems) progress.warn(problem);
  if (common.json) {
    fmt::print("{}\n", result.summary.dump());
  } else {
    for (const std::string& sentence : result.sentences) fmt::print("{}\n", sentence);
    fmt::print("tables   {}\nreport   {}\n", (result.folder / "table.md").string(), result.report.string());
  }
  return result.problems.empty() ? 0 : 3;
}

}  // namespace

void setup_run(CLI::App& app, int& exit_code) {
  command<RunOptions>(app, exit_code, "run", "a whole experiment, from checkpoints to a report",
                      {"experiment"}, run_run,
                      [](RunOptions& options, const std::string& name) { options.preset = name; });
}

}  // namespace circuitdiff
