// The samples of a chunk laid row under row without padding. Every cut of a sample is a prefix of its rows.
#pragma once

#include <ATen/ops/cat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "attribute/eap.h"
#include "model/packing.h"

namespace circuitdiff {

struct Layout {
  Packing packing;
  // Of each sequence the rows at which a token of its answer is predicted, its last ones: where they lie
  // among all such rows.
  std::vector<Segment> answers;
  std::vector<int64_t> tokens;                  // [rows]
  std::vector<int64_t> targets;                 // [answer rows], the tokens that are predicted
  std::vector<std::pair<size_t, size_t>> cuts;  // (sample, cut) of each prefix of the packing
};

inline Layout lay_out(const std::vector<AttributionSample>& samples) {
  Layout out;
  int64_t row = 0, gradient_row = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const AttributionSample& s = samples[i];
    int64_t longest = 0;
    for (const int64_t t : s.t_cut) longest = std::max(longest, t);
    const int64_t length = s.prompt_len + longest - 1;  // the last answer token is only predicted
    out.packing.sequences.push_back({row, length});
    out.answers.push_back({static_cast<int64_t>(out.targets.size()), longest});
    out.targets.insert(out.targets.end(), s.tokens.begin() + s.prompt_len,
                       s.tokens.begin() + s.prompt_len + longest);
    out.tokens.insert(out.tokens.end(), s.tokens.begin(), s.tokens.begin() + length);
    row += length;
    for (size_t c = 0; c < s.t_cut.size(); ++c) {
      const int64_t prefix = s.prompt_len + s.t_cut[c] - 1;
      out.packing.prefixes.push_back({gradient_row, prefix, i});
      out.cuts.emplace_back(i, c);
      gradient_row += prefix;
    }
  }
  return out;
}

// More rows than fill its products gain a CPU nothing, and its caches hold less of them: there a chunk is
// taken in parts of at most so many, or of one sample. By shapes alone, so that scores do not depend on the
// budget.
inline std::vector<std::vector<AttributionSample>> parts_of(const std::vector<AttributionSample>& samples,
                                                            at::Device device) {
  constexpr int64_t kMostRows = 2048;
  if (!device.is_cpu()) return {samples};
  std::vector<std::vector<AttributionSample>> parts;
  int64_t rows = 0;
  for (const AttributionSample& s : samples) {
    const int64_t own = s.prompt_len + *std::max_element(s.t_cut.begin(), s.t_cut.end()) - 1;
    if (parts.empty() || rows + own > kMostRows) {
      parts.emplace_back();
      rows = 0;
    }
    parts.back().push_back(s);
    rows += own;
  }
  return parts;
}

// The rows that predict the answers, out of t [rows, d]: [answer rows, d].
inline Tensor answer_rows(const Layout& layout, const Tensor& t) {
  std::vector<Tensor> parts;
  for (size_t i = 0; i < layout.answers.size(); ++i) {
    const Segment& s = layout.packing.sequences[i];
    const int64_t n = layout.answers[i].length;
    parts.push_back(t.narrow(0, s.begin + s.length - n, n));
  }
  return at::cat(parts);
}

// The first layer whose part of the graph is kept from the forward pass until its backward; those before it
// are computed again there. The last one's is kept, since nothing but lm_head lies between. Not where the
// least memory is asked for and sources are spilled, nor where what is computed again may differ in its last
// bit (float64: see plan_memory).
inline int64_t first_kept_layer(int64_t n_layers, at::Device device, at::ScalarType dtype,
                                const ChunkPlan& plan) {
  if (plan.keep) return 0;
  return device.is_cpu() && dtype != at::kDouble && plan.spill.empty() ? n_layers - 1 : n_layers;
}

}  // namespace circuitdiff
