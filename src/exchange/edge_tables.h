// What exporters and importers of score files share: means over samples, ranks, and the graph that a pair of
// sizes belongs to.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "exchange/exchange_stage.h"
#include "io/json_fwd.h"
#include "records/scores.h"

namespace circuitdiff {

std::vector<double> mean_scores(const Scores& scores);  // [n_forward * n_backward]
// 1 for the `top` best existing edges (0: all); ties by place.
std::vector<uint8_t> best_edges(const Scores& scores, const std::vector<double>& mean, int64_t top,
                                EdgeRank rank);

// Fills names and edges where the file has none: those of the graph with these sizes. Error where no graph of
// docs/spec.md#graph has them.
void name_by_size(Scores& scores, const std::string& where);

nlohmann::ordered_json mib_json(const Scores& scores, const ExportOptions& options);
Scores scores_of_mib(const std::filesystem::path& path);
nlohmann::ordered_json attribution_graph_json(const Scores& scores, const ExportOptions& options);
Scores scores_of_attribution_graph(const std::filesystem::path& path);

}  // namespace circuitdiff
