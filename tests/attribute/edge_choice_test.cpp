// `exact` on some of the edges: which are chosen, and that their scores are those of a run over all.
#include "attribute/edge_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "attribute/attribute_stage.h"
#include "records/scores.h"
#include "support/tiny_checkpoint.h"

namespace circuitdiff {
namespace {

int64_t count(const std::vector<uint8_t>& mask) { return std::count(mask.begin(), mask.end(), 1); }

TEST(SampledEdges, AreAsManyAsAskedAndExist) {
  for (const GraphKind kind : {GraphKind::qkv, GraphKind::block}) {
    const Graph graph{6, kind, EdgeSet::all};
    const std::vector<uint8_t> edges = graph.edges();
    for (const int64_t n : {int64_t{1}, int64_t{7}, graph.n_edges() - 1, graph.n_edges()}) {
      const std::vector<uint8_t> chosen = sampled_edges(graph, n);
      EXPECT_EQ(count(chosen), n);
      EXPECT_EQ(chosen, sampled_edges(graph, n));
      for (size_t e = 0; e < edges.size(); ++e) EXPECT_LE(chosen[e], edges[e]);
    }
    EXPECT_EQ(sampled_edges(graph, 1000000), edges);
  }
}

TEST(SampledEdges, GiveEveryKindAndLayerItsShareToWithinOne) {
  const Graph graph{6, GraphKind::qkv, EdgeSet::all};
  const int64_t n = graph.n_edges() / 3;
  const std::vector<uint8_t> chosen = sampled_edges(graph, n);
  for (int64_t d = 0; d < graph.n_backward(); ++d) {
    int64_t of_column = 0;
    for (int64_t s = 0; s < graph.n_forward(); ++s)
      of_column += chosen[static_cast<size_t>(s * graph.n_backward() + d)];
    const double share =
        static_cast<double>(graph.sources_before(d) * n) / static_cast<double>(graph.n_edges());
    EXPECT_NEAR(static_cast<double>(of_column), share, 1.0) << graph.destination_name(d);
  }
}

TEST(StrongestCells, AreTheLargestAndOfEqualsTheFirst) {
  const Graph graph{1, GraphKind::block, EdgeSet::all};  // rows input, a0, m0; columns a0, m0, logits
  const std::vector<double> strength{2, 5, 2, 9, 2, 7, 9, 9, 1};  // 9s stand where there is no edge
  const std::vector<uint8_t> expected{1, 1, 0, 0, 0, 1, 0, 0, 0};
  EXPECT_EQ(strongest_cells(graph, strength, 3), expected);
}

class SomeEdges : public testing::Test {
 protected:
  SomeEdges() {
    write_tiny_checkpoint(folder / "model", {});
    std::string lines;
    for (int i = 0; i < 3; ++i)
      lines += json({{"id", "q" + std::to_string(i)}, {"tokens", {1, 5 + i, 6, 7, 8 + i}}, {"prompt_len", 2}})
                   .dump() +
               "\n";
    write_file_atomically(folder / "sequences.jsonl", lines);
    options.model = folder / "model";
    options.sequences = folder / "sequences.jsonl";
    options.t_cut = 3;
    options.chunk = 2;
    options.device = "cpu";
    options.threads = 1;
    options.dtype = DtypeChoice::float64;
    options.scoring.method = Method::exact;
  }
  Scores scores(AttributeOptions o, const char* out) {
    o.out = folder / out;
    return read_scores(attribute(o, progress).outputs.front());
  }
  TemporaryFolder folder;
  AttributeOptions options;
  SilentProgress progress;
};

TEST_F(SomeEdges, HaveTheScoresOfARunOverAll) {
  const Scores all = scores(options, "all");
  for (const bool top : {false, true}) {
    AttributeOptions o = options;
    (top ? o.scoring.top_edges : o.scoring.edge_sample) = 9;
    const Scores some = scores(o, top ? "top" : "sample");
    EXPECT_EQ(count(some.edges), 9);
    EXPECT_FALSE(std::filesystem::exists(folder / (top ? "top" : "sample") / "attribute.edges.json"));
    for (int64_t k = 0; k < all.n; ++k)
      for (int64_t s = 0; s < all.n_forward; ++s)
        for (int64_t d = 0; d < all.n_backward; ++d) {
          const auto cell = static_cast<size_t>(s * all.n_backward + d);
          if (some.edges[cell])
            EXPECT_NEAR(some.at(k, s, d), all.at(k, s, d), 1e-12);
          else
            EXPECT_EQ(some.at(k, s, d), 0);
        }
  }
}

TEST_F(SomeEdges, RankedOnesAreTheStrongestOfEap) {
  AttributeOptions eap = options;
  eap.scoring.method = Method::eap;
  const Scores all = scores(eap, "eap");
  options.scoring.top_edges = 5;
  const Scores some = scores(options, "top");
  double weakest_in = 1e300, strongest_out = 0;
  for (size_t e = 0; e < all.edges.size(); ++e) {
    if (!all.edges[e]) continue;
    double sum = 0;
    for (int64_t k = 0; k < all.n; ++k)
      sum += std::abs(
          all.at(k, static_cast<int64_t>(e) / all.n_backward, static_cast<int64_t>(e) % all.n_backward));
    if (some.edges[e])
      weakest_in = std::min(weakest_in, sum);
    else
      strongest_out = std::max(strongest_out, sum);
  }
  EXPECT_GT(weakest_in, strongest_out);
}

TEST_F(SomeEdges, TheChoiceOfAKilledRunStands) {
  options.scoring.top_edges = 4;
  struct Stop : SilentProgress {
    void advance(int64_t, std::string_view) override { throw Interrupted(); }
  } stop;
  options.out = folder / "top";
  EXPECT_THROW(attribute(options, stop), Interrupted);
  const std::string choice = read_file(options.out / "attribute.edges.json");
  const Scores resumed = scores(options, "top");
  EXPECT_EQ(resumed.edges, scores(options, "whole").edges);
  write_file_atomically(folder / "bad.json", "[0, 100000]");
  const Graph graph{2, GraphKind::qkv, EdgeSet::all};
  try {
    read_edge_choice(folder / "bad.json", graph);
    ADD_FAILURE() << "a cell outside the graph was accepted";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("the number of an edge expected, 100000 found"));
  }
  EXPECT_FALSE(choice.empty());
}

TEST_F(SomeEdges, AreForExactAloneAndChosenOneWay) {
  const auto usage = [&](auto change) {
    AttributeOptions o = options;
    change(o.scoring);
    EXPECT_THROW(check_attribute(o), UsageError);
  };
  EXPECT_NO_THROW(check_attribute(options));
  usage([](ScoringOptions& o) { o.top_edges = -1; });
  usage([](ScoringOptions& o) { o.edge_sample = -1; });
  usage([](ScoringOptions& o) { o.top_edges = o.edge_sample = 3; });
  usage([](ScoringOptions& o) { o.top_edges = 3, o.method = Method::eap; });
}

}  // namespace
}  // namespace circuitdiff
