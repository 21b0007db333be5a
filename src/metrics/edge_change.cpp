#include "metrics/edge_change.h"

#include <algorithm>
#include <cmath>

#include "base/progress.h"
#include "statistics/intervals.h"
#include "statistics/resampling.h"
#include "statistics/significance.h"
#include "statistics/summary.h"

namespace circuitdiff {
namespace {

constexpr double kTie = 1e-10;  // as in comparison.cpp
constexpr int64_t kBlock =
    32;  // edges worked on at a time: one block's table of partial sums stays in the cache

size_t size(int64_t v) { return static_cast<size_t>(v); }

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

// All draws at once; the same for every edge.
struct Draws {
  int64_t groups = 0;            // of 8 questions
  std::vector<uint8_t> flips;    // [permutations, groups], a question a bit
  std::vector<int32_t> weights;  // [bootstrap, n]
};

Draws draw_all(int64_t n, int64_t permutations, int64_t bootstrap, uint64_t seed) {
  Draws out;
  out.groups = (n + 7) / 8;
  out.flips.resize(size(permutations * out.groups), 0);
  std::vector<uint8_t> swaps(size(n));
  for (int64_t r = 0; r < permutations; ++r) {
    draw_swaps(seed, r, swaps);
    for (int64_t k = 0; k < n; ++k) {
      uint8_t& byte = out.flips[size(r * out.groups + k / 8)];
      byte = static_cast<uint8_t>(byte | swaps[size(k)] << (k % 8));
    }
  }
  out.weights.resize(size(bootstrap * n));
  std::vector<int32_t> draw(size(n));
  for (int64_t r = 0; r < bootstrap; ++r) {
    draw_weights(seed, r, draw);
    std::copy(draw.begin(), draw.end(), out.weights.begin() + r * n);
  }
  return out;
}

using Row = std::array<double, kBlock>;  // one number an edge of the block

// One block of edges with everything that is computed of it.
class EdgeBlock {
 public:
  EdgeBlock(const ScoreMatrices& before, const ScoreMatrices& after, std::span<const size_t> edges,
            EdgeChanges& out)
      : n_(before.n),
        edges_(edges),
        out_(out),
        before_(block_of(before, edges)),
        after_(block_of(after, edges)) {
    differences_.resize(before_.size());
    for (size_t i = 0; i < before_.size(); ++i) differences_[i] = after_[i] - before_[i];
    for (int64_t k = 0; k < n_; ++k)
      for (size_t e = 0; e < kBlock; ++e) {
        const size_t i = size(k * kBlock) + e;
        sum_before_[e] += before_[i];
        sum_after_[e] += after_[i];
        length_[e] = std::hypot(length_[e], differences_[i]);
      }
  }

  void add_means() {
    for (size_t e = 0; e < edges_.size(); ++e) {
      const double mean_before = sum_before_[e] / static_cast<double>(n_);
      const double mean_after = sum_after_[e] / static_cast<double>(n_);
      if (!std::isfinite(mean_before) || !std::isfinite(mean_after)) continue;
      out_.before[edges_[e]] = mean_before;
      out_.after[edges_[e]] = mean_after;
      const double relative = (mean_after - mean_before) / mean_before;
      if (std::isfinite(relative)) out_.relative[edges_[e]] = relative;
    }
  }

  void add_spread() {
    std::vector<double> values(size(n_));
    for (const auto& [from, to] : {std::pair{&before_, &out_.spread_before}, {&after_, &out_.spread_after}})
      for (size_t e = 0; e < edges_.size(); ++e) {
        for (size_t k = 0; k < values.size(); ++k) values[k] = (*from)[k * kBlock + e];
        std::sort(values.begin(), values.end());
        for (const double q : {0.05, 0.25, 0.5, 0.75, 0.95})
          (*to)[edges_[e]].push_back(quantile_of_sorted(values, q));
      }
  }

  // p of each edge; raises `largest_t` [permutations] to this block's largest statistics, for the family-wise
  // p, and writes the edges' own into `observed_t`.
  void add_p_values(const Draws& draws, std::vector<double>& largest_t, std::span<double> observed_t) {
    FlippedSums flipped(differences_, n_);
    Row observed{}, sums{}, threshold{};
    std::array<int64_t, kBlock> hits{};
    flipped.sum(std::vector<uint8_t>(size(draws.groups), 0), observed);
    for (size_t e = 0; e < kBlock; ++e) {
      threshold[e] = std::abs(observed[e]) - kTie * std::max(sum_before_[e], sum_after_[e]);
      if (e < edges_.size() && length_[e] > 0) observed_t[e] = std::abs(observed[e]) / length_[e];
    }
    for (size_t r = 0; r < largest_t.size(); ++r) {
      flipped.sum({&draws.flips[r * size(draws.groups)], size(draws.groups)}, sums);
      double most = largest_t[r];
      for (size_t e = 0; e < edges_.size(); ++e) {
        const double s = std::abs(sums[e]);
        hits[e] += s >= threshold[e];
        if (s > most * length_[e]) most = s / length_[e];
      }
      largest_t[r] = most;
    }
    for (size_t e = 0; e < edges_.size(); ++e)
      if (out_.before[edges_[e]]) out_.p[edges_[e]] = permutation_p(hits[e], out_.permutations);
  }

  void add_intervals(const Draws& draws) {
    std::vector<double> values(size(out_.bootstrap * kBlock));  // [kBlock, bootstrap]
    for (int64_t r = 0; r < out_.bootstrap; ++r) {
      const Row change = resampled_change({&draws.weights[size(r * n_)], size(n_)});
      for (size_t e = 0; e < kBlock; ++e) values[size(r) + e * size(out_.bootstrap)] = change[e];
    }
    std::vector<double> ratios;
    for (size_t e = 0; e < edges_.size(); ++e) {
      if (!out_.relative[edges_[e]]) continue;
      const std::span own(&values[e * size(out_.bootstrap)], size(out_.bootstrap));
      // A resample without any score before has no relative change; where that is rare it is left out.
      ratios.clear();
      for (const double v : own)
        if (std::isfinite(v)) ratios.push_back(v);
      if ((own.size() - ratios.size()) * 20 > own.size()) continue;
      const Interval interval = percentile_interval(ratios);
      out_.ci_low[edges_[e]] = interval.low;
      out_.ci_high[edges_[e]] = interval.high;
    }
  }

 private:
  // The relative change over questions that are drawn `weights` times each.
  Row resampled_change(std::span<const int32_t> weights) const {
    Row before{}, after{}, out{};
    for (int64_t k = 0; k < n_; ++k) {
      const int32_t w = weights[size(k)];
      if (w == 0) continue;
      const size_t i = size(k * kBlock);
      for (size_t e = 0; e < kBlock; ++e) {
        before[e] += w * before_[i + e];
        after[e] += w * after_[i + e];
      }
    }
    for (size_t e = 0; e < kBlock; ++e) out[e] = (after[e] - before[e]) / before[e];
    return out;
  }

  int64_t n_;
  std::span<const size_t> edges_;
  EdgeChanges& out_;
  std::vector<double> before_, after_, differences_;  // [n, kBlock]
  Row sum_before_{}, sum_after_{};
  Row length_{};  // root of the sum of squared differences: flips leave it as it is
};

void add_clips(EdgeChanges& changes) {
  std::vector<double> logs;
  double sum_before = 0, sum_after = 0;
  for (size_t c = 0; c < changes.before.size(); ++c) {
    const double b = changes.before[c].value_or(0), a = changes.after[c].value_or(0);
    sum_before += b;
    sum_after += a;
    if (b > 0 && a > 0) logs.push_back(std::log2(a / b));
  }
  if (logs.empty()) return;
  const auto clip = [&](double whole) {
    std::vector<double> sizes;
    for (const double v : logs) sizes.push_back(std::abs(v - whole));
    std::sort(sizes.begin(), sizes.end());
    return quantile_of_sorted(sizes, 0.99);
  };
  changes.log2_clip = clip(0);
  changes.log2_clip_beside_whole = clip(std::log2(sum_after / sum_before));
}

}  // namespace

EdgeChanges edge_changes(const ScoreMatrices& before, const ScoreMatrices& after,
                         const MetricOptions& options) {
  check_metric_options(options);
  check_paired(std::array{before, after}, std::array<std::string_view, 2>{"before", "after"});
  const auto cells = size(before.cells());
  EdgeChanges out;
  for (auto* field : {&out.before, &out.after, &out.relative, &out.ci_low, &out.ci_high, &out.p,
                      &out.p_adjusted, &out.p_familywise})
    field->resize(cells);
  out.spread_before.resize(cells);
  out.spread_after.resize(cells);
  std::vector<size_t> edges;
  for (size_t c = 0; c < cells; ++c)
    if (before.edges[c]) edges.push_back(c);
  out.permutations = options.permutations;
  out.bootstrap = before.n > 1 ? std::min(options.bootstrap, kEdgeBootstrap) : 0;
  const Draws draws = draw_all(before.n, out.permutations, out.bootstrap, options.seed);

  std::vector<double> largest_t(size(options.permutations), 0.0);  // over all edges
  std::vector<double> observed_t(edges.size(), 0.0);
  for (size_t begin = 0; begin < edges.size(); begin += kBlock) {
    check_interrupt();
    const std::span own(&edges[begin], std::min<size_t>(kBlock, edges.size() - begin));
    EdgeBlock block(before, after, own, out);
    block.add_means();
    block.add_spread();
    if (out.permutations > 0) block.add_p_values(draws, largest_t, {&observed_t[begin], own.size()});
    if (out.bootstrap > 0) block.add_intervals(draws);
  }
  add_clips(out);
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
