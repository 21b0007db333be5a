// The weights of a checkpoint by name, whatever kind of file holds them: safetensors or torch's
// zip files, one or several with an index. Entries point into mapped files; what must be computed
// first (strided storages, quantised blocks, merged adapters) is a function, called when the
// tensor is asked for. No torch here.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/safetensors.h"

namespace circuitdiff {

struct StoredTensor {
  TensorType type = TensorType::other;
  std::string type_name;  // as the file has it
  std::vector<int64_t> shape;
  std::filesystem::path file;
  int64_t stored_bytes = 0;                      // in the file
  std::span<const std::byte> mapped;             // where the bytes lie as they are
  std::function<std::vector<std::byte>()> make;  // else: computes them
  int64_t numel() const;
};

struct WeightFiles {
  std::map<std::string, StoredTensor> tensors;
  std::vector<std::shared_ptr<const void>> keep;  // mappings that `tensors` point into
};

// model.safetensors, its shards, pytorch_model.bin or its shards: the first of these that the
// folder has, as transformers chooses. Throws Error on damage, on a tensor that stands twice
// and on an index that does not fit.
WeightFiles read_weight_files(const std::filesystem::path& folder);

}  // namespace circuitdiff
