// Which edges exist, against the golden masks and against the words of the definition.
#include "graph/graph.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <set>

#include "io/safetensors.h"

namespace circuitdiff {
namespace {

using testing::ElementsAre;

Graph graph(int64_t n_layers, GraphKind kind = GraphKind::qkv, EdgeSet set = EdgeSet::all) {
  return {n_layers, kind, set};
}

TEST(Graph, NamesAreThoseOfThePapers) {
  EXPECT_THAT(graph(2).source_names(), ElementsAre("input", "a0", "m0", "a1", "m1"));
  EXPECT_THAT(graph(2).destination_names(),
              ElementsAre("a0<q>", "a0<k>", "a0<v>", "m0", "a1<q>", "a1<k>", "a1<v>", "m1", "logits"));
  EXPECT_THAT(graph(2, GraphKind::block).destination_names(), ElementsAre("a0", "m0", "a1", "m1", "logits"));
  EXPECT_EQ(graph(12).edge_name(7, 47), "a3->m11");
  EXPECT_EQ(graph(12).edge_name(0, 48), "input->logits");
}

TEST(Graph, SizesFollowFromTheLayers) {
  for (const int64_t layers : {1, 2, 7, 32}) {
    EXPECT_EQ(graph(layers).n_forward(), 1 + 2 * layers);
    EXPECT_EQ(graph(layers).n_backward(), 1 + 4 * layers);
    EXPECT_EQ(graph(layers, GraphKind::block).n_backward(), 1 + 2 * layers);
    // a{l} receives 1 + 2l, m{l} 2 + 2l, logits 1 + 2L.
    EXPECT_EQ(graph(layers, GraphKind::block).n_edges(), layers * (2 * layers + 1) + 1 + 2 * layers);
    EXPECT_EQ(graph(layers).n_edges(), layers * (4 * layers + 1) + 1 + 2 * layers);
  }
}

TEST(Graph, IndicesAgreeWithNames) {
  for (const GraphKind kind : {GraphKind::qkv, GraphKind::block}) {
    const Graph g = graph(5, kind);
    for (int64_t l = 0; l < 5; ++l) {
      const std::string layer = std::to_string(l);
      EXPECT_EQ(g.source_name(g.attention_source(l)), "a" + layer);
      EXPECT_EQ(g.source_name(g.mlp_source(l)), "m" + layer);
      EXPECT_EQ(g.destination_name(g.attention_destination(l)),
                kind == GraphKind::qkv ? "a" + layer + "<q>" : "a" + layer);
      EXPECT_EQ(g.destination_name(g.mlp_destination(l)), "m" + layer);
    }
    EXPECT_EQ(g.destination_name(g.logits_destination()), "logits");
  }
}

TEST(Graph, AnEdgeExistsWhereTheSourceIsComputedFirst) {
  for (const GraphKind kind : {GraphKind::qkv, GraphKind::block}) {
    const Graph g = graph(4, kind);
    // The order of computation: a source is made right after its own destinations have read the stream.
    std::set<std::string> made{"input"};
    const auto check = [&](int64_t destination) {
      for (int64_t s = 0; s < g.n_forward(); ++s)
        EXPECT_EQ(g.edge_exists(s, destination), made.contains(g.source_name(s)))
            << g.edge_name(s, destination);
      EXPECT_EQ(g.sources_before(destination), static_cast<int64_t>(made.size()));
    };
    for (int64_t l = 0; l < 4; ++l) {
      for (int64_t d = g.attention_destination(l); d < g.mlp_destination(l); ++d) check(d);
      made.insert("a" + std::to_string(l));
      check(g.mlp_destination(l));
      made.insert("m" + std::to_string(l));
    }
    check(g.logits_destination());
  }
}

// Eq. (7), read off by hand for three layers of the block graph. Rows: input a0 m0 a1 m1 a2 m2; columns: a0
// m0 a1 m1 a2 m2 logits.
TEST(Graph, ThePapersEdgesOfThreeLayers) {
  const std::vector<uint8_t> expected{0, 1, 1, 1, 1, 1, 1,   // input to all but a0
                                      0, 1, 0, 1, 0, 1, 0,   // a0 to m0, m1, m2
                                      0, 0, 1, 0, 1, 0, 1,   // m0 to a1, a2, logits
                                      0, 0, 0, 1, 0, 1, 0,   // a1 to m1, m2
                                      0, 0, 0, 0, 1, 0, 1,   // m1 to a2, logits
                                      0, 0, 0, 0, 0, 1, 0,   // a2 to m2
                                      0, 0, 0, 0, 0, 0, 1};  // m2 to logits
  EXPECT_EQ(graph(3, GraphKind::block, EdgeSet::paper).edges(), expected);
}

TEST(Graph, ThePapersEdgesAreAmongAllOfThem) {
  for (const GraphKind kind : {GraphKind::qkv, GraphKind::block})
    for (const int64_t layers : {1, 3, 6}) {
      const auto all = graph(layers, kind).edges();
      const auto paper = graph(layers, kind, EdgeSet::paper).edges();
      for (size_t i = 0; i < all.size(); ++i) EXPECT_LE(paper[i], all[i]);
      EXPECT_LT(std::count(paper.begin(), paper.end(), 1), std::count(all.begin(), all.end(), 1));
    }
}

class GoldenMasks : public testing::TestWithParam<const char*> {};

TEST_P(GoldenMasks, AreTheEdges) {
  const auto folder = std::filesystem::path(CIRCUITDIFF_SOURCE_DIR) / "tests/golden/models" / GetParam();
  const SafetensorsFile golden(folder / "golden.safetensors");
  const int64_t n_layers = (golden.at("edge_mask").shape.at(0) - 1) / 2;
  const auto check = [](const SafetensorsFile& file, const char* name, const Graph& g) {
    EXPECT_EQ(file.at(name).shape, (std::vector<int64_t>{g.n_forward(), g.n_backward()})) << name;
    const auto mask = file.integers(name);
    const auto edges = g.edges();
    EXPECT_TRUE(std::equal(mask.begin(), mask.end(), edges.begin(), edges.end())) << name;
  };
  check(golden, "edge_mask", graph(n_layers));
  check(golden, "edge_mask_block", graph(n_layers, GraphKind::block));
  if (!std::filesystem::exists(folder / "extra.safetensors")) return;
  const SafetensorsFile extra(folder / "extra.safetensors");
  check(extra, "edge_mask_paper", graph(n_layers, GraphKind::qkv, EdgeSet::paper));
  check(extra, "edge_mask_paper_block", graph(n_layers, GraphKind::block, EdgeSet::paper));
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenMasks,
                         testing::Values("llama_mha", "llama3_scaled", "llama_bias", "mistral_gqa_swa",
                                         "qwen2_swa", "qwen2_tied", "qwen3", "phi3", "gemma2", "olmo2"));

}  // namespace
}  // namespace circuitdiff
