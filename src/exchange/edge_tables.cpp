#include "exchange/edge_tables.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/error.h"
#include "graph/graph.h"
#include "io/files.h"
#include "io/json.h"

namespace circuitdiff {
namespace {

using nlohmann::ordered_json;

// One matrix from named edges, in the order in which sources and destinations are first named.
class EdgeList {
 public:
  explicit EdgeList(std::filesystem::path path) : path_(std::move(path)) {}
  void add(const std::string& source, const std::string& destination, const json& score) {
    if (!score.is_number())
      fail("{}: edge {} -> {}: a number expected as its score", path_.string(), in_quotes(source),
           in_quotes(destination));
    if (!cells_
             .emplace(std::pair{index(sources_, source), index(destinations_, destination)},
                      score.get<double>())
             .second)
      fail("{}: edge {} -> {} stands twice", path_.string(), in_quotes(source), in_quotes(destination));
  }
  Scores scores() const {
    if (cells_.empty()) fail("{}: no edges in it", path_.string());
    Scores out;
    out.n = 1;
    for (const auto& [name, place] : sources_.order) out.sources.push_back(name);
    for (const auto& [name, place] : destinations_.order) out.destinations.push_back(name);
    out.n_forward = static_cast<int64_t>(out.sources.size());
    out.n_backward = static_cast<int64_t>(out.destinations.size());
    if (out.n_forward > 100'000 || out.n_backward > 100'000 || out.n_forward * out.n_backward > 500'000'000)
      fail("{}: {} sources x {} destinations are more than a score file holds", path_.string(), out.n_forward,
           out.n_backward);
    const auto cells = static_cast<size_t>(out.n_forward * out.n_backward);
    out.scores.assign(cells, 0);
    out.edges.assign(cells, 0);
    for (const auto& [cell, score] : cells_) {
      const auto at = cell.first * out.destinations.size() + cell.second;
      out.scores[at] = score;
      out.edges[at] = 1;
    }
    out.ids = {"mean"};
    out.loss = {0};
    out.is_f64 = true;
    return out;
  }

 private:
  struct Names {
    std::map<std::string, size_t> places;
    std::vector<std::pair<std::string, size_t>> order;
  };
  static size_t index(Names& names, const std::string& name) {
    const auto [it, is_new] = names.places.emplace(name, names.order.size());
    if (is_new) names.order.emplace_back(name, it->second);
    return it->second;
  }
  std::filesystem::path path_;
  Names sources_, destinations_;
  std::map<std::pair<size_t, size_t>, double> cells_;
};

ordered_json read_ordered(const std::filesystem::path& path) {
  read_json_file(path);  // strict: says where it is no JSON, or a field stands twice
  return ordered_json::parse(read_file(path));
}

// "a3<q>" -> "a3.h0<q>", "a3" -> "a3.h0"; others as they are.
std::string with_head(const std::string& name) {
  if (name.size() < 2 || name[0] != 'a' || !std::isdigit(static_cast<unsigned char>(name[1]))) return name;
  const size_t branch = std::min(name.find('<'), name.size());
  return name.substr(0, branch) + ".h0" + name.substr(branch);
}
std::string without_head(std::string name) {
  if (const size_t at = name.find(".h0"); at != std::string::npos) name.erase(at, 3);
  return name;
}
std::string node_of(const std::string& destination) { return destination.substr(0, destination.find('<')); }

int64_t d_model_of(const std::filesystem::path& model) {
  if (model.empty()) return 0;
  const auto file = std::filesystem::is_directory(model) ? model / "config.json" : model;
  const json config = read_json_file(file);
  if (!config.is_object() || !config.contains("hidden_size") || !config["hidden_size"].is_number_integer())
    fail("{}: field \"hidden_size\": a whole number expected", file.string());
  return config["hidden_size"].get<int64_t>();
}

}  // namespace

std::vector<double> mean_scores(const Scores& s) {
  const auto cells = static_cast<size_t>(s.n_forward * s.n_backward);
  std::vector<double> out(cells, 0);
  for (int64_t k = 0; k < s.n; ++k)
    for (size_t c = 0; c < cells; ++c) out[c] += s.scores[static_cast<size_t>(k) * cells + c];
  for (double& x : out) x /= static_cast<double>(s.n);
  return out;
}

std::vector<uint8_t> best_edges(const Scores& s, const std::vector<double>& mean, int64_t top,
                                EdgeRank rank) {
  std::vector<size_t> order;
  for (size_t c = 0; c < s.edges.size(); ++c)
    if (s.edges[c]) order.push_back(c);
  const auto value = [&](size_t c) { return rank == EdgeRank::absolute ? std::abs(mean[c]) : mean[c]; };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return value(a) > value(b); });
  if (top > 0 && static_cast<size_t>(top) < order.size()) order.resize(static_cast<size_t>(top));
  std::vector<uint8_t> out(s.edges.size(), 0);
  for (const size_t c : order) out[c] = 1;
  return out;
}

void name_by_size(Scores& s, const std::string& where) {
  const int64_t layers = (s.n_forward - 1) / 2;
  for (const GraphKind kind : {GraphKind::qkv, GraphKind::block}) {
    const Graph graph{layers, kind, EdgeSet::all};
    if (s.n_forward % 2 == 0 || graph.n_backward() != s.n_backward) continue;
    if (s.sources.empty()) s.sources = graph.source_names();
    if (s.destinations.empty()) s.destinations = graph.destination_names();
    if (s.edges.empty()) s.edges = graph.edges();
    return;
  }
  fail(
      "{}: {} sources x {} destinations: 1 + 2L x 4L + 1 (qkv) or 1 + 2L x 2L + 1 (block) expected where no "
      "names and no "
      "edge mask are given",
      where, s.n_forward, s.n_backward);
}

ordered_json mib_json(const Scores& s, const ExportOptions& options) {
  if (std::none_of(s.destinations.begin(), s.destinations.end(),
                   [](const std::string& d) { return d.ends_with("<q>"); }))
    fail("{}: the mib format names q, k and v apart: scores of --graph qkv expected",
         options.scores.string());
  const std::vector<double> mean = mean_scores(s);
  const std::vector<uint8_t> chosen = best_edges(s, mean, options.top, options.rank);
  ordered_json out{{"cfg",
                    {{"n_layers", (s.n_forward - 1) / 2},
                     {"n_heads", 1},
                     {"parallel_attn_mlp", false},
                     {"d_model", d_model_of(options.model)}}},
                   {"nodes", ordered_json::object()},
                   {"edges", ordered_json::object()}};
  for (const std::string& source : s.sources) out["nodes"][with_head(source)] = {{"in_graph", false}};
  out["nodes"]["logits"] = {{"in_graph", false}};
  for (size_t i = 0; i < s.sources.size(); ++i)
    for (size_t j = 0; j < s.destinations.size(); ++j) {
      const size_t c = i * s.destinations.size() + j;
      if (!s.edges[c]) continue;
      const std::string source = with_head(s.sources[i]), destination = with_head(s.destinations[j]);
      out["edges"][source + "->" + destination] = {{"score", mean[c]}, {"in_graph", chosen[c] == 1}};
      if (chosen[c])
        for (const std::string& node : {source, node_of(destination)}) out["nodes"][node]["in_graph"] = true;
    }
  return out;
}

Scores scores_of_mib(const std::filesystem::path& path) {
  const ordered_json root = read_ordered(path);
  if (!root.is_object() || !root.contains("edges") || !root["edges"].is_object())
    fail("{}: field \"edges\": an object of edges by name expected", path.string());
  EdgeList list(path);
  for (const auto& [name, edge] : root["edges"].items()) {
    const size_t arrow = name.find("->");
    if (arrow == std::string::npos)
      fail("{}: edge {}: SOURCE->DESTINATION expected", path.string(), in_quotes(name));
    if (!edge.is_object() || !edge.contains("score"))
      fail("{}: edge {}: field \"score\" is missing", path.string(), in_quotes(name));
    list.add(without_head(name.substr(0, arrow)), without_head(name.substr(arrow + 2)), edge["score"]);
  }
  return list.scores();
}

ordered_json attribution_graph_json(const Scores& s, const ExportOptions& options) {
  const std::vector<double> mean = mean_scores(s);
  const std::vector<uint8_t> chosen = best_edges(s, mean, options.top, options.rank);
  std::map<std::pair<std::string, std::string>, double> weights;
  std::map<std::string, double> influence;
  std::vector<std::pair<std::string, std::string>> order;
  double total = 0;
  for (size_t i = 0; i < s.sources.size(); ++i)
    for (size_t j = 0; j < s.destinations.size(); ++j) {
      const size_t c = i * s.destinations.size() + j;
      if (!chosen[c]) continue;
      const std::pair link{s.sources[i], node_of(s.destinations[j])};
      if (weights.emplace(link, 0).second) order.push_back(link);
      weights[link] += mean[c];
      influence[s.sources[i]] += std::abs(mean[c]);
      total += std::abs(mean[c]);
    }
  ordered_json out{{"metadata",
                    {{"slug", options.scores.stem().string()},
                     {"scan", s.metadata.contains("model") ? s.metadata.at("model") : ""},
                     {"transcoder_list", ordered_json::array()},
                     {"prompt_tokens", ordered_json::array()},
                     {"prompt", fmt::format("mean over {} answers", s.n)},
                     {"node_threshold", nullptr},
                     {"schema_version", 1}}},
                   {"qParams", ordered_json::object()},
                   {"nodes", ordered_json::array()},
                   {"links", ordered_json::array()}};
  std::vector<std::string> nodes = s.sources;
  if (std::find(nodes.begin(), nodes.end(), "logits") == nodes.end()) nodes.push_back("logits");
  for (size_t i = 0; i < nodes.size(); ++i) {
    const std::string& node = nodes[i];
    const char* type = node == "input"    ? "embedding"
                       : node == "logits" ? "logit"
                       : node[0] == 'a'   ? "attn"
                                          : "mlp";
    const std::string layer = node == "input"    ? "E"
                              : node == "logits" ? std::to_string((s.n_forward - 1) / 2)
                                                 : node.substr(1);
    out["nodes"].push_back({{"node_id", node},
                            {"feature", i},
                            {"layer", layer},
                            {"ctx_idx", 0},
                            {"feature_type", type},
                            {"token_prob", 0.0},
                            {"is_target_logit", node == "logits"},
                            {"clerp", node},
                            {"influence", total > 0 ? influence[node] / total : 0.0},
                            {"activation", nullptr}});
  }
  for (const auto& link : order)
    out["links"].push_back({{"source", link.first}, {"target", link.second}, {"weight", weights[link]}});
  return out;
}

Scores scores_of_attribution_graph(const std::filesystem::path& path) {
  const json root = read_json_file(path);
  if (!root.is_object() || !root.contains("links") || !root["links"].is_array())
    fail("{}: field \"links\": a list expected", path.string());
  EdgeList list(path);
  size_t i = 0;
  for (const json& link : root["links"]) {
    for (const char* field : {"source", "target"})
      if (!link.is_object() || !link.contains(field) || !link[field].is_string())
        fail("{}: link {}: field \"{}\": a text expected", path.string(), i, field);
    if (!link.contains("weight")) fail("{}: link {}: field \"weight\" is missing", path.string(), i);
    list.add(link["source"].get<std::string>(), link["target"].get<std::string>(), link["weight"]);
    ++i;
  }
  return list.scores();
}

}  // namespace circuitdiff
