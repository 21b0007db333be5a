// metrics.json: what is written is read back byte for byte, and each damage has its message.
#include "records/metrics_file.h"

#include <gmock/gmock.h>

#include "io/files.h"
#include "io/json.h"
#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using test::error_of;
using test::slurp;
using testing::HasSubstr;

// Two questions, two sources, three destinations; figures that are null, whole numbers, and with and without
// a reason.
MetricsFile small() {
  constexpr std::nullopt_t kNone = std::nullopt;
  MetricsFile f;
  f.version = "0.1.0";
  f.n = 2, f.n_forward = 2, f.n_backward = 3, f.n_edges = 4;
  f.inputs = {{"before", "b.safetensors", "0a", 3, 1, {{"alpha", "0.1"}, {"method", "eap"}}},
              {"after", "a.safetensors", "0b", 2, 0, {}}};
  f.options = {"matrix", 100, 10000, 10000, uint64_t{1} << 63};
  f.warnings = {"1 of 3 samples of b.safetensors left out: not in every file"};
  f.metrics = {{"gini", 0.5, 0.25, -0.25, -0.5, -0.375, 0.0, "BCa", 0.03125, 0.0625, -1.5, ""},
               {"diversity", kNone, 1.0, kNone, kNone, kNone, kNone, "", kNone, kNone, kNone, "one sample"}};
  f.decomposition = {0.1, 1e-300, 0.1, kNone, kNone, "", "the file has no error"};
  f.two_by_two = {{"gini", 0.5, 0.25, 0.75, kNone, {0.5, 0.25, 0.75, "BCa", ""}, {}, {1.0, {}, {}, "", "x"}}};
  f.sources = {"input", "a0"}, f.destinations = {"a0<q>", "m0", "logits"}, f.ids = {"q\"1", "2"};
  f.edges = {1, 1, 1, 0, 0, 1};
  EdgeChanges& c = f.relative_change;
  c.before = c.after = c.relative = c.ci_low = {0.1, 2.0, 3.0, kNone, kNone, 1e22};
  c.ci_high = c.p = c.p_adjusted = c.p_familywise = c.before;
  c.spread_before = c.spread_after = std::vector<std::vector<double>>(c.before.size(), {1, 2, 3, 4, 5});
  c.permutations = 10000, c.bootstrap = 2000;
  f.per_sample = {{"mean_loss", {0.1, kNone}, {0.3, 0.4}}, {"edge_intensity", {1.0, 2.0}, {3.0, 4.0}}};
  f.node_entropy = {{0.5, kNone}, {0.25, 0.125}};
  f.correlation.before = {1, 0.5, kNone, 0.5, 0.5, 0.5, 0.5, 0.5, {0, 1, 0}, ""};
  f.correlation.after.reason = "sample 0 has no variance";
  return f;
}

class MetricsFileTest : public testing::Test {
 protected:
  const test::TempFolder folder;
  const std::filesystem::path path = folder / "metrics.json";

  std::string error_with(const std::string& pointer, const json& value) {
    json damaged = json::parse(slurp(path));
    damaged[json::json_pointer(pointer)] = value;
    return error_of_text(damaged.dump());
  }
  std::string error_without(const std::string& object, const char* name) {
    json damaged = json::parse(slurp(path));
    damaged[json::json_pointer(object)].erase(name);
    return error_of_text(damaged.dump());
  }
  std::string error_of_text(const std::string& text) const {
    const auto file = folder.write("damaged.json", text);
    const std::string error = error_of([&] { read_metrics_file(file); });
    EXPECT_THAT(error, HasSubstr(file.string())) << "names the file";
    EXPECT_TRUE(test::is_one_line(error));
    return error;
  }
  void SetUp() override { write_metrics_file(path, small()); }
};

TEST_F(MetricsFileTest, IsWrittenAgainWithTheSameBytes) {
  const MetricsFile back = read_metrics_file(path);
  EXPECT_EQ(back.inputs[0].unpaired, 1);
  EXPECT_EQ(back.metrics[0].name, "gini");  // in the file's order, not the alphabet's
  EXPECT_EQ(back.metrics[0].ci_low, -0.375);
  EXPECT_EQ(back.metrics[1].after, 1.0);
  EXPECT_EQ(back.metrics[1].reason, "one sample");
  EXPECT_EQ(back.two_by_two[0].model.ci_high, 0.75);
  EXPECT_EQ(back.relative_change.p[3], std::nullopt);
  EXPECT_EQ(back.relative_change.p[5], 1e22);
  write_metrics_file(folder / "again.json", back);
  EXPECT_EQ(slurp(folder / "again.json"), slurp(path));
}

TEST_F(MetricsFileTest, OfTwoFilesHasNoTwoByTwo) {
  MetricsFile two = small();
  two.two_by_two.clear();
  write_metrics_file(path, two);
  EXPECT_THAT(slurp(path), HasSubstr("\"two_by_two\": null"));
  EXPECT_TRUE(read_metrics_file(path).two_by_two.empty());
}

TEST_F(MetricsFileTest, WhatIsMissingIsNamed) {
  EXPECT_THAT(error_without("", "metrics"),
              HasSubstr("field \"metrics\" is missing; run circuitdiff compare again"));
  EXPECT_THAT(error_without("/metrics/gini", "p"), HasSubstr("field \"metrics.gini.p\" is missing"));
  EXPECT_THAT(error_without("/inputs/after", "sha256"), HasSubstr("\"inputs.after.sha256\" is missing"));
  EXPECT_THAT(error_without("/unpaired", "after"), HasSubstr("\"unpaired.after\" is missing"));
  EXPECT_THAT(error_without("/two_by_two/gini/text", "ci95"),
              HasSubstr("\"two_by_two.gini.text.ci95\" is missing"));
  EXPECT_THAT(error_without("/relative_change", "ci_low"),
              HasSubstr("\"relative_change.ci_low\" is missing"));
  EXPECT_THAT(error_without("/correlation", "after"), HasSubstr("\"correlation.after\" is missing"));
}

TEST_F(MetricsFileTest, WhatIsOfAnotherTypeIsNamed) {
  EXPECT_THAT(error_with("/n", 2.5), HasSubstr("field \"n\": a whole number expected, the number 2.5 found"));
  EXPECT_THAT(error_with("/n", nullptr), HasSubstr("field \"n\": a whole number expected, null found"));
  EXPECT_THAT(error_with("/options/seed", -1),
              HasSubstr("\"options.seed\": a whole number of 0 or more expected, the number -1 found"));
  EXPECT_THAT(error_with("/version", 1), HasSubstr("\"version\": a string expected, the number 1 found"));
  EXPECT_THAT(error_with("/metrics", 3), HasSubstr("\"metrics\": an object expected, the number 3 found"));
  EXPECT_THAT(error_with("/metrics/gini", {1}),
              HasSubstr("\"metrics.gini\": an object expected, an array found"));
  EXPECT_THAT(error_with("/metrics/gini/p", "NaN"),
              HasSubstr("\"metrics.gini.p\": a number or null expected, a string found"));
  EXPECT_THAT(error_with("/metrics/gini/ci95", {1, nullptr}),
              HasSubstr("\"metrics.gini.ci95\": [low, high] or null expected, an array found"));
  EXPECT_THAT(error_with("/metrics/gini/reason", false),
              HasSubstr("\"metrics.gini.reason\": a string or null expected, true or false found"));
  EXPECT_THAT(error_with("/two_by_two", json::array()), HasSubstr("\"two_by_two\": an object expected"));
  EXPECT_THAT(error_with("/warnings", "none"), HasSubstr("\"warnings\": an array expected, a string found"));
  EXPECT_THAT(error_with("/inputs/before/metadata/alpha", 0.1),
              HasSubstr("\"inputs.before.metadata.alpha\": a string expected, the number 0.1 found"));
  EXPECT_THAT(error_with("/edges/0/1", 2), HasSubstr("\"edges[0][1]\": 0 or 1 expected, the number 2 found"));
  EXPECT_THAT(error_with("/relative_change/after/0/0", "x"),
              HasSubstr("\"relative_change.after[0][0]\": a number or null expected, a string found"));
}

TEST_F(MetricsFileTest, WhatIsOfAnotherSizeIsNamed) {
  EXPECT_THAT(error_with("/n_forward", 3), HasSubstr("\"sources\": an array of 3 values expected, 2 found"));
  EXPECT_THAT(error_with("/n_backward", 1'000'000'000'000),
              HasSubstr("\"destinations\": an array of 1000000000000 values expected, 3 found"));
  EXPECT_THAT(error_with("/n", 3), HasSubstr("\"ids\": an array of 3 values expected, 2 found"));
  EXPECT_THAT(error_with("/edges", {{1, 1, 0}}),
              HasSubstr("\"edges\": an array of 2 rows expected, 1 found"));
  EXPECT_THAT(error_with("/relative_change/p/1", {1.0}),
              HasSubstr("\"relative_change.p[1]\": an array of 3 values expected, 1 found"));
  EXPECT_THAT(error_with("/per_sample/mean_loss/after", {1.0}),
              HasSubstr("\"per_sample.mean_loss.after\": an array of 2 values expected, 1 found"));
  EXPECT_THAT(error_with("/node_entropy/before", {1.0}),
              HasSubstr("\"node_entropy.before\": an array of 2 values expected, 1 found"));
}

TEST_F(MetricsFileTest, WhatIsNotJsonIsSaid) {
  const std::string text = slurp(path);
  EXPECT_THAT(error_of_text(text.substr(0, text.size() / 2)), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of_text(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of_text("[]"), HasSubstr("damaged.json: an object expected, an array found"));
  std::string nan = text;
  nan.replace(nan.find("-0.25"), 5, "NaN");
  EXPECT_THAT(error_of_text(nan), HasSubstr("not valid JSON"));
  std::string twice = text;
  twice.replace(twice.find("\"n_forward\""), 11, "\"n\"");
  EXPECT_THAT(error_of_text(twice), HasSubstr("key \"n\" stands twice in one object"));
  EXPECT_THAT(error_of([&] { read_metrics_file(folder / "none.json"); }), HasSubstr("none.json"));
}

}  // namespace
}  // namespace circuitdiff
