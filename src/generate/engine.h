// One step of decoding for many sequences at once, whatever the device. A step is a list of rows: each is one
// token of one sequence at one position; prompts and answers alike, several rows of one sequence if it is
// being read in. Keys and values lie in pages of 16 positions that belong to no sequence in particular: a row
// brings the list of its sequence's pages, and two sequences that begin alike may share them.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <span>

#include "kernels/thread_team.h"
#include "model/decoder.h"

namespace circuitdiff {

inline constexpr int64_t kPage = 16;  // positions

struct StepRow {
  int64_t token = 0, position = 0;
  // Length of the sequence that sets the rotary angles where they hang on it (rope type dynamic): the
  // prompt's for a prompt's tokens, position + 1 for an answer's, as transformers caches them.
  int64_t rope_length = 0;
  const int32_t* pages = nullptr;  // of its sequence; room for `position` included
  bool logits = false;             // wanted after this token
};

class Engine {
 public:
  virtual ~Engine() = default;
  // Writes keys and values of every row, then returns the logits of those that want them, in order: [wanted,
  // d_vocab] on the CPU, float32 or float64. Rows of one sequence may stand in one step in any order.
  virtual Tensor step(std::span<const StepRow> rows) = 0;
  virtual int64_t page_bytes() const = 0;
  virtual int64_t weight_bytes() const = 0;
  virtual int64_t free_bytes() const = 0;  // what the cache may take where nothing else is said
  virtual int64_t d_vocab() const = 0;
  // Rows that a step takes at most, and sequences that are worth decoding together.
  virtual int64_t most_rows() const = 0;
  virtual int64_t good_batch() const = 0;
  // Whether the keys of a prompt of this length are those of every other prompt that begins alike.
  virtual bool shares_beginnings(int64_t prompt_length) const = 0;
  virtual ThreadTeam& team() = 0;
};

// Bytes of the device's memory: on a GPU those free now, else half of what the machine has.
int64_t free_memory(at::Device device);

// On a CPU: float32 and float64 are computed as such, by kernels whose results do not depend on the batch;
// bfloat16 rounds the weights to bfloat16 and computes in float32. threads: 0 for one a core.
std::unique_ptr<Engine> make_engine(const std::shared_ptr<const Checkpoint>& checkpoint, at::Device device,
                                    at::ScalarType dtype, int64_t threads);
// The same over weights in memory, on their device and in their dtype, as they are now: an engine of a model
// in training answers with the weights of the moment it was made.
std::unique_ptr<Engine> make_engine(const Weights& weights, int64_t threads);

}  // namespace circuitdiff
