// The drawn tokens follow softmax(logits / temperature), cut as top-k and top-p say;
// greedy takes the first of equals.
#include "generate/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "base/random.h"

namespace circuitdiff {
namespace {

const std::vector<float> kLogits{1.0f, 3.0f, 0.0f, 2.0f, 3.0f, -5.0f};

int64_t choose(const std::vector<float>& logits, const Sampling& sampling, double uniform = 0) {
  return choose_token(std::span<const float>(logits), sampling, uniform);
}

// Tokens that any uniform number can bring.
std::vector<int64_t> reachable(const std::vector<float>& logits, const Sampling& sampling) {
  std::map<int64_t, bool> seen;
  for (int i = 0; i < 20000; ++i) seen[choose(logits, sampling, i / 20000.0)] = true;
  std::vector<int64_t> out;
  for (const auto& [id, unused] : seen) out.push_back(id);
  return out;
}

TEST(Sampling, GreedyTakesTheLowestIdOfEquals) { EXPECT_EQ(choose(kLogits, {}), 1); }

TEST(TokenNll, IsMinusTheLogOfTheSoftmaxWhateverTheNumberOfLogits) {
  for (const size_t n : {size_t{1}, size_t{5}, size_t{16}, size_t{255}, size_t{257}, size_t{5000}}) {
    Philox random(n);
    std::vector<float> narrow;
    for (size_t i = 0; i < n; ++i) narrow.push_back(static_cast<float>(40 * random.uniform() - 20));
    const std::vector<double> wide(narrow.begin(), narrow.end());
    long double sum = 0;
    for (const double l : wide) sum += std::exp(static_cast<long double>(l));
    for (const size_t token : {size_t{0}, n / 2, n - 1}) {
      const auto expected = static_cast<double>(std::log(sum) - static_cast<long double>(wide[token]));
      EXPECT_NEAR(token_nll(std::span<const float>(narrow), static_cast<int64_t>(token)), expected, 1e-5)
          << n;
      EXPECT_NEAR(token_nll(std::span<const double>(wide), static_cast<int64_t>(token)), expected, 1e-12)
          << n;
    }
  }
}

TEST(TokenNll, LogitsFarFromZeroDoNotOverflow) {
  const std::vector<float> logits{-3000.0f, 2000.0f, 1999.0f};
  EXPECT_NEAR(token_nll(std::span<const float>(logits), 1), std::log1p(std::exp(-1.0)), 1e-6);
  EXPECT_NEAR(token_nll(std::span<const float>(logits), 0), 5000 + std::log1p(std::exp(-1.0)), 1e-3);
}

TEST(Sampling, DrawsFollowTheSoftmaxOfTheLogitsOverTheTemperature) {
  for (const double temperature : {0.6, 1.0, 2.0}) {
    const Sampling sampling{.temperature = temperature, .seed = 11};
    constexpr int kDraws = 20000;
    std::vector<double> count(kLogits.size());
    for (int i = 0; i < kDraws; ++i)
      ++count[static_cast<size_t>(
          choose(kLogits, sampling, token_uniform(sampling.seed, question_key("q"), 0, i)))];
    double total = 0, chi_square = 0;
    for (const float l : kLogits) total += std::exp(l / temperature);
    for (size_t i = 0; i < kLogits.size(); ++i) {
      const double expected = kDraws * std::exp(kLogits[i] / temperature) / total;
      chi_square += (count[i] - expected) * (count[i] - expected) / expected;
    }
    EXPECT_LT(chi_square, 20.5) << temperature;  // 5 degrees of freedom: 99.9%
  }
}

TEST(Sampling, TopKKeepsTheLikeliestAndThoseThatTie) {
  EXPECT_EQ(reachable(kLogits, {.temperature = 1, .top_k = 1}), (std::vector<int64_t>{1, 4}));
  EXPECT_EQ(reachable(kLogits, {.temperature = 1, .top_k = 3}), (std::vector<int64_t>{1, 3, 4}));
  EXPECT_EQ(reachable(kLogits, {.temperature = 1, .top_k = 100}).size(), 6u);
}

TEST(Sampling, TopPKeepsTokensUntilTheyHoldP) {
  // Probabilities of tokens 1 and 4: .39 each, of 3: .14.
  EXPECT_EQ(reachable(kLogits, {.temperature = 1, .top_p = 1e-9}), (std::vector<int64_t>{1}));
  EXPECT_EQ(reachable(kLogits, {.temperature = 1, .top_p = 0.38}), (std::vector<int64_t>{1}));
  EXPECT_EQ(reachable(kLogits, {.temperature = 1, .top_p = 0.5}), (std::vector<int64_t>{1, 4}));
  EXPECT_EQ(reachable(kLogits, {.temperature = 1, .top_p = 0.8}), (std::vector<int64_t>{1, 3, 4}));
  EXPECT_EQ(reachable(kLogits, {.temperature = 1, .top_p = 1}).size(), 6u);
}

TEST(Sampling, TopPCountsWhatTopKLeft) {
  // Of tokens 1, 3, 4 alone: .42, .16, .42.
  EXPECT_EQ(reachable(kLogits, {.temperature = 1, .top_p = 0.83, .top_k = 3}), (std::vector<int64_t>{1, 4}));
}

// The definition, step by step over the whole vocabulary.
int64_t choose_by_the_book(const std::vector<float>& logits, const Sampling& s, double uniform) {
  std::vector<std::pair<double, int64_t>> sorted;  // minus weight, id
  const double largest = *std::max_element(logits.begin(), logits.end());
  for (size_t i = 0; i < logits.size(); ++i)
    sorted.push_back({-std::exp((logits[i] - largest) / s.temperature), static_cast<int64_t>(i)});
  std::sort(sorted.begin(), sorted.end());
  if (s.top_k > 0 && static_cast<size_t>(s.top_k) < sorted.size()) {
    const double least = sorted[static_cast<size_t>(s.top_k - 1)].first;
    std::erase_if(sorted, [&](const auto& c) { return c.first > least; });
  }
  double total = 0, sum = 0;
  for (const auto& c : sorted) total -= c.first;
  size_t kept = 0;
  for (double held = 0; kept < sorted.size() && (kept == 0 || held < s.top_p * total); ++kept)
    held -= sorted[kept].first;
  if (s.top_p < 1) sorted.resize(kept);
  total = 0;
  for (const auto& c : sorted) total -= c.first;
  if (s.top_k == 0 && s.top_p >= 1)
    std::sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  for (const auto& c : sorted)
    if ((sum -= c.first) > uniform * total) return c.second;
  return -1;
}

TEST(Sampling, DrawsAreThoseOfTheDefinition) {
  Philox random(3, 1);
  for (int trial = 0; trial < 400; ++trial) {
    std::vector<float> logits(1 + random.below(300));
    const double spread = 1 + 10 * random.uniform();
    for (float& l : logits) l = static_cast<float>(spread * random.normal());
    if (trial % 3 == 0)
      for (float& l : logits) l = std::round(l);  // many that tie
    const Sampling s{.temperature = 0.2 + random.uniform() * 2,
                     .top_p = random.coin() ? 1.0 : 0.05 + 0.94 * random.uniform(),
                     .top_k = random.coin() ? 0 : 1 + static_cast<int64_t>(random.below(400))};
    if (s.top_k >= static_cast<int64_t>(logits.size())) continue;
    for (const double uniform : {0.013, 0.29, 0.5, 0.77, 0.991})
      ASSERT_EQ(choose(logits, s, uniform), choose_by_the_book(logits, s, uniform))
          << logits.size() << " logits, temperature " << s.temperature << ", top_p " << s.top_p << ", top_k "
          << s.top_k;
  }
}

TEST(Sampling, AllUniformNumbersGiveAToken) {
  const double largest = 1 - 0x1p-53;
  EXPECT_EQ(choose(kLogits, {.temperature = 1}, largest), 5);
  EXPECT_EQ(choose(kLogits, {.temperature = 1}, 0), 0);
  EXPECT_EQ(choose({0.0f, -200.0f}, {.temperature = 0.01}, largest), 0);
}

TEST(Sampling, InfinityBelowIsATokenThatNeverComes) {
  const float none = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(reachable({none, 1.0f, none}, {.temperature = 1}), (std::vector<int64_t>{1}));
}

TEST(Sampling, LogitsThatAreNotNumbersAreReported) {
  const float nan = std::numeric_limits<float>::quiet_NaN(),
              infinite = std::numeric_limits<float>::infinity();
  for (const Sampling& sampling : {Sampling{}, Sampling{.temperature = 1}}) {
    EXPECT_EQ(choose({1.0f, nan, 2.0f}, sampling), -1);
    EXPECT_EQ(choose({nan, 1.0f}, sampling), -1);
    EXPECT_EQ(choose({1.0f, infinite}, sampling), -1);
    EXPECT_EQ(choose({-infinite, -infinite}, sampling), -1);
  }
}

TEST(Sampling, ARandomNumberHangsOnSeedQuestionSampleAndTokenAlone) {
  const double here = token_uniform(1, question_key("a"), 2, 3);
  EXPECT_EQ(here, token_uniform(1, question_key("a"), 2, 3));
  EXPECT_NE(here, token_uniform(2, question_key("a"), 2, 3));
  EXPECT_NE(here, token_uniform(1, question_key("b"), 2, 3));
  EXPECT_NE(here, token_uniform(1, question_key("a"), 1, 3));
  EXPECT_NE(here, token_uniform(1, question_key("a"), 2, 4));
}

}  // namespace
}  // namespace circuitdiff
