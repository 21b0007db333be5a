#include "graph/graph.h"

namespace circuitdiff {
namespace {

struct Place {
  int64_t layer;  // n_layers for logits
  bool attention;
};

Place place_of(const Graph& graph, int64_t destination) {
  if (destination == graph.logits_destination()) return {graph.n_layers, false};
  const int64_t per_layer = graph.kind == GraphKind::qkv ? 4 : 2;
  return {destination / per_layer, destination % per_layer < per_layer - 1};
}

}  // namespace

int64_t Graph::sources_before(int64_t destination) const {
  if (destination == logits_destination()) return n_forward();
  const Place place = place_of(*this, destination);
  return 1 + 2 * place.layer + (place.attention ? 0 : 1);
}

bool Graph::edge_exists(int64_t source, int64_t destination) const {
  if (source >= sources_before(destination)) return false;
  if (edge_set == EdgeSet::all) return true;
  // Eq. (7): input to every destination but a0's; a{l} to m{l'}, l' >= l; m{l} to the branches of a{l'}, l' >
  // l, and to logits.
  const bool logits = destination == logits_destination();
  const Place place = place_of(*this, destination);
  if (source == 0) return logits || !place.attention || place.layer > 0;
  const bool from_attention = source % 2 == 1;
  if (from_attention) return !logits && !place.attention;
  return logits || place.attention;
}

int64_t Graph::n_edges() const {
  int64_t count = 0;
  for (const uint8_t e : edges()) count += e;
  return count;
}

std::vector<uint8_t> Graph::edges() const {
  std::vector<uint8_t> out;
  out.reserve(static_cast<size_t>(n_forward() * n_backward()));
  for (int64_t s = 0; s < n_forward(); ++s)
    for (int64_t d = 0; d < n_backward(); ++d) out.push_back(edge_exists(s, d) ? 1 : 0);
  return out;
}

std::string Graph::source_name(int64_t source) const {
  if (source == 0) return "input";
  return (source % 2 == 1 ? "a" : "m") + std::to_string((source - 1) / 2);
}

std::string Graph::destination_name(int64_t destination) const {
  if (destination == logits_destination()) return "logits";
  const Place place = place_of(*this, destination);
  const std::string layer = std::to_string(place.layer);
  if (!place.attention) return "m" + layer;
  if (kind == GraphKind::block) return "a" + layer;
  constexpr const char* kBranch[] = {"<q>", "<k>", "<v>"};
  return "a" + layer + kBranch[destination % 4];
}

std::string Graph::edge_name(int64_t source, int64_t destination) const {
  return source_name(source) + "->" + destination_name(destination);
}

std::vector<std::string> Graph::source_names() const {
  std::vector<std::string> out;
  for (int64_t s = 0; s < n_forward(); ++s) out.push_back(source_name(s));
  return out;
}

std::vector<std::string> Graph::destination_names() const {
  std::vector<std::string> out;
  for (int64_t d = 0; d < n_backward(); ++d) out.push_back(destination_name(d));
  return out;
}

}  // namespace circuitdiff
