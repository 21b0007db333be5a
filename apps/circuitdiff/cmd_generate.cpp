#include "command.h"
#include "commands.h"
#include "generate/generate_stage.h"

namespace circuitdiff {

void setup_generate(CLI::App& app, int& exit_code) {
  command<GenerateOptions>(app, exit_code, "generate", "a model's answers to questions", {"model"},
                           [](const GenerateOptions& options, const CommonFlags& common) {
                             TerminalProgress progress = make_progress(common);
                             const GenerateResult result = generate(options, progress);
                             if (common.json)
                               fmt::print("{}\n", result.summary.dump());
                             else
                               fmt::print("{}: {} answers{}\n", options.out.string(), result.n,
                                          result.was_done ? ", all there already" : "");
                             return 0;
                           });
}

}  // namespace circuitdiff
