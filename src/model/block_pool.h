// Memory for large tensors that is used again rather than given back.
#pragma once

#include <optional>

#include "base/heap.h"

namespace circuitdiff {

// While it lives, tensors of 1 MiB and more on the CPU lie in one range of addresses whose pages stay when
// they are freed: for work that makes tensors of like sizes over and over, whose pages would else be the
// system's to give and clear each time, a tenth of the time of attribution. Small blocks, which live
// longer, lie elsewhere: once large tensors are gone nothing is left between them, so that what one chunk
// took is whole for the next. Free pages go back to the system with the object; tensors may outlive it. One
// at a time. Under a limit on the process's memory (ulimit -d, -v), which would count free room too, and
// where the system gives no such range, tensors lie where they always do.
class BlockPool {
 public:
  BlockPool();
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // Whether a block lies in a pool, or did.
  static bool has(const void* block);

 private:
  bool is_in_use_;
  std::optional<LargeHeap> heap_;  // for what oneDNN takes while it multiplies, which is no tensor
};

}  // namespace circuitdiff
