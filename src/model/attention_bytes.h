// What attention holds while it is computed, for the forecast.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>

#include "checkpoint/config.h"

namespace circuitdiff {

// Bytes beside q, k, v and attention's output: scores of the heads and queries taken at once, copies of q, k
// and v, and on the way back sums. And what is widened on the way back (forward, it is among the scores): two
// operands as long as the scores at most, and the result.
struct AttentionBytes {
  int64_t scores, scores_back, copies, copies_back, widened;
};

// Of `pieces` sequences of up to `longest` rows that are given together, and of `pieces_back` on the way
// back.
AttentionBytes attention_bytes(const ModelConfig& c, at::Device device, at::ScalarType dtype, int64_t longest,
                               int64_t pieces, int64_t pieces_back);

}  // namespace circuitdiff
