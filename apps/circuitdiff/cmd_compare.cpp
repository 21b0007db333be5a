#include "command.h"
#include "commands.h"
#include "io/json.h"
#include "metrics/compare_stage.h"

namespace circuitdiff {

void setup_compare(CLI::App& app, int& exit_code) {
  command<CompareOptions>(
      app, exit_code, "compare", "metrics before and after, with intervals and p values", {},
      [](const CompareOptions& options, const CommonFlags& common) {
        TerminalProgress progress = make_progress(common);
        const auto result = compare_files(options, progress);
        fmt::print("{}", common.json ? result.dump() + "\n" : comparison_text(result));
        return 0;
      },
      [](CompareOptions& options, const std::string& name) {
        if (name != "paper" && name != "code")
          usage_error("--preset: paper or code expected, \"{}\" found", name);
        options.cells = Cells::matrix;  // both take every cell, as eqs. 13-15 are written
      });
}

}  // namespace circuitdiff
