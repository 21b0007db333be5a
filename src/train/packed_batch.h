// Sequences of a micro-batch laid row under row without padding. The last token of a sequence is only
// predicted and has no row.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "model/packing.h"

namespace circuitdiff {

// Tokens with the place where the answer begins.
struct PackedSequence {
  std::span<const int64_t> tokens;
  int64_t prompt_len = 0;  // 1 <= prompt_len < tokens.size()
  int64_t rows() const { return static_cast<int64_t>(tokens.size()) - 1; }
  int64_t answer() const { return static_cast<int64_t>(tokens.size()) - prompt_len; }
};

struct PackedBatch {
  Packing packing;
  Tensor tokens;   // [rows]
  RopeTable rope;  // [rows, d_head]
  // Answer tokens of all sequences, in the order the sequences were given.
  Tensor predicting;                  // [answers] the row whose logits predict it
  Tensor targets;                     // [answers]
  std::vector<int64_t> answer_begin;  // of each sequence, and one past the last
};

PackedBatch pack_sequences(const ModelConfig& config, std::span<const PackedSequence> sequences,
                           const at::TensorOptions& compute);

}  // namespace circuitdiff
