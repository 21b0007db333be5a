// Host memory to a GPU at the speed of the bus: through two pinned buffers in turn, filled by several
// threads. The host waits only for a buffer that is still on its way.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <array>
#include <memory>

namespace circuitdiff {

using at::Tensor;

class PinnedCopy {
 public:
  // Copies are work of `stream`, which must be current where copy() is called.
  explicit PinnedCopy(c10::Stream stream);
  // from: on the host; to: on the GPU, of the same type and size, its numbers lying together. `from` may go
  // afterwards.
  void copy(const Tensor& from, const Tensor& to);

 private:
  static constexpr int64_t kBuffer = int64_t{64} << 20;
  struct Buffer {
    Tensor bytes;
    std::unique_ptr<c10::Event> copied;
  };
  c10::Stream stream_;
  std::array<Buffer, 2> buffers_;
  int64_t turn_ = 0;
};

}  // namespace circuitdiff
