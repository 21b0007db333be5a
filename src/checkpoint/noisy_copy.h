// The control against which a change of weights is held (docs/spec.md#controls): a copy of a checkpoint with
// Gaussian noise of the size of a real change, tensor by tensor, but of no direction.
#pragma once

#include <cstdint>
#include <filesystem>

#include "checkpoint/checkpoint.h"

namespace circuitdiff {

// Writes `out`/config.json and `out`/model.safetensors, F32 (F64 where the tensor is F64): every tensor of
// `before` plus noise N(0, s^2), s = ||after - before||_F / sqrt(entries), drawn from a counter-based
// generator keyed by (seed, copy, tensor). Nothing else of the folder is copied: scoring given tokens needs
// no more. Error where the two are not of one shape.
void write_noisy_copy(const Checkpoint& before, const Checkpoint& after, uint64_t seed, uint32_t copy,
                      const std::filesystem::path& out);

}  // namespace circuitdiff
