#include "metrics/correlation.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "metrics/distribution.h"

namespace circuitdiff {
namespace {

constexpr int64_t kPairLimit = 4000;  // a matrix of 128 MB
constexpr int64_t kTile = 2048;       // entries of a vector worked on at a time: a few rows stay in the cache

// Eight running sums: the order of additions is fixed, and the compiler may use vector registers.
double dot(const double* a, const double* b, int64_t n) {
  double s[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int j = 0; j < 8; ++j) s[j] += a[i + j] * b[i + j];
  for (; i < n; ++i) s[0] += a[i] * b[i];
  return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
}

// Centres v and brings it to length 1; false where it has no variance.
bool standardise(std::span<double> v) {
  const auto [least, most] = std::minmax_element(v.begin(), v.end());
  if (v.empty() || *least == *most) return false;
  const double scale = power_of_two_scale(v);
  double mean = 0;
  for (double& x : v) mean += x *= scale;
  mean /= static_cast<double>(v.size());
  double squares = 0;
  for (double& x : v) {
    x -= mean;
    squares += x * x;
  }
  if (!(squares > 0)) return false;
  const double length = std::sqrt(squares);
  for (double& x : v) x /= length;
  return true;
}

}  // namespace

Correlations::Correlations(std::vector<double> vectors, int64_t units, int64_t length, int64_t group,
                           bool cross)
    : unit_vectors_(std::move(vectors)), units_(units), length_(length) {
  for (int64_t u = 0; u < units; ++u)
    defined_.push_back(standardise({unit_vectors_.data() + u * length, static_cast<size_t>(length)}));
  if (units > kPairLimit) return;
  matrix_.assign(static_cast<size_t>(units * units), 0.0);
  for (int64_t begin = 0; begin < length; begin += kTile) {
    const int64_t size = std::min(kTile, length - begin);
    for (int64_t k = 0; k < units; ++k) {
      const int64_t end = cross ? units : std::min(units, (k / group + 1) * group);
      const double* row = &unit_vectors_[static_cast<size_t>(k * length + begin)];
      for (int64_t l = k + 1; l < end; ++l)
        matrix_[static_cast<size_t>(k * units + l)] +=
            dot(row, &unit_vectors_[static_cast<size_t>(l * length + begin)], size);
    }
  }
  for (int64_t k = 0; k < units; ++k)
    for (int64_t l = 0; l < k; ++l)
      matrix_[static_cast<size_t>(k * units + l)] = matrix_[static_cast<size_t>(l * units + k)];
}

double Correlations::correlation(int64_t k, int64_t l) const {
  if (!matrix_.empty()) return matrix_[static_cast<size_t>(k * units_ + l)];
  return dot(&unit_vectors_[static_cast<size_t>(k * length_)],
             &unit_vectors_[static_cast<size_t>(l * length_)], length_);
}

double Correlations::mean(std::span<const int32_t> units, std::span<const int32_t> weights) const {
  for (const int32_t u : units)
    if (!defined(u)) return std::numeric_limits<double>::quiet_NaN();
  if (units.size() < 2) return std::numeric_limits<double>::quiet_NaN();
  return matrix_.empty() ? mean_by_sums(units, weights) : mean_by_pairs(units, weights);
}

double Correlations::mean_by_pairs(std::span<const int32_t> units, std::span<const int32_t> weights) const {
  double sum = 0;
  int64_t pairs = 0;
  int64_t later = 0;  // weight of the units after the present one
  for (size_t i = units.size(); i-- > 0;) {
    const double* row = &matrix_[static_cast<size_t>(units[i] * units_)];
    double s[2] = {};
    size_t j = i + 1;
    for (; j + 2 <= units.size(); j += 2) {
      s[0] += weights[j] * row[units[j]];
      s[1] += weights[j + 1] * row[units[j + 1]];
    }
    if (j < units.size()) s[0] += weights[j] * row[units[j]];
    sum += weights[i] * (s[0] + s[1]);
    pairs += weights[i] * later;
    later += weights[i];
  }
  return sum / static_cast<double>(pairs);
}

// sum over k != l of w_k w_l <z_k, z_l> = |sum w z|^2 - sum w^2: time linear in the samples.
double Correlations::mean_by_sums(std::span<const int32_t> units, std::span<const int32_t> weights) const {
  std::vector<double> total(static_cast<size_t>(length_), 0.0);
  double own = 0;
  double weight = 0;
  double squares = 0;
  for (size_t i = 0; i < units.size(); ++i) {
    const double w = weights[i];
    const double* z = &unit_vectors_[static_cast<size_t>(units[i] * length_)];
    for (int64_t j = 0; j < length_; ++j) total[static_cast<size_t>(j)] += w * z[j];
    own += w * w * dot(z, z, length_);
    weight += w;
    squares += w * w;
  }
  return (dot(total.data(), total.data(), length_) - own) / (weight * weight - squares);
}

}  // namespace circuitdiff
