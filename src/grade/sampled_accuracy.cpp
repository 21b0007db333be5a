#include "grade/sampled_accuracy.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "statistics/intervals.h"
#include "statistics/summary.h"

namespace circuitdiff {
namespace {

constexpr int64_t kResamples = 10'000;

}  // namespace

double pass_at_k(const SampleCount& count, int64_t k) {
  if (k < 1 || k > count.n) fail("pass@k: k from 1 to {} expected, {} found", count.n, k);
  // C(n-c, k)/C(n, k) as a product of ratios below 1.
  double none = 1;
  for (int64_t i = 0; i < k; ++i)
    none *=
        std::max(0.0, static_cast<double>(count.n - count.correct - i)) / static_cast<double>(count.n - i);
  return 1 - none;
}

json sampled_accuracy(const std::vector<Generation>& generations) {
  std::map<std::string, SampleCount> questions;
  for (const auto& g : generations) {
    auto& count = questions[g.id];
    ++count.n;
    if (g.correct && *g.correct) ++count.correct;
  }
  int64_t least = 0, most = 0;
  std::vector<double> shares;
  for (const auto& [id, count] : questions) {
    least = shares.empty() ? count.n : std::min(least, count.n);
    most = std::max(most, count.n);
    shares.push_back(static_cast<double>(count.correct) / static_cast<double>(count.n));
  }
  if (most <= 1) return nullptr;
  json passes = json::object();
  for (int64_t k = 1; k <= least; k *= 2) {
    std::vector<double> values;
    for (const auto& [id, count] : questions) values.push_back(pass_at_k(count, k));
    passes[std::to_string(k)] = mean_of(values);
  }
  const Interval interval = mean_interval(shares, kResamples, /*seed=*/0);
  return {{"questions", questions.size()},
          {"samples", {least, most}},
          {"avg_at_k", mean_of(shares)},
          {"bootstrap95", {interval.low, interval.high}},
          {"pass_at_k", passes}};
}

}  // namespace circuitdiff
