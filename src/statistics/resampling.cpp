#include "statistics/resampling.h"

#include <algorithm>

namespace circuitdiff {

Philox resample_stream(uint64_t seed, Draw kind, int64_t r) {
  return Philox(seed, static_cast<uint32_t>(kind), static_cast<uint32_t>(r));
}

void draw_weights(uint64_t seed, int64_t r, std::vector<int32_t>& weights) {
  Philox random = resample_stream(seed, Draw::bootstrap, r);
  std::fill(weights.begin(), weights.end(), 0);
  for (size_t i = 0; i < weights.size(); ++i) ++weights[random.below(weights.size())];
}

void draw_swaps(uint64_t seed, int64_t r, std::vector<uint8_t>& swaps) {
  Philox random = resample_stream(seed, Draw::swap, r);
  uint32_t bits = 0;
  for (size_t i = 0; i < swaps.size(); ++i) {
    if (i % 32 == 0) bits = random.next_u32();
    swaps[i] = static_cast<uint8_t>(bits >> (i % 32) & 1u);
  }
}

}  // namespace circuitdiff
