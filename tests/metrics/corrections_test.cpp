#include "metrics/corrections.h"

#include <gmock/gmock.h>

#include "io/files.h"
#include "io/json.h"
#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using test::TempFolder;

void write_metrics(const TempFolder& run, const std::string& cell, const json& p_of_metric) {
  json metrics;
  for (const auto& [name, p] : p_of_metric.items()) metrics[name] = {{"p", p}};
  run.write("pairs/" + cell + "/metrics.json", json{{"metrics", metrics}}.dump());
}

json corrected(const TempFolder& run) {
  EXPECT_TRUE(correct_run(run.path()));
  return read_json_file(run / "corrections.json");
}

TEST(Corrections, CountEveryCellOfTheRun) {
  const TempFolder run;
  for (const char* cut : {"alpha-0.1", "alpha-0.5"})
    write_metrics(run, std::string("grpo/math/compare/") + cut,
                  {{"a", 0.0001}, {"b", 0.4}, {"c", 0.001}, {"d", 0.02}, {"e", 0.01}, {"f", nullptr}});
  const json found = corrected(run);
  EXPECT_EQ(found["method"], "Benjamini-Hochberg");
  EXPECT_EQ(found["tests"], 10);
  // Each p stands twice. The larger of two equal ones has rank 2k, so p * 10 / (2k).
  const json& cell = found["p_corrected"]["grpo"]["math"]["alpha-0.1"];
  EXPECT_DOUBLE_EQ(cell["a"].get<double>(), 0.0001 * 10 / 2);
  EXPECT_DOUBLE_EQ(cell["c"].get<double>(), 0.001 * 10 / 4);
  EXPECT_DOUBLE_EQ(cell["d"].get<double>(), 0.02 * 10 / 8);
  EXPECT_DOUBLE_EQ(cell["b"].get<double>(), 0.4);
  EXPECT_TRUE(cell["f"].is_null());
  EXPECT_EQ(cell, found["p_corrected"]["grpo"]["math"]["alpha-0.5"]);
}

TEST(Corrections, FoldersThatTheExperimentDoesNotNameDoNotCount) {
  const TempFolder run;
  write_metrics(run, "grpo/math/compare/alpha-1", {{"a", 0.01}});
  write_metrics(run, "old/math/compare/alpha-1", {{"a", 0.9}});
  EXPECT_EQ(corrected(run)["tests"], 2);
  run.write("experiment.json", R"({"pairs": [{"name": "grpo"}], "data": [{"name": "math"}]})");
  const json found = corrected(run);
  EXPECT_EQ(found["tests"], 1);
  EXPECT_EQ(found["p_corrected"]["grpo"]["math"]["alpha-1"]["a"], 0.01);
}

TEST(Corrections, NothingComparedWritesNothing) {
  const TempFolder run;
  EXPECT_FALSE(correct_run(run.path()));
  EXPECT_FALSE(std::filesystem::exists(run / "corrections.json"));
}

}  // namespace
}  // namespace circuitdiff
