// data arithmetic, data sorting: the question generators behind the shipped data.
#include "command.h"
#include "commands.h"
#include "data/question_stage.h"
#include "io/json.h"

namespace circuitdiff {
namespace {

int run_data(const QuestionKind& kind, const QuestionOptions& options, const CommonFlags& common) {
  TerminalProgress progress = make_progress(common);
  if (!options.out.empty()) {
    const json summary = write_questions(kind, options, progress);
    if (common.json) fmt::print("{}\n", summary.dump());
    return 0;
  }
  int64_t number = 0;
  for (const auto& question : make_questions(kind, options, progress))
    fmt::print("{}\n", question_line(kind, question, options, number++));
  return 0;
}

}  // namespace

void setup_data(CLI::App& app, int& exit_code) {
  CLI::App* data = app.add_subcommand("data", "question generators");
  data->require_subcommand(1);
  command<QuestionOptions>(*data, exit_code, "arithmetic",
                           "arithmetic word problems of three levels, by seed", {},
                           [](const QuestionOptions& options, const CommonFlags& common) {
                             return run_data(arithmetic_questions(), options, common);
                           });
  command<QuestionOptions>(*data, exit_code, "sorting", "digits to put in order, of three levels, by seed",
                           {}, [](const QuestionOptions& options, const CommonFlags& common) {
                             return run_data(sorting_questions(), options, common);
                           });
}

}  // namespace circuitdiff
