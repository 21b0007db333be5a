// What the algorithms with a ratio share.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "train/algorithm.h"

namespace circuitdiff {

void add_clipped(const TrainSample& sample, const std::vector<double>& logps, double low, double high,
                 GradientCoefficients& out) {
  std::vector<double> gc(logps.size());
  for (size_t t = 0; t < logps.size(); ++t) {
    const double a = sample.advantages[t], ratio = std::exp(logps[t] - sample.old_logps[t]);
    const bool cut = (a > 0 && ratio > 1 + high) || (a < 0 && ratio < 1 - low);
    out.clipped += cut;
    gc[t] = cut ? 0 : a * ratio;
    out.objective += std::min(ratio * a, std::clamp(ratio, 1 - low, 1 + high) * a);
  }
  out.gc.push_back(std::move(gc));
}

void add_reference_pull(const TrainSample& sample, const std::vector<double>& logps, double beta,
                        GradientCoefficients& out) {
  if (beta == 0) return;
  for (size_t t = 0; t < logps.size(); ++t) {
    const double d = sample.ref_logps[t] - logps[t];
    out.gc.back()[t] += beta * std::expm1(d);
    out.objective -= beta * (std::expm1(d) - d);
  }
}

void spread_advantage(TrainSample& sample, double advantage) {
  sample.advantages.assign(static_cast<size_t>(sample.answer()), advantage);
}

std::vector<double> rewards_of(std::span<const TrainSample> group) {
  std::vector<double> out;
  for (const TrainSample& s : group) out.push_back(s.reward);
  return out;
}

void for_each_group(std::span<TrainSample> samples, int64_t group,
                    const std::function<void(std::span<TrainSample>)>& each) {
  const auto g = static_cast<size_t>(group);
  if (samples.size() % g != 0) fail("train: {} answers do not make groups of {}", samples.size(), group);
  for (size_t i = 0; i < samples.size(); i += g) each(samples.subspan(i, g));
}

}  // namespace circuitdiff
