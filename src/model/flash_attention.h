// Causal attention of packed sequences in one kernel, and its input gradients: libtorch's flash attention,
// where the GPU and the model allow it. No [n, n] tensor is made, and K and V stay grouped. The loops of
// packed.cpp are the oracle.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

#include "checkpoint/config.h"

namespace circuitdiff {

using at::Tensor;

// Sequences laid row under row, as the kernel takes them.
struct FlashRows {
  Tensor starts;        // int32 [sequences + 1] on the GPU; undefined where there is none
  int64_t longest = 0;  // rows of the longest
};

// Whether the kernels know this model's heads in this type: bfloat16, heads of at most 256, no cap on scores.
bool flash_knows(const ModelConfig& config, at::ScalarType type);
// The same of q's type, on a GPU of compute capability 8.0 or more. Sequences of one token alone are left to
// the loops: the kernel lays their sums of exponentials out in another way, which its backward does not know.
bool can_flash(const ModelConfig& config, const Tensor& q, const FlashRows& rows);

// q: [rows, n_heads, d_head]; k, v: [rows, n_kv_heads, d_head] -> [rows, n_heads, d_head]. window: as
// attention_mask.
Tensor flash_attention(const ModelConfig& config, const Tensor& q, const Tensor& k, const Tensor& v,
                       const FlashRows& rows, int64_t window);

// Gradients at q, k and v from that at the output; the output is computed again. The same bits every time.
std::array<Tensor, 3> flash_attention_backward(const ModelConfig& config, const Tensor& q, const Tensor& k,
                                               const Tensor& v, const Tensor& grad, const FlashRows& rows,
                                               int64_t window);

}  // namespace circuitdiff
