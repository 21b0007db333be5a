#include "model/block_pool.h"

#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace circuitdiff {
namespace {

constexpr size_t kLeast = size_t{1} << 20;
constexpr size_t kGrain = size_t{1} << 16;  // a page of any system
constexpr size_t kPage = 4096, kLine = 64;

// Blocks of one reserved range; the smallest free one that fits is taken, neighbours become one when freed.
class Range {
 public:
  // Never given up, since tensors may outlive every pool.
  static Range& instance() {
    static Range& range = *new Range;
    return range;
  }

  // nullptr where there is no room.
  void* take(size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    // Blocks that all began at the same offset in a page would meet in the same sets of the caches.
    const size_t offset = serial_++ * 13 % (kPage / kLine) * kLine;
    const size_t n = (bytes + kPage + kGrain - 1) / kGrain * kGrain;
    if (const auto fit = by_size_.lower_bound({n, 0}); fit != by_size_.end()) {
      const auto [size, place] = *fit;
      remove(place, size);
      if (size > n) add(place + n, size - n);
      taken_[place] = n;
      return base_ + place + offset;
    }
    // The last free block grows to what is asked for.
    size_t place = end_;
    if (!free_.empty() && free_.rbegin()->first + free_.rbegin()->second == end_)
      place = free_.rbegin()->first;
    if (!base_ || place + n > reserved_) return nullptr;
    if (mprotect(base_ + end_, place + n - end_, PROT_READ | PROT_WRITE) != 0) return nullptr;
    if (place < end_) remove(place, end_ - place);
    end_ = place + n;
    taken_[place] = n;
    return base_ + place + offset;
  }

  // False where the block is none of its own.
  bool give(void* block) {
    if (!has(block)) return false;
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto taken = std::prev(taken_.upper_bound(static_cast<size_t>(static_cast<char*>(block) - base_)));
    size_t place = taken->first, n = taken->second;
    taken_.erase(taken);
    const auto after = free_.upper_bound(place);
    if (after != free_.begin()) {
      const auto before = std::prev(after);
      if (before->first + before->second == place) {
        const auto [at, size] = *before;
        remove(at, size);
        place = at, n += size;
      }
    }
    if (const auto next = free_.find(place + n); next != free_.end()) {
      const auto [at, size] = *next;
      remove(at, size);
      n += size;
    }
    add(place, n);
    return true;
  }

  bool has(const void* block) const { return base_ && block >= base_ && block < base_ + reserved_; }

  void give_back_pages() {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const auto& [place, size] : free_) madvise(base_ + place, size, MADV_DONTNEED);
  }

 private:
  Range() {
    // Addresses alone, twice what the machine has: no memory is touched until blocks are.
    reserved_ = 2 * static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
    void* const range =
        mmap(nullptr, reserved_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    base_ = range == MAP_FAILED ? nullptr : static_cast<char*>(range);
  }

  void add(size_t place, size_t size) {
    free_[place] = size;
    by_size_.insert({size, place});
  }
  void remove(size_t place, size_t size) {
    free_.erase(place);
    by_size_.erase({size, place});
  }

  std::mutex mutex_;
  size_t serial_ = 0;
  char* base_ = nullptr;
  size_t reserved_ = 0, end_ = 0;                // bytes; behind `end_` nothing has been used
  std::map<size_t, size_t> free_, taken_;        // place -> bytes
  std::set<std::pair<size_t, size_t>> by_size_;  // of the free: (bytes, place)
};

// Stays libtorch's allocator once there has been a pool: whatever is freed later may be the range's.
class PoolAllocator : public c10::Allocator {
 public:
  static PoolAllocator& instance() {
    static PoolAllocator& one = *new PoolAllocator;
    return one;
  }

  void open() {
    static const bool once [[maybe_unused]] = [this] {
      before_ = c10::GetCPUAllocator();
      c10::SetCPUAllocator(this, /*priority=*/255);  // the highest, so that it takes effect
      return true;
    }();
    const bool was_open = is_open_.exchange(true);
    TORCH_INTERNAL_ASSERT(!was_open, "one pool at a time");
  }
  void close() { is_open_ = false; }

  c10::DataPtr allocate(size_t n) override {
    if (n >= kLeast && is_open_)
      if (void* const block = Range::instance().take(n))
        return {block, block, &release, c10::Device(c10::DeviceType::CPU)};
    return before_->allocate(n);
  }
  // oneDNN's buffers are freed by this, not by what came with them.
  c10::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* to, const void* from, size_t n) const override { std::memcpy(to, from, n); }

 private:
  static void release(void* block) {
    if (!Range::instance().give(block)) instance().before_->raw_deallocate(block);
  }

  c10::Allocator* before_ = nullptr;
  std::atomic<bool> is_open_ = false;
};

// Limits count the pool's addresses, or what is free in it, as if they were in use.
bool is_memory_limited() {
  for (const auto what : {RLIMIT_DATA, RLIMIT_AS})
    if (rlimit limit{}; getrlimit(what, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY) return true;
  return false;
}

}  // namespace

BlockPool::BlockPool() : is_in_use_(!is_memory_limited()) {
  if (!is_in_use_) return;
  heap_.emplace();
  PoolAllocator::instance().open();
}

BlockPool::~BlockPool() {
  if (!is_in_use_) return;
  PoolAllocator::instance().close();
  Range::instance().give_back_pages();
}

bool BlockPool::has(const void* block) { return Range::instance().has(block); }

}  // namespace circuitdiff
