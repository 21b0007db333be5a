#include "report/report_stage.h"

#include "base/error.h"
#include "io/files.h"
#include "report/charts.h"
#include "report/page.h"
#include "report/report_input.h"
#include "report/tables.h"
#include "report/words.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;

// One Vega-Lite file a figure, in the light theme's colours, with its data.
void write_figures(const fs::path& folder, const ReportInput& input, std::vector<fs::path>& written) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) fail("{}: cannot make the folder: {}", folder.string(), error.message());
  const auto write = [&](const std::string& name, const ordered& spec) {
    if (spec.is_null()) return;
    const fs::path file = folder / (name + ".vl.json");
    write_file_atomically(file,
                          with_colours(spec).dump(1, ' ', false, ordered::error_handler_t::replace) + "\n");
    written.push_back(file);
  };
  for (const MetricWords& words : metric_words())
    write(words.name, metric_chart(input, words.name, words.subject));
  write("decomposition", decomposition_chart(input));
  for (const PairOnData& r : input.results)
    for (const auto& [cut, comparison] : r.cuts) {
      if (comparison.edges.empty()) continue;
      const std::string name = input.pairs[r.pair].name + "." + input.data[r.data].name + "." + cut;
      write("edges." + name, heat_map_chart(edge_map(comparison.edges), false));
      write("layers." + name, heat_map_chart(layer_map(comparison.edges), true));
    }
}

}  // namespace

ReportResult report_directory(const fs::path& dir, const ReportOptions& options, Progress& progress,
                              const DecodeTokens& decode) {
  const ReportInput input = read_report_input(dir, progress, decode);
  ReportResult result;
  result.page = dir / "report.html";
  const auto write = [&](const fs::path& file, const std::string& content) {
    check_interrupt();
    write_file_atomically(file, content);
    result.written.push_back(file);
  };
  write(dir / "table.md", table_markdown(input));
  write(dir / "table.csv", table_csv(input));
  write(dir / "table.tex", table_latex(input));
  if (!options.figures.empty()) write_figures(options.figures, input, result.written);
  write(result.page, build_page(input));
  const page::Choice first = page::first_choice(input);
  if (!input.cuts.empty())
    for (size_t p = 0; p < input.pairs.size(); ++p)
      result.sentences.push_back(pair_sentence(input, p, first.data, first.cut));
  return result;
}

}  // namespace circuitdiff
