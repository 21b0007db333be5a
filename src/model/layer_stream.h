// The layers of a model in the order in which they are asked for. Where weights are streamed, two layers are
// in memory: the one in use and the next, which a thread of its own reads and converts meanwhile. To a GPU it
// goes through pinned memory and on a stream of its own, beside the computation.
#pragma once

#include <cstdint>
#include <future>
#include <memory>

#include "model/weights.h"

namespace circuitdiff {

class LayerStream {
 public:
  // ahead: read the next layer meanwhile; without, each is taken when it is asked for (resident ones are
  // there).
  LayerStream(const Weights& weights, bool ahead);
  ~LayerStream();
  LayerStream(const LayerStream&) = delete;
  LayerStream& operator=(const LayerStream&) = delete;
  // Layer `index`, good until the next call; `next` (none where outside the model) is begun to be read.
  const LayerWeights& layer(int64_t index, int64_t next);

 private:
  class Transfer;  // to a GPU
  void read(int64_t index, LayerWeights& into);

  const Weights& weights_;
  bool read_ahead_;
  LayerWeights current_, other_;  // `other_` may be being read
  int64_t current_index_ = -1, other_index_ = -1, ahead_index_ = -1;
  std::unique_ptr<Transfer> transfer_;  // where layers are read ahead and the device is a GPU
  std::future<void> ahead_;
};

}  // namespace circuitdiff
