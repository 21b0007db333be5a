#include "command.h"
#include "commands.h"
#include "select/select_stage.h"

namespace circuitdiff {

void setup_select(CLI::App& app, int& exit_code) {
  command<SelectOptions>(
      app, exit_code, "select", "choose the questions whose answers are compared", {},
      [](const SelectOptions& options, const CommonFlags& common) {
        TerminalProgress progress = make_progress(common);
        const json header = select_file(options, progress);
        fmt::print("{}", common.json ? header.dump() + "\n" : funnel_text(header));
        return 0;
      },
      [](SelectOptions& options, const std::string& name) { apply_preset(options, name); });
}

}  // namespace circuitdiff
