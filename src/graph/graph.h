// The residual graph (docs/spec.md#graph): sources that add to the stream, destinations that read it, and
// which edges exist. Sources in order: input, a0, m0, a1, m1, ... Destinations in order: per layer a{l}<q>,
// a{l}<k>, a{l}<v>, m{l}
// (`qkv`) or a{l}, m{l} (`block`); then logits.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/options.h"

namespace circuitdiff {

enum class GraphKind { qkv, block };
enum class EdgeSet { all, paper };

template <>
struct EnumWords<GraphKind> {
  static constexpr std::array words{std::pair{GraphKind::qkv, "qkv"}, std::pair{GraphKind::block, "block"}};
};
template <>
struct EnumWords<EdgeSet> {
  static constexpr std::array words{std::pair{EdgeSet::all, "all"}, std::pair{EdgeSet::paper, "paper"}};
};

struct Graph {
  int64_t n_layers = 0;
  GraphKind kind = GraphKind::qkv;
  EdgeSet edge_set = EdgeSet::all;

  int64_t n_forward() const { return 1 + 2 * n_layers; }
  int64_t n_backward() const { return destinations_a_layer() * n_layers + 1; }
  int64_t destinations_a_layer() const { return kind == GraphKind::qkv ? 4 : 2; }

  // Columns of the branches that read the stream at one point.
  int64_t attention_source(int64_t layer) const { return 1 + 2 * layer; }
  int64_t mlp_source(int64_t layer) const { return 2 + 2 * layer; }
  int64_t attention_destination(int64_t layer) const {
    return destinations_a_layer() * layer;
  }  // q of q, k, v
  int64_t mlp_destination(int64_t layer) const { return destinations_a_layer() * (layer + 1) - 1; }
  int64_t logits_destination() const { return n_backward() - 1; }
  // The layer that destination d belongs to, n_layers for the logits, and which of its layer's it is: 0, 1, 2
  // for q, k, v (or 0 for attention), and the last for the MLP.
  int64_t layer_of(int64_t d) const { return d / destinations_a_layer(); }
  int64_t part_of(int64_t d) const { return d % destinations_a_layer(); }
  bool is_mlp(int64_t d) const { return part_of(d) + 1 == destinations_a_layer(); }

  // How many of the first sources exist when destination d reads the stream: they are 0 .. count - 1.
  int64_t sources_before(int64_t destination) const;
  bool edge_exists(int64_t source, int64_t destination) const;
  int64_t n_edges() const;
  std::vector<uint8_t> edges() const;  // [n_forward, n_backward], 1 where an edge exists

  std::string source_name(int64_t source) const;                     // "input", "a3", "m3"
  std::string destination_name(int64_t destination) const;           // "a3<q>", "m3", "logits"
  std::string edge_name(int64_t source, int64_t destination) const;  // "a3->m7"
  std::vector<std::string> source_names() const;
  std::vector<std::string> destination_names() const;
};

}  // namespace circuitdiff
