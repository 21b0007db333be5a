// The page of a dynamics run: findings, the paper's figures 4 and 5 with bands over seeds, a table of
// beginnings, ends and extrema.
#include <fmt/format.h>

#include <cmath>

#include "report/charts.h"
#include "report/dynamics.h"
#include "report/format.h"
#include "report/html.h"
#include "report/page_frame.h"

namespace circuitdiff {
namespace {

constexpr int kPanelHeight = 170;

struct Panel {
  std::string title, figure;
  bool change = false;    // less the value before the first step
  bool smoothed = false;  // a figure of every step
  Expected expected = Expected::nothing;
};

const MetricWords* find_words(const std::string& metric) {
  for (const MetricWords& w : metric_words())
    if (w.name == metric) return &w;
  return nullptr;
}

Panel change_panel(const char* metric) {
  const MetricWords* words = find_words(metric);
  return {std::string("Δ ") + (words ? words->subject : metric), std::string("circuit/") + metric, true,
          false, words ? words->expected : Expected::nothing};
}

std::vector<Panel> reward_panels() {
  return {{"reward", "reward", false, true}, {"standard deviation in a group", "reward_std", false, true}};
}
std::vector<Panel> circuit_panels() {
  return {{"accuracy", "eval/accuracy"},
          change_panel("act_intensity"),
          change_panel("dist_kurtosis"),
          change_panel("info_complexity")};
}
std::vector<Panel> beside_panels() {
  return {change_panel("diversity"),
          {"Δ loss of the probe", "circuit/mean_loss", true},
          {"Δ intensity / error", "circuit/intensity_per_error", true}};
}

Curve curve_of(const Dynamics& input, size_t t, const Panel& p) {
  return p.smoothed ? smoothed_curve(input, t, p.figure) : watched_curve(input, t, p.figure, p.change);
}

double round4(double x) { return x == 0 ? 0 : std::stod(fmt::format("{:.3e}", x)); }

// The rows of one panel at one temperature: the curve, and where `marked` the window and the extremum.
void add_rows(const Dynamics& input, size_t t, const Panel& panel, const Curve& curve, bool marked,
              ordered& rows) {
  const std::string name = temperature_text(input.temperatures[t]);
  const auto point_row = [&](const CurvePoint& p, const char* kind) {
    return ordered{{"panel", panel.title},   {"temperature", name},  {"step", p.step},
                   {"mean", round4(p.mean)}, {"low", round4(p.low)}, {"high", round4(p.high)},
                   {"seeds", p.n},           {"kind", kind}};
  };
  for (const CurvePoint& p : curve) rows.push_back(point_row(p, "curve"));
  if (!marked || curve.empty()) return;
  if (const auto& window = input.windows[t])
    rows.push_back({{"panel", panel.title},
                    {"temperature", name},
                    {"step", window->first},
                    {"last", window->second},
                    {"kind", "window"}});
  if (const auto found = extremum(input, t, curve, panel.expected))
    rows.push_back(point_row(*found, "extremum"));
}

ordered temperature_colour(const Dynamics& input) {
  const std::vector<const char*> palette{"$before", "$after", "$muted", "$ink", "$rest"};
  ordered names = ordered::array(), colours = ordered::array();
  for (size_t t = 0; t < input.temperatures.size(); ++t) {
    names.push_back(temperature_text(input.temperatures[t]));
    colours.push_back(palette[t % palette.size()]);
  }
  return {{"field", "temperature"},
          {"type", "nominal"},
          {"scale", {{"domain", names}, {"range", colours}}},
          {"legend", nullptr}};
}

// Bands, lines and points of every panel; where `marked`, windows along the bottom and extrema.
ordered panel_layers(const Dynamics& input, bool marked) {
  const ordered colour = temperature_colour(input);
  const auto y = [](const char* name) {
    return ordered{{"field", name},
                   {"type", "quantitative"},
                   {"title", nullptr},
                   {"scale", {{"zero", false}, {"nice", true}}},
                   {"axis", {{"tickCount", 5}, {"format", "~g"}}}};
  };
  const auto only = [](const std::string& test) { return ordered::array({{{"filter", test}}}); };
  const ordered tooltip = ordered::array({{{"field", "panel"}, {"title", "figure"}},
                                          {{"field", "temperature"}},
                                          {{"field", "step"}},
                                          {{"field", "mean"}, {"format", ".4~g"}},
                                          {{"field", "low"}, {"title", "lowest seed"}, {"format", ".4~g"}},
                                          {{"field", "high"}, {"title", "highest seed"}, {"format", ".4~g"}},
                                          {{"field", "seeds"}}});
  ordered layers = ordered::array();
  layers.push_back({{"transform", only("datum.kind == 'curve'")},
                    {"mark", {{"type", "area"}, {"opacity", 0.2}}},
                    {"encoding", {{"y", y("low")}, {"y2", {{"field", "high"}}}, {"color", colour}}}});
  layers.push_back({{"transform", only("datum.kind == 'curve'")},
                    {"mark", {{"type", "line"}, {"strokeWidth", 2}}},
                    {"encoding", {{"y", y("mean")}, {"color", colour}}}});
  layers.push_back(
      {{"transform", only("datum.kind == 'curve'")},
       {"mark",
        {{"type", "point"}, {"filled", true}, {"size", marked ? 20 : 60}, {"opacity", marked ? 1 : 0}}},
       {"encoding", {{"y", y("mean")}, {"color", colour}, {"tooltip", tooltip}}}});
  if (marked) {
    for (size_t t = 0; t < input.temperatures.size(); ++t)
      layers.push_back({{"transform", only(fmt::format("datum.kind == 'window' && datum.temperature == '{}'",
                                                       temperature_text(input.temperatures[t])))},
                        {"mark", {{"type", "rule"}, {"strokeWidth", 4}, {"opacity", 0.55}}},
                        {"encoding",
                         {{"x2", {{"field", "last"}}},
                          {"y", {{"value", kPanelHeight - 4 - 6 * static_cast<int>(t)}}},
                          {"color", colour}}}});
    layers.push_back(
        {{"transform", only("datum.kind == 'extremum'")},
         {"mark", {{"type", "point"}, {"shape", "diamond"}, {"filled", true}, {"size", 130}, {"opacity", 1}}},
         {"encoding", {{"y", y("mean")}, {"color", colour}, {"tooltip", tooltip}}}});
  }
  return layers;
}

ordered panels_chart(const Dynamics& input, const std::vector<Panel>& panels, bool marked) {
  ordered rows = ordered::array(), order = ordered::array();
  for (const Panel& panel : panels) {
    bool any = false;
    for (size_t t = 0; t < input.temperatures.size(); ++t) {
      const Curve curve = curve_of(input, t, panel);
      add_rows(input, t, panel, curve, marked, rows);
      any = any || !curve.empty();
    }
    if (any) order.push_back(panel.title);
  }
  if (rows.empty()) return nullptr;
  const ordered x{{"field", "step"},
                  {"type", "quantitative"},
                  {"title", "step"},
                  {"scale", {{"domain", {0, std::max<int64_t>(input.steps, 1)}}, {"nice", false}}},
                  {"axis", {{"grid", false}, {"tickCount", 5}}}};
  ordered out = facets(std::move(rows),
                       {{"width", 150},
                        {"height", kPanelHeight},
                        {"encoding", {{"x", x}}},
                        {"layer", panel_layers(input, marked)}},
                       std::move(order));
  out["resolve"] = {{"scale", {{"y", "independent"}}},
                    {"axis", {{"x", "independent"}, {"y", "independent"}}}};
  return out;
}

std::string key(const Dynamics& input) {
  const std::vector<const char*> classes{"b", "a", "loss", "total", "rest"};
  std::string out;
  for (size_t t = 0; t < input.temperatures.size(); ++t)
    out += fmt::format("<span class=\"key {}\">temperature {}</span> ", classes[t % classes.size()],
                       temperature_text(input.temperatures[t]));
  return out;
}

std::string seeds_text(const Dynamics& input) {
  size_t n = 0;
  for (const DynamicsRun& run : input.runs) n += run.temperature == input.temperatures.front();
  return n == 1 ? "One seed."
                : fmt::format("Lines are means of {} seeds, bands reach from the lowest to the highest.", n);
}

std::string window_text(const Dynamics& input) {
  std::string out;
  for (size_t t = 0; t < input.temperatures.size(); ++t)
    if (const auto& w = input.windows[t])
      out += fmt::format("{}{} to {} at temperature {}", out.empty() ? "" : ", ", w->first, w->second,
                         temperature_text(input.temperatures[t]));
  return out.empty()
             ? ""
             : "Bars above the axis: the windows within which extrema are sought (steps " + out + "). ";
}

std::string cell(const std::optional<CurvePoint>& p, bool percent_sign) {
  if (!p) return fmt::format("<td>{}</td>", kAbsent);
  const auto text = [&](double x) {
    return percent_sign ? fmt::format("{:.1f} %", 100 * x) : significant(x);
  };
  std::string out = "<td>" + escape_html(text(p->mean));
  if (p->n > 1 && p->high > p->low)
    out += fmt::format("<br><small>{} to {}</small>", escape_html(text(p->low)), escape_html(text(p->high)));
  return out + "</td>";
}

std::string ends_table(const Dynamics& input) {
  std::vector<Panel> panels = circuit_panels();
  for (const Panel& p : beside_panels()) panels.push_back(p);
  std::string out =
      "<div class=\"wide\"><table class=\"numbers\"><thead><tr><th scope=\"col\">figure</th><th "
      "scope=\"col\">temperature</th><th scope=\"col\">before the first step</th><th scope=\"col\">after the "
      "last</th>"
      "<th scope=\"col\">furthest as the paper expects</th><th scope=\"col\">at "
      "step</th></tr></thead><tbody>";
  for (const Panel& panel : panels)
    for (size_t t = 0; t < input.temperatures.size(); ++t) {
      const bool accuracy = panel.figure == "eval/accuracy";
      const Curve whole = watched_curve(input, t, panel.figure, false);
      if (whole.empty()) continue;
      const auto best =
          extremum(input, t, watched_curve(input, t, panel.figure, panel.change), panel.expected);
      const char* arrow = panel.expected == Expected::up     ? " ↑"
                          : panel.expected == Expected::down ? " ↓"
                                                             : "";
      out += fmt::format("<tr><th scope=\"row\">{}{}</th><td>{}</td>{}{}{}<td>{}</td></tr>",
                         t == 0 ? escape_html(panel.change ? panel.title.substr(3) : panel.title) : "",
                         t == 0 ? arrow : "", temperature_text(input.temperatures[t]),
                         cell(whole.front(), accuracy), cell(whole.back(), accuracy), cell(best, accuracy),
                         best ? std::to_string(best->step) : kAbsent);
    }
  return out +
         "</tbody></table></div><p class=\"caption\">Mean over seeds, below it the lowest and the highest. "
         "The last two "
         "columns are changes from the start, within the window; an arrow is the direction the paper "
         "reports.</p>";
}

std::string definitions_of(std::initializer_list<const char*> names) {
  std::string out = "<details class=\"definition\"><summary>What these are</summary><dl>";
  for (const char* name : names)
    if (const MetricWords* w = find_words(name))
      out += fmt::format("<dt>{}</dt><dd>{}</dd>", escape_html(w->title), escape_html(w->definition));
  return out + "</dl></details>";
}

}  // namespace

ordered rewards_chart(const Dynamics& input) { return panels_chart(input, reward_panels(), false); }
ordered circuits_chart(const Dynamics& input) { return panels_chart(input, circuit_panels(), true); }
ordered beside_chart(const Dynamics& input) { return panels_chart(input, beside_panels(), true); }

std::string build_dynamics_page(const Dynamics& input) {
  std::string found;
  for (const std::string& sentence : dynamics_sentences(input))
    found += "<p>" + unbroken(escape_html(sentence)) + "</p>\n";
  ordered data{{"name", input.name},         {"pairs", ordered::array()},  {"data", ordered::array()},
               {"cuts", ordered::array()},   {"graphs", ordered::array()}, {"maps", ordered::object()},
               {"charts", ordered::object()}};
  const auto chart = [&](const char* id, ordered spec, const std::string& caption) -> std::string {
    if (spec.is_null()) return "";
    data["charts"][id] = std::move(spec);
    return page::figure(id, "dynamics.json#/runs", key(input) + caption + " " + seeds_text(input));
  };
  const std::string rewards =
      chart("rewards", rewards_chart(input),
            fmt::format("Reward of the answers drawn at each step, and the standard deviation of rewards "
                        "within a question's "
                        "group, before groups are dropped; each a moving average over {} steps.",
                        input.smooth));
  const std::string probe =
      fmt::format("{} fixed sequences, {} answer tokens in the loss", count(input.sequences), input.t_cut);
  const std::string circuits =
      chart("circuits", circuits_chart(input),
            fmt::format(
                "Greedy accuracy on {} held-out questions, and the change of circuit metrics from the model "
                "before the "
                "first step, on {}. {}Diamonds: the furthest point of the mean in the direction the paper "
                "expects.",
                count(input.questions), probe, window_text(input))) +
      definitions_of({"act_intensity", "info_complexity", "dist_kurtosis"});
  const std::string beside = chart("beside", beside_chart(input),
                                   "Scores scale with the loss they are gradients of: where the probe's loss "
                                   "moves, intensity moves with it, whatever "
                                   "the circuit does. Intensity per unit of error takes that out.") +
                             definitions_of({"diversity", "intensity_per_error"});
  const std::string made = fmt::format(
      "<p>{} from <code>{}</code>, {} steps, at {} temperatures. Every step of every run is in "
      "<code>dynamics.csv</code>; each "
      "run's folder holds its checkpoints, metrics.jsonl, TensorBoard events and manifest.</p>",
      escape_html(input.algorithm), escape_html(input.model), count(input.steps), input.temperatures.size());
  return page::frame(input.name, "The circuits of a model while it is trained.", "",
                     {{"found", "What was found", found},
                      {"rewards", "Rewards", rewards},
                      {"circuits", "Accuracy and circuits", circuits},
                      {"beside", "What moves with them", beside},
                      {"table", "The table", ends_table(input)},
                      {"made", "How it was made", made}},
                     data);
}

}  // namespace circuitdiff
