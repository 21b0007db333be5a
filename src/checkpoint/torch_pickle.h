// Reads the pickle of a torch.save file as data. The machine knows the instructions that a dictionary of
// tensors is written with and no others, and of Python's names only those in its list; calling one of them
// builds a description, never an object. No import, no attribute, no code: a pickle that asks for more is an
// Error that says what it asked for.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "io/safetensors.h"

namespace circuitdiff {

// One tensor as the pickle describes it; in entries, not bytes.
struct PickledTensor {
  TensorType type = TensorType::other;
  std::string storage;  // its record is "data/KEY"
  int64_t storage_numel = 0, offset = 0;
  std::vector<int64_t> shape, stride;
};

// The tensors of the dictionary that the pickle is, by key; entries that are no tensors are passed over.
std::map<std::string, PickledTensor> read_torch_pickle(std::span<const std::byte> pickle,
                                                       const std::string& where);

}  // namespace circuitdiff
