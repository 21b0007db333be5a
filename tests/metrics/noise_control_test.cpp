// The control of noisy copies: differences, their rank against the effect, samples that some file lacks.
#include "metrics/noise_control.h"

#include <gmock/gmock.h>

#include "io/json.h"
#include "metrics/matrices.h"
#include "records/scores.h"
#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using test::Matrices;
using test::random_matrices;
using testing::HasSubstr;

Scores scores_with_ids(const Matrices& m, const std::vector<std::string>& ids) {
  Scores s;
  s.n = m.n, s.n_forward = m.n_forward, s.n_backward = m.n_backward;
  s.scores = m.scores, s.loss = m.loss, s.error = m.error, s.edges = m.edges;
  s.t_cut.assign(static_cast<size_t>(m.n), 3);
  for (int64_t i = 0; i < m.n_forward; ++i) s.sources.push_back("s" + std::to_string(i));
  for (int64_t i = 0; i < m.n_backward; ++i) s.destinations.push_back("d" + std::to_string(i));
  s.ids = ids;
  s.metadata = {{"model", "m"}};
  s.is_f64 = true;
  return s;
}

Matrices scaled(Matrices m, double factor) {
  for (double& x : m.scores) x *= factor;
  return m;
}

class NoiseControl : public testing::Test {
 protected:
  // Copy k has the before-model's scores times 1 + 0.01 (k + 1): its intensity differs by that share.
  NoiseControlInput written(double effect, int64_t copies) const {
    const Matrices before = random_matrices(3, 4);
    write_scores(folder / "before", scores_with_ids(before, ids));
    write_scores(folder / "after", scores_with_ids(scaled(before, effect), ids));
    NoiseControlInput input{folder / "before", folder / "after", {}};
    for (int64_t k = 0; k < copies; ++k) {
      input.copies.push_back(folder / fmt::format("copy-{}", k));
      write_scores(input.copies.back(),
                   scores_with_ids(scaled(before, 1 + 0.01 * static_cast<double>(k + 1)), ids));
    }
    return input;
  }
  test::TempFolder folder;
  std::vector<std::string> ids{"a", "b", "c", "d"};
};

TEST_F(NoiseControl, CountsTheCopiesThatDifferAsMuchAsTheEffect) {
  // 0.01 .. 0.20 against 0.155: five copies reach it.
  const auto out = noise_control(written(1.155, 20), MetricOptions{});
  const auto& m = out["metrics"]["act_intensity"];
  const double before = m["before"];
  EXPECT_EQ(out["copies"], 20);
  EXPECT_EQ(out["n"], 4);
  EXPECT_EQ(m["noise"].size(), 20u);
  EXPECT_NEAR(m["effect"], 0.155 * before, 1e-12);
  EXPECT_NEAR(m["noise_mean"], 0.105 * before, 1e-12);
  EXPECT_NEAR(m["noise_sd"], 0.0591608 * before, 1e-6 * before);  // of 0.01 .. 0.20, ddof 1
  EXPECT_NEAR(m["p"], 6.0 / 21, 1e-12);
  EXPECT_EQ(m["reason"], "");
}

TEST_F(NoiseControl, SignsDoNotMatterAndTiesCount) {
  EXPECT_NEAR(noise_control(written(1 - 0.155, 20), MetricOptions{})["metrics"]["act_intensity"]["p"],
              6.0 / 21, 1e-12);
  EXPECT_NEAR(noise_control(written(1.16, 20), MetricOptions{})["metrics"]["act_intensity"]["p"], 6.0 / 21,
              1e-12);
  EXPECT_NEAR(noise_control(written(3, 20), MetricOptions{})["metrics"]["act_intensity"]["p"], 1.0 / 21,
              1e-12);
}

TEST_F(NoiseControl, UndefinedMetricsSayWhy) {
  NoiseControlInput input = written(1.1, 3);
  Scores one = scores_with_ids(random_matrices(3, 1), {"a"});
  for (const auto& path : {input.before, input.after, input.copies[0], input.copies[1], input.copies[2]})
    write_scores(path, one);
  const auto out = noise_control(input, MetricOptions{});
  EXPECT_TRUE(out["metrics"]["diversity"]["p"].is_null());
  EXPECT_NE(out["metrics"]["diversity"]["reason"], "");
  EXPECT_FALSE(out["metrics"]["act_intensity"]["p"].is_null());
}

TEST_F(NoiseControl, SamplesThatSomeFileLacksAreLeftOutOfAll) {
  const NoiseControlInput input = written(1.1, 3);
  Matrices three = random_matrices(3, 4);
  three = scaled(Matrices::stack({three}, {3, 0, 1}), 1.02);  // another order, and "c" is missing
  write_scores(input.copies[1], scores_with_ids(three, {"d", "a", "b"}));
  const auto out = noise_control(input, MetricOptions{});
  EXPECT_EQ(out["n"], 3);
  const auto& m = out["metrics"]["act_intensity"];
  EXPECT_NEAR(m["noise"][1], 0.02 * m["before"].get<double>(), 1e-12);
}

TEST_F(NoiseControl, FilesWithoutACommonSampleAreRefused) {
  const NoiseControlInput input = written(1.1, 2);
  write_scores(input.copies[0], scores_with_ids(random_matrices(3, 4), {"e", "f", "g", "h"}));
  EXPECT_THAT(test::error_of([&] { noise_control(input, MetricOptions{}); }),
              HasSubstr("no sample in common"));
}

}  // namespace
}  // namespace circuitdiff
