// The sections of the page and the switches above them; the pieces stand in page_parts.cpp.
#include "report/page.h"

#include <fmt/format.h>

#include "report/charts.h"
#include "report/format.h"
#include "report/html.h"
#include "report/page_frame.h"
#include "report/sourced.h"
#include "report/tables.h"
#include "report/words.h"

namespace circuitdiff {
namespace {

std::string definitions(std::initializer_list<const char*> names) {
  std::string out = "<details class=\"definition\"><summary>What these are</summary><dl>";
  for (const char* name : names)
    for (const MetricWords& w : metric_words())
      if (std::string_view(w.name) == name)
        out += fmt::format("<dt>{}</dt><dd>{}</dd>", escape_html(w.title), escape_html(w.definition));
  return out + "</dl></details>";
}

constexpr const char* kEdgesFrom = "pairs/*/*/compare/*/metrics.json#/relative_change";
constexpr const char* kKey = "<span class=\"key b\">before</span> <span class=\"key a\">after</span>";

std::string questions_text(const ReportInput& input) {
  const Comparison *least = nullptr, *most = nullptr;
  for (const PairOnData& r : input.results)
    for (const auto& [label, c] : r.cuts) {
      if (!least || c.n < least->n) least = &c;
      if (!most || c.n > most->n) most = &c;
    }
  if (!most) return "";
  const auto n = [](const Comparison& c) {
    return sourced(static_cast<double>(c.n), c.from / "n", {Form::count});
  };
  if (least->n == most->n) return fmt::format("n = {} questions in each cell.", n(*least));
  return fmt::format("n = {} to {} questions a cell.", n(*least), n(*most));
}

std::string table_section(const ReportInput& input) {
  if (input.cuts.empty()) return "";
  std::string out = table_html(input, 0, 3);
  out += fmt::format(
      "<p class=\"caption\">Each cell: before → after, and below it the difference with its 95 % bootstrap "
      "interval over questions. "
      "<strong>Bold</strong> is beyond chance: a permutation test, corrected over every cell of this table "
      "and of the one below "
      "(false discovery rate 5 %). Arrows show the direction the paper reports. Scores scale with the loss "
      "they are gradients of, "
      "so read intensity beside <a href=\"#explained\">what explains it</a>. {}</p>\n",
      questions_text(input));
  out += definitions({"act_intensity", "info_complexity", "dist_kurtosis"});
  out += "<details class=\"more\"><summary>All other metrics</summary>" +
         table_html(input, 3, metric_words().size()) +
         definitions({"diversity", "node_entropy", "node_entropy_normalised", "info_complexity_fixed",
                      "entropy_log", "gini", "effective_edges", "top1_share", "mean_loss", "mean_error",
                      "intensity_per_nat", "intensity_per_error"}) +
         "</details>\n";
  return out;
}

bool any_edges(const ReportInput& input) {
  for (const PairOnData& r : input.results)
    for (const auto& [label, c] : r.cuts)
      if (!c.edges.empty()) return true;
  return false;
}

std::string where_section(const ReportInput& input) {
  if (!any_edges(input)) return "";
  return "<p>Every cell is an edge: what a source (rows, in the order they are computed) sends to a "
         "destination (columns). Its colour is the "
         "change of its mean absolute score.</p>\n"
         "<div class=\"scale\" aria-hidden=\"true\"><span class=\"low\"></span><div "
         "class=\"ramp\"></div><span class=\"high\"></span></div>"
         "<label class=\"switch\"><input type=\"checkbox\" id=\"fade\"> fade edges whose change is not "
         "beyond chance</label>\n"
         "<label class=\"switch\"><input type=\"checkbox\" id=\"divide\"> divide by the change of the whole "
         "<span id=\"whole\"></span></label>\n"
         "<div class=\"maps\">" +
         page::figure(
             "heat", kEdgesFrom, "<span class=\"said-by-script\"></span>",
             "<div class=\"edge-detail\" aria-live=\"polite\">Point at a cell, or reach the map with Tab "
             "and move with the arrow keys.</div>") +
         page::figure(
             "layers", kEdgesFrom,
             "The same scores summed over layers, on the same colours: strong edges weigh more here than "
             "in the map of edges.") +
         "</div>\n";
}

std::string spread_section(const ReportInput& input) {
  std::string out;
  const auto add = [&](const char* id, const char* caption) {
    if (metric_chart(input, id, "").is_null()) return;
    out += fmt::format("<h3>{}</h3>", [&] {
      for (const MetricWords& w : metric_words())
        if (std::string_view(w.name) == id) return std::string(w.title);
      return std::string(id);
    }());
    out += page::figure(id, std::string("table.csv#metric=") + id, std::string(kKey) + " " + caption);
  };
  add("diversity",
      "One minus the mean correlation between the score matrices of two questions: high where questions use "
      "different edges. "
      "The bar beside a dot is the 95 % interval of the difference, drawn at the value after. The axis does "
      "not begin at zero.");
  add("node_entropy",
      "Entropy of how a source spreads its score over destinations, averaged over sources and questions. "
      "More edges allow more "
      "entropy, so compare within a model, not between sizes. The axis does not begin at zero.");
  add("gini",
      "How unevenly a question's score is spread over the edges: 0 is even, 1 is all on one edge. The axis "
      "does not begin at zero.");
  add("top1_share",
      "The share that the strongest 1 % of edges hold. In a small model that is a single edge, and the "
      "figure is noisy.");
  return out.empty() ? "" : "<p class=\"caption\">" + questions_text(input) + "</p>" + out;
}

std::string explained_section(const ReportInput& input) {
  std::string out = page::explained(input);
  if (!decomposition_chart(input).is_null())
    out += page::figure(
        "decomposition", "pairs/*/*/compare/*/metrics.json#/decomposition",
        "<span class=\"key loss\">change of the loss</span> <span class=\"key rest\">intensity per "
        "nat of loss</span> "
        "<span class=\"key total\">intensity in all</span> The change of intensity is the product "
        "of the two bars: the axis is "
        "logarithmic, so they add up to the upright mark. Being exact arithmetic, the split says "
        "what goes together, not what "
        "causes what. " +
            questions_text(input));
  return out;
}

std::string switches(const ReportInput& input) {
  const page::Choice first = page::first_choice(input);
  std::string out = "<form class=\"switches\" aria-label=\"What the page shows\">";
  const auto group = [&](const char* name, const char* label, size_t n, size_t chosen, auto&& text) {
    if (n < 2) return;
    out += fmt::format("<fieldset><legend>{}</legend>", label);
    for (size_t i = 0; i < n; ++i)
      out += fmt::format("<label><input type=\"radio\" name=\"{}\" value=\"{}\"{}><span>{}</span></label>",
                         name, i, i == chosen ? " checked" : "", escape_html(text(i)));
    out += "</fieldset>";
  };
  bool alphas = true;
  for (const std::string& cut : input.cuts) alphas = alphas && cut.starts_with("alpha-");
  group("pair", "pair", input.pairs.size(), first.pair, [&](size_t i) { return input.pairs[i].name; });
  group("data", "data", input.data.size(), first.data, [&](size_t i) { return input.data[i].name; });
  group("cut", alphas ? "α" : "cut", input.cuts.size(), first.cut,
        [&](size_t i) { return alphas ? input.cuts[i].substr(6) : cut_text(input.cuts[i]); });
  return out + "</form>";
}

}  // namespace

std::string build_page(const ReportInput& input) {
  return page::frame(input.name.empty() ? "comparison" : input.name,
                     "What post-training changed inside these models, by edge attribution before and after.",
                     switches(input),
                     {
                         {"found", "What was found", page::sentences(input) + page::tiles(input)},
                         {"compared", "What was compared", page::compared(input)},
                         {"table", "The table", table_section(input)},
                         {"where", "Where it changed", where_section(input)},
                         {"spread", "How it is spread", spread_section(input)},
                         {"explained", "What explains it", explained_section(input)},
                         {"samples", "Samples", page::samples(input)},
                         {"made", "How it was made", page::made(input)},
                     },
                     page::data(input));
}

}  // namespace circuitdiff
