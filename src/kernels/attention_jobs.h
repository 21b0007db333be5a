// Attention of one query head in float32 on a CPU, some queries at a time, by one thread: products go from
// registers, the softmax between them while its rows are in the cache. No torch here:
// attention_body.h is compiled once per instruction set. The loops of tiled_attention.cpp over plain
// products are the oracle.
#pragma once

#include <cstdint>

#include "kernels/instruction_set.h"

namespace circuitdiff {

constexpr int64_t kKeysInPanel = 32;      // side by side
constexpr int64_t kQueriesTogether = 32;  // whose weights are in memory at once

// What one thread needs beside the tensors, in numbers: with room for `keys` keys, for fewer too.
int64_t attention_room(int64_t keys, int64_t d_head, bool backward);

enum class AttentionStep {
  hold_keys,  // puts k and v into the room, as the other steps take them; they serve all heads that share
              // them
  forward,    // out = softmax(scale q k') v at queries [begin, end)
  backward,   // out: the gradient at q, of all queries; those at k and v stay in the room
  add_keys,   // adds the latter to dk and dv, or puts them there where the job is the first of its group
};

struct AttentionJob {
  AttentionStep step = AttentionStep::hold_keys;
  bool with_backward = false, first_of_group = false;
  int64_t d_head = 0;             // a multiple of 16
  int64_t queries = 0, keys = 0;  // the queries are the last of the keys' positions
  int64_t begin = 0, end = 0;     // of the queries, for forward
  int64_t window = 0;             // a query sees that many keys; 0: all before it
  float scale = 1;
  // [queries | keys, d_head], from one row to the next `query_step` | `key_step`.
  const float *q = nullptr, *d_out = nullptr, *k = nullptr, *v = nullptr;
  float *out = nullptr, *dk = nullptr, *dv = nullptr;
  int64_t query_step = 0, key_step = 0;
  float* room = nullptr;  // attention_room numbers
};

void run_attention_job(const AttentionJob& job, InstructionSet set = instruction_set());

}  // namespace circuitdiff
