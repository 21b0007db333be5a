// A GGUF file as a checkpoint: its metadata in the words of config.json, its tensors under the names
// and in the order of rows of the Hugging Face classes. Read are llama (mistral as well), qwen2 and
// qwen3; what else there is says so. Quantised blocks become F16 when a tensor is asked for: the
// rounding is far below the quantiser's step.
#pragma once

#include <filesystem>

#include "checkpoint/weight_files.h"
#include "io/gguf.h"
#include "io/json_fwd.h"

namespace circuitdiff {

json gguf_config(const GgufFile& file);
WeightFiles gguf_weights(const std::shared_ptr<const GgufFile>& file);

}  // namespace circuitdiff
