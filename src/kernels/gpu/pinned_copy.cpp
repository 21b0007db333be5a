#include "kernels/gpu/pinned_copy.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cstring>

namespace circuitdiff {

PinnedCopy::PinnedCopy(c10::Stream stream) : stream_(stream) {
  for (Buffer& b : buffers_) {
    b.bytes = at::empty({kBuffer}, at::TensorOptions().dtype(at::kByte).pinned_memory(true));
    b.copied = std::make_unique<c10::Event>(stream.device_type());
  }
}

void PinnedCopy::copy(const Tensor& from, const Tensor& to) {
  const Tensor source = from.contiguous();
  const auto* bytes = static_cast<const std::byte*>(source.const_data_ptr());
  const Tensor target = to.flatten().view(at::kByte);
  const auto all = static_cast<int64_t>(source.nbytes());
  for (int64_t begin = 0; begin < all; begin += kBuffer) {
    Buffer& b = buffers_[static_cast<size_t>(turn_++ % 2)];
    const int64_t n = std::min(kBuffer, all - begin);
    if (b.copied->was_marked_for_recording()) b.copied->synchronize();
    auto* pinned = static_cast<std::byte*>(b.bytes.mutable_data_ptr());
    // From the file's pages: one thread alone is slower than the bus.
    at::parallel_for(0, n, int64_t{1} << 20, [&](int64_t first, int64_t last) {
      std::memcpy(pinned + first, bytes + begin + first, static_cast<size_t>(last - first));
    });
    target.narrow(0, begin, n).copy_(b.bytes.narrow(0, 0, n), /*non_blocking=*/true);
    b.copied->record(stream_);
  }
}

}  // namespace circuitdiff
