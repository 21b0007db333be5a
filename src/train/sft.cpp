// Supervised fine-tuning: D a file of (q, o), w = 1/|o|, GC = 1.
#include <numeric>

#include "train/algorithm.h"

namespace circuitdiff {
namespace {

class Sft : public Algorithm {
 public:
  bool on_policy() const override { return false; }
  bool uses_ratio() const override { return false; }
  double weight(const TrainSample& sample, const UpdateTotals& totals) const override {
    return 1.0 / static_cast<double>(sample.answer()) / static_cast<double>(totals.units);
  }
  GradientCoefficients coefficients(std::span<const TrainSample>,
                                    std::span<const std::vector<double>> logps) const override {
    return {{std::vector<double>(logps[0].size(), 1.0)},
            /*clipped=*/0,
            std::accumulate(logps[0].begin(), logps[0].end(), 0.0)};
  }
};

}  // namespace

std::unique_ptr<Algorithm> make_sft() { return std::make_unique<Sft>(); }

}  // namespace circuitdiff
