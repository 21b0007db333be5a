// Histograms with numpy's semantics, to the bin: equal bins between two edges that np.linspace gives, the
// last one closed, an empty range widened by 0.5 on each side, and an index that is corrected where rounding
// put a value on the wrong side of its edge. And the entropy of counts that eq. (14) takes of them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace circuitdiff {

class Histogram {
 public:
  // `bins` equal bins over [lo, hi], lo <= hi, both finite; widened where lo = hi.
  Histogram(double lo, double hi, int bins);
  int bins() const { return bins_; }
  const std::vector<double>& edges() const { return edges_; }  // bins + 1
  int64_t bin(double value) const;                             // value inside [lo, hi]
  // Adds the values to `counts` [bins]; values outside [lo, hi] are left out.
  void count(std::span<const double> values, std::span<uint32_t> counts) const;

 private:
  double lo_, hi_;
  int bins_;
  std::vector<double> edges_;
};

// -sum p ln(p + 1e-12), p = count / total, in nats. NaN where nothing was counted.
double histogram_entropy(std::span<const uint32_t> counts);

}  // namespace circuitdiff
