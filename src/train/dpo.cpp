// Direct preference optimisation: D a file of (q, o+, o-), w = 1,
//   GC = +/- beta sigma(beta logratio(o-) - beta logratio(o+)), logratio = log pi/pi_ref of a whole answer.
// online-dpo is the same on answers drawn now: the best and the worst of G.
#include <algorithm>
#include <cmath>

#include "train/algorithm.h"

namespace circuitdiff {
namespace {

class Dpo : public Algorithm {
 public:
  explicit Dpo(double beta) : beta_(beta) {}
  bool on_policy() const override { return false; }
  int64_t unit() const override { return 2; }
  bool needs_reference() const override { return true; }
  bool uses_ratio() const override { return false; }
  double weight(const TrainSample&, const UpdateTotals& totals) const override {
    return 1.0 / static_cast<double>(totals.units);
  }
  GradientCoefficients coefficients(std::span<const TrainSample> unit,
                                    std::span<const std::vector<double>> logps) const override {
    double ratio[2] = {0, 0};
    for (size_t i = 0; i < 2; ++i)
      for (size_t t = 0; t < logps[i].size(); ++t) ratio[i] += logps[i][t] - unit[i].ref_logps[t];
    const double margin = beta_ * (ratio[0] - ratio[1]);
    const double pull = beta_ / (1.0 + std::exp(margin));
    // log sigma(margin), without overflow on either side.
    const double objective = std::min(margin, 0.0) - std::log1p(std::exp(-std::abs(margin)));
    return {{std::vector<double>(logps[0].size(), pull), std::vector<double>(logps[1].size(), -pull)},
            /*clipped=*/0,
            objective};
  }

 private:
  double beta_;
};

class OnlineDpo : public Dpo {
 public:
  OnlineDpo(double beta, int64_t group) : Dpo(beta), group_(group) {}
  bool on_policy() const override { return true; }
  std::vector<TrainSample> prepare(std::vector<TrainSample> samples) const override {
    std::vector<TrainSample> pairs;
    for_each_group(samples, group_, [&](std::span<TrainSample> group) {
      size_t best = 0, worst = 0;
      for (size_t i = 1; i < group.size(); ++i) {
        if (group[i].reward > group[best].reward) best = i;
        if (group[i].reward < group[worst].reward) worst = i;
      }
      if (group[best].reward == group[worst].reward) return;  // no preference
      pairs.push_back(group[best]);
      pairs.push_back(group[worst]);
    });
    return pairs;
  }

 private:
  int64_t group_;
};

}  // namespace

std::unique_ptr<Algorithm> make_dpo(double beta) { return std::make_unique<Dpo>(beta); }
std::unique_ptr<Algorithm> make_online_dpo(double beta, int64_t group) {
  return std::make_unique<OnlineDpo>(beta, group);
}

}  // namespace circuitdiff
