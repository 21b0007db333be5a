// DAPO: as grpo with the clip 0.2 / 0.28, w = 1 / (sum of |o| in the batch), groups whose rewards are all
// equal dropped and drawn again, no KL (beta may still be set). Overlong shaping is left out.
#include "statistics/summary.h"
#include "train/algorithm.h"

namespace circuitdiff {
namespace {

class Dapo : public Algorithm {
 public:
  Dapo(int64_t group, double low, double high, double beta, bool redraw)
      : grpo_(make_grpo(group, low, high, beta)), group_(group), redraw_(redraw) {}
  bool needs_reference() const override { return grpo_->needs_reference(); }
  bool redraws() const override { return redraw_; }
  std::vector<TrainSample> prepare(std::vector<TrainSample> samples) const override {
    std::vector<TrainSample> kept;
    for_each_group(samples, group_, [&](std::span<TrainSample> group) {
      if (sample_std(rewards_of(group)) > 0) kept.insert(kept.end(), group.begin(), group.end());
    });
    return grpo_->prepare(std::move(kept));
  }
  double weight(const TrainSample&, const UpdateTotals& totals) const override {
    return 1.0 / static_cast<double>(totals.tokens);
  }
  GradientCoefficients coefficients(std::span<const TrainSample> unit,
                                    std::span<const std::vector<double>> logps) const override {
    return grpo_->coefficients(unit, logps);
  }

 private:
  std::unique_ptr<Algorithm> grpo_;
  int64_t group_;
  bool redraw_;
};

}  // namespace

std::unique_ptr<Algorithm> make_dapo(int64_t group, double low, double high, double beta, bool redraw) {
  return std::make_unique<Dapo>(group, low, high, beta, redraw);
}

}  // namespace circuitdiff
