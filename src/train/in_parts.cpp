#include "train/in_parts.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

namespace circuitdiff {

void in_parts(at::Device device, int64_t size, int64_t part,
              const std::function<void(int64_t, int64_t)>& work) {
  if (!device.is_cpu()) {
    if (size > 0) work(0, size);
    return;
  }
  at::parallel_for(0, (size + part - 1) / part, /*grain_size=*/1, [&](int64_t first, int64_t last) {
    const at::NoGradGuard no_grad;  // a thread's own
    for (int64_t i = first; i < last; ++i) work(i * part, std::min(part, size - i * part));
  });
}

}  // namespace circuitdiff
