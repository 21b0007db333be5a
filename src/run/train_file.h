// A training file (docs/training.md#a-training-file): keys ahead of the first table, and [data], [algorithm],
// [optimizer], [rollout], [reward], [lora], [eval], [probe], [checkpoint]. Unknown tables and keys are errors
// that name the nearest known one.
#pragma once

#include <filesystem>

#include "train/options.h"

namespace circuitdiff {

// Relative paths are taken from the folder the command runs in; where nothing is
// there, from the file's own folder.
TrainOptions read_train_file(const std::filesystem::path& path);

}  // namespace circuitdiff
