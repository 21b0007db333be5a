// A LoRA adapter as PEFT saves it (adapter_config.json, adapter_model.safetensors or .bin), merged into the
// weights that it changes: W + scale B A, in float32 at least, computed when the tensor is asked for. Vectors
// and matrices that the adapter replaces whole (modules_to_save, trained biases) are replaced. Left out, each
// with an error that names it: DoRA, other kinds of adapter, convolutions, adapters of embeddings.
#pragma once

#include "checkpoint/weight_files.h"

namespace circuitdiff {

// Changes `weights` in place; `fan_in_fan_out`, rank patterns and rsLoRA are
// followed. Returns a note for `inspect`.
std::string merge_adapter(const std::filesystem::path& adapter, WeightFiles& weights);

}  // namespace circuitdiff
