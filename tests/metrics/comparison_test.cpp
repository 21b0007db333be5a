#include "metrics/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "metrics/matrices.h"
#include "metrics/sample_table.h"
#include "statistics/intervals.h"
#include "statistics/resampling.h"
#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

using test::error_of;
using test::Matrices;
using test::random_matrices;

MetricOptions quick() {
  MetricOptions options;
  options.bootstrap = options.permutations = 300;
  return options;
}

const MetricComparison& named(const std::vector<MetricComparison>& all, const std::string& name) {
  const auto it = std::find_if(all.begin(), all.end(), [&](const auto& m) { return m.name == name; });
  if (it == all.end()) throw std::runtime_error(name);
  return *it;
}

TEST(CompareMetrics, NamesAndOrderAreThoseOfTheTables) {
  const Matrices w = random_matrices(1, 4);
  std::vector<std::string> names;
  for (const auto& m : compare_metrics(w.view(), w.view(), quick())) names.push_back(m.name);
  EXPECT_THAT(names, testing::ElementsAre("act_intensity", "info_complexity", "dist_kurtosis", "diversity",
                                          "node_entropy", "node_entropy_normalised", "info_complexity_fixed",
                                          "entropy_log", "gini", "effective_edges", "top1_share", "mean_loss",
                                          "mean_error", "intensity_per_nat", "intensity_per_error"));
}

TEST(CompareMetrics, ANullPairDiffersByExactlyNothing) {
  for (const Cells cells : {Cells::matrix, Cells::edges}) {
    MetricOptions options = quick();
    options.cells = cells;
    const Matrices w = random_matrices(2, 12);
    const Matrices copy = w;
    for (const MetricComparison& m : compare_metrics(w.view(), copy.view(), options)) {
      EXPECT_EQ(m.before, m.after) << m.name;
      EXPECT_EQ(m.difference, 0.0) << m.name;
      EXPECT_EQ(m.relative, 0.0) << m.name;
      EXPECT_EQ(m.p, 1.0) << m.name;
      EXPECT_EQ(m.p_adjusted, 1.0) << m.name;
      EXPECT_FALSE(m.effect_size) << m.name;
      if (m.name == "info_complexity") {
        EXPECT_FALSE(m.ci_low);
        EXPECT_EQ(m.reason, "range statistic");
        continue;
      }
      EXPECT_EQ(m.ci_low, 0.0) << m.name;
      EXPECT_EQ(m.ci_high, 0.0) << m.name;
      EXPECT_EQ(m.interval, "percentile") << m.name;
      EXPECT_EQ(m.reason, "") << m.name;
    }
  }
}

// The slow exact way: resampled and swapped files are built and measured from scratch.
TEST(CompareMetrics, ResamplesEqualFilesBuiltFromTheDrawnQuestions) {
  constexpr int64_t kN = 7;
  const std::vector<Matrices> files{random_matrices(3, kN), random_matrices(4, kN, 4, 5, 2.0)};
  const std::array views{files[0].view(), files[1].view()};
  const double largest = std::max(largest_on_edges(views[0]), largest_on_edges(views[1]));
  for (const Cells cells : {Cells::matrix, Cells::edges}) {
    MetricOptions options;
    options.cells = cells;
    options.bins = 13;
    const SampleTable table(views, options, largest, /*cross=*/true);
    const auto expect_same = [&](const UnitSet& set, bool repeats) {
      std::vector<int64_t> units;
      for (size_t i = 0; i < set.units.size(); ++i)
        units.insert(units.end(), static_cast<size_t>(set.weights[i]), set.units[i]);
      const Matrices built = Matrices::stack(files, units);
      auto expected = metrics_of(built.view(), options, largest);
      if (repeats) {
        // Pairs made of one question drawn twice, whose correlation is 1, are left out.
        double sum = 0;
        int64_t pairs = 0;
        for (size_t i = 0; i < units.size(); ++i)
          for (size_t j = i + 1; j < units.size(); ++j)
            if (units[i] != units[j]) {
              const Matrices two = Matrices::stack(files, {units[i], units[j]});
              sum += *correlation_summary(two.view(), cells).mean;
              ++pairs;
            }
        expected[static_cast<size_t>(Metric::diversity)].value = 1 - sum / static_cast<double>(pairs);
      }
      MetricValues found = table.evaluate(set);
      found[static_cast<size_t>(Metric::info_complexity)] = table.info_complexity(set);
      for (size_t i = 0; i < kMetrics; ++i)
        EXPECT_NEAR(found[i], expected[i].value.value(), 1e-12 * std::abs(*expected[i].value) + 1e-13)
            << EnumWords<Metric>::words[i].second;
    };
    std::vector<int32_t> weights(kN);
    std::vector<uint8_t> swaps(kN);
    for (int64_t r = 0; r < 40; ++r) {
      draw_weights(9, r, weights);
      draw_swaps(9, r, swaps);
      UnitSet resampled;
      UnitSet swapped;
      for (int64_t k = 0; k < kN; ++k) {
        if (weights[static_cast<size_t>(k)]) resampled.add(kN + k, weights[static_cast<size_t>(k)]);
        swapped.add(swaps[static_cast<size_t>(k)] ? kN + k : k);
      }
      expect_same(resampled, true);
      expect_same(swapped, false);
    }
  }
}

TEST(CompareMetrics, SetsOfOneRangeShareTheirHistogramsWithoutMixing) {
  const std::vector<Matrices> files{random_matrices(5, 9), random_matrices(6, 9)};
  const std::array views{files[0].view(), files[1].view()};
  MetricOptions options;
  options.cells = Cells::edges;
  const SampleTable table(views, options, 1.0, /*cross=*/true);
  std::vector<UnitSet> sets;
  std::vector<uint8_t> swaps(9);
  for (int64_t r = 0; r < 200; ++r) {
    draw_swaps(1, r, swaps);
    UnitSet set;
    for (int64_t k = 0; k < 9; ++k) set.add(swaps[static_cast<size_t>(k)] ? 9 + k : k);
    sets.push_back(set);
  }
  const auto together = table.info_complexities(sets);
  for (size_t i = 0; i < sets.size(); ++i) EXPECT_EQ(together[i], table.info_complexity(sets[i])) << i;
}

TEST(CompareMetrics, SwappingTheFilesTurnsTheSignsAndKeepsP) {
  const Matrices b = random_matrices(7, 15);
  const Matrices a = random_matrices(8, 15, 4, 5, 1.3);
  const auto there = compare_metrics(b.view(), a.view(), quick());
  const auto back = compare_metrics(a.view(), b.view(), quick());
  for (size_t i = 0; i < there.size(); ++i) {
    EXPECT_EQ(*there[i].difference, -*back[i].difference) << there[i].name;
    EXPECT_EQ(there[i].p, back[i].p) << there[i].name;
    if (there[i].effect_size) {
      EXPECT_NEAR(*there[i].effect_size, -*back[i].effect_size, 1e-14);
    }
    if (there[i].ci_low && there[i].interval == "percentile") {
      EXPECT_NEAR(*there[i].ci_low, -*back[i].ci_high, 1e-12);
    }
  }
}

TEST(CompareMetrics, TheSameSeedGivesTheSameFiguresAndAnotherOneOthers) {
  const Matrices b = random_matrices(7, 15);
  const Matrices a = random_matrices(8, 15);
  MetricOptions options = quick();
  const auto first = compare_metrics(b.view(), a.view(), options);
  const auto second = compare_metrics(b.view(), a.view(), options);
  options.seed = 1;
  const auto other = compare_metrics(b.view(), a.view(), options);
  EXPECT_EQ(first[0].ci_low, second[0].ci_low);
  EXPECT_EQ(first[0].p, second[0].p);
  EXPECT_NE(first[0].ci_low, other[0].ci_low);
}

// n questions whose scores all doubled: of 2^n equally likely swaps only none and
// all reach the observed difference.
TEST(CompareMetrics, PApproachesTheExactValueOfFewQuestions) {
  const Matrices b = random_matrices(9, 5);
  Matrices a = b;
  for (double& x : a.scores) x *= 2;
  MetricOptions options;
  options.permutations = 20000;
  options.bootstrap = 0;
  const auto all = compare_metrics(b.view(), a.view(), options);
  EXPECT_NEAR(*named(all, "act_intensity").p, 2.0 / 32, 0.008);
  EXPECT_EQ(*named(all, "gini").difference, 0.0);  // doubling changes no share
  EXPECT_EQ(*named(all, "gini").p, 1.0);
  EXPECT_EQ(*named(all, "dist_kurtosis").p, 1.0);
  EXPECT_NEAR(*named(all, "diversity").p, 1.0, 1e-12);
  EXPECT_NEAR(*named(all, "act_intensity").relative, 1.0, 1e-12);
}

// Under no difference p is uniform: of 60 comparisons about 3 lie below 0.05.
TEST(CompareMetrics, PRarelyFallsBelowFivePercentWithoutADifference) {
  std::array<int, kMetrics> small{};
  MetricOptions options;
  options.permutations = 200;
  options.bootstrap = 0;
  for (uint64_t trial = 0; trial < 60; ++trial) {
    const Matrices b = random_matrices(1000 + 2 * trial, 20);
    const Matrices a = random_matrices(1001 + 2 * trial, 20);
    const auto all = compare_metrics(b.view(), a.view(), options);
    for (size_t i = 0; i < kMetrics; ++i) small[i] += *all[i].p <= 0.05;
  }
  for (size_t i = 0; i < kMetrics; ++i) EXPECT_LE(small[i], 10) << EnumWords<Metric>::words[i].second;
}

TEST(CompareMetrics, AnIntervalOfAMeanIsThatOfItsDifferences) {
  const Matrices b = random_matrices(10, 30);
  const Matrices a = random_matrices(11, 30);
  MetricOptions options;
  options.permutations = 0;
  options.bootstrap = 4000;
  const auto m = named(compare_metrics(b.view(), a.view(), options), "mean_loss");
  double mean = 0;
  for (size_t k = 0; k < 30; ++k) mean += (a.loss[k] - b.loss[k]) / 30;
  double squares = 0;
  for (size_t k = 0; k < 30; ++k) squares += std::pow(a.loss[k] - b.loss[k] - mean, 2);
  const double se = std::sqrt(squares) / 30;
  EXPECT_NEAR(*m.difference, mean, 1e-14);
  EXPECT_NEAR(*m.ci_low, mean - 1.96 * se, 0.15 * se);
  EXPECT_NEAR(*m.ci_high, mean + 1.96 * se, 0.15 * se);
  EXPECT_EQ(m.interval, "BCa");
  EXPECT_NEAR(*m.effect_size, mean / std::sqrt(squares / 29), 1e-12);
  EXPECT_EQ(m.reason, "p: no permutations asked for");
}

TEST(CompareMetrics, RelativeChangesOfIntensityHaveAnIntervalOfTheirOwn) {
  const Matrices b = random_matrices(21, 30), a = random_matrices(22, 30, 4, 5, 3.0);
  MetricOptions options = quick();
  const auto found = compare_metrics(b.view(), a.view(), options);
  for (const MetricComparison& m : found) {
    const bool has = m.name == "act_intensity" || m.name.starts_with("intensity_per");
    ASSERT_EQ(m.relative_low.has_value(), has) << m.name;
    if (!has) continue;
    EXPECT_LT(*m.relative_low, *m.relative) << m.name;
    EXPECT_GT(*m.relative_high, *m.relative) << m.name;
  }
  const auto values = [&](const Matrices& w, const std::string& name) {
    std::vector<double> out;
    for (const auto& all : sample_values(w.view(), options))
      for (const auto& v : all.values)
        if (all.name == name) out.push_back(*v);
    return out;
  };
  const auto per_nat = relative_interval(values(b, "edge_intensity"), values(a, "edge_intensity"),
                                         values(b, "mean_loss"), values(a, "mean_loss"), 300, options.seed);
  EXPECT_DOUBLE_EQ(*named(found, "intensity_per_nat").relative_low, per_nat->low);
  EXPECT_DOUBLE_EQ(*named(found, "intensity_per_nat").relative_high, per_nat->high);
  options.bootstrap = 0;
  EXPECT_FALSE(named(compare_metrics(b.view(), a.view(), options), "act_intensity").relative_low);
}

TEST(CompareMetrics, OneQuestionHasNoIntervalAndNoDiversity) {
  const auto all = compare_metrics(random_matrices(1, 1).view(), random_matrices(2, 1).view(), quick());
  EXPECT_EQ(named(all, "diversity").reason, "one sample");
  EXPECT_FALSE(named(all, "diversity").before);
  EXPECT_EQ(named(all, "act_intensity").reason, "interval: one question");
  EXPECT_EQ(named(all, "act_intensity").p, 1.0);
  EXPECT_FALSE(named(all, "act_intensity").effect_size);
}

TEST(CompareMetrics, WhatIsUndefinedIsNullWithAReason) {
  Matrices b = random_matrices(1, 5);
  Matrices a = random_matrices(2, 5);
  for (int64_t s = 0; s < 4; ++s)
    for (int64_t d = 0; d < 5; ++d) a.at(3, s, d) = 0;
  for (double& x : b.loss) x = 1e-7;
  b.error.clear();
  const auto all = compare_metrics(b.view(), a.view(), quick());
  EXPECT_EQ(named(all, "dist_kurtosis").reason, "after: sample 3 has no variance");
  EXPECT_TRUE(named(all, "dist_kurtosis").before);
  EXPECT_FALSE(named(all, "dist_kurtosis").after);
  EXPECT_FALSE(named(all, "dist_kurtosis").p);
  EXPECT_EQ(named(all, "diversity").reason, "after: sample 3 has no variance");
  EXPECT_EQ(named(all, "gini").reason, "after: sample 3 has no non-zero score");
  EXPECT_EQ(named(all, "top1_share").reason, "after: sample 3 has no non-zero score");
  EXPECT_EQ(named(all, "intensity_per_nat").reason, "before: mean loss below 1e-6 nats");
  EXPECT_TRUE(named(all, "intensity_per_nat").after);
  EXPECT_EQ(named(all, "mean_error").reason, "before: the file has no error");
  EXPECT_EQ(named(all, "intensity_per_error").reason, "before: the file has no error");
  EXPECT_TRUE(named(all, "act_intensity").p);
}

TEST(CompareMetrics, AllZerosAndNoEdges) {
  Matrices zero = random_matrices(1, 3);
  std::fill(zero.scores.begin(), zero.scores.end(), 0.0);
  const auto all = compare_metrics(zero.view(), zero.view(), quick());
  EXPECT_EQ(named(all, "act_intensity").before, 0.0);
  EXPECT_EQ(named(all, "act_intensity").reason, "relative: before is 0");
  EXPECT_EQ(named(all, "node_entropy").reason, "every source's row is all zero");
  EXPECT_EQ(named(all, "entropy_log").reason, "no non-zero score");
  EXPECT_EQ(named(all, "intensity_per_nat").before, 0.0);

  Matrices bare = random_matrices(1, 3);
  std::fill(bare.edges.begin(), bare.edges.end(), uint8_t{0});
  MetricOptions options = quick();
  for (const MetricComparison& m : compare_metrics(bare.view(), bare.view(), options)) {
    if (m.name == "gini" || m.name == "info_complexity_fixed" || m.name == "intensity_per_nat") {
      EXPECT_EQ(m.reason, "no existing edge") << m.name;
    }
  }
  options.cells = Cells::edges;
  for (const MetricComparison& m : compare_metrics(bare.view(), bare.view(), options))
    EXPECT_EQ(m.before.has_value(), m.name == "mean_loss" || m.name == "mean_error") << m.name;
  EXPECT_EQ(decompose_intensity(bare.view(), bare.view()).reason, "no non-zero score on an edge");
}

TEST(CompareMetrics, NoFigureIsEverNaNOrInfinite) {
  for (const double scale : {1e300, 1e-300, 0x1p-1070}) {
    const Matrices b = random_matrices(3, 6, 4, 5, scale);
    const Matrices a = random_matrices(4, 6, 4, 5, scale);
    for (const MetricComparison& m : compare_metrics(b.view(), a.view(), quick())) {
      for (const auto& v : {m.before, m.after, m.difference, m.relative, m.ci_low, m.ci_high, m.p,
                            m.p_adjusted, m.effect_size})
        EXPECT_TRUE(!v || std::isfinite(*v)) << m.name << " at " << scale;
      if (!m.before || !m.difference || !m.p) {
        EXPECT_NE(m.reason, "") << m.name << " at " << scale;
      }
    }
  }
}

TEST(CompareMetrics, BadInputIsRefusedNamingTheCell) {
  const Matrices good = random_matrices(1, 4);
  const auto message = [&](const std::function<void(Matrices&)>& edit) {
    Matrices bad = good;
    edit(bad);
    return error_of([&] { compare_metrics(good.view(), bad.view(), quick()); });
  };
  EXPECT_EQ(message([](Matrices& w) { w.at(2, 1, 3) = std::nan(""); }),
            "after: sample 2, cell [1, 3]: a finite number expected, nan found");
  EXPECT_EQ(message([](Matrices& w) { w.at(0, 0, 0) = -INFINITY; }),
            "after: sample 0, cell [0, 0]: a finite number expected, -inf found");
  EXPECT_EQ(message([](Matrices& w) { w.loss[1] = INFINITY; }),
            "after: sample 1: loss: a finite number expected, inf found");
  EXPECT_EQ(message([](Matrices& w) { w.error[1] = std::nan(""); }),
            "after: sample 1: error: a finite number expected, nan found");
  EXPECT_EQ(message([](Matrices& w) { w.loss.pop_back(); }), "after: loss: 4 entries expected, 3 found");
  EXPECT_EQ(message([](Matrices& w) { w.error.pop_back(); }), "after: error: 4 entries expected, 3 found");
  EXPECT_EQ(message([](Matrices& w) { w.scores.pop_back(); }),
            "after: scores: 80 entries expected, 79 found");
  EXPECT_EQ(message([](Matrices& w) { w.edges.pop_back(); }), "after: edges: 20 entries expected, 19 found");
  EXPECT_EQ(message([](Matrices& w) { w.edges[7] = 2; }), "after: edges: 0 or 1 expected, 2 found");
  EXPECT_EQ(message([](Matrices& w) { w.edges[19] = 0; }),
            "after: edges: cell [3, 4] is 0 here and 1 in before");
  EXPECT_EQ(message([](Matrices& w) { w = random_matrices(1, 5); }),
            "after: 4 samples expected, as before has, 5 found");
  EXPECT_EQ(message([](Matrices& w) { w = random_matrices(1, 4, 5, 4); }),
            "after: shape [4, 5] expected, as before has, [5, 4] found");
  EXPECT_EQ(message([](Matrices& w) { w.n = 0; }),
            "after: at least one sample, source and destination expected, [0, 4, 5] found");
}

TEST(CompareMetrics, OptionsOutOfRangeAreUsageErrors) {
  const Matrices w = random_matrices(1, 2);
  const auto message = [&](auto edit) {
    MetricOptions options = quick();
    edit(options);
    EXPECT_THROW(compare_metrics(w.view(), w.view(), options), UsageError);
    return error_of([&] { compare_metrics(w.view(), w.view(), options); });
  };
  EXPECT_EQ(message([](MetricOptions& o) { o.bins = 0; }),
            "--bins: a number from 1 to 100000 expected, 0 found");
  EXPECT_EQ(message([](MetricOptions& o) { o.bootstrap = -1; }),
            "--bootstrap: a number from 0 to 10000000 expected, -1 found");
  EXPECT_EQ(message([](MetricOptions& o) { o.permutations = 20000000; }),
            "--permutations: a number from 0 to 10000000 expected, 20000000 found");
}

TEST(Diversity, ByPairsAndBySumsAgree) {
  // More than 4000 units are summed instead of paired.
  constexpr int64_t kUnits = 4001;
  constexpr int64_t kLength = 6;
  Philox random(3);
  std::vector<double> vectors;
  for (int64_t i = 0; i < kUnits * kLength; ++i) vectors.push_back(random.normal());
  const Correlations sums(vectors, kUnits, kLength, kUnits, false);
  vectors.resize(50 * kLength);
  const Correlations pairs(vectors, 50, kLength, 50, false);
  UnitSet set;
  for (int64_t k = 0; k < 50; k += 2) set.add(k, 1 + static_cast<int32_t>(k % 3));
  EXPECT_NEAR(sums.mean(set.units, set.weights), pairs.mean(set.units, set.weights), 1e-12);
  EXPECT_NEAR(sums.correlation(3, 9), pairs.correlation(3, 9), 1e-14);
}

TEST(Diversity, OfOneSampleRepeatedIsUndefined) {
  const Correlations c({1, 2, 4, 3, 1, 0}, 2, 3, 2, false);
  EXPECT_TRUE(std::isnan(c.mean(std::vector<int32_t>{0}, std::vector<int32_t>{2})));
  EXPECT_NEAR(c.mean(std::vector<int32_t>{0, 1}, std::vector<int32_t>{1, 1}), c.correlation(0, 1), 1e-15);
  EXPECT_NEAR(c.correlation(0, 1), -0.9285714285714286, 1e-12);  // -39 / 42
}

TEST(SampleValues, AverageToTheirMetrics) {
  const Matrices w = random_matrices(4, 9);
  const auto all = metrics_of(w.view(), {}, largest_on_edges(w.view()));
  const auto values = sample_values(w.view(), {});
  EXPECT_EQ(values.size(), 8u);
  for (const SampleValues& v : values) {
    ASSERT_EQ(v.values.size(), 9u);
    const auto metric = from_word<Metric>(v.name);
    if (!metric) {
      EXPECT_EQ(v.name, "edge_intensity");
      continue;
    }
    double mean = 0;
    for (const auto& x : v.values) mean += *x / 9;
    EXPECT_NEAR(mean, *all[static_cast<size_t>(*metric)].value, 1e-12 * std::abs(mean)) << v.name;
  }
}

TEST(NodeEntropyBySource, IsNullForASourceWithoutScores) {
  Matrices w = random_matrices(4, 3);
  for (int64_t k = 0; k < 3; ++k)
    for (int64_t d = 0; d < 5; ++d) w.at(k, 2, d) = 0;
  for (int64_t d = 0; d < 5; ++d) w.at(1, 0, d) = 1;  // five equal edges
  for (const int64_t k : {0, 2})
    for (int64_t d = 0; d < 5; ++d) w.at(k, 0, d) = d == 1 ? -2 : 0;  // one edge alone
  const auto found = node_entropy_by_source(w.view(), Cells::matrix);
  ASSERT_EQ(found.size(), 4u);
  EXPECT_NEAR(*found[0], std::log(5.0) / 3, 1e-14);
  EXPECT_FALSE(found[2]);
}

TEST(CorrelationSummary, OfThreeSamplesByHand) {
  Matrices w{3, 1, 3, {1, 2, 3, 2, 4, 6, 3, 2, 1}, {1, 1, 1}, {1, 1, 1}, {}};
  const CorrelationSummary c = correlation_summary(w.view(), Cells::edges);
  EXPECT_EQ(c.pairs, 3);
  EXPECT_NEAR(*c.mean, -1.0 / 3, 1e-14);
  EXPECT_NEAR(*c.minimum, -1, 1e-14);
  EXPECT_NEAR(*c.maximum, 1, 1e-14);
  ASSERT_EQ(c.histogram.size(), 40u);
  EXPECT_EQ(std::accumulate(c.histogram.begin(), c.histogram.end(), int64_t{0}), 3);
  Matrices flat = w;
  for (int64_t d = 0; d < 3; ++d) flat.at(1, 0, d) = 5;
  EXPECT_EQ(correlation_summary(flat.view(), Cells::edges).reason, "sample 1 has no variance");
}

TEST(Decomposition, SumsExactly) {
  const Matrices b = random_matrices(1, 10);
  const Matrices a = random_matrices(2, 10, 4, 5, 0.3);
  const IntensityDecomposition d = decompose_intensity(b.view(), a.view());
  EXPECT_NEAR(*d.log_ratio, *d.from_loss + *d.beyond_loss, 1e-14);
  EXPECT_NEAR(*d.log_ratio, *d.from_error + *d.beyond_error, 1e-14);
  const auto all = compare_metrics(b.view(), a.view(), quick());
  const MetricComparison& per_nat = named(all, "intensity_per_nat");
  EXPECT_NEAR(*d.beyond_loss, std::log(*per_nat.after / *per_nat.before), 1e-13);
  Matrices sure = a;
  std::fill(sure.loss.begin(), sure.loss.end(), 0.0);
  sure.error.clear();
  const IntensityDecomposition none = decompose_intensity(b.view(), sure.view());
  EXPECT_TRUE(none.log_ratio);
  EXPECT_FALSE(none.from_loss);
  EXPECT_EQ(none.reason, "mean loss below 1e-6 nats");
  EXPECT_EQ(none.error_reason, "the file has no error");
}

}  // namespace
}  // namespace circuitdiff
