#include "command.h"
#include "commands.h"
#include "generate/generate_stage.h"
#include "io/json.h"

namespace circuitdiff {

void setup_generate(CLI::App& app, int& exit_code) {
  command<GenerateOptions>(app, exit_code, "generate", "a model's answers to questions", {"model"},
                           [](const GenerateOptions& options, const CommonFlags& common) {
                             TerminalProgress progress = make_progress(common);
                             const auto summary = generate(options, progress);
                             fmt::print("{}", common.json ? summary.dump() + "\n" : generation_text(summary));
                             return 0;
                           });
}

}  // namespace circuitdiff
