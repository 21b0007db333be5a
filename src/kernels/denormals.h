// Numbers below the smallest normal one (1e-38 in float32) taken as zero, on all of libtorch's threads.
#pragma once

#include <c10/core/ScalarType.h>

namespace circuitdiff {

// While it lives, this thread and those of at::parallel_for, of which there are at::get_num_threads, take
// denormal numbers as zero. A softmax that has settled on one position leaves such numbers everywhere else,
// and an instruction that meets one takes a hundred cycles: a product of them took thirty times as long.
// What is lost is below 2^-126, beside gradients many orders above. In float64, which is for exactness, it
// does nothing: weights stored in fewer bits would lose their own denormals while they are widened. A
// processor that cannot computes on as it did. The number of threads must not change meanwhile.
class FlushDenormals {
 public:
  explicit FlushDenormals(at::ScalarType computed_in);
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  bool active_, was_on_;
};

}  // namespace circuitdiff
