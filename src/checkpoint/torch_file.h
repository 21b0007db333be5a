// A file that torch.save wrote (pytorch_model.bin): a zip of uncompressed records, one of them a pickle that
// says which tensors there are, the others their storages. The pickle is read by a machine of its own that
// knows the few instructions and the few names that tensors need (torch_pickle.h); it can run nothing, and
// whatever else the file asks for is refused by name. Storages are mapped. Left out: the format of torch
// before 1.6, big-endian files, compressed records, sparse and quantised tensors.
#pragma once

#include <map>
#include <string>

#include "checkpoint/weight_files.h"
#include "io/zip.h"

namespace circuitdiff {

class TorchFile {
 public:
  explicit TorchFile(const std::filesystem::path& path);
  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }

 private:
  ZipFile zip_;
  std::map<std::string, StoredTensor> tensors_;
};

}  // namespace circuitdiff
