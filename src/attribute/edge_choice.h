// Which edges `exact` runs where all of them would take too long: an even sample of the graph, or the edges
// that eap finds strongest. One choice holds for every sample and cut of a run; the scores file's edge mask
// carries it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "attribute/eap.h"

namespace circuitdiff {

// n edges of the graph, [n_forward, n_backward] with 1 where chosen; the same for every model of this graph.
// Systematic: edges stand in order of the destination's kind, then its layer, shuffled within; every E/n-th
// is taken. So each edge has the chance n/E, and each kind and layer its share to within one edge. All edges
// where n is as many or more.
std::vector<uint8_t> sampled_edges(const Graph& graph, int64_t n);

// The k edges of largest strength [n_forward, n_backward]; of equals, the first.
std::vector<uint8_t> strongest_cells(const Graph& graph, const std::vector<double>& strength, int64_t k);

// Mean |eap score| at each sample's longest cut, over the samples whose numbers are finite. An Error where
// none is.
std::vector<double> eap_strength(const Decoder& decoder, ScoringOptions options,
                                 const std::vector<std::vector<AttributionSample>>& chunks,
                                 const ChunkPlan& plan);

// A choice in a file, so that a run that goes on later, perhaps elsewhere, has the same edges.
void write_edge_choice(const std::filesystem::path& path, const std::vector<uint8_t>& chosen);
std::vector<uint8_t> read_edge_choice(const std::filesystem::path& path, const Graph& graph);

}  // namespace circuitdiff
