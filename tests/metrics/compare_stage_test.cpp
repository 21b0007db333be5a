#include "metrics/compare_stage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "io/ordered_json.h"
#include "io/safetensors.h"
#include "metrics/comparison.h"
#include "metrics/matrices.h"
#include "records/scores.h"
#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using test::error_of;
using test::Matrices;
using test::random_matrices;
using testing::HasSubstr;

class Warnings : public SilentProgress {
 public:
  void warn(std::string_view message) override { all.emplace_back(message); }
  std::vector<std::string> all;
};

Scores scores_of(const Matrices& m, std::vector<std::string> ids) {
  Scores s;
  s.n = m.n;
  s.n_forward = m.n_forward;
  s.n_backward = m.n_backward;
  s.scores = m.scores;
  s.loss = m.loss;
  s.error = m.error;
  s.t_cut.assign(static_cast<size_t>(m.n), 3);
  s.edges = m.edges;
  for (int64_t i = 0; i < m.n_forward; ++i) s.sources.push_back("s" + std::to_string(i));
  for (int64_t i = 0; i < m.n_backward; ++i) s.destinations.push_back("d<" + std::to_string(i) + ">");
  s.ids = std::move(ids);
  s.metadata = {{"model", "m"}, {"method", "eap"}};
  s.is_f64 = true;
  return s;
}

class CompareStage : public testing::Test {
 protected:
  CompareOptions options() const {
    CompareOptions o;
    o.before = folder / "before.safetensors";
    o.after = folder / "after.safetensors";
    o.out = folder / "out";
    o.bootstrap = o.permutations = 200;
    return o;
  }
  void write(const char* name, const Scores& s) const { write_scores(folder / name, s); }
  ordered_json run(const CompareOptions& o) { return compare_files(o, progress); }
  ordered_json written() const { return ordered_json::parse(test::slurp(folder / "out/metrics.json")); }

  test::TempFolder folder;
  Warnings progress;
};

TEST_F(CompareStage, PairsSamplesByIdInTheOrderOfTheFirstFile) {
  const Matrices m = random_matrices(1, 4);
  const Matrices other = random_matrices(2, 4);
  write("before.safetensors", scores_of(m, {"a", "b", "c", "d"}));
  // The after-file has b, d and a in another order, and a question of its own.
  write("after.safetensors", scores_of(Matrices::stack({other}, {3, 1, 0, 2}), {"d", "b", "a", "x"}));
  const ordered_json result = run(options());
  EXPECT_EQ(result["n"], 3);
  const Matrices b = Matrices::stack({m}, {0, 1, 3});
  const Matrices a = Matrices::stack({other}, {0, 1, 3});
  // Losses are stored in float32, scores here in float64.
  const auto expected = compare_metrics(b.view(), a.view(), options());
  EXPECT_EQ(result["metrics"]["act_intensity"]["before"].get<double>(), *expected[0].before);
  EXPECT_EQ(result["metrics"]["act_intensity"]["difference"].get<double>(), *expected[0].difference);
  EXPECT_EQ(result["metrics"]["act_intensity"]["ci95"][0].get<double>(), *expected[0].ci_low);
  EXPECT_EQ(result["metrics"]["diversity"]["p"].get<double>(), *expected[3].p);
  const ordered_json file = written();
  EXPECT_EQ(file["ids"], ordered_json::parse(R"(["a", "b", "d"])"));
  EXPECT_EQ(file["unpaired"], ordered_json::parse(R"({"before": 1, "after": 1})"));
  ASSERT_EQ(progress.all.size(), 2u);
  EXPECT_THAT(progress.all[0], HasSubstr("1 of 4 samples of "));
  EXPECT_THAT(progress.all[1], HasSubstr("after.safetensors left out: not in every file"));
}

TEST_F(CompareStage, WritesEverythingThatAReportNeeds) {
  write("before.safetensors", scores_of(random_matrices(1, 5), {"a", "b", "c", "d", "e"}));
  write("after.safetensors", scores_of(random_matrices(2, 5), {"a", "b", "c", "d", "e"}));
  const ordered_json result = run(options());
  const ordered_json file = written();
  EXPECT_EQ(file["metrics"], result["metrics"]);
  EXPECT_EQ(file["metrics"].size(), 15u);
  for (const auto& [name, m] : file["metrics"].items())
    for (const char* key : {"before", "after", "difference", "relative", "ci95", "interval", "p",
                            "p_adjusted", "effect_size", "reason"})
      EXPECT_TRUE(m.contains(key)) << name << " " << key;
  EXPECT_TRUE(file["metrics"]["info_complexity"]["ci95"].is_null());
  EXPECT_EQ(file["metrics"]["info_complexity"]["reason"], "range statistic");
  EXPECT_TRUE(file["metrics"]["gini"]["reason"].is_null());
  EXPECT_EQ(file["n"], 5);
  EXPECT_EQ(file["n_edges"], 14);
  EXPECT_EQ(file["sources"][3], "s3");
  EXPECT_EQ(file["destinations"].size(), 5u);
  EXPECT_EQ(file["options"]["bins"], 100);
  EXPECT_EQ(file["inputs"]["before"]["sha256"], sha256_file(folder / "before.safetensors"));
  EXPECT_EQ(file["inputs"]["after"]["metadata"]["method"], "eap");
  EXPECT_TRUE(file["two_by_two"].is_null());
  for (const char* key :
       {"before", "after", "relative", "ci_low", "ci_high", "p", "p_adjusted", "p_familywise"}) {
    ASSERT_EQ(file["relative_change"][key].size(), 4u) << key;
    ASSERT_EQ(file["relative_change"][key][3].size(), 5u) << key;
    EXPECT_TRUE(file["relative_change"][key][3][0].is_null()) << key;  // no edge there
    EXPECT_TRUE(file["relative_change"][key][3][4].is_number()) << key;
  }
  EXPECT_EQ(file["per_sample"]["gini"]["before"].size(), 5u);
  EXPECT_EQ(file["node_entropy"]["after"].size(), 4u);
  EXPECT_EQ(file["correlation"]["before"]["pairs"], 10);
  EXPECT_NEAR(
      file["decomposition"]["log_ratio"].get<double>(),
      file["decomposition"]["from_loss"].get<double>() + file["decomposition"]["beyond_loss"].get<double>(),
      1e-14);
  EXPECT_TRUE(progress.all.empty());
}

TEST_F(CompareStage, TheTablesHoldARowAMetric) {
  write("before.safetensors", scores_of(random_matrices(1, 5), {"a", "b", "c", "d", "e"}));
  write("after.safetensors", scores_of(random_matrices(2, 5), {"a", "b", "c", "d", "e"}));
  const ordered_json result = run(options());
  const auto lines = [&](const char* name) {
    const std::string text = test::slurp(folder / "out" / name);
    return std::count(text.begin(), text.end(), '\n');
  };
  EXPECT_EQ(lines("table.csv"), 16);
  EXPECT_EQ(lines("table.md"), 2 + 2 + 15);
  const std::string csv = test::slurp(folder / "out/table.csv");
  EXPECT_THAT(csv, HasSubstr("act_intensity," + result["metrics"]["act_intensity"]["before"].dump() + ","));
  EXPECT_THAT(csv, HasSubstr("range statistic"));
  const std::string tex = test::slurp(folder / "out/table.tex");
  EXPECT_THAT(tex, HasSubstr("node\\_entropy\\_normalised & "));
  EXPECT_THAT(tex, HasSubstr("95 \\% interval"));
  const std::string text = comparison_text(result);
  EXPECT_THAT(text, HasSubstr("5 questions\n"));
  EXPECT_THAT(text, HasSubstr("\nact_intensity"));
  for (const std::string& all : {csv, tex, text, test::slurp(folder / "out/table.md")}) {
    EXPECT_THAT(all, testing::Not(HasSubstr("nan")));
    EXPECT_THAT(all, testing::Not(HasSubstr("null")));
  }
}

TEST_F(CompareStage, AFileAgainstItselfDiffersByExactlyNothing) {
  write("before.safetensors", scores_of(random_matrices(1, 6), {"a", "b", "c", "d", "e", "f"}));
  CompareOptions o = options();
  o.after = o.before;
  const ordered_json result = run(o);
  for (const auto& [name, m] : result["metrics"].items()) {
    EXPECT_EQ(m["difference"], 0.0) << name;
    EXPECT_EQ(m["p"], 1.0) << name;
    if (name != "info_complexity") {
      EXPECT_EQ(m["ci95"], ordered_json::parse("[0.0, 0.0]")) << name;
    }
  }
}

TEST_F(CompareStage, TwoRunsWriteTheSameBytes) {
  write("before.safetensors", scores_of(random_matrices(1, 6), {"a", "b", "c", "d", "e", "f"}));
  write("after.safetensors", scores_of(random_matrices(2, 6), {"a", "b", "c", "d", "e", "f"}));
  run(options());
  const std::string first = test::slurp(folder / "out/metrics.json");
  run(options());
  EXPECT_EQ(test::slurp(folder / "out/metrics.json"), first);
}

TEST_F(CompareStage, TheTwoByTwoTakesFourFiles) {
  const std::vector<std::string> ids{"a", "b", "c", "d", "e"};
  const auto labelled = [&](uint64_t seed, const char* model, const char* text) {
    Scores s = scores_of(random_matrices(seed, 5), ids);
    s.metadata["model"] = model;
    s.metadata["text"] = text;
    return s;
  };
  write("before.safetensors", labelled(1, "sft", "before"));
  write("after.safetensors", labelled(2, "grpo", "after"));
  write("ba.safetensors", labelled(3, "sft", "after"));
  write("ab.safetensors", labelled(4, "grpo", "before"));
  CompareOptions o = options();
  o.before_on_after = folder / "ba.safetensors";
  o.after_on_before = folder / "ab.safetensors";
  const ordered_json effects = run(o)["two_by_two"]["act_intensity"];
  EXPECT_TRUE(progress.all.empty());
  const auto value = [&](const char* key) { return effects[key].get<double>(); };
  const double model =
      (value("after") - value("before_on_after") + value("after_on_before") - value("before")) / 2;
  EXPECT_NEAR(effects["model"]["value"].get<double>(), model, 1e-13);
  EXPECT_LE(effects["model"]["ci95"][0].get<double>(), model);
  EXPECT_GE(effects["model"]["ci95"][1].get<double>(), model);
  EXPECT_TRUE(effects["interaction"]["reason"].is_null());
  std::swap(o.before_on_after, o.after_on_before);
  run(o);
  EXPECT_THAT(progress.all, testing::Contains(HasSubstr("model is \"sft\" in the before file and \"grpo\"")));
  o.after_on_before.clear();
  EXPECT_EQ(error_of([&] { run(o); }),
            "--before-on-after and --after-on-before go together: --after-on-before is missing");
}

// What others write: float32, no error, no t_cut, no metadata.
TEST_F(CompareStage, FilesOfOtherMakersAreTaken) {
  const auto bare = [&](const char* name, uint64_t seed) {
    const Matrices m = random_matrices(seed, 4, 3, 2);
    const std::vector<float> scores(m.scores.begin(), m.scores.end());
    const std::vector<float> loss(m.loss.begin(), m.loss.end());
    write_safetensors(folder / name,
                      {{"scores", TensorType::f32, {4, 3, 2}, std::as_bytes(std::span(scores))},
                       {"loss", TensorType::f32, {4}, std::as_bytes(std::span(loss))},
                       {"edges", TensorType::u8, {3, 2}, std::as_bytes(std::span(m.edges))}});
  };
  bare("before.safetensors", 1);
  bare("after.safetensors", 2);
  const ordered_json result = run(options());
  EXPECT_EQ(result["n"], 4);
  EXPECT_TRUE(result["metrics"]["mean_error"]["before"].is_null());
  EXPECT_EQ(result["metrics"]["mean_error"]["reason"], "the file has no error");
  EXPECT_TRUE(result["metrics"]["gini"]["p"].is_number());
  EXPECT_EQ(written()["sources"], ordered_json::parse(R"(["0", "1", "2"])"));
  EXPECT_TRUE(progress.all.empty());

  // One file with names and ids, one without: paired by place, named by the one that has names.
  write("after.safetensors", scores_of(random_matrices(2, 4, 3, 2), {"q", "r", "s", "t"}));
  run(options());
  EXPECT_EQ(written()["sources"][1], "s1");
  EXPECT_THAT(progress.all, testing::ElementsAre("not every file has ids: samples are paired by place"));
  write("after.safetensors", scores_of(random_matrices(2, 3, 3, 2), {"q", "r", "s"}));
  EXPECT_THAT(
      error_of([&] { run(options()); }),
      HasSubstr("after.safetensors: 4 samples expected, as " + (folder / "before.safetensors").string() +
                " has, 3 found (without \"ids\" in both samples are paired by place)"));
}

TEST_F(CompareStage, FilesThatDoNotFitAreRefusedByName) {
  const std::vector<std::string> ids{"a", "b", "c"};
  const Scores good = scores_of(random_matrices(1, 3), ids);
  write("before.safetensors", good);
  const auto message = [&](const std::function<void(Scores&)>& edit) {
    Scores bad = good;
    edit(bad);
    write("after.safetensors", bad);
    const std::string text = error_of([&] { run(options()); });
    EXPECT_THAT(text, HasSubstr((folder / "after.safetensors").string()));
    EXPECT_TRUE(test::is_one_line(text));
    EXPECT_FALSE(std::filesystem::exists(folder / "out"));
    return text;
  };
  EXPECT_THAT(message([&](Scores& s) { s = scores_of(random_matrices(1, 3, 5, 4), ids); }),
              HasSubstr("tensor \"scores\": shape [n, 4, 5] expected"));
  EXPECT_THAT(message([](Scores& s) { s.edges[4] = 0; }),
              HasSubstr("tensor \"edges\": cell [0, 4] is 0 here and 1 in"));
  EXPECT_THAT(message([](Scores& s) { s.sources[2] = "a7"; }),
              HasSubstr("metadata \"sources\": entry 2 is \"a7\" here and \"s2\" in"));
  EXPECT_THAT(message([](Scores& s) { s.destinations[0] = "m"; }),
              HasSubstr("metadata \"destinations\": entry 0"));
  EXPECT_THAT(message([](Scores& s) {
                s.ids = {"x", "y", "z"};
              }),
              HasSubstr("have no sample in common (ids \"a\" ... and \"x\" ...)"));
  EXPECT_THAT(message([](Scores& s) { s.scores[7] = NAN; }),
              HasSubstr("a finite number expected, nan found"));
}

TEST_F(CompareStage, ADifferentMethodIsWarnedOf) {
  Scores s = scores_of(random_matrices(1, 3), {"a", "b", "c"});
  write("before.safetensors", s);
  s.metadata["method"] = "exact";
  write("after.safetensors", s);
  run(options());
  EXPECT_THAT(progress.all,
              testing::ElementsAre("method is \"eap\" in the before file and \"exact\" in the after file"));
  EXPECT_EQ(written()["warnings"].size(), 1u);
}

TEST_F(CompareStage, MissingOptionsAreUsageErrors) {
  const auto message = [&](const std::function<void(CompareOptions&)>& edit) {
    CompareOptions o = options();
    edit(o);
    EXPECT_THROW(run(o), UsageError);
    return error_of([&] { run(o); });
  };
  EXPECT_EQ(message([](CompareOptions& o) { o.before.clear(); }), "--before: a scores file expected");
  EXPECT_EQ(message([](CompareOptions& o) { o.after.clear(); }), "--after: a scores file expected");
  EXPECT_EQ(message([](CompareOptions& o) { o.out.clear(); }), "--out: a folder expected");
  EXPECT_EQ(message([](CompareOptions& o) { o.bins = -3; }),
            "--bins: a number from 1 to 100000 expected, -3 found");
}

TEST_F(CompareStage, EveryOptionCanBeSetByName) {
  CompareOptions o;
  set_options(o,
              {{"before", {"b"}},
               {"after", {"a"}},
               {"out", {"o"}},
               {"cells", {"edges"}},
               {"bins", {"50"}},
               {"bootstrap", {"7"}},
               {"permutations", {"8"}},
               {"seed", {"9"}}},
              "compare");
  EXPECT_EQ(o.cells, Cells::edges);
  EXPECT_EQ(o.bins, 50);
  EXPECT_EQ(o.bootstrap, 7);
  EXPECT_EQ(o.seed, 9u);
  EXPECT_THAT(error_of([&] {
                set_options(o, {{"cells", {"rows"}}}, "compare");
              }),
              HasSubstr("\"rows\" is not one of matrix or edges"));
}

}  // namespace
}  // namespace circuitdiff
