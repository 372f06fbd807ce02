#include "base/strand.h"

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include "base/timer.h"
#include "gtest/gtest.h"

namespace sillok {
namespace {

TEST(StrandTest, TasksOfOneStrandNeverOverlapAndKeepTheirOrder) {
  Executor executor("test", 4);
  Strand strand(&executor);
  constexpr int kThreads = 4, kTasks = 5000;
  std::vector<int> next(kThreads, 0);  // owned by the strand: no lock
  std::atomic<int> inside{0};
  std::atomic<int> done{0};
  std::promise<void> all;
  std::vector<std::thread> posters;
  for (int t = 0; t < kThreads; ++t) {
    posters.emplace_back([&, t] {
      for (int i = 0; i < kTasks; ++i) {
        auto task = [&, t, i] {
          EXPECT_EQ(inside.fetch_add(1), 0);
          EXPECT_TRUE(strand.RunningHere());
          EXPECT_EQ(next[t]++, i);
          inside.fetch_sub(1);
          if (done.fetch_add(1) + 1 == kThreads * kTasks) all.set_value();
        };
        if (i % 2 == 0) {
          strand.Post(task);
        } else {
          strand.Dispatch(task);
        }
      }
    });
  }
  for (std::thread& thread : posters) thread.join();
  all.get_future().wait();
  EXPECT_FALSE(strand.RunningHere());
}

TEST(StrandTest, DispatchOnAnIdleStrandRunsBeforeItReturns) {
  Executor executor("test", 1);
  Strand strand(&executor);
  auto here = std::this_thread::get_id();
  std::thread::id ran;
  strand.Dispatch([&] { ran = std::this_thread::get_id(); });
  EXPECT_EQ(ran, here);
}

TEST(StrandTest, DispatchFromInsideATaskWaitsForThatTask) {
  Executor executor("test", 1);
  Strand strand(&executor);
  std::vector<int> order;
  strand.Dispatch([&] {
    strand.Dispatch([&] { order.push_back(2); });
    order.push_back(1);
  });
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(StrandTest, ATaskMayDropTheLastOwnerOfItsStrand) {
  Executor executor("test", 1);
  struct Owner {
    explicit Owner(Executor* e) : strand(e) {}
    Strand strand;
  };
  auto owner = std::make_shared<Owner>(&executor);
  std::promise<void> done;
  Owner* raw = owner.get();
  raw->strand.Post([owner = std::move(owner), &done]() mutable {
    owner = nullptr;
    done.set_value();
  });
  done.get_future().wait();
}

TEST(ExecutorTest, RunsEverythingPostedBeforeItEnds) {
  std::atomic<int> ran{0};
  {
    Executor executor("test", 2);
    for (int i = 0; i < 1000; ++i) executor.Post([&] { ++ran; });
  }
  EXPECT_EQ(ran, 1000);
}

TEST(TimerTest, FiresInOrderOfDueTime) {
  Timer timer;
  std::vector<int> order;
  std::promise<void> done;
  timer.After(30, [&] {
    order.push_back(2);
    done.set_value();
  });
  timer.After(1, [&] { order.push_back(1); });
  done.get_future().wait();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(TimerTest, ACancelledTimerNeverRuns) {
  Timer timer;
  std::atomic<bool> ran{false};
  Timer::Id id = timer.After(20, [&] { ran = true; });
  EXPECT_TRUE(timer.Cancel(id));
  EXPECT_FALSE(timer.Cancel(id));
  std::promise<void> later;
  timer.After(40, [&] { later.set_value(); });
  later.get_future().wait();
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace sillok
