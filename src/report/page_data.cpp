// The data that the page's script draws from: names, charts and heat maps as JSON. Figures are rounded to
// four digits, which is more than a pixel shows; tables and metrics.json have them whole.
#include <fmt/format.h>

#include <string_view>

#include "report/charts.h"
#include "report/format.h"
#include "report/page.h"
#include "report/words.h"

namespace circuitdiff::page {
namespace {

double round4(double x) { return x == 0 ? 0 : std::stod(fmt::format("{:.3e}", x)); }
nlohmann::ordered_json rounded(const Number& x) {
  return x ? nlohmann::ordered_json(round4(*x)) : nlohmann::ordered_json(nullptr);
}

// Columns rather than rows: a tenth of the bytes.
nlohmann::ordered_json map_json(const HeatMap& map) {
  nlohmann::ordered_json out{{"clip", round4(map.clip)}};
  for (const char* column : {"s", "d", "b", "a", "v", "lo", "hi", "p"})
    out[column] = nlohmann::ordered_json::array();
  for (const auto& c : map.cells) {
    out["s"].push_back(c.source);
    out["d"].push_back(c.destination);
    out["b"].push_back(rounded(c.before));
    out["a"].push_back(rounded(c.after));
    out["v"].push_back(rounded(c.log2_ratio));
    out["lo"].push_back(rounded(c.ci_low));
    out["hi"].push_back(rounded(c.ci_high));
    out["p"].push_back(rounded(c.p));
  }
  return out;
}

nlohmann::ordered_json edges_json(const HeatMap& map, const EdgeTable& table, bool with_spread) {
  nlohmann::ordered_json out = map_json(map);
  out["clip_beside_whole"] = rounded(table.log2_clip_beside_whole);
  if (!with_spread) return out;
  for (const auto& [key, spread] : {std::pair{"qb", &table.spread_before}, {"qa", &table.spread_after}}) {
    out[key] = nlohmann::ordered_json::array();
    for (const auto& c : map.cells) {
      nlohmann::ordered_json five = nlohmann::ordered_json::array();
      for (const double q : (*spread)[table.at(c.source, c.destination)]) five.push_back(round4(q));
      out[key].push_back(std::move(five));
    }
  }
  return out;
}

// Ten numbers an edge: the page of a large run would grow without limit.
constexpr size_t kCellsWithSpread = 60000;

}  // namespace

nlohmann::ordered_json data(const ReportInput& input) {
  using ordered = nlohmann::ordered_json;
  ordered out{{"name", input.name},         {"pairs", ordered::array()},  {"data", ordered::array()},
              {"cuts", ordered::array()},   {"graphs", ordered::array()}, {"maps", ordered::object()},
              {"charts", ordered::object()}};
  for (const auto& p : input.pairs) out["pairs"].push_back(p.name);
  for (const auto& d : input.data) out["data"].push_back(d.name);
  // Of each pair, the data sets it was asked.
  out["asked"] = ordered(input.pairs.size(), ordered::array());
  for (const PairOnData& r : input.results) out["asked"][r.pair].push_back(r.data);
  for (const auto& c : input.cuts) out["cuts"].push_back(cut_text(c));
  for (const char* metric : {"diversity", "node_entropy", "gini", "top1_share"})
    for (const MetricWords& w : metric_words())
      if (std::string_view(w.name) == metric)
        if (ordered chart =
                metric_chart(input, metric, *w.unit ? fmt::format("{} ({})", w.title, w.unit) : w.title);
            !chart.is_null())
          out["charts"][metric] = std::move(chart);
  if (ordered chart = decomposition_chart(input); !chart.is_null())
    out["charts"]["decomposition"] = std::move(chart);
  for (const PairOnData& r : input.results)
    for (size_t c = 0; c < input.cuts.size(); ++c) {
      const Comparison* comparison = input.find(r.pair, r.data, c);
      if (!comparison || comparison->edges.empty()) continue;
      const HeatMap edges = edge_map(comparison->edges), layers = layer_map(comparison->edges);
      size_t g = 0;
      for (; g < out["graphs"].size(); ++g)
        if (out["graphs"][g]["sources"] == ordered(edges.sources) &&
            out["graphs"][g]["destinations"] == ordered(edges.destinations))
          break;
      if (g == out["graphs"].size())
        out["graphs"].push_back({{"sources", edges.sources},
                                 {"destinations", edges.destinations},
                                 {"layer_sources", layers.sources},
                                 {"layer_destinations", layers.destinations},
                                 {"heat", heat_map_spec(edges, false)},
                                 {"layers", heat_map_spec(layers, true)}});
      out["maps"][fmt::format("{}|{}|{}", r.pair, r.data, c)] = {
          {"graph", g},
          {"n", comparison->n},
          {"edges", edges_json(edges, comparison->edges,
                               comparison->edges.edges.size() * input.cuts.size() * input.pairs.size() *
                                       input.data.size() <=
                                   kCellsWithSpread)},
          {"layers", map_json(layers)}};
    }
  return out;
}

}  // namespace circuitdiff::page
