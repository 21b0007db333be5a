#include "report/report_stage.h"

#include "base/error.h"
#include "io/files.h"
#include "report/charts.h"
#include "report/dynamics.h"
#include "report/figures.h"
#include "report/page.h"
#include "report/report_input.h"
#include "report/tables.h"
#include "report/words.h"

namespace circuitdiff {
namespace {

namespace fs = std::filesystem;

// Each figure as SVG and PDF, and as a Vega-Lite file in the light theme's colours with its data; figures.tex
// includes them all.
class FigureFolder {
 public:
  FigureFolder(const fs::path& folder, std::vector<fs::path>& written) : folder_(folder), written_(written) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) fail("{}: cannot make the folder: {}", folder.string(), error.message());
  }
  void drawing(const std::string& name, const std::string& caption, const Canvas& canvas) {
    write(name + ".svg", canvas.svg());
    write(name + ".pdf", canvas.pdf());
    captions_.emplace_back(name, caption);
  }
  void specification(const std::string& name, const ordered& spec) {
    if (spec.is_null()) return;
    write(name + ".vl.json",
          with_colours(spec).dump(1, ' ', false, ordered::error_handler_t::replace) + "\n");
  }
  void finish() { write("figures.tex", figures_latex(captions_)); }

 private:
  void write(const std::string& name, const std::string& content) {
    check_interrupt();
    write_file_atomically(folder_ / name, content);
    written_.push_back(folder_ / name);
  }
  fs::path folder_;
  std::vector<fs::path>& written_;
  std::vector<std::pair<std::string, std::string>> captions_;
};

void write_figures(const fs::path& folder, const ReportInput& input, std::vector<fs::path>& written) {
  FigureFolder figures(folder, written);
  for (const MetricWords& words : metric_words()) {
    const std::string title = *words.unit ? fmt::format("{} ({})", words.title, words.unit) : words.title;
    if (const auto canvas = draw_metric(input, words.name, title))
      figures.drawing(words.name, title + " before and after. " + words.definition, *canvas);
    figures.specification(words.name, metric_chart(input, words.name, words.subject));
  }
  figures.specification("decomposition", decomposition_chart(input));
  for (const PairOnData& r : input.results)
    for (const auto& [cut, comparison] : r.cuts) {
      if (comparison.edges.empty()) continue;
      const std::string pair = input.pairs[r.pair].name, data = input.data[r.data].name;
      const std::string name = pair + "." + data + "." + cut;
      const std::string where = fmt::format("{} on {}, {}, n = {}", pair, data, cut, comparison.n);
      for (const bool by_layer : {false, true}) {
        const HeatMap map = by_layer ? layer_map(comparison.edges) : edge_map(comparison.edges);
        const char* kind = by_layer ? "layers." : "edges.";
        figures.drawing(kind + name,
                        fmt::format("Change of every {}, {}.", by_layer ? "pair of layers" : "edge", where),
                        draw_map(map, where));
        figures.specification(kind + name, heat_map_chart(map, by_layer));
      }
    }
  figures.finish();
}

ReportResult report_dynamics(const fs::path& dir, const ReportOptions& options) {
  const Dynamics input = read_dynamics(dir / "dynamics.json");
  ReportResult result;
  result.page = dir / "report.html";
  if (!options.figures.empty()) {
    FigureFolder figures(options.figures, result.written);
    figures.specification("rewards", rewards_chart(input));
    figures.specification("circuits", circuits_chart(input));
    figures.specification("beside", beside_chart(input));
  }
  for (const auto& [file, content] : {std::pair{dir / "dynamics.csv", dynamics_csv(input)},
                                      std::pair{result.page, build_dynamics_page(input)}}) {
    write_file_atomically(file, content);
    result.written.push_back(file);
  }
  result.sentences = dynamics_sentences(input);
  return result;
}

}  // namespace

ReportResult report_directory(const fs::path& dir, const ReportOptions& options, Progress& progress,
                              const DecodeTokens& decode) {
  if (fs::exists(dir / "dynamics.json")) return report_dynamics(dir, options);
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
  write(dir / "outcomes.csv", outcomes_csv(input));
  if (!options.figures.empty()) write_figures(options.figures, input, result.written);
  write(result.page, build_page(input));
  const page::Choice first = page::first_choice(input);
  if (!input.cuts.empty())
    for (size_t p = 0; p < input.pairs.size(); ++p) {
      // On the data set that the page opens with; a pair that was not compared there, on the first it was.
      size_t d = first.data;
      for (size_t other = 0; !input.find(p, d, first.cut) && other < input.data.size(); ++other) d = other;
      result.sentences.push_back(plain_text(pair_sentence(input, p, d, first.cut)));
    }
  return result;
}

}  // namespace circuitdiff
