#include "grade/paired_accuracy.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "base/random.h"

namespace circuitdiff {
namespace {

constexpr int64_t kFlips = 10'000;

double share(const SampleCount& c) { return static_cast<double>(c.correct) / static_cast<double>(c.n); }

// p = (1 + hits) / (1 + flips), two-sided, of the mean of per-question differences.
double sign_flip_p(const std::vector<double>& differences) {
  double sum = 0, largest = 0;
  for (const double d : differences) sum += d, largest += std::abs(d);
  const double tie = 1e-12 * largest;
  Philox random(/*seed=*/0);
  int64_t hits = 0;
  for (int64_t r = 0; r < kFlips; ++r) {
    double flipped = 0;
    for (const double d : differences) flipped += random.coin() ? d : -d;
    hits += std::abs(flipped) >= std::abs(sum) - tie;
  }
  return static_cast<double>(1 + hits) / static_cast<double>(1 + kFlips);
}

}  // namespace

double mcnemar_p(int64_t only_before, int64_t only_after) {
  const int64_t n = only_before + only_after, least = std::min(only_before, only_after);
  if (n == 0) return 1;
  // Terms in logarithms: C(n, k) / 2^n leaves double's range near n = 1000.
  double sum = 0;
  for (int64_t k = 0; k <= least; ++k)
    sum += std::exp(std::lgamma(static_cast<double>(n) + 1) - std::lgamma(static_cast<double>(k) + 1) -
                    std::lgamma(static_cast<double>(n - k) + 1) - static_cast<double>(n) * std::log(2.0));
  return std::min(1.0, 2 * sum);
}

PairedAccuracy paired_accuracy(std::span<const SampleCount> before, std::span<const SampleCount> after) {
  if (before.empty() || before.size() != after.size())
    fail("paired accuracy: the same questions on both sides expected, {} and {} found", before.size(),
         after.size());
  PairedAccuracy out;
  out.n = static_cast<int64_t>(before.size());
  std::vector<double> differences;
  bool single = true;
  for (size_t k = 0; k < before.size(); ++k) {
    differences.push_back(share(after[k]) - share(before[k]));
    out.difference += differences.back() / static_cast<double>(out.n);
    single = single && before[k].n == 1 && after[k].n == 1;
  }
  if (!single) {
    out.test = fmt::format("sign flip of {}", kFlips);
    out.p = sign_flip_p(differences);
    return out;
  }
  for (size_t k = 0; k < before.size(); ++k) {
    const bool b = before[k].correct > 0, a = after[k].correct > 0;
    ++(b && a ? out.both : b ? out.only_before : a ? out.only_after : out.neither);
  }
  out.test = "exact McNemar";
  out.p = mcnemar_p(out.only_before, out.only_after);
  return out;
}

}  // namespace circuitdiff
