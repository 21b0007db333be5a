// data arithmetic: the question generator behind the shipped data.
#include "command.h"
#include "commands.h"
#include "data/arithmetic_stage.h"

namespace circuitdiff {

void setup_data(CLI::App& app, int& exit_code) {
  CLI::App* data = app.add_subcommand("data", "question generators");
  data->require_subcommand(1);
  command<ArithmeticOptions>(*data, exit_code, "arithmetic",
                             "arithmetic word problems of three levels, by seed", {},
                             [](const ArithmeticOptions& options, const CommonFlags& common) {
                               TerminalProgress progress = make_progress(common);
                               if (!options.out.empty()) {
                                 const json summary = write_arithmetic(options, progress);
                                 if (common.json) fmt::print("{}\n", summary.dump());
                                 return 0;
                               }
                               int64_t number = 0;
                               for (const auto& question : arithmetic_questions(options, progress))
                                 fmt::print("{}\n", arithmetic_line(question, options, number++));
                               return 0;
                             });
}

}  // namespace circuitdiff
