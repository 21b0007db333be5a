// Proximal policy optimisation: D on-policy, w = 1 / (sum of |o| in the batch), GC = A_t rho_t, 0 where
// clipped. A_t by generalised advantage estimation over a value head:
//   delta_t = r_t + gamma V_(t+1) - V_t, A_t = sum_k (gamma lambda)^k delta_(t+k), V beyond the end 0.
// The reward comes at the last token; with beta > 0 every token also pays beta (log pi_old - log pi_ref).
#include <cmath>

#include "statistics/summary.h"
#include "train/algorithm.h"

namespace circuitdiff {
namespace {

class Ppo : public Algorithm {
 public:
  Ppo(const AlgorithmOptions& o, double low, double high, double beta)
      : gamma_(o.gamma), lambda_(o.lambda), whiten_(o.whiten), low_(low), high_(high), beta_(beta) {}
  bool needs_reference() const override { return beta_ != 0; }
  bool uses_values() const override { return true; }
  std::vector<TrainSample> prepare(std::vector<TrainSample> samples) const override {
    for (TrainSample& s : samples) estimate(s);
    if (whiten_) whiten(samples);
    return samples;
  }
  double weight(const TrainSample&, const UpdateTotals& totals) const override {
    return 1.0 / static_cast<double>(totals.tokens);
  }
  GradientCoefficients coefficients(std::span<const TrainSample> unit,
                                    std::span<const std::vector<double>> logps) const override {
    GradientCoefficients out;
    add_clipped(unit[0], logps[0], low_, high_, out);
    return out;
  }

 private:
  void estimate(TrainSample& s) const {
    const auto n = static_cast<size_t>(s.answer());
    s.advantages.assign(n, 0);
    s.returns.assign(n, 0);
    double later = 0;
    for (size_t t = n; t-- > 0;) {
      double reward = t + 1 == n ? s.reward : 0.0;
      if (beta_ != 0) reward -= beta_ * (s.old_logps[t] - s.ref_logps[t]);
      const double next = t + 1 == n ? 0.0 : s.values[t + 1];
      later = reward + gamma_ * next - s.values[t] + gamma_ * lambda_ * later;
      s.advantages[t] = later;
      s.returns[t] = later + s.values[t];
    }
  }

  static void whiten(std::vector<TrainSample>& samples) {
    std::vector<double> all;
    for (const TrainSample& s : samples) all.insert(all.end(), s.advantages.begin(), s.advantages.end());
    const double mean = mean_of(all), std = sample_std(all);
    for (TrainSample& s : samples)
      for (double& a : s.advantages) a = (a - mean) / (std + 1e-8);
  }

  double gamma_, lambda_;
  bool whiten_;
  double low_, high_, beta_;
};

}  // namespace

std::unique_ptr<Algorithm> make_ppo(const AlgorithmOptions& options, double low, double high, double beta) {
  return std::make_unique<Ppo>(options, low, high, beta);
}

}  // namespace circuitdiff
