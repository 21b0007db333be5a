// What a chunk holds in memory, as a table: every buffer with its shape, dtype and phases (model/buffers.h).
// The engine takes its buffers out of this table, and a forecast is the table's size, so that the two cannot
// part.
#pragma once

#include "attribute/layout.h"
#include "model/buffers.h"

namespace circuitdiff {

// Of eap, eap-ig and eap-ig-activations: laid out, ready for a Workspace. `head_bytes`: what a piece of
// lm_head takes where weights are streamed (vocabulary_piece).
BufferTable chunk_table(const ModelConfig& config, at::Device device, at::ScalarType dtype,
                        const ScoringOptions& options, const Layout& layout, const ChunkPlan& plan,
                        int64_t head_bytes = 0);

// Of exact, for one sample of `length` rows, the last `answer` of which predict its answer. `into`: how many
// edges each destination has taken out. Its buffers are made as they are needed: counted, not laid out.
BufferTable exact_table(const ModelConfig& config, at::Device device, at::ScalarType dtype,
                        const ScoringOptions& options, const std::vector<int64_t>& into, int64_t length,
                        int64_t answer, int64_t head_bytes);

}  // namespace circuitdiff
