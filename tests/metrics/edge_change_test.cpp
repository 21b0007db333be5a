#include "metrics/edge_change.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "metrics/matrices.h"
#include "metrics/two_by_two.h"
#include "statistics/resampling.h"
#include "statistics/significance.h"
#include "statistics/summary.h"

namespace circuitdiff {
namespace {

using test::Matrices;
using test::random_matrices;

MetricOptions with(int64_t draws) {
  MetricOptions options;
  options.bootstrap = options.permutations = draws;
  return options;
}

TEST(EdgeChanges, AreNullExactlyWhereThereIsNoEdge) {
  const Matrices b = random_matrices(1, 6);
  const Matrices a = random_matrices(2, 6);
  const EdgeChanges c = edge_changes(b.view(), a.view(), with(100));
  for (size_t i = 0; i < b.edges.size(); ++i)
    for (const auto* field :
         {&c.before, &c.after, &c.relative, &c.ci_low, &c.ci_high, &c.p, &c.p_adjusted, &c.p_familywise})
      EXPECT_EQ((*field)[i].has_value(), b.edges[i] == 1) << i;
}

// Plain loops over questions and edges, with the same draws.
TEST(EdgeChanges, AgreeWithPlainLoops) {
  constexpr int64_t kN = 19;  // not a multiple of 8
  const Matrices b = random_matrices(3, kN, 9, 10);
  Matrices a = random_matrices(4, kN, 9, 10);
  for (int64_t k = 0; k < kN; ++k) a.at(k, 0, 3) = 30 + static_cast<double>(k);  // one edge that surely grew
  const MetricOptions options = with(500);
  const EdgeChanges found = edge_changes(b.view(), a.view(), options);
  EXPECT_EQ(found.permutations, 500);
  EXPECT_EQ(found.bootstrap, 500);

  const size_t cells = b.edges.size();
  std::vector<std::vector<double>> d(cells);  // [cell][k]
  for (size_t c = 0; c < cells; ++c)
    for (size_t k = 0; k < kN; ++k)
      d[c].push_back(std::abs(a.scores[k * cells + c]) - std::abs(b.scores[k * cells + c]));
  const auto t_of = [&](size_t c, const std::vector<uint8_t>& swaps) {
    double sum = 0;
    double squares = 0;
    for (size_t k = 0; k < kN; ++k) {
      sum += swaps[k] ? -d[c][k] : d[c][k];
      squares += d[c][k] * d[c][k];
    }
    return std::abs(sum) / std::sqrt(squares);
  };
  std::vector<int64_t> hits(cells, 0);
  std::vector<int64_t> family_hits(cells, 0);
  std::vector<uint8_t> swaps(kN, 0);
  std::vector<double> observed(cells);
  for (size_t c = 0; c < cells; ++c)
    if (b.edges[c]) observed[c] = t_of(c, swaps);
  for (int64_t r = 0; r < 500; ++r) {
    draw_swaps(options.seed, r, swaps);
    double most = 0;
    for (size_t c = 0; c < cells; ++c) {
      if (!b.edges[c]) continue;
      const double t = t_of(c, swaps);
      most = std::max(most, t);
      hits[c] += t >= observed[c] * (1 - 1e-9);
    }
    for (size_t c = 0; c < cells; ++c) family_hits[c] += most >= observed[c] * (1 - 1e-9);
  }
  std::vector<int32_t> weights(kN);
  std::vector<std::vector<double>> ratios(cells);
  for (int64_t r = 0; r < 500; ++r) {
    draw_weights(options.seed, r, weights);
    for (size_t c = 0; c < cells; ++c) {
      double before = 0;
      double after = 0;
      for (size_t k = 0; k < kN; ++k) {
        before += weights[k] * std::abs(b.scores[k * cells + c]);
        after += weights[k] * std::abs(a.scores[k * cells + c]);
      }
      ratios[c].push_back((after - before) / before);
    }
  }
  for (size_t c = 0; c < cells; ++c) {
    if (!b.edges[c]) continue;
    EXPECT_EQ(*found.p[c], permutation_p(hits[c], 500)) << c;
    EXPECT_EQ(*found.p_familywise[c], permutation_p(family_hits[c], 500)) << c;
    EXPECT_GE(*found.p_familywise[c], *found.p[c]);
    EXPECT_GE(*found.p_adjusted[c], *found.p[c]);
    std::sort(ratios[c].begin(), ratios[c].end());
    EXPECT_NEAR(*found.ci_low[c], quantile_of_sorted(ratios[c], 0.025), 1e-12);
    EXPECT_NEAR(*found.ci_high[c], quantile_of_sorted(ratios[c], 0.975), 1e-12 * std::abs(*found.ci_high[c]));
    double before = 0;
    double after = 0;
    for (size_t k = 0; k < kN; ++k) {
      before += std::abs(b.scores[k * cells + c]) / kN;
      after += std::abs(a.scores[k * cells + c]) / kN;
    }
    EXPECT_NEAR(*found.before[c], before, 1e-13 * before);
    EXPECT_NEAR(*found.relative[c], (after - before) / before, 1e-12 * std::abs(after / before));
  }
  EXPECT_EQ(*found.p[3], 1.0 / 501);
  EXPECT_EQ(*found.p_familywise[3], 1.0 / 501);
}

TEST(EdgeChanges, SpreadIsTheQuantilesOverQuestions) {
  Matrices w = random_matrices(5, 21);
  for (size_t k = 0; k < 21; ++k)
    w.scores[k * w.edges.size()] = k % 2 ? -static_cast<double>(k) : static_cast<double>(k);
  const EdgeChanges c = edge_changes(w.view(), w.view(), with(0));
  EXPECT_EQ(c.spread_before[0], (std::vector<double>{1, 5, 10, 15, 19}));  // of 0 .. 20
  EXPECT_EQ(c.spread_after, c.spread_before);
  for (size_t i = 0; i < w.edges.size(); ++i) EXPECT_EQ(c.spread_before[i].empty(), w.edges[i] == 0);
}

TEST(EdgeChanges, ColoursEndAtThe99thPercentileOfTheChanges) {
  const Matrices b = random_matrices(6, 4);
  Matrices a = b;
  for (double& x : a.scores) x *= 8;
  EdgeChanges c = edge_changes(b.view(), a.view(), with(0));
  EXPECT_NEAR(*c.log2_clip, 3, 1e-12);
  EXPECT_NEAR(*c.log2_clip_beside_whole, 0, 1e-12);
  for (double& x : a.scores) x = 0;
  c = edge_changes(b.view(), a.view(), with(0));
  EXPECT_FALSE(c.log2_clip);
  EXPECT_FALSE(c.log2_clip_beside_whole);
}

TEST(EdgeChanges, OfANullPairAreZeroWithPOne) {
  const Matrices w = random_matrices(5, 10);
  const EdgeChanges c = edge_changes(w.view(), w.view(), with(200));
  for (size_t i = 0; i < w.edges.size(); ++i) {
    if (!w.edges[i]) continue;
    EXPECT_EQ(c.relative[i], 0.0);
    EXPECT_EQ(c.ci_low[i], 0.0);
    EXPECT_EQ(c.ci_high[i], 0.0);
    EXPECT_EQ(c.p[i], 1.0);
    EXPECT_EQ(c.p_adjusted[i], 1.0);
    EXPECT_EQ(c.p_familywise[i], 1.0);
  }
}

TEST(EdgeChanges, FromNothingHasNoRelativeChangeButAP) {
  Matrices b = random_matrices(6, 12);
  const Matrices a = random_matrices(7, 12);
  for (int64_t k = 0; k < 12; ++k) b.at(k, 0, 0) = 0;
  const EdgeChanges c = edge_changes(b.view(), a.view(), with(300));
  EXPECT_EQ(c.before[0], 0.0);
  EXPECT_FALSE(c.relative[0]);
  EXPECT_FALSE(c.ci_low[0]);
  EXPECT_EQ(*c.p[0], 1.0 / 301);
}

TEST(EdgeChanges, WithoutDrawsHaveNeitherPNorInterval) {
  const Matrices b = random_matrices(6, 3);
  const EdgeChanges c = edge_changes(b.view(), b.view(), with(0));
  EXPECT_EQ(c.relative[0], 0.0);
  EXPECT_FALSE(c.p[0]);
  EXPECT_FALSE(c.ci_low[0]);
  const Matrices one = random_matrices(6, 1);
  EXPECT_FALSE(edge_changes(one.view(), one.view(), with(50)).ci_low[0]);
}

// Loss = model part + text part (+ a part that only the after-model has on its own text).
TEST(TwoByTwo, SeparatesModelFromText) {
  constexpr int64_t kN = 20;
  const Matrices base = random_matrices(8, kN);
  const auto with_loss = [&](double model, double text, double both) {
    Matrices w = base;
    for (double& x : w.loss) x += model + text + both;
    return w;
  };
  const Matrices bb = with_loss(0, 0, 0);
  const Matrices aa = with_loss(0.5, -0.1, 0.04);
  const Matrices ba = with_loss(0, -0.1, 0);
  const Matrices ab = with_loss(0.5, 0, 0);
  const auto all = compare_two_by_two(bb.view(), aa.view(), ba.view(), ab.view(), with(200));
  ASSERT_EQ(all.size(), static_cast<size_t>(kMetrics));
  const TwoByTwoMetric& m = all[static_cast<size_t>(Metric::mean_loss)];
  EXPECT_EQ(m.name, "mean_loss");
  EXPECT_NEAR(*m.model.value, 0.52, 1e-12);
  EXPECT_NEAR(*m.text.value, -0.08, 1e-12);
  EXPECT_NEAR(*m.interaction.value, 0.04, 1e-12);
  EXPECT_NEAR(*m.model.ci_low, 0.52, 1e-9);  // the same for every question: no width
  EXPECT_NEAR(*m.model.ci_high, 0.52, 1e-9);
  const TwoByTwoMetric& gini = all[static_cast<size_t>(Metric::gini)];
  EXPECT_EQ(*gini.model.value, 0.0);
  EXPECT_EQ(*gini.interaction.ci_low, 0.0);
  EXPECT_EQ(all[static_cast<size_t>(Metric::info_complexity)].model.reason, "range statistic");
}

TEST(TwoByTwo, ANullPairHasNoEffects) {
  const Matrices w = random_matrices(9, 8);
  for (const TwoByTwoMetric& m : compare_two_by_two(w.view(), w.view(), w.view(), w.view(), with(100)))
    for (const ContrastFigure* f : {&m.model, &m.text, &m.interaction}) {
      EXPECT_EQ(f->value, 0.0) << m.name;
      if (m.name == "info_complexity") continue;
      EXPECT_EQ(f->ci_low, 0.0) << m.name;
      EXPECT_EQ(f->ci_high, 0.0) << m.name;
    }
}

TEST(TwoByTwo, IntervalsContainTheEffectAndUndefinedOnesSayWhy) {
  Matrices bb = random_matrices(10, 25);
  const Matrices aa = random_matrices(11, 25, 4, 5, 2.0);
  const Matrices ba = random_matrices(12, 25);
  const Matrices ab = random_matrices(13, 25, 4, 5, 2.0);
  bb.error.clear();
  const auto all = compare_two_by_two(bb.view(), aa.view(), ba.view(), ab.view(), with(500));
  const TwoByTwoMetric& intensity = all[static_cast<size_t>(Metric::act_intensity)];
  EXPECT_LT(*intensity.model.ci_low, *intensity.model.value);
  EXPECT_GT(*intensity.model.ci_high, *intensity.model.value);
  EXPECT_GT(*intensity.model.ci_low, 0);  // twice the scores: surely a model effect
  EXPECT_LT(*intensity.text.ci_low, 0);   // and no text effect
  EXPECT_GT(*intensity.text.ci_high, 0);
  const TwoByTwoMetric& error = all[static_cast<size_t>(Metric::mean_error)];
  EXPECT_FALSE(error.model.value);
  EXPECT_EQ(error.model.reason, "the file has no error");
}

}  // namespace
}  // namespace circuitdiff
