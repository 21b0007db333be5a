// Pages of the cache: who has them, what is shared, what is given away first.
#include "generate/kv_pages.h"

#include <gtest/gtest.h>

#include <numeric>

namespace circuitdiff {
namespace {

std::vector<int64_t> counting(int64_t n, int64_t first = 0) {
  std::vector<int64_t> out(static_cast<size_t>(n));
  std::iota(out.begin(), out.end(), first);
  return out;
}

TEST(KvPages, APageHoldsSixteenPositions) {
  EXPECT_EQ(KvPages::needed(0), 0);
  EXPECT_EQ(KvPages::needed(16), 1);
  EXPECT_EQ(KvPages::needed(17), 2);
}

TEST(KvPages, EqualBeginningsShareFullPagesOnly) {
  KvPages cache(10);
  const auto tokens = counting(40);
  std::vector<int32_t> first, second, other;
  EXPECT_EQ(cache.share(tokens, first), 0);
  ASSERT_TRUE(cache.extend(first, 40));
  cache.publish(tokens, 40, first);
  EXPECT_EQ(cache.share(tokens, second), 32);
  EXPECT_EQ(second, (std::vector<int32_t>{first[0], first[1]}));
  auto differs = tokens;
  differs[20] = 99;
  EXPECT_EQ(cache.share(differs, other), 16);
  EXPECT_EQ(cache.available(), 7);
}

TEST(KvPages, TheLastTokenIsAlwaysComputed) {
  KvPages cache(10);
  const auto tokens = counting(32);
  std::vector<int32_t> first, second;
  ASSERT_TRUE(cache.extend(first, 32));
  cache.publish(tokens, 32, first);
  EXPECT_EQ(cache.share(tokens, second), 16);
}

TEST(KvPages, WhatIsPublishedHalfwayIsSharedHalfway) {
  KvPages cache(10);
  const auto tokens = counting(64);
  std::vector<int32_t> first, second;
  ASSERT_TRUE(cache.extend(first, 64));
  cache.publish(tokens, 30, first);
  EXPECT_EQ(cache.share(tokens, second), 16);
}

TEST(KvPages, IdlePagesAreGivenAwayOldestFirstAndFromTheEnd) {
  KvPages cache(4);
  const auto old_tokens = counting(32), new_tokens = counting(32, 100);
  std::vector<int32_t> pages;
  for (const auto& tokens : {old_tokens, new_tokens}) {
    ASSERT_TRUE(cache.extend(pages, 32));
    cache.publish(tokens, 32, pages);
    cache.release(pages);
  }
  EXPECT_EQ(cache.available(), 4);
  ASSERT_TRUE(cache.extend(pages, 16));  // takes the old sequence's second page
  std::vector<int32_t> found;
  auto longer = old_tokens;
  longer.push_back(1);
  EXPECT_EQ(cache.share(longer, found), 16);
  cache.release(found);
  longer = new_tokens;
  longer.push_back(1);
  EXPECT_EQ(cache.share(longer, found), 32);
  EXPECT_EQ(cache.available(), 1);
  std::vector<int32_t> more;
  EXPECT_FALSE(cache.extend(more, 32));
  EXPECT_EQ(more.size(), 1u);
}

}  // namespace
}  // namespace circuitdiff
