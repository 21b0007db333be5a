// The draws behind intervals and p values. Draw r of a kind depends on the seed and r alone, so
// that results do not depend on threads, on how many draws are made, or on which metrics are
// asked for; all metrics share them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/random.h"

namespace circuitdiff {

enum class Draw : uint32_t { bootstrap = 1, swap = 2, two_level = 3 };

Philox resample_stream(uint64_t seed, Draw kind, int64_t r);

// How often each of n questions is drawn in bootstrap resample r; sums to n.
void draw_weights(uint64_t seed, int64_t r, std::vector<int32_t>& weights);
// Whether before and after of each question are swapped in permutation r.
void draw_swaps(uint64_t seed, int64_t r, std::vector<uint8_t>& swaps);

}  // namespace circuitdiff
