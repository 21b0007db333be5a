// The layers of a model in the order in which they are asked for. Where weights are streamed, two layers are
// in memory: the one in use and the next, which a thread of its own reads and converts meanwhile.
#pragma once

#include <cstdint>
#include <future>

#include "model/weights.h"

namespace circuitdiff {

class LayerStream {
 public:
  // ahead: read the next layer meanwhile; without, each is taken when it is asked for (resident ones are
  // there).
  LayerStream(const Weights& weights, bool ahead) : weights_(weights), read_ahead_(ahead) {}
  ~LayerStream();
  LayerStream(const LayerStream&) = delete;
  LayerStream& operator=(const LayerStream&) = delete;
  // Layer `index`, good until the next call; `next` (none where outside the model) is begun to be read.
  const LayerWeights& layer(int64_t index, int64_t next);

 private:
  const Weights& weights_;
  bool read_ahead_;
  LayerWeights current_, other_;  // `other_` may be being read
  int64_t current_index_ = -1, other_index_ = -1;
  std::future<LayerWeights> ahead_;
};

}  // namespace circuitdiff
