#include "report/page.h"

#include <gmock/gmock.h>

#include <regex>
#include <set>

#include "base/error.h"
#include "report/charts.h"
#include "report/report_stage.h"
#include "report/run_folder.h"
#include "report/tables.h"
#include "report/without_sources.h"

namespace circuitdiff {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string page_of(const RunFolder& run) {
  return without_sources(build_page(read_report_input(run.path, silent)));
}

// The page without what stands inside <script> and <style>.
std::string markup(const std::string& page) {
  std::string out;
  for (size_t at = 0; at < page.size();) {
    size_t open = std::min(page.find("<script", at), page.find("<style", at));
    if (open == std::string::npos) return out + page.substr(at);
    const size_t inside = page.find('>', open) + 1;
    const size_t close = page.find(page.compare(open, 7, "<script") == 0 ? "</script>" : "</style>", inside);
    out += page.substr(at, inside - at);
    at = close;
  }
  return out;
}

// The first tag that closes nothing or is never closed; empty if all is well.
std::string first_unbalanced(const std::string& html) {
  static const std::set<std::string> empty{"meta", "link", "input", "br", "hr", "img", "line", "circle"};
  std::vector<std::string> open;
  static const std::regex tag("<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:\"[^\"]*\"|[^\"<>])*)>");
  for (std::sregex_iterator it(html.begin(), html.end(), tag), end; it != end; ++it) {
    const std::string name = (*it)[2];
    if ((*it)[1].length() == 0) {
      if (!empty.contains(name)) open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return "</" + name + "> in " + (open.empty() ? "nothing" : open.back());
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : "<" + open.back() + ">";
}

json data_of(const std::string& page) {
  const std::string begin = "<script type=\"application/json\" id=\"data\">";
  const size_t at = page.find(begin) + begin.size();
  return json::parse(page.substr(at, page.find("</script>", at) - at));
}

TEST(Page, EveryTagIsClosedAndNoStrayAngleStands) {
  const RunFolder run;
  const std::string html = markup(page_of(run));
  EXPECT_EQ(first_unbalanced(html), "");
  static const std::regex tags("<(!DOCTYPE html|/?[a-zA-Z][a-zA-Z0-9]*((?:\"[^\"]*\"|[^\"<>])*))>");
  const std::string text = std::regex_replace(html, tags, "");
  EXPECT_EQ(text.find_first_of("<>"), std::string::npos) << text.substr(text.find_first_of("<>"), 80);
}

TEST(Page, LoadsNothing) {
  const RunFolder run;
  const std::string page = page_of(run), html = markup(page);
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
  EXPECT_FALSE(std::regex_search(html, std::regex("(src|action)=")));
  EXPECT_FALSE(std::regex_search(html, std::regex("href=\"(?!#|data:,)")));
  EXPECT_THAT(page, Not(HasSubstr("@import")));
  for (const char* url : {"url(http", "url('http", "url(\"http"}) EXPECT_THAT(page, Not(HasSubstr(url)));
}

TEST(Page, TextFromFilesIsNeverMarkup) {
  const std::string evil = "<script>alert('\"&')</script>";
  RunFolder run(json::array({{{"name", "grpo"}, {"before", "m/sft"}, {"after", "m/grpo"}}}));
  run.experiment["name"] = evil;
  run.experiment["settings"]["attribute"]["graph"] = evil;
  run.write_experiment();
  run.write_answers("sft", evil + "\u2028 α", "<b>" + evil);
  json metrics = run.read_metrics();
  metrics["metrics"]["diversity"]["reason"] = evil;
  metrics["sources"] = {"input", "</script>", "m0"};
  run.write_metrics(metrics);
  run.write("manifest.json", {{"command", evil}, {"path", "a\nb"}});
  const std::string page = page_of(run);
  EXPECT_THAT(page, Not(HasSubstr(evil)));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(&#39;&quot;&amp;&#39;)&lt;/script&gt;"));
  EXPECT_EQ(first_unbalanced(markup(page)), "");
  EXPECT_EQ(data_of(page)["name"], evil);
  EXPECT_EQ(data_of(page)["graphs"].size(), 2u);
  // data, charting library, script of the page
  size_t scripts = 0;
  for (size_t at = page.find("</script>"); at != std::string::npos; at = page.find("</script>", at + 1))
    ++scripts;
  EXPECT_EQ(scripts, 3u);
}

TEST(Page, SaysWhyANumberIsMissing) {
  const RunFolder run;
  EXPECT_THAT(page_of(run),
              HasSubstr("title=\"n = 1 &lt;question&gt;\">–<span class=\"said\"> n = 1 &lt;question&gt;"));
}

TEST(Page, FunnelHasItsCountsAndReasons) {
  const RunFolder run;
  const std::string page = page_of(run);
  for (const char* text :
       {"<b>40</b> asked", "<b>20</b> both right", "12 both wrong, 5 right only after, 3 right only before",
        "<b>16</b> kept", "less 4 too long", "<b>2</b> drawn", "less 14 not drawn"})
    EXPECT_THAT(page, HasSubstr(text));
}

TEST(Page, OutcomesStandInATableWithTheirMeans) {
  const RunFolder run;
  const std::string page = page_of(run);
  EXPECT_THAT(
      page, HasSubstr("<tr><th scope=\"row\">both right</th><td>20</td><td>4.50</td><td>5.25</td><td>0.125</"
                      "td><td>0.500</td></tr>"));
  EXPECT_THAT(page,
              HasSubstr("<th scope=\"row\">right only before</th><td>3</td><td>6.00</td><td>7.00</td><td "
                        "class=\"quiet\">none</td>"));
}

TEST(Page, TilesSayWhetherThePapersDirectionHeld) {
  const RunFolder run;
  const std::string page = page_of(run);
  EXPECT_THAT(page, HasSubstr("↑ in the paper; the opposite here"));                 // act_intensity
  EXPECT_THAT(page, HasSubstr("↑ in the paper; no difference beyond chance here"));  // info_complexity
  EXPECT_THAT(page, HasSubstr("<p class=\"verdict held\">↓ as in the paper</p>"));   // dist_kurtosis
}

TEST(Page, PartsWithoutDataAreLeftOut) {
  const RunFolder run;
  std::filesystem::remove(run.metrics("alpha-0.1"));
  std::filesystem::remove_all(run.path / "grade");
  ReportInput input = read_report_input(run.path, silent);
  for (auto& [cut, comparison] : input.results[0].cuts) {
    comparison.edges = {};
    comparison.parts = {};
    for (const char* metric : {"diversity", "node_entropy"}) comparison.metrics.erase(metric);
  }
  const std::string page = build_page(input);
  for (const char* id : {"where", "spread", "explained", "samples"})
    EXPECT_THAT(page, Not(HasSubstr("<section id=\"" + std::string(id)))) << id;
  EXPECT_THAT(page, HasSubstr("no samples to show"));
  EXPECT_EQ(first_unbalanced(markup(page)), "");
}

TEST(Page, ARunThatHasComparedNothingYetStillHasAPage) {
  const RunFolder run;
  std::filesystem::remove_all(run.path / "pairs");
  std::filesystem::remove(run.path / "manifest.json");
  std::filesystem::remove(run.path / "accuracy.json");
  const std::string page = page_of(run);
  EXPECT_THAT(page, HasSubstr("Nothing was compared yet"));
  EXPECT_EQ(first_unbalanced(markup(page)), "");
}

TEST(Page, APairIsShownOnTheDataSetsItWasAsked) {
  RunFolder run(
      json::array({{{"name", "grpo"}, {"before", "m/sft"}, {"after", "m/grpo"}, {"data", {"math"}}},
                   {{"name", "other"}, {"before", "n/sft"}, {"after", "n/grpo"}, {"data", {"digits"}}}}));
  run.experiment["data"].push_back({{"name", "digits"}, {"file", "e.jsonl"}, {"dataset", "generic"}});
  run.write_experiment();
  std::filesystem::rename(run.path / "pairs/other/math", run.path / "pairs/other/digits");
  const ReportInput input = read_report_input(run.path, silent);
  for (const std::string& note : input.notes) EXPECT_THAT(note, Not(HasSubstr("compared"))) << note;
  ASSERT_EQ(input.results.size(), 2u);
  EXPECT_EQ(input.title(input.results[1]), "other");
  EXPECT_EQ(input.find(0, 1, 0), nullptr);
  const std::string page = build_page(input);
  EXPECT_EQ(data_of(page)["asked"], json::parse("[[0],[1]]"));
  EXPECT_THAT(page, Not(HasSubstr("was not compared.")));
  EXPECT_EQ(first_unbalanced(markup(page)), "");
  const std::string table = table_markdown(input);
  EXPECT_THAT(table, HasSubstr("| other | digits |"));
  EXPECT_THAT(table, Not(HasSubstr("| other | math |")));
  const auto said = report_directory(run.path, {}, silent).sentences;
  ASSERT_EQ(said.size(), 2u);
  EXPECT_THAT(said[1], HasSubstr("After other, activation intensity fell by 75 %"));
  run.experiment["pairs"][1]["data"] = {"letters"};
  run.write_experiment();
  EXPECT_THROW(read_report_input(run.path, silent), Error);
}

TEST(Page, APairIsSpokenOfOnADataSetWhereItWasCompared) {
  RunFolder run;
  run.experiment["data"].push_back({{"name", "digits"}, {"file", "e.jsonl"}, {"dataset", "generic"}});
  run.experiment["pairs"].push_back({{"name", "other"}, {"before", "n/sft"}, {"after", "n/grpo"}});
  run.write_experiment();
  std::filesystem::create_directories(run.path / "pairs/other");
  std::filesystem::copy(run.path / "pairs/grpo/math", run.path / "pairs/other/digits",
                        std::filesystem::copy_options::recursive);
  const auto said = report_directory(run.path, {}, silent).sentences;
  ASSERT_EQ(said.size(), 2u);
  EXPECT_THAT(said[1], HasSubstr("After other, activation intensity fell by 75 %"));
  // Asked both sets: every row of the table says which.
  EXPECT_THAT(without_sources(table_html(read_report_input(run.path, silent), 0, 3)),
              HasSubstr(">grpo, math<"));
}

TEST(Page, AccuraciesOfAPairStandBesideTheirTest) {
  const RunFolder run;
  run.write(
      "accuracy.json",
      {{"sft", {{"math", {{"n", 40}, {"correct", 20}, {"accuracy", 0.5}, {"wilson95", {0.35, 0.65}}}}}},
       {"grpo", {{"math", {{"n", 40}, {"correct", 30}, {"accuracy", 0.75}, {"wilson95", {0.6, 0.86}}}}}}});
  json test{{"before", "sft"},     {"after", "grpo"},        {"data", "math"},     {"questions", 40},
            {"only_before", 2},    {"only_after", 12},       {"difference", 0.25}, {"p", 0.013},
            {"p_adjusted", 0.013}, {"test", "exact McNemar"}};
  run.write("accuracy_pairs.json", {{"pairs", {test}}});
  EXPECT_THAT(page_of(run), HasSubstr("<strong>75 %</strong>"));
  test["p_adjusted"] = 0.2;
  run.write("accuracy_pairs.json", {{"pairs", {test}}});
  EXPECT_THAT(page_of(run), Not(HasSubstr("<strong>75 %</strong>")));
  test.erase("only_after");
  run.write("accuracy_pairs.json", {{"pairs", {test}}});
  try {
    page_of(run);
    FAIL() << "a field is missing";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("accuracy_pairs.json: pairs[0]: field \"only_after\""));
  }
}

TEST(Page, OnlyTheFirstChoiceIsShownWithoutScript) {
  const RunFolder run;
  const std::string page = page_of(run);
  EXPECT_THAT(page, HasSubstr("<div data-pair=\"0\" data-data=\"0\" data-cut=\"1\"><h3"));
  EXPECT_THAT(page, HasSubstr("<div data-pair=\"0\" data-data=\"0\" data-cut=\"0\" hidden><h3"));
}

TEST(HeatMapData, HoldsExistingCellsWithTheirLogRatio) {
  const RunFolder run;
  const json map = data_of(page_of(run))["maps"]["0|0|1"]["edges"];
  EXPECT_EQ(map["s"], json({0, 0, 1, 1, 2}));
  EXPECT_EQ(map["d"], json({0, 1, 1, 2, 2}));
  EXPECT_EQ(map["v"], json({-1.0, 1.0, -1.0, -1.0, nullptr}));  // the last fell to 0
  EXPECT_EQ(map["lo"][0], 0.5);
  EXPECT_EQ(map["clip"], 1.0);
  EXPECT_EQ(map["clip_beside_whole"], 1.5);
  EXPECT_EQ(map["qb"][0], json({1.0, 2.0, 3.0, 4.0, 5.0}));
}

TEST(LayerMap, SumsOverTheEdgesOfALayer) {
  const RunFolder run;
  const HeatMap map = layer_map(read_report_input(run.path, silent).find(0, 0, 1)->edges);
  EXPECT_EQ(map.sources, (std::vector<std::string>{"input", "0"}));
  EXPECT_EQ(map.destinations, (std::vector<std::string>{"0", "logits"}));
  ASSERT_EQ(map.cells.size(), 3u);  // input to 0, 0 to 0, 0 to logits
  EXPECT_EQ(map.cells[0].before, 4);
  EXPECT_EQ(map.cells[0].after, 5);
  EXPECT_EQ(map.cells[2].before, 5);
  EXPECT_EQ(map.cells[2].after, 2);
}

TEST(Table, NumbersAreThoseOfMetricsJson) {
  const RunFolder run;
  const ReportInput input = read_report_input(run.path, silent);
  EXPECT_THAT(
      table_csv(input),
      HasSubstr("grpo,math,alpha-0.5,2,act_intensity,8,2,-6,-0.75,,,-6.5,-5.5,BCa,1e-04,5e-04,true,,\n"));
  EXPECT_THAT(table_csv(input),
              HasSubstr("grpo,math,alpha-0.5,2,diversity,,,,,,,,,,,,false,,n = 1 <question>\n"));
  const std::string html = without_sources(table_html(input, 0, 3));
  EXPECT_THAT(html, HasSubstr("<span class=\"b\">8.00</span> → <span class=\"a\">2.00</span>"));
  EXPECT_THAT(html, HasSubstr("<td class=\"sure\""));
  EXPECT_THAT(html, HasSubstr("<span class=\"b\">1.50</span> → <span "
                              "class=\"a\">1.25</span></span><small>−0.250 [−0.75, 0.25]</small>"));
  EXPECT_THAT(table_markdown(input),
              HasSubstr("| grpo | math | **8.00 → 2.00** −6.00 [−6.5, −5.5] | **8.00 → 2.00**"));
  EXPECT_THAT(table_latex(input), HasSubstr("grpo & math & $8.00$ & {\\boldmath $2.00$}"));
}

TEST(Table, OutcomesOfEveryPairStandInMarkdownAndCsv) {
  const RunFolder run;
  const ReportInput input = read_report_input(run.path, silent);
  EXPECT_EQ(outcomes_csv(input),
            "pair,data,outcome,questions,tokens_before,tokens_after,nll_before,nll_after\n"
            "grpo,math,both-right,20,4.5,5.25,0.125,0.5\n"
            "grpo,math,lost,3,6,7,,\n");
  EXPECT_THAT(table_markdown(input),
              HasSubstr("| grpo | math | both right | 20 | 4.50 | 5.25 | 0.125 | 0.500 |\n"
                        "| grpo | math | right only before | 3 | 6.00 | 7.00 | – | – |\n"));
}

TEST(Table, SelectionsThatNameNoOutcomesHaveNoSuchTable) {
  for (const json& header : {json(nullptr), json::object(), json{{"outcomes", 3}},
                             json{{"outcomes", {{"lost", "many"}, {"undecided", {{"questions", 0}}}}}}})
    EXPECT_EQ(outcomes_html(header, Source()), "") << header;
  // What stands where a mean is expected is left out, not printed.
  const auto rows = outcome_rows(
      {{"outcomes", {{"lost", {{"questions", 2}, {"mean_tokens", {1.5, "x"}}, {"mean_nll", {0.5}}}}}}});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].tokens[0], 1.5);
  EXPECT_FALSE(rows[0].tokens[1] || rows[0].nll[0] || rows[0].nll[1]);
}

TEST(Table, CsvQuotesWhatWouldBreakALine) {
  const RunFolder run;
  json metrics = run.read_metrics();
  metrics["metrics"]["diversity"]["reason"] = "a,\"b\"\nc";
  run.write_metrics(metrics);
  EXPECT_THAT(table_csv(read_report_input(run.path, silent)), HasSubstr("\"a,\"\"b\"\"\nc\""));
}

TEST(ReportStage, WritesPageTablesAndFigures) {
  const RunFolder run;
  const ReportResult result = report_directory(run.path, {.figures = run.path / "figures"}, silent);
  EXPECT_EQ(read_file(result.page).substr(0, 15), "<!DOCTYPE html>");
  for (const char* file :
       {"report.html", "table.md", "table.csv", "table.tex", "outcomes.csv", "figures/node_entropy.vl.json",
        "figures/decomposition.vl.json", "figures/edges.grpo.math.alpha-0.5.vl.json"})
    EXPECT_TRUE(std::filesystem::exists(run.path / file)) << file;
  const std::string figure = read_file(run.path / "figures/edges.grpo.math.alpha-0.5.vl.json");
  EXPECT_THAT(figure, Not(HasSubstr("\"$before\"")));
  EXPECT_EQ(json::parse(figure)["data"]["values"].size(), 5u);
  ASSERT_EQ(result.sentences.size(), 1u);
  EXPECT_THAT(result.sentences[0], HasSubstr("After grpo, activation intensity fell by 75 %"));
}

TEST(ReportStage, TheSameFolderGivesTheSameBytes) {
  const RunFolder run;
  report_directory(run.path, {}, silent);
  const std::string first = read_file(run.path / "report.html");
  report_directory(run.path, {}, silent);
  EXPECT_EQ(read_file(run.path / "report.html"), first);
}

}  // namespace
}  // namespace circuitdiff
