// A tensor that lies in an unnamed file instead of anonymous memory: the kernel writes its pages back and
// drops them where memory is short. The values are the same bytes; only reading them again may wait for the
// disk.
#pragma once

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <vector>

namespace circuitdiff {

// Zeroed, on the CPU. Error where the folder cannot hold so much. The file is gone when the tensor is,
// however the process ends.
at::Tensor spilled_tensor(const std::filesystem::path& folder, const std::vector<int64_t>& sizes,
                          at::ScalarType type);

}  // namespace circuitdiff
