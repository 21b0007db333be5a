// All cases of tests/golden/metrics (numpy in float64; tests/golden/README.md):
// whole matrices, edges and siblings.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "io/json.h"
#include "io/safetensors.h"
#include "metrics/comparison.h"
#include "metrics/histogram.h"
#include "metrics/matrices.h"
#include "metrics/metrics.h"
#include "metrics/sample_table.h"

namespace circuitdiff {
namespace {

using test::Matrices;

const std::filesystem::path kGolden = std::filesystem::path(CIRCUITDIFF_SOURCE_DIR) / "tests/golden";

const json& cases() {
  static const json value = read_json_file(kGolden / "metrics/metrics.json").at("cases");
  return value;
}

// "metrics.safetensors:NAME.W", or "MODEL/golden.safetensors: stack(seq0..2.TAG.eap)"
Matrices read_case(const std::string& name) {
  const json& c = cases().at(name);
  Matrices out;
  out.n = c.at("shape")[0];
  out.n_forward = c.at("shape")[1];
  out.n_backward = c.at("shape")[2];
  const std::string source = c.at("source");
  std::vector<int64_t> mask;
  if (source.starts_with("metrics.safetensors:")) {
    const SafetensorsFile file(kGolden / "metrics/metrics.safetensors");
    out.scores = file.doubles(source.substr(source.find(':') + 1));
    mask = file.find(name + ".mask")
               ? file.integers(name + ".mask")
               : std::vector<int64_t>(out.scores.size() / static_cast<size_t>(out.n), 1);
  } else {
    const SafetensorsFile file(kGolden / "models" / source.substr(0, source.find(':')));
    const std::string tag =
        source.substr(source.rfind("2.") + 2, source.rfind(".eap") - source.rfind("2.") - 2);
    for (int64_t i = 0; i < out.n; ++i) {
      const auto one = file.doubles("seq" + std::to_string(i) + "." + tag + ".eap");
      out.scores.insert(out.scores.end(), one.begin(), one.end());
    }
    mask = file.integers("edge_mask");
  }
  out.edges.assign(mask.begin(), mask.end());
  out.loss.assign(static_cast<size_t>(out.n), 1.0);
  return out;
}

void expect_same(const std::optional<double>& found, const json& expected, const std::string& what) {
  ASSERT_EQ(found.has_value(), !expected.is_null()) << what << " " << expected.dump();
  if (!found) return;
  const double e = expected;
  EXPECT_LE(std::abs(*found - e), 1e-9 * std::abs(e)) << what << ": " << *found << " for " << e;
}

TEST(GoldenMetrics, EveryCaseWholeAndOverEdges) {
  EXPECT_EQ(cases().size(), 39u);
  for (const auto& [name, c] : cases().items()) {
    const Matrices m = read_case(name);
    const ScoreMatrices w = m.view();
    for (const Cells cells : {Cells::matrix, Cells::edges}) {
      const json& expected = c.at(cells == Cells::matrix ? "whole" : "edges");
      const std::string what = name + (cells == Cells::matrix ? " whole " : " edges ");
      MetricOptions options;
      options.cells = cells;
      const auto found = metrics_of(w, options, largest_on_edges(w));
      const auto value = [&](Metric metric) { return found[static_cast<size_t>(metric)].value; };
      expect_same(value(Metric::act_intensity), expected.at("act_intens"), what + "act_intensity");
      expect_same(value(Metric::dist_kurtosis), expected.at("dist_kurt"), what + "dist_kurtosis");
      expect_same(value(Metric::diversity), expected.at("diversity"), what + "diversity");
      expect_same(value(Metric::node_entropy), expected.at("row_entropy"), what + "node_entropy");
      if (cells == Cells::edges)
        expect_same(value(Metric::node_entropy_normalised), expected.at("row_entropy_normalised"),
                    what + "node_entropy_normalised");
      for (const auto& [bins, histogram] : expected.at("info_complex").items()) {
        options.bins = std::stoi(bins);
        const auto of_bins = metrics_of(w, options, largest_on_edges(w));
        expect_same(of_bins[static_cast<size_t>(Metric::info_complexity)].value, histogram.at("entropy"),
                    what + "info_complexity " + bins);
      }
      const auto samples = sample_values(w, options);
      const auto kurtosis = std::find_if(samples.begin(), samples.end(),
                                         [](const auto& s) { return s.name == "dist_kurtosis"; });
      ASSERT_NE(kurtosis, samples.end());
      for (size_t k = 0; k < kurtosis->values.size(); ++k)
        expect_same(kurtosis->values[k], expected.at("kurt_per_sample")[k], what + "kurtosis of a sample");
      const auto summary = correlation_summary(w, cells);
      if (summary.mean) {
        double lowest = 2;
        for (const json& r : expected.at("pearson_pairs")) lowest = std::min(lowest, r.get<double>());
        expect_same(summary.minimum, lowest, what + "least correlation");
      }
    }
  }
}

TEST(GoldenMetrics, HistogramsCountAsNumpyDoes) {
  for (const auto& [name, c] : cases().items()) {
    const Matrices m = read_case(name);
    for (const bool whole : {true, false}) {
      std::vector<double> values;
      for (size_t i = 0; i < m.scores.size(); ++i)
        if (whole || m.edges[i % m.edges.size()]) values.push_back(std::abs(m.scores[i]));
      const auto [low, high] = std::minmax_element(values.begin(), values.end());
      for (const auto& [bins, expected] : c.at(whole ? "whole" : "edges").at("info_complex").items()) {
        const Histogram histogram(*low, *high, std::stoi(bins));
        EXPECT_EQ(histogram.edges().front(), expected.at("first_edge").get<double>());
        EXPECT_EQ(histogram.edges().back(), expected.at("last_edge").get<double>());
        if (!expected.contains("counts")) continue;
        std::vector<uint32_t> counts(static_cast<size_t>(histogram.bins()));
        histogram.count(values, counts);
        EXPECT_EQ(counts, expected.at("counts").get<std::vector<uint32_t>>()) << name << " " << bins;
      }
    }
  }
}

TEST(GoldenMetrics, Siblings) {
  const json siblings = read_json_file(kGolden / "metrics/siblings.json");
  EXPECT_GE(siblings.at("cases").size(), 20u);
  MetricOptions options;
  options.bootstrap = options.permutations = 0;
  for (const json& c : siblings.at("cases")) {
    std::array<Matrices, 2> files;
    const std::array<std::string, 2> sides{"before", "after"};
    for (size_t f = 0; f < 2; ++f) {
      files[f] = read_case(c.at(sides[f]));
      files[f].loss = c.at("loss_" + sides[f]).get<std::vector<double>>();
      files[f].error = c.at("error_" + sides[f]).get<std::vector<double>>();
    }
    const std::string what = c.at("before").get<std::string>() + " " + c.at("after").get<std::string>() + " ";
    const double largest = std::max(largest_on_edges(files[0].view()), largest_on_edges(files[1].view()));
    EXPECT_EQ(largest, c.at("M").get<double>()) << what;
    for (size_t f = 0; f < 2; ++f) {
      const auto found = metrics_of(files[f].view(), options, largest);
      for (const auto& [name, value] : c.at("values").items()) {
        const auto metric = from_word<Metric>(name);
        ASSERT_TRUE(metric) << name;
        expect_same(found[static_cast<size_t>(*metric)].value, value.at(sides[f]), what + name);
        EXPECT_EQ(found[static_cast<size_t>(*metric)].reason.empty(), !value.at(sides[f]).is_null())
            << what << name;
      }
      for (const auto& values : sample_values(files[f].view(), options)) {
        if (!c.at("per_sample").contains(values.name)) continue;
        const json& expected = c.at("per_sample").at(values.name).at(sides[f]);
        for (size_t k = 0; k < values.values.size(); ++k)
          expect_same(values.values[k], expected[k], what + values.name + " of a sample");
      }
    }
    if (files[0].n != files[1].n) continue;
    const auto compared = compare_metrics(files[0].view(), files[1].view(), options);
    ASSERT_EQ(compared.size(), static_cast<size_t>(kMetrics));
    for (const MetricComparison& m : compared)
      if (c.at("values").contains(m.name)) {
        expect_same(m.before, c.at("values").at(m.name).at("before"), what + m.name);
        expect_same(m.after, c.at("values").at(m.name).at("after"), what + m.name);
      }
  }
}

}  // namespace
}  // namespace circuitdiff
