#include "command.h"
#include "commands.h"
#include "io/json.h"
#include "records/manifest.h"
#include "run/run_report.h"

namespace circuitdiff {
namespace {

struct ReportCommand {
  std::filesystem::path dir;
  ReportOptions report;
};
template <class V>
void visit(V& v, ReportCommand& o) {
  v(o.dir, "dir", "folder of a run");
  visit(v, o.report);
}

int run_report(const ReportCommand& options, const CommonFlags& common) {
  if (options.dir.empty()) usage_error("report: DIR is missing");
  TerminalProgress progress = make_progress(common);
  const ReportResult result = report_run(options.dir, options.report, progress);
  refresh_outputs(options.dir / "manifest.json", result.written);
  if (common.json) {
    json files = json::array();
    for (const auto& file : result.written) files.push_back(file.string());
    fmt::print(
        "{}\n",
        json({{"page", result.page.string()}, {"written", files}, {"sentences", result.sentences}}).dump());
    return 0;
  }
  for (const std::string& sentence : result.sentences) fmt::print("{}\n", sentence);
  fmt::print("report   {}\n", result.page.string());
  return 0;
}

}  // namespace

void setup_report(CLI::App& app, int& exit_code) {
  command<ReportCommand>(app, exit_code, "report", "build report.html and the tables of a run again", {"dir"},
                         run_report);
}

}  // namespace circuitdiff
