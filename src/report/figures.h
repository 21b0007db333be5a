// Figures for papers: each metric before and after over the cuts, and each comparison's map of edges, as
// drawings that need no script. The page's own charts stand in charts.h.
#pragma once

#include <optional>
#include <string>

#include "report/canvas.h"
#include "report/charts.h"

namespace circuitdiff {

// One metric: a panel a pair x data set on one common scale, before and after as discs at each cut, the 95 %
// interval of the difference as a bar at the value after. nullopt where no comparison has the metric.
std::optional<Canvas> draw_metric(const ReportInput& input, const std::string& metric,
                                  const std::string& title);

// Cells coloured by log2(after / before), clipped at the map's 99th percentile.
Canvas draw_map(const HeatMap& map, const std::string& title);

// A LaTeX document part: one figure environment a file, to be included. names: files without their ending.
std::string figures_latex(const std::vector<std::pair<std::string, std::string>>& names_and_captions);

}  // namespace circuitdiff
