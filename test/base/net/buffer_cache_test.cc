#include "base/net/buffer_cache.h"

#include <cstring>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace sillok::net {
namespace {

TEST(BufferCacheTest, WhatWasGivenBackIsTakenAgain) {
  BufferCache cache;
  char* memory = cache.Allocate(100'000);
  cache.Free(memory, 100'000);
  EXPECT_EQ(cache.Allocate(100'000), memory);
  cache.Free(memory, 100'000);
  // And for one a little smaller.
  EXPECT_EQ(cache.Allocate(99'000), memory);
  cache.Free(memory, 99'000);
}

TEST(BufferCacheTest, BuffersInUseAreDifferentOnesAndHoldAllTheirBytes) {
  auto cache = std::make_shared<BufferCache>();
  for (int round = 0; round < 2; ++round) {
    std::set<char*> seen;
    std::vector<std::shared_ptr<char>> held;
    for (size_t bytes : {1, 1'023, 1'024, 1'025, 5'000, 5'000, 524'287,
                         524'288, 524'289, 3'000'000}) {
      held.push_back(TakeBuffer(cache, bytes));
      memset(held.back().get(), 'x', bytes);
      EXPECT_TRUE(seen.insert(held.back().get()).second) << bytes;
    }
  }
}

TEST(BufferCacheTest, BuffersMayOutliveTheCache) {
  std::shared_ptr<char> buffer =
      TakeBuffer(std::make_shared<BufferCache>(), 10'000);
  memset(buffer.get(), 'x', 10'000);
}

TEST(BufferCacheTest, ThreadsShareIt) {
  BufferCache cache;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      for (size_t i = 0; i < 20'000; ++i) {
        const size_t bytes = 1'024 + i % 7 * 4'000;
        char* buffer = cache.Allocate(bytes);
        memset(buffer, 'a' + t, bytes);
        ASSERT_EQ(buffer[bytes / 2], 'a' + t);
        cache.Free(buffer, bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace sillok::net
