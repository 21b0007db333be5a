// Group-relative policy optimisation: D on-policy, G answers a question, w = 1/|o|,
//   GC = A_i rho_t, 0 where clipped, + beta (pi_ref/pi - 1); A_i = (r_i - mean) / (std + 1e-4).
#include "statistics/summary.h"
#include "train/algorithm.h"

namespace circuitdiff {
namespace {

class Grpo : public Algorithm {
 public:
  Grpo(int64_t group, double low, double high, double beta)
      : group_(group), low_(low), high_(high), beta_(beta) {}
  bool needs_reference() const override { return beta_ != 0; }
  std::vector<TrainSample> prepare(std::vector<TrainSample> samples) const override {
    for_each_group(samples, group_, [](std::span<TrainSample> group) {
      const std::vector<double> rewards = rewards_of(group);
      const double mean = mean_of(rewards), std = sample_std(rewards);
      for (TrainSample& s : group) spread_advantage(s, (s.reward - mean) / (std + 1e-4));
    });
    return samples;
  }
  double weight(const TrainSample& sample, const UpdateTotals& totals) const override {
    return 1.0 / static_cast<double>(sample.answer()) / static_cast<double>(totals.units);
  }
  GradientCoefficients coefficients(std::span<const TrainSample> unit,
                                    std::span<const std::vector<double>> logps) const override {
    GradientCoefficients out;
    add_clipped(unit[0], logps[0], low_, high_, out);
    add_reference_pull(unit[0], logps[0], beta_, out);
    return out;
  }

 private:
  int64_t group_;
  double low_, high_, beta_;
};

}  // namespace

std::unique_ptr<Algorithm> make_grpo(int64_t group, double low, double high, double beta) {
  return std::make_unique<Grpo>(group, low, high, beta);
}

}  // namespace circuitdiff
