// Numbers below the smallest normal one (1e-38 in float32) taken as zero, on all of libtorch's threads.
#pragma once

namespace circuitdiff {

// While it lives, this thread and those of at::parallel_for, of which there are at::get_num_threads, take
// denormal numbers as zero. A softmax that has settled on one position leaves such numbers everywhere else,
// and an instruction that meets one takes a hundred cycles: a product of them took thirty times as long.
// What is lost is below 2^-126 (float64: 2^-1022) beside gradients many orders above. A processor that
// cannot computes on as it did. The number of threads must not change meanwhile.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

 private:
  bool was_on_;
};

}  // namespace circuitdiff
