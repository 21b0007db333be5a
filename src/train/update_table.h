// What an update of the weights holds in memory, as a table (model/buffers.h): what layers keep for backward,
// what the way back needs at one layer, and the logits.
#pragma once

#include "model/buffers.h"
#include "train/loop.h"

namespace circuitdiff {

// Rows of tokens that are computed together, `answers` of which predict a token of an answer, in sequences of
// at most `longest`.
struct UpdateShape {
  int64_t rows = 0, answers = 0, longest = 0;
};

// Counted, not laid out: the trainer makes its tensors as it needs them.
BufferTable update_table(const TrainInputs& in, const UpdateShape& shape);

}  // namespace circuitdiff
