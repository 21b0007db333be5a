// Counts the bytes of CPU tensors that are alive while it exists, for tests of what a stage takes.
#pragma once

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

namespace circuitdiff {

class CountingAllocator : public c10::Allocator {
 public:
  CountingAllocator() : base_(c10::GetCPUAllocator()) {
    counting_ = this;
    c10::SetCPUAllocator(this, /*priority=*/255);
  }
  ~CountingAllocator() override {
    c10::SetCPUAllocator(base_, /*priority=*/255);
    const std::lock_guard lock(mutex_);
    counting_ = nullptr;
  }
  c10::DataPtr allocate(size_t n) override {
    c10::DataPtr data = base_->allocate(n);
    void* const address = data.get();
    if (address) {
      const std::lock_guard lock(mutex_);  // the next layer is read by a thread of its own
      held_[address] = {n, std::move(data)};
      now_ += static_cast<int64_t>(n);
      peak_ = std::max(peak_, now_);
    }
    return {address, address, &CountingAllocator::release, at::kCPU};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &CountingAllocator::release; }
  void copy_data(void* to, const void* from, std::size_t n) const override { default_copy_data(to, from, n); }
  int64_t peak() const { return peak_; }

 private:
  static void release(void* address) {
    const std::lock_guard lock(mutex_);
    const auto found = held_.find(address);
    if (found == held_.end()) return;
    if (counting_) counting_->now_ -= static_cast<int64_t>(found->second.first);
    held_.erase(found);
  }
  c10::Allocator* base_;
  int64_t now_ = 0, peak_ = 0;
  // What is alive may outlive the counting.
  static inline std::mutex mutex_;
  static inline std::map<void*, std::pair<size_t, c10::DataPtr>> held_;
  static inline CountingAllocator* counting_ = nullptr;
};

}  // namespace circuitdiff
