// Work on a large tensor in parts that lie in the cache from one operation to the next, so that passes over
// memory and temporaries are few. On a CPU parts are shared out among libtorch's threads and the operations
// of a part run on one of them; elsewhere all is one part.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace circuitdiff {

// work(begin, count) for each part of [0, size); `part` is the length of all but the last.
void in_parts(at::Device device, int64_t size, int64_t part,
              const std::function<void(int64_t, int64_t)>& work);

}  // namespace circuitdiff
