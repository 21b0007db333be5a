// Dr. GRPO and RLOO: grpo without its divisions. dr-grpo: w = 1 / max_new_tokens, A_i = r_i - mean of the
// group; rloo: w = 1, A_i = r_i - mean of the others.
#include "statistics/summary.h"
#include "train/algorithm.h"

namespace circuitdiff {
namespace {

class PlainAdvantage : public Algorithm {
 public:
  PlainAdvantage(int64_t group, double low, double high) : group_(group), low_(low), high_(high) {}
  std::vector<TrainSample> prepare(std::vector<TrainSample> samples) const override {
    for_each_group(samples, group_, [&](std::span<TrainSample> group) {
      const double mean = mean_of(rewards_of(group)), n = static_cast<double>(group.size());
      for (TrainSample& s : group) spread_advantage(s, (s.reward - mean) * advantage_factor(n));
    });
    return samples;
  }
  GradientCoefficients coefficients(std::span<const TrainSample> unit,
                                    std::span<const std::vector<double>> logps) const override {
    GradientCoefficients out;
    add_clipped(unit[0], logps[0], low_, high_, out);
    return out;
  }

 protected:
  virtual double advantage_factor(double n) const = 0;

 private:
  int64_t group_;
  double low_, high_;
};

class DrGrpo : public PlainAdvantage {
 public:
  using PlainAdvantage::PlainAdvantage;
  double weight(const TrainSample&, const UpdateTotals& totals) const override {
    return 1.0 / static_cast<double>(totals.max_new_tokens) / static_cast<double>(totals.units);
  }

 protected:
  double advantage_factor(double) const override { return 1; }
};

class Rloo : public PlainAdvantage {
 public:
  using PlainAdvantage::PlainAdvantage;
  double weight(const TrainSample&, const UpdateTotals& totals) const override {
    return 1.0 / static_cast<double>(totals.units);
  }

 protected:
  // r_i - (sum - r_i) / (n - 1) = (r_i - mean) n / (n - 1)
  double advantage_factor(double n) const override { return n / (n - 1); }
};

}  // namespace

std::unique_ptr<Algorithm> make_dr_grpo(int64_t group, double low, double high) {
  return std::make_unique<DrGrpo>(group, low, high);
}
std::unique_ptr<Algorithm> make_rloo(int64_t group, double low, double high) {
  return std::make_unique<Rloo>(group, low, high);
}

}  // namespace circuitdiff
