// Score files out and back: what survives, what other tools read, and files that do not fit.
#include "exchange/exchange_stage.h"

#include <gmock/gmock.h>

#include "base/random.h"
#include "graph/graph.h"
#include "io/json.h"
#include "io/npy.h"
#include "io/zip.h"
#include "records/scores.h"
#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using test::error_of;
using testing::HasSubstr;

class Warnings : public SilentProgress {
 public:
  void warn(std::string_view message) override { all.emplace_back(message); }
  std::vector<std::string> all;
};

Scores random_scores(GraphKind kind, bool f64) {
  const Graph graph{2, kind, EdgeSet::all};
  Scores s;
  s.n = 3;
  s.n_forward = graph.n_forward();
  s.n_backward = graph.n_backward();
  s.sources = graph.source_names();
  s.destinations = graph.destination_names();
  s.edges = graph.edges();
  s.ids = {"q1", "q 2", "\u4e2d"};
  s.t_cut = {4, 4, 3};
  s.loss = {0.5, 0.25, 1};
  s.error = {0.25, 0.125, 0.5};
  s.metadata = {{"model", "m"}, {"method", "eap"}};
  s.is_f64 = f64;
  Philox random(9);
  for (int64_t k = 0; k < s.n; ++k)
    for (const uint8_t edge : s.edges) {
      const double x = f64 ? random.normal() : static_cast<double>(static_cast<float>(random.normal()));
      s.scores.push_back(edge ? x : 0);
    }
  return s;
}

class Exchange : public testing::Test {
 protected:
  Scores round_trip(const Scores& s, ExchangeFormat format) {
    write_scores(folder / "s.safetensors", s);
    ExportOptions out;
    out.scores = folder / "s.safetensors";
    out.format = format;
    out.out = folder / "x";
    export_scores(out);
    ImportOptions in;
    in.in = folder / "x";
    in.format = format;
    in.out = folder / "back.safetensors";
    import_scores(in, warnings);
    return read_scores(folder / "back.safetensors");
  }
  void write_npz(const std::vector<std::pair<std::string, NpyArray>>& arrays) const {
    std::vector<ZipMember> members;
    for (const auto& [name, array] : arrays) members.push_back({name + ".npy", npy_bytes(array)});
    write_zip(folder / "x.npz", members);
  }
  std::string import_failure() {
    ImportOptions in;
    in.in = folder / "x.npz";
    in.out = folder / "back.safetensors";
    return error_of([&] { import_scores(in, warnings); });
  }
  test::TempFolder folder;
  Warnings warnings;
};

TEST_F(Exchange, NpzKeepsEverything) {
  for (const bool f64 : {false, true}) {
    const Scores s = random_scores(GraphKind::qkv, f64), back = round_trip(s, ExchangeFormat::npz);
    EXPECT_EQ(back.scores, s.scores);
    EXPECT_EQ(back.loss, s.loss);
    EXPECT_EQ(back.error, s.error);
    EXPECT_EQ(back.t_cut, s.t_cut);
    EXPECT_EQ(back.edges, s.edges);
    EXPECT_EQ(back.sources, s.sources);
    EXPECT_EQ(back.destinations, s.destinations);
    EXPECT_EQ(back.ids, s.ids);
    EXPECT_EQ(back.is_f64, f64);
    EXPECT_EQ(back.metadata.at("method"), "eap");
  }
  EXPECT_TRUE(warnings.all.empty());
}

TEST_F(Exchange, NpzHasThePublishedArrays) {
  const Scores s = random_scores(GraphKind::qkv, true);
  round_trip(s, ExchangeFormat::npz);
  const ZipFile zip(MappedFile(folder / "x"), "x", "an .npz archive");
  const NpyArray all = parse_npy(zip.read("all_scores.npy"), "x"),
                 mean = parse_npy(zip.read("scores.npy"), "x");
  EXPECT_EQ(all.shape, (std::vector<int64_t>{3, 5, 9}));
  EXPECT_EQ(mean.shape, (std::vector<int64_t>{5, 9}));
  const auto numbers = npy_numbers(mean, "x");
  for (size_t c = 0; c < 45; ++c)
    EXPECT_DOUBLE_EQ(numbers[c], (s.scores[c] + s.scores[45 + c] + s.scores[90 + c]) / 3);
}

TEST_F(Exchange, PublishedFilesGetTheNamesOfTheirGraph) {
  const Scores s = random_scores(GraphKind::qkv, false);
  write_npz({{"scores", npy_of(std::vector<float>(45, 0), {5, 9})},
             {"all_scores", npy_of(std::vector<float>(s.scores.begin(), s.scores.end()), {3, 5, 9})}});
  ImportOptions in;
  in.in = folder / "x.npz";
  in.out = folder / "back.safetensors";
  import_scores(in, warnings);
  const Scores back = read_scores(folder / "back.safetensors");
  EXPECT_EQ(back.scores, s.scores);
  EXPECT_EQ(back.destinations, s.destinations);
  EXPECT_EQ(back.edges, s.edges);
  EXPECT_EQ(back.metadata.at("loss"), "unknown");
  ASSERT_EQ(warnings.all.size(), 1u);
  EXPECT_THAT(warnings.all[0], HasSubstr("no losses in it"));
}

TEST_F(Exchange, MibHasEdgesByNameAndTheBestInTheCircuit) {
  const Scores s = random_scores(GraphKind::qkv, true);
  const Scores back = round_trip(s, ExchangeFormat::mib);
  EXPECT_EQ(back.n, 1);
  const json file = read_json_file(folder / "x");
  EXPECT_EQ(file["cfg"]["n_layers"], 2);
  // Sources before q, k, v, m: 1, 1, 1, 2 in layer 0; 3, 3, 3, 4 in layer 1; 5 before the logits.
  EXPECT_EQ(file["edges"].size(), 23u);
  EXPECT_TRUE(file["edges"].contains("m0->a1.h0<k>"));
  double best = -1;
  std::string name;
  for (const auto& [key, edge] : file["edges"].items())
    if (const double x = std::abs(edge["score"].get<double>()); x > best) best = x, name = key;
  ExportOptions out;
  out.scores = folder / "s.safetensors";
  out.format = ExchangeFormat::mib;
  out.out = folder / "top";
  out.top = 1;
  export_scores(out);
  const json top = read_json_file(folder / "top");
  for (const auto& [key, edge] : top["edges"].items()) EXPECT_EQ(edge["in_graph"], key == name) << key;
}

TEST_F(Exchange, AttributionGraphsSumTheBranchesOfABlock) {
  const Scores s = random_scores(GraphKind::qkv, true);
  const Scores back = round_trip(s, ExchangeFormat::attribution_graph);
  double sum = 0;
  for (int64_t k = 0; k < 3; ++k)
    for (int64_t d = 4; d < 7; ++d) sum += s.at(k, 0, d) / 3;  // input -> a1's q, k, v
  bool found = false;
  const json file = read_json_file(folder / "x");
  for (const json& link : file["links"])
    if (link["source"] == "input" && link["target"] == "a1") {
      found = true;
      EXPECT_NEAR(link["weight"].get<double>(), sum, 1e-12);
    }
  EXPECT_TRUE(found);
  EXPECT_EQ(back.n_backward, 5);
}

TEST_F(Exchange, BlockScoresHaveNoMibFile) {
  const Scores s = random_scores(GraphKind::block, true);
  EXPECT_THAT(error_of([&] { round_trip(s, ExchangeFormat::mib); }),
              HasSubstr("scores of --graph qkv expected"));
  EXPECT_EQ(round_trip(s, ExchangeFormat::npz).scores, s.scores);
}

TEST_F(Exchange, FilesThatDoNotFitAreNamed) {
  write_npz({{"loss", npy_of(std::vector<float>{1}, {1})}});
  EXPECT_THAT(import_failure(), HasSubstr("no member \"scores.npy\" in it"));
  write_npz({{"all_scores", npy_of(std::vector<float>(6, 1), {1, 2, 3})}});
  EXPECT_THAT(import_failure(), HasSubstr("2 sources x 3 destinations"));
  write_npz({{"all_scores", npy_of(std::vector<float>(6, 1), {6})}});
  EXPECT_THAT(import_failure(), HasSubstr("array \"all_scores\": 3 dimensions expected, 1 found"));
  write_npz({{"all_scores", npy_of(std::vector<float>(45, 1), {1, 5, 9})}});
  EXPECT_THAT(import_failure(), HasSubstr("is no edge and must be 0, 1 found; is it of another graph?"));
  const float nan = std::numeric_limits<float>::quiet_NaN();
  write_npz({{"all_scores", npy_of(std::vector<float>(45, nan), {1, 5, 9})}});
  EXPECT_THAT(import_failure(), HasSubstr("entry 0: a finite number expected, nan found"));
  write_npz({{"all_scores", npy_of(std::vector<float>(45, 0), {1, 5, 9})},
             {"loss", npy_of(std::vector<float>{1, 2}, {2})}});
  EXPECT_THAT(import_failure(), HasSubstr("array \"loss\": shape [1] expected, one entry a sample"));
  EXPECT_FALSE(std::filesystem::exists(folder / "back.safetensors"));
}

TEST_F(Exchange, DamagedJsonIsNamed) {
  for (
      const auto& [format, text, wanted] :
      {std::tuple{ExchangeFormat::mib, "{", "x.npz"},
       {ExchangeFormat::mib, R"({"edges": {}})", "no edges in it"},
       {ExchangeFormat::mib, R"({"edges": {"a": {"score": 1}}})", "SOURCE->DESTINATION expected"},
       {ExchangeFormat::mib, R"({"edges": {"a->b": {"score": "1"}}})", "a number expected as its score"},
       {ExchangeFormat::mib, R"({"edges": {"a->b": {}}})", "field \"score\" is missing"},
       {ExchangeFormat::attribution_graph, R"({"links": 3})", "field \"links\": a list expected"},
       {ExchangeFormat::attribution_graph, R"({"links": [{"source": "a"}]})", "link 0: field \"target\""},
       {ExchangeFormat::attribution_graph,
        R"({"links": [{"source": "a", "target": "b", "weight": 1}, {"source": "a", "target": "b", "weight": 2}]})",
        "stands twice"}}) {
    folder.write("x.npz", text);
    ImportOptions in;
    in.in = folder / "x.npz";
    in.format = format;
    in.out = folder / "back.safetensors";
    EXPECT_THAT(error_of([&] { import_scores(in, warnings); }), HasSubstr(wanted)) << text;
  }
}

}  // namespace
}  // namespace circuitdiff
