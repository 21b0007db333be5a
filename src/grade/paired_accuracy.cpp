#include "grade/paired_accuracy.h"

#include <vector>

#include "base/error.h"
#include "statistics/significance.h"
#include "statistics/summary.h"

namespace circuitdiff {
namespace {

constexpr int64_t kFlips = 10'000;

double share(const SampleCount& c) { return static_cast<double>(c.correct) / static_cast<double>(c.n); }

}  // namespace

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
    single = single && before[k].n == 1 && after[k].n == 1;
  }
  out.difference = mean_of(differences);
  if (!single) {
    out.test = fmt::format("sign flip of {}", kFlips);
    out.p = sign_flip_p(differences, kFlips, /*seed=*/0);
    return out;
  }
  for (size_t k = 0; k < before.size(); ++k) {
    const bool b = before[k].correct > 0, a = after[k].correct > 0;
    ++(b && a ? out.both : b ? out.only_before : a ? out.only_after : out.neither);
  }
  out.test = "exact McNemar";
  out.p = sign_test_p(out.only_before, out.only_after);
  return out;
}

}  // namespace circuitdiff
