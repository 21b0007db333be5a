// Rotary position embedding: the angles of every kind that checkpoints ask for (docs/architectures.md).
#pragma once

#include <ATen/core/Tensor.h>

#include "checkpoint/config.h"

namespace circuitdiff {

using at::Tensor;

// cos and sin of the rotary angles, [pos, d_head], in the compute dtype. Angles are computed in double.
struct RopeTable {
  Tensor cos, sin;
};

// For positions first .. first + n - 1. `sequence_length` matters for the rope types whose angles depend on
// it (dynamic, longrope).
RopeTable rope_table(const ModelConfig& config, int64_t first, int64_t n, int64_t sequence_length,
                     const at::TensorOptions& options);

}  // namespace circuitdiff
