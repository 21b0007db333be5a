// avg@k and pass@k from counts that can be checked by hand.
#include "grade/sampled_accuracy.h"

#include <gtest/gtest.h>

#include <bit>

#include "support/temp_folder.h"

namespace circuitdiff {
namespace {

TEST(SampledAccuracy, PassAtKIsOneMinusTheShareOfDrawsWithoutARightSample) {
  EXPECT_DOUBLE_EQ(pass_at_k({4, 1}, 1), 0.25);
  EXPECT_DOUBLE_EQ(pass_at_k({4, 1}, 2), 0.5);                // 1 - C(3,2)/C(4,2) = 1 - 3/6
  EXPECT_DOUBLE_EQ(pass_at_k({10, 3}, 5), 1 - 21.0 / 252.0);  // C(7,5)/C(10,5)
  EXPECT_EQ(pass_at_k({4, 3}, 2), 1);
  EXPECT_EQ(pass_at_k({4, 0}, 4), 0);
  EXPECT_EQ(test::error_of([] { pass_at_k({4, 1}, 5); }), "pass@k: k from 1 to 4 expected, 5 found");
}

TEST(SampledAccuracy, PassAtKIsTheShareOfAllDrawsOfKWithARightSample) {
  for (int64_t n = 1; n <= 9; ++n)
    for (int64_t right = 0; right <= n; ++right)
      for (int64_t k = 1; k <= n; ++k) {
        int64_t draws = 0, passed = 0;
        for (uint32_t drawn = 0; drawn < (1u << n); ++drawn) {  // samples 0 .. right - 1 are right
          if (std::popcount(drawn) != k) continue;
          ++draws;
          passed += (drawn & ((1u << right) - 1)) != 0;
        }
        EXPECT_NEAR(pass_at_k({n, right}, k), static_cast<double>(passed) / static_cast<double>(draws), 1e-12)
            << n << " samples, " << right << " right, k = " << k;
      }
}

Generation sample(const std::string& id, int64_t number, std::optional<bool> correct) {
  Generation g;
  g.id = id;
  g.sample = number;
  g.correct = correct;
  return g;
}

TEST(SampledAccuracy, MeansAreOverQuestions) {
  const json s =
      sampled_accuracy({sample("a", 0, true), sample("a", 1, true), sample("b", 0, true),
                        sample("b", 1, std::nullopt), sample("c", 0, false), sample("c", 1, false)});
  EXPECT_EQ(s["questions"], 3);
  EXPECT_EQ(s["samples"], (json{2, 2}));
  EXPECT_DOUBLE_EQ(s["avg_at_k"].get<double>(), 0.5);
  EXPECT_DOUBLE_EQ(s["pass_at_k"]["1"].get<double>(), 0.5);
  EXPECT_DOUBLE_EQ(s["pass_at_k"]["2"].get<double>(), 2.0 / 3);
  // Means of three draws from {1, 1/2, 0}: 0 and 1 come up with probability 1/27 each, beyond 2.5%.
  EXPECT_EQ(s["bootstrap95"][0], 0.0);
  EXPECT_EQ(s["bootstrap95"][1], 1.0);
}

TEST(SampledAccuracy, OneSampleAQuestionIsNoSampledAccuracy) {
  EXPECT_TRUE(sampled_accuracy({sample("a", 0, true), sample("b", 0, false)}).is_null());
}

}  // namespace
}  // namespace circuitdiff
