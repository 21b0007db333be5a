#include "attribute/score_stage.h"
#include "command.h"
#include "commands.h"
#include "io/json.h"

namespace circuitdiff {

void setup_score(CLI::App& app, int& exit_code) {
  command<ScoreOptions>(app, exit_code, "score", "teacher-forced NLL (and logits) of token sequences",
                        {"model"}, [](const ScoreOptions& options, const CommonFlags& common) {
                          TerminalProgress progress = make_progress(common);
                          const auto result = score(options, progress);
                          if (common.json)
                            fmt::print("{}\n", result.dump());
                          else
                            fmt::print("{} sequences, {} predicted tokens, mean NLL {:.6g} nats\n",
                                       result["sequences"].get<int64_t>(), result["tokens"].get<int64_t>(),
                                       result["mean_nll"].get<double>());
                          return 0;
                        });
}

}  // namespace circuitdiff
