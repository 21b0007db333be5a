#include "kernels/thread_team.h"

#include <algorithm>

namespace circuitdiff {
namespace {

constexpr uint32_t kOpen = 1u << 31;
constexpr int kLooks = 4000;  // about 50 microseconds

inline void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadTeam::ThreadTeam(int64_t threads) {
  for (int64_t t = 1; t < threads; ++t) workers_.emplace_back([this, t] { work(t); });
}

ThreadTeam::~ThreadTeam() {
  ending_ = true;
  round_.fetch_add(1);
  round_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadTeam::take_pieces(int64_t thread) {
  for (int64_t i = next_.fetch_add(1); i < pieces_; i = next_.fetch_add(1)) (*body_)(i, thread);
}

void ThreadTeam::run(int64_t pieces, const std::function<void(int64_t, int64_t)>& body) {
  if (pieces <= 1 || workers_.empty()) {
    for (int64_t i = 0; i < pieces; ++i) body(i, 0);
    return;
  }
  body_ = &body;
  pieces_ = pieces;
  next_.store(0);
  state_.store(kOpen);
  round_.fetch_add(1);
  round_.notify_all();
  take_pieces(0);
  state_.fetch_and(~kOpen);
  for (int looks = 0; state_.load() != 0; ++looks) {
    if (looks < kLooks)
      pause_briefly();
    else
      std::this_thread::yield();
  }
}

void ThreadTeam::work(int64_t thread) {
  uint32_t seen = 0;
  while (true) {
    for (int looks = 0; round_.load() == seen && looks < kLooks; ++looks) pause_briefly();
    round_.wait(seen);
    seen = round_.load();
    if (ending_) return;
    uint32_t state = state_.load();
    while ((state & kOpen) != 0 && !state_.compare_exchange_weak(state, state + 1)) {
    }
    if ((state & kOpen) == 0) continue;
    take_pieces(thread);
    state_.fetch_sub(1);
  }
}

}  // namespace circuitdiff
