// How far a number may lie from its golden value, relative to the largest entry of its tensor. The goldens
// are float64 throughout; float32 rounding through three layers was seen at 2e-6 for logits and 1e-5 for
// scores. bfloat16 rounds weights and activations to 8 bits (a unit is 0.4 %), which the gradient of these
// random networks multiplies: 0.12 was seen, and 0.151 on a GPU, where flash attention rounds its weights
// before it normalises them.
#pragma once

#include <ATen/core/Tensor.h>

namespace circuitdiff {

inline double logit_tolerance(at::ScalarType dtype) { return dtype == at::kDouble ? 1e-10 : 1e-5; }
inline double score_tolerance(at::ScalarType dtype, at::Device device = at::kCPU) {
  if (dtype == at::kBFloat16) return device.is_cpu() ? 0.15 : 0.2;
  return dtype == at::kDouble ? 1e-9 : 1e-4;
}

}  // namespace circuitdiff
