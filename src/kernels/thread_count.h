// How many threads libtorch's operations take, for the time of a stage.
#pragma once

#include <ATen/Parallel.h>

#include <cstdint>

namespace circuitdiff {

// While it lives, at::get_num_threads() is `threads` (0: what it was). The number is the process's own, which
// others in it may have set: it is theirs again afterwards.
class ThreadCount {
 public:
  explicit ThreadCount(int64_t threads) : before_(at::get_num_threads()) {
    if (threads > 0) at::set_num_threads(static_cast<int>(threads));
  }
  ~ThreadCount() {
    if (at::get_num_threads() != before_) at::set_num_threads(before_);
  }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  int before_;
};

}  // namespace circuitdiff
