// What may explain a difference, on the page: the loss, the text it was scored on, and what random changes of
// the weights do (docs/spec.md#controls).
#include <fmt/format.h>

#include <algorithm>

#include "report/format.h"
#include "report/html.h"
#include "report/page.h"
#include "report/sourced.h"
#include "report/words.h"

namespace circuitdiff::page {
namespace {

Number number(const json& object, const char* name) {
  const auto it = object.find(name);
  return it != object.end() && it->is_number() ? Number(it->get<double>()) : std::nullopt;
}

std::string effect_html(const ContrastFigure& f, const Source& from) {
  if (!f.value) return std::string(kAbsent) + (f.reason.empty() ? "" : " " + named(f.reason));
  std::string out = sourced(f.value, from / "value", {Form::change});
  if (f.ci_low && f.ci_high) out += " " + sourced(*f.ci_low, *f.ci_high, from / "ci95");
  return out;
}

// Each model on each text: what of a difference belongs to the model and what to the text it is scored on.
std::string two_by_two_table(const std::vector<TwoByTwoMetric>& metrics, const Source& file) {
  std::string rows;
  for (const MetricWords& w : metric_words()) {
    const auto it =
        std::find_if(metrics.begin(), metrics.end(), [&](const auto& m) { return m.name == w.name; });
    if (it == metrics.end()) continue;
    const Source from = file / "two_by_two" / w.name;
    rows += fmt::format(
        "<tr><th "
        "scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></"
        "tr>",
        escape_html(w.title), sourced(it->before, from / "before"),
        sourced(it->before_on_after, from / "before_on_after"),
        sourced(it->after_on_before, from / "after_on_before"), sourced(it->after, from / "after"),
        effect_html(it->model, from / "model"), effect_html(it->text, from / "text"),
        effect_html(it->interaction, from / "interaction"));
  }
  if (rows.empty()) return "";
  return "<h3>Model or text?</h3><p class=\"caption\">Each model scored on its own answers and on the "
         "other's. The model effect is the change of the model at "
         "the same text, the text effect the change of the text at the same model, each with its 95 % "
         "interval.</p><div class=\"wide\"><table class=\"plain\"><thead><tr><th "
         "scope=\"col\">metric</th><th scope=\"col\">before, own text</th><th scope=\"col\">before, other's "
         "text</th><th scope=\"col\">after, other's text</th><th "
         "scope=\"col\">after, own text</th><th scope=\"col\">model effect</th><th scope=\"col\">text "
         "effect</th><th scope=\"col\">interaction</th></tr></thead><tbody>" +
         rows + "</tbody></table></div>";
}

// The change of the model on the before-model's texts, beside what noise of the same size does.
std::string noise_table(const json& value, const Source& file) {
  const auto metrics = value.is_object() ? value.find("metrics") : value.end();
  if (!value.is_object() || metrics == value.end() || !metrics->is_object()) return "";
  std::string rows;
  for (const MetricWords& w : metric_words()) {
    const auto it = metrics->find(w.name);
    if (it == metrics->end() || !it->is_object()) continue;
    const Source from = file / "metrics" / w.name;
    const Number effect = number(*it, "effect"), mean = number(*it, "noise_mean"),
                 sd = number(*it, "noise_sd"), p = number(*it, "p");
    std::string cells;
    if (effect && mean && p) {
      cells = fmt::format("<td>{}</td><td>{} ± {}</td><td>{}</td>",
                          sourced(effect, from / "effect", {Form::change}),
                          sourced(mean, from / "noise_mean", {Form::change}), sourced(sd, from / "noise_sd"),
                          sourced(p, from / "p", {Form::p}));
    } else {
      const auto reason = it->find("reason");
      cells =
          fmt::format("<td colspan=\"3\">{} {}</td>", kAbsent,
                      reason != it->end() && reason->is_string() ? named(reason->get<std::string>()) : "");
    }
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td>{}</tr>", escape_html(w.title),
                        sourced(number(*it, "before"), from / "before"), cells);
  }
  if (rows.empty()) return "";
  return fmt::format(
      "<h3>More than noise?</h3><p class=\"caption\">{} copies of the model before, each tensor moved at "
      "random "
      "by the length of its real change, all scored on the answers of the model before. p counts the copies "
      "that "
      "differ at least as much as the model after does on those answers.</p><div class=\"wide\"><table "
      "class=\"plain\"><thead><tr><th scope=\"col\">metric</th><th scope=\"col\">before</th><th "
      "scope=\"col\">after &minus; before, same text</th><th scope=\"col\">noise &minus; before, mean ± "
      "sd</th><th "
      "scope=\"col\">p</th></tr></thead><tbody>{}</tbody></table></div>",
      sourced(number(value, "copies"), file / "copies", {Form::count}), rows);
}

}  // namespace

std::string explained(const ReportInput& input) {
  std::string out;
  for (const PairOnData& r : input.results)
    for (size_t c = 0; c < input.cuts.size(); ++c) {
      const Comparison* comparison = input.find(r.pair, r.data, c);
      if (!comparison) continue;
      std::string text = loss_sentence(*comparison);
      if (text.empty())
        text = comparison->parts.reason.empty() ? ""
                                                : "How much of the change goes with the loss is undefined: " +
                                                      named(comparison->parts.reason) + ".";
      std::string control;
      if (comparison->null_difference) {
        const std::string most = sourced(comparison->null_difference, comparison->from_null, {Form::size});
        control = *comparison->null_difference == 0
                      ? " Control: the model before, compared with itself, differs in no metric by anything "
                        "but exactly " +
                            most + "."
                      : fmt::format(
                            " Control failed: the model before, compared with itself, differs by up to {}; "
                            "the numbers above cannot be trusted.",
                            most);
      }
      const std::string table = two_by_two_table(comparison->two_by_two, comparison->from) +
                                noise_table(comparison->noise, comparison->from_noise);
      if (!table.empty())
        out += fmt::format("<div{}>{}</div>\n", choice_attributes(input, r.pair, r.data, c), table);
      if (text.empty() && control.empty()) continue;
      out +=
          fmt::format("<p{}><strong>{}, {}.</strong> {}{}</p>\n", choice_attributes(input, r.pair, r.data, c),
                      named(input.pairs[r.pair].name), named(cut_text(input.cuts[c])), text, control);
    }
  if (!out.empty())
    out =
        "<p>A score is a gradient of the loss, so it scales with the loss: a model that has grown surer of "
        "its own words has smaller scores for "
        "that reason alone. What is left after dividing by the loss is the part that a change inside the "
        "circuit may explain.</p>\n" +
        out;
  return out;
}

}  // namespace circuitdiff::page
