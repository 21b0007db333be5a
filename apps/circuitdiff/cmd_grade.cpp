#include "command.h"
#include "commands.h"
#include "grade/grade_stage.h"

namespace circuitdiff {

void setup_grade(CLI::App& app, int& exit_code) {
  command<GradeOptions>(app, exit_code, "grade", "extract and judge answers; print the accuracy", {"in"},
                        [](const GradeOptions& options, const CommonFlags& common) {
                          TerminalProgress progress = make_progress(common);
                          const json summary = grade_file(options, progress);
                          fmt::print("{}", common.json ? summary.dump() + "\n" : accuracy_text(summary));
                          return 0;
                        });
}

}  // namespace circuitdiff
