#include "base/net/request_memory.h"

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace sillok::net {
namespace {

TEST(RequestMemoryTest, GivesUpToTheBound) {
  auto memory = std::make_shared<RequestMemory>(100);
  EXPECT_TRUE(memory->TryTake(60));
  EXPECT_TRUE(memory->TryTake(40));
  EXPECT_FALSE(memory->TryTake(1));
  memory->Release(40);
  EXPECT_TRUE(memory->TryTake(40));
  EXPECT_EQ(memory->used(), 100);
}

TEST(RequestMemoryTest, AnySizePassesWhenNothingIsTaken) {
  auto memory = std::make_shared<RequestMemory>(100);
  EXPECT_TRUE(memory->TryTake(1000));
  EXPECT_FALSE(memory->TryTake(1));
  memory->Release(1000);
  EXPECT_TRUE(memory->TryTake(1));
}

TEST(RequestMemoryTest, WithoutABoundItOnlyCounts) {
  auto memory = std::make_shared<RequestMemory>(0);
  EXPECT_TRUE(memory->TryTake(int64_t{1} << 40));
  EXPECT_TRUE(memory->TryTake(1));
  EXPECT_EQ(memory->used(), (int64_t{1} << 40) + 1);
}

TEST(RequestMemoryTest, NobodyOvertakesTheLine) {
  auto memory = std::make_shared<RequestMemory>(100);
  std::string order;
  ASSERT_TRUE(memory->TryTake(50));
  ASSERT_TRUE(memory->TryTake(50));
  memory->Wait(90, [&] { order += "large "; });
  memory->Wait(10, [&] { order += "small "; });
  memory->Release(50);
  EXPECT_FALSE(memory->TryTake(1)) << "there is room, but others wait";
  EXPECT_EQ(order, "");
  memory->Release(50);
  EXPECT_EQ(order, "large small ");
  EXPECT_EQ(memory->used(), 100);
}

TEST(RequestMemoryTest, WhoeverLeavesTheLineLetsOthersPass) {
  auto memory = std::make_shared<RequestMemory>(100);
  bool granted = false;
  ASSERT_TRUE(memory->TryTake(50));
  auto large = memory->Wait(90, [] { FAIL(); });
  memory->Wait(10, [&] { granted = true; });
  EXPECT_TRUE(memory->Cancel(large));
  EXPECT_TRUE(granted);
  EXPECT_FALSE(memory->Cancel(large));
}

TEST(RequestMemoryTest, WaitGrantsAtOnceWhatHasBecomeFree) {
  auto memory = std::make_shared<RequestMemory>(100);
  bool granted = false;
  memory->Wait(10, [&] { granted = true; });
  EXPECT_TRUE(granted);
}

TEST(RequestMemoryTest, TheLastReferenceOfABufferGivesItBack) {
  auto memory = std::make_shared<RequestMemory>(100);
  ASSERT_TRUE(memory->TryTake(70));
  auto buffer = memory->MakeBuffer(70);
  auto copy = buffer;
  buffer.reset();
  EXPECT_EQ(memory->used(), 70);
  copy.reset();
  EXPECT_EQ(memory->used(), 0);
}

TEST(RequestMemoryTest, ManyThreadsNeverPassTheBoundAndNeverStandStill) {
  constexpr int64_t kBound = 1000;
  auto memory = std::make_shared<RequestMemory>(kBound);
  std::atomic<bool> beyond{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mutex mutex;
      std::condition_variable woken;
      for (int i = 0; i < 3000; ++i) {
        int64_t bytes = 1 + (i * 37 + t * 211) % 900;
        if (!memory->TryTake(bytes)) {
          bool granted = false;
          memory->Wait(bytes, [&] {
            std::lock_guard lock(mutex);
            granted = true;
            woken.notify_one();
          });
          std::unique_lock lock(mutex);
          woken.wait(lock, [&] { return granted; });
        }
        if (memory->used() > kBound) beyond = true;
        memory->Release(bytes);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_FALSE(beyond);
  EXPECT_EQ(memory->used(), 0);
}

}  // namespace
}  // namespace sillok::net
