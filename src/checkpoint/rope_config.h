// Rotary position embeddings of a config.json, in both spellings: rope_theta + rope_scaling, and
// rope_parameters as transformers 5 writes it (flat, or nested per layer type). Types other than those of
// RopeType are an Error.
#pragma once

#include "checkpoint/config.h"
#include "checkpoint/config_fields.h"

namespace circuitdiff {

// Needs max_positions and d_head of `config`; fills config.rope and adds to config.notes.
void read_rope(const ConfigFields& fields, ModelConfig& config);

}  // namespace circuitdiff
