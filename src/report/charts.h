// The report's charts as Vega-Lite specifications, data included. Colours are names ("$before", "$after",
// "$page", "$ink",
// "$muted", "$line", "$loss", "$rest") that the page replaces by those of its theme, and `with_colours` by
// the light ones.
#pragma once

#include <string>
#include <vector>

#include "report/report_input.h"

namespace circuitdiff {

using ordered = nlohmann::ordered_json;

// Small multiples, one a value of the rows' field `panel`, in the order of `order`; the page sets the panels'
// width and the number of columns.
ordered facets(ordered rows, ordered panel, ordered order);

// One metric before and after over the cuts, one panel a pair x data set, on one common scale. Null where no
// comparison has the metric.
ordered metric_chart(const ReportInput& input, const std::string& metric, const std::string& title);

// ln of the change of intensity, split into what goes with the loss and the rest. Null where no comparison
// has it.
ordered decomposition_chart(const ReportInput& input);

// What a heat map shows of one comparison: existing cells only.
struct HeatMap {
  std::vector<std::string> sources, destinations;
  struct Cell {
    size_t source, destination;
    Number before, after, log2_ratio;  // null where a side is 0
    Number ci_low, ci_high;            // of the ratio after / before
    Number p;
  };
  std::vector<Cell> cells;
  double clip = 0;  // of the colours: the 99th percentile of abs(log2_ratio) over the edges
};
HeatMap edge_map(const EdgeTable& table);
// The same summed over layers: "input", 0, 1, ..; 0, 1, .., "logits". Names of another pattern stand for
// themselves.
HeatMap layer_map(const EdgeTable& table);

// The specification of a heat map without its values; rows are {s, d, v, p, edge, ...}. `by_layer`: of
// layer_map.
ordered heat_map_spec(const HeatMap& map, bool by_layer);
// With values: complete, for a file of its own.
ordered heat_map_chart(const HeatMap& map, bool by_layer);

ordered with_colours(ordered spec);

}  // namespace circuitdiff
