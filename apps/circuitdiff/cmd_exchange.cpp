#include "command.h"
#include "commands.h"
#include "exchange/exchange_stage.h"

namespace circuitdiff {

void setup_exchange(CLI::App& app, int& exit_code) {
  command<ExportOptions>(app, exit_code, "export",
                         "scores for other tools: npz, MIB circuits, attribution graphs", {"scores"},
                         [](const ExportOptions& options, const CommonFlags&) {
                           export_scores(options);
                           return 0;
                         });
  command<ImportOptions>(app, exit_code, "import", "scores of other tools into scores.safetensors", {"in"},
                         [](const ImportOptions& options, const CommonFlags& common) {
                           TerminalProgress progress = make_progress(common);
                           import_scores(options, progress);
                           return 0;
                         });
}

}  // namespace circuitdiff
