#include "report/charts.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "report/format.h"

namespace circuitdiff {
namespace {

constexpr const char* kSchema = "https://vega.github.io/schema/vega-lite/v6.json";

ordered value(const Number& x) { return x ? ordered(*x) : ordered(nullptr); }

bool only_alphas(const ReportInput& input) {
  return std::all_of(input.cuts.begin(), input.cuts.end(),
                     [](const auto& c) { return c.starts_with("alpha-"); });
}

std::string cut_tick(const ReportInput& input, size_t cut) {
  return only_alphas(input) ? input.cuts[cut].substr(6) : cut_text(input.cuts[cut]);
}

ordered cut_axis(const ReportInput& input) {
  ordered sort = ordered::array();
  for (size_t c = 0; c < input.cuts.size(); ++c) sort.push_back(cut_tick(input, c));
  return {{"field", "cut"},
          {"type", "ordinal"},
          {"sort", sort},
          {"title", only_alphas(input) ? "α" : "cut"},
          {"axis", {{"labelAngle", 0}, {"grid", false}}}};
}

std::string layer_of(const std::string& name) {
  if (name.size() > 1 && (name[0] == 'a' || name[0] == 'm')) {
    const size_t end = name.find_first_not_of("0123456789", 1);
    if (end != 1 && (end == std::string::npos || name[end] == '<'))
      return name.substr(1, end == std::string::npos ? end : end - 1);
  }
  return name;
}

double clip_of(const EdgeTable& table) {
  const double clip = table.log2_clip.value_or(0);
  return clip > 0 ? clip : 1;
}

Number log2_ratio(const Number& before, const Number& after) {
  if (!before || !after || *before <= 0 || *after <= 0) return std::nullopt;
  return std::log2(*after / *before);
}

// Every name of a small model, every fourth layer of a large one.
ordered name_axis(const std::vector<std::string>& names, bool by_layer, const char* title, bool across) {
  ordered axis{{"title", title}, {"grid", false}, {"ticks", false}, {"domain", false}, {"labelPadding", 4}};
  if (across) {
    axis["orient"] = "top";
    axis["labelAngle"] = by_layer && names.size() < 12 ? 0 : -90;
  }
  if (names.size() <= 20) return axis;
  ordered shown = ordered::array();
  std::string last;
  for (const std::string& name : names) {
    const std::string layer = layer_of(name);
    const bool numbered = layer.find_first_not_of("0123456789") == std::string::npos;
    if (layer == last) continue;
    last = layer;
    if (layer == "0" && !shown.empty()) continue;  // would be written over "input"
    if (!numbered || std::stoi(layer) % 4 == 0) shown.push_back(name);
  }
  axis["values"] = shown;
  if (!by_layer)
    axis["labelExpr"] =
        "test(/^[am][0-9]+/, datum.value) ? 'layer ' + replace(datum.value, /[^0-9]/g, '') : datum.value";
  return axis;
}

}  // namespace

ordered facets(ordered values, ordered panel, ordered order) {
  return {{"$schema", kSchema},
          {"data", {{"name", "rows"}, {"values", std::move(values)}}},
          {"facet",
           {{"field", "panel"},
            {"type", "nominal"},
            {"sort", std::move(order)},
            {"title", nullptr},
            {"header", {{"labelFontWeight", 600}, {"labelAnchor", "start"}, {"labelPadding", 6}}}}},
          {"columns", 4},
          {"spacing", 22},
          {"spec", std::move(panel)},
          {"resolve", {{"axis", {{"x", "independent"}}}}}};
}

ordered metric_chart(const ReportInput& input, const std::string& metric, const std::string& title) {
  ordered rows = ordered::array(), order = ordered::array();
  for (const PairOnData& r : input.results) {
    order.push_back(input.title(r));
    for (size_t c = 0; c < input.cuts.size(); ++c) {
      const Comparison* comparison = input.find(r.pair, r.data, c);
      if (!comparison) continue;
      const auto it = comparison->metrics.find(metric);
      if (it == comparison->metrics.end() || !it->second.before || !it->second.after) continue;
      const MetricCell& cell = it->second;
      ordered row{{"panel", order.back()},
                  {"cut", cut_tick(input, c)},
                  {"n", comparison->n},
                  {"before", value(cell.before)},
                  {"after", value(cell.after)}};
      if (cell.ci_low && cell.ci_high) {
        row["low"] = *cell.before + *cell.ci_low;
        row["high"] = *cell.before + *cell.ci_high;
        row["interval"] = interval(*cell.ci_low, *cell.ci_high);
      }
      row["difference"] = signed_significant(cell.difference.value_or(0));
      row["p"] = cell.p_table ? p_value(*cell.p_table) : "not tested";
      rows.push_back(std::move(row));
    }
  }
  if (rows.empty()) return nullptr;
  const ordered y{{"type", "quantitative"},
                  {"title", title},
                  {"scale", {{"zero", false}, {"nice", true}}},
                  {"axis", {{"tickCount", 5}}}};
  const auto with_field = [&](const char* field) {
    ordered out = y;
    out["field"] = field;
    return out;
  };
  const ordered tooltip = ordered::array({{{"field", "panel"}, {"title", "pair"}},
                                          {{"field", "cut"}, {"title", "α"}},
                                          {{"field", "before"}, {"format", ".4~g"}},
                                          {{"field", "after"}, {"format", ".4~g"}},
                                          {{"field", "difference"}},
                                          {{"field", "interval"}, {"title", "95 % interval"}},
                                          {{"field", "p"}, {"title", "corrected"}},
                                          {{"field", "n"}}});
  const auto point = [&](const char* field, const char* colour) {
    return ordered{
        {"mark", {{"type", "point"}, {"filled", true}, {"size", 64}, {"opacity", 1}, {"color", colour}}},
        {"encoding", {{"y", with_field(field)}, {"tooltip", tooltip}}}};
  };
  ordered panel{{"width", 150},
                {"height", 170},
                {"encoding", {{"x", cut_axis(input)}}},
                {"layer",
                 {{{"mark", {{"type", "rule"}, {"color", "$line"}, {"strokeWidth", 3}}},
                   {"encoding", {{"y", with_field("before")}, {"y2", {{"field", "after"}}}}}},
                  {{"mark", {{"type", "rule"}, {"color", "$after"}, {"strokeWidth", 1.5}, {"xOffset", 7}}},
                   {"encoding", {{"y", with_field("low")}, {"y2", {{"field", "high"}}}}}},
                  point("before", "$before"),
                  point("after", "$after")}}};
  return facets(std::move(rows), std::move(panel), std::move(order));
}

ordered decomposition_chart(const ReportInput& input) {
  ordered rows = ordered::array(), order = ordered::array();
  double low = 0, high = 0;
  const auto include = [&](double x) { low = std::min(low, x), high = std::max(high, x); };
  for (const PairOnData& r : input.results) {
    order.push_back(input.title(r));
    for (size_t c = 0; c < input.cuts.size(); ++c) {
      const Comparison* comparison = input.find(r.pair, r.data, c);
      if (!comparison || !comparison->parts.log_ratio || !comparison->parts.from_loss ||
          !comparison->parts.beyond_loss)
        continue;
      const IntensityDecomposition& parts = comparison->parts;
      for (const auto& [name, x] : {std::pair{"loss", *parts.from_loss}, {"rest", *parts.beyond_loss}}) {
        include(x);
        rows.push_back({{"panel", order.back()},
                        {"cut", cut_tick(input, c)},
                        {"part", name},
                        {"log", x},
                        {"times", "× " + significant(std::exp(x))},
                        {"total", *parts.log_ratio},
                        {"intensity", "× " + significant(std::exp(*parts.log_ratio))},
                        {"n", comparison->n}});
      }
      include(*parts.log_ratio);
    }
  }
  if (rows.empty()) return nullptr;
  // Ticks at round factors; the axis ends where the bars do, and 1 is always on it.
  const double span = high - low;
  const double base = span > std::log(8) ? 10 : span > std::log(1.6) ? 2 : 1.1;
  const double unit = std::log(base), margin = std::max(0.06 * span, 0.02);
  ordered ticks = ordered::array();
  const int last = static_cast<int>(std::ceil(std::max(high, -low) / unit));
  for (int i = -last; i <= last; ++i)
    if (i * unit >= low - 2 * margin && i * unit <= high + 2 * margin) ticks.push_back(i * unit);
  const ordered x{{"field", "log"},
                  {"type", "quantitative"},
                  {"title", "factor (log axis)"},
                  {"scale", {{"domain", {low - margin, high + margin}}, {"nice", false}}},
                  {"axis",
                   {{"values", ticks},
                    {"labelOverlap", true},
                    {"labelExpr",
                     "abs(datum.value) < 1e-9 ? '1' : (datum.value < 0 ? '÷' : '×') + "
                     "format(exp(abs(datum.value)), '.3~r')"}}}};
  ordered y = cut_axis(input);
  y["title"] = only_alphas(input) ? "α" : "cut";
  y["axis"] = {{"labelAngle", 0}, {"ticks", false}, {"domain", false}};
  ordered panel{
      {"width", 180},
      {"height", 30 * input.cuts.size()},
      {"encoding", {{"y", y}}},
      {"layer",
       {{{"mark", {{"type", "bar"}}},
         {"encoding",
          {{"x", x},
           {"yOffset", {{"field", "part"}, {"sort", {"loss", "rest"}}}},
           {"color",
            {{"field", "part"},
             {"scale", {{"domain", {"loss", "rest"}}, {"range", {"$loss", "$rest"}}}},
             {"legend", nullptr}}},
           {"tooltip", ordered::array({{{"field", "panel"}, {"title", "pair"}},
                                       {{"field", "cut"}, {"title", "α"}},
                                       {{"field", "part"}},
                                       {{"field", "times"}, {"title", "factor"}},
                                       {{"field", "intensity"}, {"title", "intensity in all"}},
                                       {{"field", "n"}}})}}}},
        {{"mark",
          {{"type", "tick"}, {"color", "$ink"}, {"thickness", 2}, {"orient", "vertical"}, {"height", 24}}},
         {"transform", {{{"filter", "datum.part == 'loss'"}}}},
         {"encoding", {{"x", [&] {
                          ordered total = x;
                          total["field"] = "total";
                          return total;
                        }()}}}}}}};
  return facets(std::move(rows), std::move(panel), std::move(order));
}

HeatMap edge_map(const EdgeTable& table) {
  HeatMap map{table.sources, table.destinations, {}, 1};
  for (size_t s = 0; s < table.sources.size(); ++s)
    for (size_t d = 0; d < table.destinations.size(); ++d) {
      const size_t at = table.at(s, d);
      if (!table.edges[at]) continue;
      const auto plus_one = [](const Number& x) { return x ? Number(*x + 1) : x; };
      map.cells.push_back({s, d, table.before[at], table.after[at],
                           log2_ratio(table.before[at], table.after[at]), plus_one(table.ci_low[at]),
                           plus_one(table.ci_high[at]), table.p_adjusted[at]});
    }
  map.clip = clip_of(table);
  return map;
}

HeatMap layer_map(const EdgeTable& table) {
  HeatMap map;
  const auto index = [](std::vector<std::string>& names, const std::string& name) {
    const auto it = std::find(names.begin(), names.end(), name);
    if (it != names.end()) return static_cast<size_t>(it - names.begin());
    names.push_back(name);
    return names.size() - 1;
  };
  std::map<std::pair<size_t, size_t>, std::pair<double, double>> sums;
  std::vector<size_t> row, column;
  for (const auto& name : table.sources) row.push_back(index(map.sources, layer_of(name)));
  for (const auto& name : table.destinations) column.push_back(index(map.destinations, layer_of(name)));
  for (size_t s = 0; s < table.sources.size(); ++s)
    for (size_t d = 0; d < table.destinations.size(); ++d) {
      if (!table.edges[table.at(s, d)]) continue;
      auto& [before, after] = sums[{row[s], column[d]}];
      before += table.before[table.at(s, d)].value_or(0);
      after += table.after[table.at(s, d)].value_or(0);
    }
  for (const auto& [place, sum] : sums)
    map.cells.push_back(
        {place.first, place.second, sum.first, sum.second, log2_ratio(sum.first, sum.second), {}, {}, {}});
  map.clip = clip_of(table);
  return map;
}

ordered heat_map_spec(const HeatMap& map, bool by_layer) {
  const ordered tooltip = by_layer ? ordered::array({{{"field", "edge"}, {"title", "layers"}},
                                                     {{"field", "before"}},
                                                     {{"field", "after"}},
                                                     {{"field", "ratio"}, {"title", "after / before"}}})
                                   : ordered::array({{{"field", "edge"}},
                                                     {{"field", "before"}},
                                                     {{"field", "after"}},
                                                     {{"field", "ratio"}, {"title", "after / before"}},
                                                     {{"field", "interval"}, {"title", "95 % interval"}},
                                                     {{"field", "corrected"}, {"title", "p, corrected"}},
                                                     {{"field", "beside"}, {"title", "beside the whole"}}});
  const auto position = [&](const char* field, const std::vector<std::string>& names, const char* title,
                            bool across) {
    return ordered{
        {"field", field},
        {"type", "ordinal"},
        {"scale", {{"domain", names}, {"paddingInner", names.size() > 40 ? 0.0 : 0.06}, {"paddingOuter", 0}}},
        {"axis", name_axis(names, by_layer, title, across)}};
  };
  const ordered x = position("d", map.destinations, by_layer ? "destination's layer" : "destination", true);
  const ordered y = position("s", map.sources, by_layer ? "source's layer" : "source", false);
  return {
      {"$schema", kSchema},
      {"params", {{{"name", "fade"}, {"value", false}}, {{"name", "chosen"}, {"value", ""}}}},
      {"data", {{"name", "rows"}, {"values", ordered::array()}}},
      {"width", {{"step", 20}}},
      {"height", {{"step", 20}}},
      {"layer",
       {{{"mark", {{"type", "rect"}}},
         {"encoding",
          {{"x", x},
           {"y", y},
           {"color",
            {{"condition", {{"test", "datum.v === null"}, {"value", "$line"}}},
             {"field", "v"},
             {"type", "quantitative"},
             {"scale",
              {{"domain", {-map.clip, 0, map.clip}},
               {"range", {"$before", "$page", "$after"}},
               {"interpolate", "lab"},
               {"clamp", true}}},
             {"legend", nullptr}}},
           {"opacity",
            {{"condition", {{"test", "fade && !(isNumber(datum.p) && datum.p <= 0.05)"}, {"value", 0.18}}},
             {"value", 1}}},
           {"stroke", {{"value", "$line"}}},
           {"strokeWidth", {{"value", map.destinations.size() > 40 ? 0.0 : 0.5}}},
           {"tooltip", tooltip}}}},
        {{"transform", {{{"filter", "datum.edge == chosen"}}}},
         {"mark", {{"type", "rect"}, {"fillOpacity", 0}, {"stroke", "$ink"}, {"strokeWidth", 2}}},
         {"encoding", {{"x", x}, {"y", y}}}}}},
      {"resolve", {{"scale", {{"x", "shared"}, {"y", "shared"}}}}}};
}

ordered heat_map_chart(const HeatMap& map, bool by_layer) {
  ordered spec = heat_map_spec(map, by_layer);
  for (const auto& cell : map.cells)
    spec["data"]["values"].push_back(
        {{"s", map.sources[cell.source]},
         {"d", map.destinations[cell.destination]},
         {"edge", map.sources[cell.source] + " → " + map.destinations[cell.destination]},
         {"v", value(cell.log2_ratio)},
         {"p", value(cell.p)},
         {"before", significant(cell.before)},
         {"after", significant(cell.after)}});
  spec["layer"][0]["encoding"]["color"]["legend"] = {{"title", "log2(after / before)"}};
  return spec;
}

ordered with_colours(ordered spec) {
  static const std::map<std::string, std::string> light{
      {"$before", "#2f6db3"}, {"$after", "#d9762b"}, {"$page", "#ffffff"}, {"$ink", "#1d2125"},
      {"$muted", "#5c656e"},  {"$line", "#d5d9dd"},  {"$loss", "#5c656e"}, {"$rest", "#aab2ba"}};
  if (spec.is_string()) {
    const auto it = light.find(spec.get<std::string>());
    return it == light.end() ? spec : ordered(it->second);
  }
  if (spec.is_structured())
    for (auto& item : spec) item = with_colours(item);
  return spec;
}

}  // namespace circuitdiff
