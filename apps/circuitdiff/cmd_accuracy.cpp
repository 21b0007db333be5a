#include "command.h"
#include "commands.h"
#include "io/files.h"
#include "run/accuracy_stage.h"

namespace circuitdiff {

void setup_accuracy(CLI::App& app, int& exit_code) {
  command<AccuracyOptions>(app, exit_code, "accuracy", "models x benchmarks, with intervals and paired tests",
                           {"dirs"}, [](const AccuracyOptions& options, const CommonFlags& common) {
                             TerminalProgress progress = make_progress(common);
                             const AccuracyTable table = read_accuracy(options, progress);
                             const std::string text = accuracy_table_text(
                                 table, common.json ? TableFormat::json_text : options.format);
                             if (options.out.empty())
                               fmt::print("{}", text);
                             else
                               write_file_atomically(options.out, text);
                             return 0;
                           });
}

}  // namespace circuitdiff
