// A checkpoint folder: the model in the Hugging Face layout beside all that training needs to go on to the
// same bits. Written under another name and renamed when whole.
#pragma once

#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "train/optimizer.h"
#include "train/parameters.h"
#include "train/value_head.h"

namespace circuitdiff {

struct TrainPosition {
  int64_t step = 0;    // updates done
  int64_t cursor = 0;  // questions or rows taken
  int64_t tokens = 0;  // trained on
  int64_t metrics_bytes = 0, event_bytes = 0;
};

struct TrainState {
  Parameters& parameters;
  Optimizer& optimizer;
  ValueHead* value_head;  // null without
};

// checkpoint-STEP in `out`.
std::filesystem::path checkpoint_path(const std::filesystem::path& out, int64_t step);
// All whole ones, the latest last: their steps and folders.
std::vector<std::pair<int64_t, std::filesystem::path>> train_checkpoints(const std::filesystem::path& out);
// The latest of them.
std::optional<std::filesystem::path> last_checkpoint(const std::filesystem::path& out);
void write_train_checkpoint(const std::filesystem::path& folder, const TrainState& state,
                            const TrainPosition& position);
TrainPosition read_train_checkpoint(const std::filesystem::path& folder, const TrainState& state);
// The model alone, for use; replaces what is there.
void write_model_folder(const std::filesystem::path& folder, const Parameters& parameters);
// Removes all but the `keep` latest; 0 keeps all.
void drop_old_checkpoints(const std::filesystem::path& out, int64_t keep);

}  // namespace circuitdiff
