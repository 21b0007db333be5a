// Many sequences laid row under row without padding, and the prefixes of them that gradients are taken for.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "model/flash_attention.h"
#include "model/rope.h"

namespace circuitdiff {

struct Segment {
  int64_t begin = 0, length = 0;  // rows of the packed forward tensors: one sequence
};
struct PrefixSegment {
  int64_t begin = 0, length = 0;  // rows of the packed gradient tensors
  size_t sequence = 0;            // they are the first `length` rows of this forward segment
};
struct Packing {
  std::vector<Segment> sequences;
  std::vector<PrefixSegment> prefixes;
  // The same for a GPU's fused attention, once place_on() has put them there; without, attention goes one
  // segment at a time.
  FlashRows flash_sequences, flash_prefixes;

  int64_t rows() const { return sequences.empty() ? 0 : sequences.back().begin + sequences.back().length; }
  int64_t gradient_rows() const {
    return prefixes.empty() ? 0 : prefixes.back().begin + prefixes.back().length;
  }
  // Each sequence has one prefix, which is the whole of it: forward and gradient rows are the same.
  bool prefixes_are_sequences() const;
};

// Puts the bounds of sequences and prefixes on a GPU; nothing on a CPU.
void place_on(Packing& packing, at::Device device);

// Rows of cos and sin for a packing, [rows, d_head].
RopeTable packed_rope(const ModelConfig& config, const Packing& packing, const at::TensorOptions& options);

// The rows of a forward tensor that a prefix sees: its sequence's first ones.
Tensor prefix_rows(const Packing& packing, const PrefixSegment& prefix, const Tensor& t);
// The same for all prefixes, one below another, [gradient_rows, ..]; t itself where they are its rows.
Tensor all_prefix_rows(const Packing& packing, const Tensor& t);

}  // namespace circuitdiff
