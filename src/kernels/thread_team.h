// A few threads that share the loops of a decoding step. A step has a hundred short loops, so a loop must
// begin within microseconds: the threads look for work for a moment before they sleep. Which thread takes
// which piece is left to chance; a piece never depends on it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace circuitdiff {

class ThreadTeam {
 public:
  explicit ThreadTeam(int64_t threads);  // the calling thread included; at least 1
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int64_t size() const { return static_cast<int64_t>(workers_.size()) + 1; }
  // Calls body(piece, thread) for every piece in [0, pieces), thread in [0, size()). Returns when all are
  // done. `body` must not throw.
  void run(int64_t pieces, const std::function<void(int64_t, int64_t)>& body);

 private:
  void work(int64_t thread);
  void take_pieces(int64_t thread);

  std::vector<std::thread> workers_;
  const std::function<void(int64_t, int64_t)>* body_ = nullptr;
  int64_t pieces_ = 0;
  std::atomic<int64_t> next_{0};
  // kOpen while there is a loop to join, plus the number of workers that have joined it. Who comes too late
  // is not waited for, so a busy machine is no slower than one thread.
  std::atomic<uint32_t> state_{0};
  std::atomic<uint32_t> round_{0};  // counts up with every loop: what sleepers watch
  std::atomic<bool> ending_{false};
};

}  // namespace circuitdiff
