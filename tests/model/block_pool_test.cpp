// Tensors of a pool: what lies where, what is used again, and what outlives it.
#include "model/block_pool.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/random.h"

namespace circuitdiff {
namespace {

using at::Tensor;

constexpr int64_t kMiB = int64_t{1} << 20;
constexpr uintptr_t kPage = 4096;

Tensor bytes(int64_t n) { return at::empty({n}, at::kByte); }
uintptr_t place(const Tensor& t) { return reinterpret_cast<uintptr_t>(t.const_data_ptr()); }

int64_t resident_mib() {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;)
    if (word == "RssAnon:" && file >> word) return std::stoll(word) / 1024;
  return 0;
}

// Under a limit on the process's memory there is no pool to test.
class BlockPools : public testing::Test {
 protected:
  void SetUp() override {
    const BlockPool pool;
    if (!BlockPool::has(bytes(2 * kMiB).const_data_ptr())) GTEST_SKIP() << "this process's memory is limited";
  }
};

TEST(BlockPool, IsNotUnderALimit) {
  for (const auto what : {RLIMIT_DATA, RLIMIT_AS}) {
    rlimit before{};
    ASSERT_EQ(getrlimit(what, &before), 0);
    const rlimit limit{std::min(rlim_t{1} << 46, before.rlim_cur), before.rlim_max};
    ASSERT_EQ(setrlimit(what, &limit), 0);
    bool is_pooled = true;
    {
      const BlockPool pool;
      is_pooled = BlockPool::has(bytes(2 * kMiB).const_data_ptr());
    }
    ASSERT_EQ(setrlimit(what, &before), 0);
    EXPECT_FALSE(is_pooled);
  }
}

// Blocks of any sizes come and go in any order: none lies in another, and each keeps what was written.
TEST_F(BlockPools, BlocksAreApart) {
  const BlockPool pool;
  Philox random(3);
  std::vector<Tensor> held;
  for (int step = 0; step < 400; ++step) {
    if (held.size() > 12 || (!held.empty() && random.below(3) == 0)) {
      const size_t gone = random.below(held.size());
      const auto value = held[gone][0].item<uint8_t>();
      EXPECT_TRUE(held[gone].eq(value).all().item<bool>());
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(gone));
    } else {
      const auto n = static_cast<int64_t>(1 + random.below(3 * kMiB));
      held.push_back(bytes(n).fill_(static_cast<int64_t>(step % 251)));
      EXPECT_EQ(place(held.back()) % 64, 0U);
    }
  }
  for (const Tensor& t : held) EXPECT_TRUE(t.eq(t[0]).all().item<bool>());
}

// What two neighbours left is one place, whichever went first; a larger block takes it, and memory does not
// grow.
TEST_F(BlockPools, WhatIsFreedIsUsedAgain) {
  const BlockPool pool;
  bytes(64 * kMiB).fill_(1);
  const int64_t before = resident_mib();
  for (int round = 0; round < 6; ++round) {
    Tensor a = bytes(20 * kMiB).fill_(1), b = bytes(30 * kMiB).fill_(2);
    if (place(b) < place(a)) std::swap(a, b);
    const uintptr_t low = place(a);
    (round % 2 == 0 ? a : b) = Tensor();
    a = b = Tensor();
    const Tensor whole = bytes(49 * kMiB).fill_(3);
    EXPECT_LT(place(whole), low + kPage);
    EXPECT_GT(place(whole) + kPage, low);
  }
  EXPECT_LE(resident_mib(), before + 4);
}

// Or they would meet in the same sets of the caches.
TEST_F(BlockPools, BlocksBeginAnywhereInAPage) {
  const BlockPool pool;
  std::vector<Tensor> held;
  std::set<uintptr_t> offsets;
  for (int i = 0; i < 16; ++i) {
    held.push_back(bytes(2 * kMiB));
    offsets.insert(place(held.back()) % kPage);
    EXPECT_TRUE(BlockPool::has(held.back().const_data_ptr()));
  }
  EXPECT_EQ(offsets.size(), 16U);
  EXPECT_FALSE(BlockPool::has(bytes(kMiB / 2).const_data_ptr()));
}

TEST_F(BlockPools, PagesGoBackAndTensorsStay) {
  Tensor kept;
  int64_t within = 0;
  {
    const BlockPool pool;
    kept = at::full({5 * kMiB}, 7, at::kByte);
    bytes(200 * kMiB).fill_(1);
    within = resident_mib();
  }
  EXPECT_LT(resident_mib(), within - 150);
  EXPECT_TRUE(kept.eq(7).all().item<bool>());
  const uintptr_t old = place(kept);
  kept = Tensor();  // freed behind the pool
  const BlockPool again;
  // One place with all others, which the largest block there ever was takes.
  const Tensor next = bytes(204 * kMiB).fill_(1);
  EXPECT_LT(place(next), old + 210 * kMiB);
  EXPECT_GT(place(next) + 204 * kMiB, old);
}

// oneDNN frees what it took by the allocator, not by what came with it; from before the pool, too.
TEST_F(BlockPools, RawBlocksOfAnyTimeAreFreed) {
  const auto take = [](int64_t n) { return c10::GetCPUAllocator()->raw_allocate(static_cast<size_t>(n)); };
  void *small = nullptr, *large = nullptr;
  void* const early = take(3 * kMiB);
  {
    const BlockPool pool;
    small = take(100), large = take(3 * kMiB);
    c10::GetCPUAllocator()->raw_deallocate(early);
  }
  c10::GetCPUAllocator()->raw_deallocate(small);
  c10::GetCPUAllocator()->raw_deallocate(large);
}

TEST_F(BlockPools, ThreadsShareIt) {
  const BlockPool pool;
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (int64_t t = 0; t < 4; ++t)
    threads.emplace_back([t, &wrong] {
      for (int i = 0; i < 5000; ++i) bytes((1 + (i + t) % 3) * kMiB);
      for (int i = 0; i < 60; ++i) {
        const Tensor mine = bytes((1 + i % 3) * kMiB).fill_(t + 1);
        if (!mine.eq(t + 1).all().item<bool>()) ++wrong[static_cast<size_t>(t)];
      }
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

}  // namespace
}  // namespace circuitdiff
