#include "attribute/edge_choice.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "base/error.h"
#include "base/progress.h"
#include "base/random.h"
#include "io/files.h"
#include "io/json.h"

namespace circuitdiff {
namespace {

std::vector<int64_t> existing_cells(const Graph& graph) {
  const std::vector<uint8_t> edges = graph.edges();
  std::vector<int64_t> out;
  for (size_t e = 0; e < edges.size(); ++e)
    if (edges[e]) out.push_back(static_cast<int64_t>(e));
  return out;
}

std::vector<uint8_t> mask_of(const Graph& graph, const std::vector<int64_t>& cells) {
  std::vector<uint8_t> out(static_cast<size_t>(graph.n_forward() * graph.n_backward()), 0);
  for (const int64_t cell : cells) out[static_cast<size_t>(cell)] = 1;
  return out;
}

}  // namespace

std::vector<uint8_t> sampled_edges(const Graph& graph, int64_t n) {
  std::vector<int64_t> cells = existing_cells(graph);
  const auto total = static_cast<int64_t>(cells.size());
  if (n >= total) return mask_of(graph, cells);
  Philox random(/*seed=*/0);
  for (size_t i = cells.size(); i > 1; --i) std::swap(cells[i - 1], cells[random.below(i)]);
  const auto stratum = [&](int64_t cell) {
    const int64_t d = cell % graph.n_backward();
    return d == graph.logits_destination() ? std::pair{graph.destinations_a_layer(), int64_t{0}}
                                           : std::pair{graph.part_of(d), graph.layer_of(d)};
  };
  std::stable_sort(cells.begin(), cells.end(), [&](int64_t a, int64_t b) { return stratum(a) < stratum(b); });
  // In integers: the i-th is floor((i * total + offset) / n) with an offset below total.
  const auto offset = static_cast<int64_t>(random.below(static_cast<uint64_t>(total)));
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < n; ++i) chosen.push_back(cells[static_cast<size_t>((i * total + offset) / n)]);
  return mask_of(graph, chosen);
}

std::vector<uint8_t> strongest_cells(const Graph& graph, const std::vector<double>& strength, int64_t k) {
  std::vector<int64_t> cells = existing_cells(graph);
  std::stable_sort(cells.begin(), cells.end(), [&](int64_t a, int64_t b) {
    return strength[static_cast<size_t>(a)] > strength[static_cast<size_t>(b)];
  });
  cells.resize(static_cast<size_t>(std::min(k, static_cast<int64_t>(cells.size()))));
  return mask_of(graph, cells);
}

std::vector<double> eap_strength(const Decoder& decoder, ScoringOptions options,
                                 const std::vector<std::vector<AttributionSample>>& chunks,
                                 const ChunkPlan& plan) {
  options.method = Method::eap;
  std::vector<double> sum;
  int64_t counted = 0;
  std::string problem = "there are no samples";
  for (std::vector<AttributionSample> chunk : chunks) {
    check_interrupt();
    for (AttributionSample& s : chunk) s.t_cut = {*std::max_element(s.t_cut.begin(), s.t_cut.end())};
    const auto scores = attribute_chunk(decoder, options, chunk, plan);
    for (size_t i = 0; i < scores.size(); ++i) {
      const SampleScores& s = scores[i].front();
      if (!s.problem.empty()) {
        problem = chunk[i].id + ": " + s.problem;
        continue;
      }
      sum.resize(s.scores.size());
      for (size_t e = 0; e < sum.size(); ++e) sum[e] += std::abs(s.scores[e]);
      ++counted;
    }
  }
  if (counted == 0) fail("--top-edges: no sample has finite eap scores to rank edges by; {}", problem);
  for (double& v : sum) v /= static_cast<double>(counted);
  return sum;
}

void write_edge_choice(const std::filesystem::path& path, const std::vector<uint8_t>& chosen) {
  json cells = json::array();
  for (size_t e = 0; e < chosen.size(); ++e)
    if (chosen[e]) cells.push_back(e);
  write_file_atomically(path, cells.dump() + "\n");
}

std::vector<uint8_t> read_edge_choice(const std::filesystem::path& path, const Graph& graph) {
  const json cells = read_json_file(path);
  const std::vector<uint8_t> edges = graph.edges();
  if (!cells.is_array()) fail("{}: a list of edges expected", path.string());
  std::vector<int64_t> chosen;
  for (const json& cell : cells) {
    if (!cell.is_number_unsigned() || cell.get<uint64_t>() >= edges.size() || !edges[cell.get<size_t>()])
      fail("{}: the number of an edge expected, {} found", path.string(), cell.dump());
    chosen.push_back(cell.get<int64_t>());
  }
  return mask_of(graph, chosen);
}

}  // namespace circuitdiff
