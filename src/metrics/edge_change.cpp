#include "metrics/edge_change.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/progress.h"
#include "statistics/resampling.h"
#include "statistics/intervals.h"

namespace circuitdiff {
namespace {

constexpr double kTie = 1e-10;  // as in comparison.cpp
constexpr int64_t kBlock =
    32;  // edges worked on at a time: one block's table of partial sums stays in the cache

// abs(W) of one file over a block of edges: [n, kBlock], zero behind the last edge.
std::vector<double> block_of(const ScoreMatrices& w, std::span<const size_t> edges) {
  std::vector<double> out(static_cast<size_t>(w.n * kBlock), 0.0);
  for (int64_t k = 0; k < w.n; ++k) {
    const auto matrix = w.matrix(k);
    for (size_t e = 0; e < edges.size(); ++e)
      out[static_cast<size_t>(k * kBlock) + e] = std::abs(matrix[edges[e]]);
  }
  return out;
}

// Sums of differences with all sign flips of 8 questions at once: for a group of 8 questions, entry `bits` is
// the sum of the rows whose bit is set, so that a permutation of n questions costs n / 8 additions an edge.
class FlippedSums {
 public:
  FlippedSums(const std::vector<double>& differences, int64_t n) : groups_((n + 7) / 8) {
    sums_.assign(static_cast<size_t>(groups_ * 256 * kBlock), 0.0);
    total_.assign(kBlock, 0.0);
    for (int64_t g = 0; g < groups_; ++g)
      for (int64_t bits = 1; bits < 256; ++bits) {
        const int bit = __builtin_ctz(static_cast<unsigned>(bits));
        const int64_t k = g * 8 + bit;
        double* to = entry(g, bits);
        const double* from = entry(g, bits & (bits - 1));
        for (int64_t e = 0; e < kBlock; ++e)
          to[e] = from[e] + (k < n ? differences[static_cast<size_t>(k * kBlock + e)] : 0.0);
      }
    for (int64_t g = 0; g < groups_; ++g)
      for (int64_t e = 0; e < kBlock; ++e) total_[static_cast<size_t>(e)] += entry(g, 255)[e];
  }
  // out = sum of d - 2 * sum of the flipped d
  void sum(std::span<const uint8_t> flips, std::span<double, kBlock> out) {
    std::copy(total_.begin(), total_.end(), out.begin());
    for (int64_t g = 0; g < groups_; ++g) {
      const double* flipped = entry(g, flips[static_cast<size_t>(g)]);
      for (size_t e = 0; e < kBlock; ++e) out[e] -= 2 * flipped[e];
    }
  }

 private:
  double* entry(int64_t g, int64_t bits) { return &sums_[static_cast<size_t>((g * 256 + bits) * kBlock)]; }
  int64_t groups_;
  std::vector<double> sums_, total_;
};

}  // namespace

EdgeChanges edge_changes(const ScoreMatrices& before, const ScoreMatrices& after,
                         const MetricOptions& options) {
  check_metric_options(options);
  check_paired(std::array{before, after}, std::array<std::string_view, 2>{"before", "after"});
  const int64_t n = before.n;
  const auto size = [](int64_t v) { return static_cast<size_t>(v); };
  const auto cells = size(before.cells());
  EdgeChanges out;
  for (auto* field : {&out.before, &out.after, &out.relative, &out.ci_low, &out.ci_high, &out.p,
                      &out.p_adjusted, &out.p_familywise})
    field->resize(cells);
  std::vector<size_t> edges;
  for (size_t c = 0; c < cells; ++c)
    if (before.edges[c]) edges.push_back(c);
  out.permutations = options.permutations;
  out.bootstrap = n > 1 ? std::min(options.bootstrap, kEdgeBootstrap) : 0;

  // All draws once; the same for every edge.
  const int64_t groups = (n + 7) / 8;
  std::vector<uint8_t> flips(size(options.permutations * groups), 0);  // 8 questions a byte
  std::vector<uint8_t> swaps(size(n));
  for (int64_t r = 0; r < options.permutations; ++r) {
    draw_swaps(options.seed, r, swaps);
    for (int64_t k = 0; k < n; ++k)
      flips[size(r * groups + k / 8)] =
          static_cast<uint8_t>(flips[size(r * groups + k / 8)] | swaps[size(k)] << (k % 8));
  }
  std::vector<int32_t> weights(size(out.bootstrap * n));
  std::vector<int32_t> draw(size(n));
  for (int64_t r = 0; r < out.bootstrap; ++r) {
    draw_weights(options.seed, r, draw);
    std::copy(draw.begin(), draw.end(), weights.begin() + r * n);
  }

  std::vector<double> largest_t(size(options.permutations), 0.0);  // over all edges, for the family-wise p
  std::vector<double> observed_t(edges.size(), 0.0);
  std::vector<double> ratios;
  for (size_t begin = 0; begin < edges.size(); begin += kBlock) {
    check_interrupt();
    const std::span block(&edges[begin], std::min<size_t>(kBlock, edges.size() - begin));
    const auto b = block_of(before, block);
    const auto a = block_of(after, block);
    std::vector<double> differences(b.size());
    for (size_t i = 0; i < b.size(); ++i) differences[i] = a[i] - b[i];
    std::array<double, kBlock> sum_before{};
    std::array<double, kBlock> sum_after{};
    std::array<double, kBlock> length{};  // root of the sum of squares: flips leave it as it is
    for (int64_t k = 0; k < n; ++k)
      for (size_t e = 0; e < kBlock; ++e) {
        const size_t i = size(k * kBlock) + e;
        sum_before[e] += b[i];
        sum_after[e] += a[i];
        length[e] = std::hypot(length[e], differences[i]);
      }
    for (size_t e = 0; e < block.size(); ++e) {
      const double mean_before = sum_before[e] / static_cast<double>(n);
      const double mean_after = sum_after[e] / static_cast<double>(n);
      if (!std::isfinite(mean_before) || !std::isfinite(mean_after)) continue;
      out.before[block[e]] = mean_before;
      out.after[block[e]] = mean_after;
      const double relative = (mean_after - mean_before) / mean_before;
      if (std::isfinite(relative)) out.relative[block[e]] = relative;
    }
    if (options.permutations > 0) {
      FlippedSums flipped(differences, n);
      std::array<double, kBlock> observed{};
      std::array<double, kBlock> sums{};
      std::array<double, kBlock> threshold{};
      std::array<int64_t, kBlock> hits{};
      flipped.sum(std::vector<uint8_t>(size(groups), 0), observed);
      for (size_t e = 0; e < kBlock; ++e) {
        threshold[e] = std::abs(observed[e]) - kTie * std::max(sum_before[e], sum_after[e]);
        if (e < block.size() && length[e] > 0) observed_t[begin + e] = std::abs(observed[e]) / length[e];
      }
      for (int64_t r = 0; r < options.permutations; ++r) {
        flipped.sum({&flips[size(r * groups)], size(groups)}, sums);
        double most = largest_t[size(r)];
        for (size_t e = 0; e < block.size(); ++e) {
          const double s = std::abs(sums[e]);
          hits[e] += s >= threshold[e];
          if (s > most * length[e]) most = s / length[e];
        }
        largest_t[size(r)] = most;
      }
      for (size_t e = 0; e < block.size(); ++e)
        if (out.before[block[e]]) out.p[block[e]] = permutation_p(hits[e], options.permutations);
    }
    if (out.bootstrap > 0) {
      std::vector<double> values(size(out.bootstrap * kBlock));
      for (int64_t r = 0; r < out.bootstrap; ++r) {
        std::array<double, kBlock> resampled_before{};
        std::array<double, kBlock> resampled_after{};
        for (int64_t k = 0; k < n; ++k) {
          const int32_t w = weights[size(r * n + k)];
          if (w == 0) continue;
          const size_t i = size(k * kBlock);
          for (size_t e = 0; e < kBlock; ++e) {
            resampled_before[e] += w * b[i + e];
            resampled_after[e] += w * a[i + e];
          }
        }
        for (size_t e = 0; e < kBlock; ++e)
          values[size(r) + e * size(out.bootstrap)] =
              (resampled_after[e] - resampled_before[e]) / resampled_before[e];
      }
      for (size_t e = 0; e < block.size(); ++e) {
        if (!out.relative[block[e]]) continue;
        const std::span own(&values[e * size(out.bootstrap)], size(out.bootstrap));
        // A resample without any score before has no relative change; where that is rare it is left out.
        ratios.clear();
        for (const double v : own)
          if (std::isfinite(v)) ratios.push_back(v);
        if ((own.size() - ratios.size()) * 20 > own.size()) continue;
        std::sort(ratios.begin(), ratios.end());
        out.ci_low[block[e]] = quantile_of_sorted(ratios, 0.025);
        out.ci_high[block[e]] = quantile_of_sorted(ratios, 0.975);
      }
    }
  }
  out.p_adjusted = benjamini_hochberg(out.p);
  std::sort(largest_t.begin(), largest_t.end());
  for (size_t e = 0; e < edges.size(); ++e) {
    if (!out.p[edges[e]]) continue;
    const auto first = std::lower_bound(largest_t.begin(), largest_t.end(), observed_t[e] * (1 - kTie));
    out.p_familywise[edges[e]] = permutation_p(largest_t.end() - first, options.permutations);
  }
  return out;
}

}  // namespace circuitdiff
