#include "report/report_input.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "report/page.h"
#include "report/run_folder.h"
#include "report/without_sources.h"

namespace circuitdiff {
namespace {

using testing::HasSubstr;

std::string error_of(const std::filesystem::path& dir) {
  try {
    read_report_input(dir, silent);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ReportInput, HoldsWhatTheStagesWrote) {
  const RunFolder run;
  const ReportInput input = read_report_input(run.path, silent);
  EXPECT_EQ(input.name, "demo");
  EXPECT_EQ(input.cuts, (std::vector<std::string>{"alpha-0.1", "alpha-0.5"}));
  const Comparison& c = *input.find(0, 0, 1);
  EXPECT_EQ(c.n, 2);
  EXPECT_EQ(c.metrics.at("act_intensity").before, 8);
  EXPECT_EQ(c.metrics.at("act_intensity").ci_low, -6.5);
  EXPECT_EQ(c.metrics.at("diversity").reason, "n = 1 <question>");
  EXPECT_EQ(c.edges.before[c.edges.at(1, 2)], 4);
  EXPECT_EQ(c.edges.before[c.edges.at(2, 0)], std::nullopt);
  EXPECT_EQ(input.result(0, 0)->header["counts"]["drawn"], 2);
  EXPECT_TRUE(input.notes.empty()) << input.notes.front();
}

TEST(ReportInput, CorrectedPValuesAreThoseOfTheRunsFile) {
  const RunFolder run;
  const ReportInput input = read_report_input(run.path, silent);
  const auto& metrics = input.find(0, 0, 0)->metrics;
  EXPECT_EQ(metrics.at("act_intensity").p_table, 0.0005);
  EXPECT_TRUE(metrics.at("node_entropy").survives());
  EXPECT_FALSE(metrics.at("info_complexity").survives());
  EXPECT_FALSE(metrics.at("diversity").survives());
}

TEST(ReportInput, WithoutThatFileNothingIsSure) {
  const RunFolder run;
  std::filesystem::remove(run.path / "corrections.json");
  const ReportInput input = read_report_input(run.path, silent);
  EXPECT_FALSE(input.find(0, 0, 0)->metrics.at("act_intensity").survives());
  EXPECT_THAT(input.notes, testing::Contains(HasSubstr("corrections.json is missing")));
}

TEST(ReportInput, WhatIsMissingIsNotedNotAnError) {
  const RunFolder run;
  std::filesystem::remove(run.metrics("alpha-0.1"));
  std::filesystem::remove(run.path / "manifest.json");
  std::filesystem::remove_all(run.path / "grade");
  const ReportInput input = read_report_input(run.path, silent);
  EXPECT_EQ(input.find(0, 0, 0), nullptr);
  EXPECT_THAT(input.notes, testing::Contains(HasSubstr("α = 0.1: not compared")));
  EXPECT_THAT(input.notes, testing::Contains(HasSubstr("manifest.json is missing")));
  EXPECT_THAT(input.notes, testing::Contains(HasSubstr("no samples to show")));
}

TEST(ReportInput, NamesComeFromTheFoldersWithoutAnExperiment) {
  const RunFolder run;
  std::filesystem::remove(run.path / "experiment.json");
  const ReportInput input = read_report_input(run.path, silent);
  EXPECT_EQ(input.pairs.at(0).name, "grpo");
  EXPECT_EQ(input.data.at(0).name, "math");
  EXPECT_EQ(input.cuts.size(), 2u);
}

TEST(ReportInput, NullControlIsTheLargestDifference) {
  const RunFolder run;
  json null = run.read_metrics();
  for (auto& [name, cell] : null["metrics"].items())
    cell["difference"] = cell["difference"].is_null() ? json() : json(0.0);
  run.write("pairs/grpo/math/null/alpha-0.5/metrics.json", null);
  EXPECT_EQ(read_report_input(run.path, silent).find(0, 0, 1)->null_difference, 0);
  null["metrics"]["dist_kurtosis"]["difference"] = -3e-9;
  run.write("pairs/grpo/math/null/alpha-0.5/metrics.json", null);
  EXPECT_EQ(read_report_input(run.path, silent).find(0, 0, 1)->null_difference, 3e-9);
}

TEST(ReportInput, TheNoiseControlStandsBesideItsComparison) {
  const RunFolder run;
  EXPECT_TRUE(read_report_input(run.path, silent).find(0, 0, 1)->noise.is_null());
  run.write("pairs/grpo/math/noise/alpha-0.5.json", {{"copies", 20},
                                                     {"metrics",
                                                      {{"act_intensity",
                                                        {{"before", 0.25},
                                                         {"effect", 0.0625},
                                                         {"noise_mean", 0.03125},
                                                         {"noise_sd", 0.0125},
                                                         {"p", 0.0476},
                                                         {"reason", ""}}},
                                                       {"diversity",
                                                        {{"before", nullptr},
                                                         {"effect", nullptr},
                                                         {"noise_mean", nullptr},
                                                         {"noise_sd", nullptr},
                                                         {"p", nullptr},
                                                         {"reason", "one <sample>"}}}}}});
  const std::string page = without_sources(page::explained(read_report_input(run.path, silent)));
  EXPECT_THAT(page, HasSubstr("20 copies of the model before"));
  EXPECT_THAT(page, HasSubstr("<td>+0.0625</td><td>+0.0312 ± 0.0125</td><td>p = .05</td>"));
  EXPECT_THAT(page, HasSubstr("one &lt;sample&gt;"));
}

TEST(ReportInput, AFolderThatIsNoRunIsSaid) {
  EXPECT_THAT(error_of("/nonexistent/run"), HasSubstr("the folder of a run expected, none found"));
  const RunFolder run;
  std::filesystem::remove_all(run.path / "pairs");
  std::filesystem::remove(run.path / "experiment.json");
  EXPECT_THAT(error_of(run.path), HasSubstr("neither experiment.json nor pairs/ is in it"));
}

TEST(ReportInput, DamagedMetricsNameFileAndField) {
  const RunFolder run;
  const json good = run.read_metrics();
  write_file_atomically(run.metrics(), good.dump().substr(0, 200));
  EXPECT_THAT(error_of(run.path),
              testing::AllOf(HasSubstr("alpha-0.5/metrics.json"), HasSubstr("not valid JSON")));
  const auto error_with = [&](const std::string& pointer, const json& value) {
    json bad = good;
    bad[json::json_pointer(pointer)] = value;
    run.write_metrics(bad);
    return error_of(run.path);
  };
  EXPECT_THAT(error_with("/metrics", 3),
              HasSubstr("field \"metrics\": an object expected, the number 3 found"));
  EXPECT_THAT(error_with("/metrics/act_intensity", "x"),
              HasSubstr("\"metrics.act_intensity\": an object expected"));
  EXPECT_THAT(error_with("/metrics/act_intensity/p", "x"),
              HasSubstr("\"metrics.act_intensity.p\": a number or null expected"));
  EXPECT_THAT(error_with("/metrics/act_intensity/ci95", {1}), HasSubstr("[low, high] or null expected"));
  EXPECT_THAT(error_with("/metrics/act_intensity/reason", 1), HasSubstr("a string or null expected"));
  EXPECT_THAT(error_with("/edges", {{1, 1, 0}}),
              HasSubstr("field \"edges\": an array of 3 rows expected, 1 found"));
  EXPECT_THAT(error_with("/edges/0", {1}), HasSubstr("\"edges[0]\": an array of 3 values expected, 1 found"));
  EXPECT_THAT(error_with("/sources", {1, 2, 3}), HasSubstr("\"sources[0]\": a string expected"));
  EXPECT_THAT(error_with("/relative_change/before/1", {1.0}),
              HasSubstr("\"relative_change.before[1]\": an array of 3 values expected, 1 found"));
  EXPECT_THAT(error_with("/relative_change/after/0/0", "x"),
              HasSubstr("\"relative_change.after[0][0]\": a number or null expected"));
}

TEST(ReportInput, DamagedExperimentIsSaid) {
  RunFolder run;
  run.experiment["pairs"] = 3;
  run.write_experiment();
  EXPECT_THAT(error_of(run.path), HasSubstr("field \"pairs\": an array expected"));
  run.experiment["pairs"] = {{{"before", "x"}}};
  run.write_experiment();
  EXPECT_THAT(error_of(run.path), HasSubstr("pairs[0]: field \"name\""));
}

TEST(Samples, CutIsMarkedByTheTokenizerWhereThereIsOne) {
  const RunFolder run;
  const DecodeTokens decode = [](const std::filesystem::path& model, const std::vector<int64_t>& tokens) {
    EXPECT_EQ(tokens, (std::vector<int64_t>{5, 6}));
    return std::string(model == "m/sft" ? "3+4" : "so");
  };
  const ReportInput input = read_report_input(run.path, silent, decode);
  ASSERT_FALSE(input.result(0, 0)->samples.empty());
  const Sample& s = input.result(0, 0)->samples.front();
  EXPECT_EQ(s.before.cut_bytes, 3u);
  EXPECT_TRUE(s.before.cut_is_exact);
  EXPECT_EQ(s.after.cut_bytes, 2u);
  EXPECT_EQ(s.gold, "7");
}

TEST(Samples, WithoutATokenizerTheCutIsPlacedByTheShareOfTokens) {
  const RunFolder run;
  const Sample s = read_report_input(run.path, silent).result(0, 0)->samples.front();
  EXPECT_FALSE(s.before.cut_is_exact);
  EXPECT_EQ(s.before.cut_bytes, 2u);  // 2 of 4 tokens of "3+4=7"
  EXPECT_EQ(s.before.tokens, 4);
}

TEST(Samples, StrongestEdgesAndIntensityAreThoseOfTheQuestion) {
  const RunFolder run;
  const ReportInput input = read_report_input(run.path, silent);
  for (const Sample& s : input.result(0, 0)->samples) {
    if (s.id != "q1") continue;
    EXPECT_EQ(s.before.edges, (std::vector<std::string>{"m0 → logits", "a0 → logits", "a0 → m0"}));
    EXPECT_EQ(s.before.intensity, 3);  // (1 + 2 + 3 + 4 + 5) / 5
    EXPECT_EQ(s.before.loss, 0.5);
  }
}

}  // namespace
}  // namespace circuitdiff
