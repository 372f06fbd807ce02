// Queues, counters, barriers, groups and cached subtrees against real members,
// with processes that are killed and paused and networks that fail.
#include <atomic>
#include <future>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "coordinator/client/recipes/barrier.h"
#include "coordinator/client/recipes/cached_subtree.h"
#include "coordinator/client/recipes/counter.h"
#include "coordinator/client/recipes/double_barrier.h"
#include "coordinator/client/recipes/membership.h"
#include "coordinator/client/recipes/queue.h"
#include "gmock/gmock.h"
#include "test/coordinator/client/recipes/recipe_fixture.h"

namespace sillok::coord {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

// --- counter ---

class CounterTest : public RecipeTest {};

TEST_F(CounterTest, CountsAndRefusesWhatItCannot) {
  Counter counter(observer_.get(), root_, 10);
  EXPECT_EQ(*counter.Get(), 10);
  EXPECT_EQ(*counter.Add(5), 15);
  EXPECT_EQ(*counter.Add(-20), -5);
  EXPECT_FALSE(*counter.CompareAndSet(15, 1));
  EXPECT_TRUE(*counter.CompareAndSet(-5, INT64_MAX));
  EXPECT_TRUE(absl::IsOutOfRange(counter.Add(1).status()));
  EXPECT_EQ(*counter.Get(), INT64_MAX);
  ASSERT_EQ(observer_->SetData(root_, "no number").code, v1::OK);
  EXPECT_TRUE(absl::IsDataLoss(counter.Get().status()));
}

TEST_F(CounterTest, EveryAddCountsOnceWhileConnectionsBreak) {
  constexpr int kWorkers = 3;
  constexpr int kAdds = 60;
  Network network(*ensemble_);
  std::atomic<int> done{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < kWorkers; ++i) {
    workers.emplace_back([&] {
      auto session = Connect(network.servers());
      Counter counter(session.get(), root_);
      for (int n = 0; n < kAdds; ++n, ++done) {
        absl::StatusOr<int64_t> sum = counter.Add(1);
        EXPECT_TRUE(sum.ok()) << sum.status();
      }
    });
  }
  // Again and again the answers of what is under way are lost.
  std::mt19937 random(5);
  while (done < kWorkers * kAdds) {
    network.HoldAnswers();
    int before = done;
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 20));
    network.BreakConnections();
    network.Heal();
    Eventually([&] { return done > before || done == kWorkers * kAdds; });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_EQ(*Counter(observer_.get(), root_).Get(), kWorkers * kAdds);
}

TEST_F(CounterTest, SurvivesTheKillOfTheEnsemblesLeaderAndOfAWorker) {
  auto worker = StartProcess();
  EXPECT_EQ(worker->Ask("add " + root_ + " 7"), "7");
  worker->Kill();
  auto session = Connect();
  Counter counter(session.get(), root_);
  int leader = ensemble_->WaitForLeader();
  ensemble_->Kill(leader);
  for (int i = 0; i < 10; ++i) {
    absl::StatusOr<int64_t> sum = counter.Add(1);
    EXPECT_TRUE(sum.ok()) << sum.status();
  }
  ensemble_->Start(leader);
  ensemble_->WaitForLeader();
  EXPECT_EQ(*Counter(session.get(), root_).Get(), 17);
}

// --- queue ---

class QueueTest : public RecipeTest {};

TEST_F(QueueTest, HandsOutInTheOrderOfThePuts) {
  DistributedQueue queue(observer_.get(), root_);
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      queue.Take(absl::Milliseconds(20)).status()));
  for (const char* item : {"a", "b", "c"}) ASSERT_TRUE(queue.Put(item).ok());
  EXPECT_EQ(*queue.Size(), 3u);
  for (const char* item : {"a", "b", "c"}) {
    EXPECT_EQ(*queue.Take(absl::ZeroDuration()), item);
  }
  // One who waits gets what comes.
  auto session = Connect();
  auto waiting = std::async(std::launch::async, [&] {
    return DistributedQueue(session.get(), root_).Take(absl::Seconds(30));
  });
  ASSERT_TRUE(queue.Put("late").ok());
  EXPECT_EQ(*waiting.get(), "late");
}

TEST_F(QueueTest, NothingIsLostOrDoubledWhileConnectionsBreak) {
  constexpr int kItems = 60;
  Network network(*ensemble_);
  std::mutex mutex;
  std::multiset<std::string> taken;
  std::atomic<bool> stop{false};
  auto count = [&] {
    std::lock_guard lock(mutex);
    return taken.size();
  };
  std::thread producer([&] {
    auto session = Connect(network.servers());
    DistributedQueue queue(session.get(), root_);
    for (int i = 0; i < kItems; ++i) {
      EXPECT_TRUE(queue.Put(std::to_string(i)).ok());
    }
  });
  std::vector<std::thread> consumers;
  for (int i = 0; i < 2; ++i) {
    consumers.emplace_back([&] {
      auto session = Connect(network.servers());
      DistributedQueue queue(session.get(), root_);
      while (count() < kItems && !stop) {
        absl::StatusOr<std::string> item = queue.Take(absl::Milliseconds(500));
        if (!item.ok()) {
          EXPECT_TRUE(absl::IsDeadlineExceeded(item.status()) ||
                      absl::IsUnavailable(item.status()))
              << item.status();
          continue;
        }
        std::lock_guard lock(mutex);
        taken.insert(*item);
      }
    });
  }
  std::mt19937 random(6);
  while (count() < kItems) {
    network.HoldAnswers();
    size_t before = count();
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 20));
    network.BreakConnections();
    network.Heal();
    if (!Eventually([&] { return count() > before; })) break;
  }
  stop = true;
  producer.join();
  for (std::thread& consumer : consumers) consumer.join();
  for (int i = 0; i < kItems; ++i) {
    EXPECT_EQ(taken.count(std::to_string(i)), 1u) << i;
  }
  EXPECT_EQ(*DistributedQueue(observer_.get(), root_).Size(), 0u);
}

TEST_F(QueueTest, WhatAKilledClaimerHeldGoesToAnotherOne) {
  DistributedQueue queue(observer_.get(), root_);
  ASSERT_TRUE(queue.Put("job").ok());
  auto first = StartProcess();
  EXPECT_EQ(first->Ask("claim " + root_ + " 1000"), "claimed job");
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      queue.Take(absl::Milliseconds(20)).status()))
      << "claimed is not there to be taken";
  first->Kill();
  auto second = StartProcess();
  EXPECT_EQ(second->Ask("claim " + root_ + " 30000"), "claimed job");
  EXPECT_EQ(second->Ask("finish"), "finished");
  EXPECT_EQ(*queue.Size(), 0u);
}

TEST_F(QueueTest, APausedClaimerCannotFinishWhatAnotherOneHas) {
  DistributedQueue queue(observer_.get(), root_);
  ASSERT_TRUE(queue.Put("job").ok());
  auto first = StartProcess();
  EXPECT_EQ(first->Ask("claim " + root_ + " 1000"), "claimed job");
  first->Pause();
  auto claimed = queue.Claim(absl::Seconds(30));
  ASSERT_TRUE(claimed.ok()) << claimed.status();
  first->Send("finish");
  first->Resume();
  EXPECT_EQ(first->ReadLine(), "failed ABORTED");
  EXPECT_EQ(first->Ask("restart 30000"), "restarted");
  EXPECT_EQ(first->Ask("finish"), "failed ABORTED");
  EXPECT_EQ(*queue.Size(), 1u);
  // Put back it keeps its place.
  ASSERT_TRUE(queue.Put("later").ok());
  ASSERT_TRUE(queue.PutBack(*claimed).ok());
  EXPECT_EQ(*queue.Take(absl::Seconds(1)), "job");
}

// --- barriers ---

class BarrierTest : public RecipeTest {};

TEST_F(BarrierTest, StaysClosedWithoutItsMakerUntilItIsOpened) {
  auto maker = StartProcess();
  EXPECT_EQ(maker->Ask("close " + root_ + "/gate"), "closed");
  maker->Kill();
  Network network(*ensemble_);
  auto session = Connect(network.servers());
  Barrier gate(session.get(), root_ + "/gate");
  EXPECT_TRUE(gate.Close().ok()) << "closed is closed";
  EXPECT_TRUE(absl::IsDeadlineExceeded(gate.Await(absl::Milliseconds(20))));
  auto through = std::async(std::launch::async, [&] { return gate.Await(); });
  network.Cut();
  network.BreakConnections();
  EXPECT_TRUE(Barrier(observer_.get(), root_ + "/gate").Open().ok());
  network.Heal();
  EXPECT_TRUE(through.get().ok());
  EXPECT_TRUE(gate.Open().ok()) << "open is open";
  EXPECT_TRUE(gate.Await(absl::ZeroDuration()).ok());
}

TEST_F(BarrierTest, APausedWaiterStillGetsThrough) {
  Barrier gate(observer_.get(), root_);
  ASSERT_TRUE(gate.Close().ok());
  auto waiter = StartProcess(10'000);
  waiter->Send("await " + root_ + " 30000");
  waiter->Pause();
  ASSERT_TRUE(gate.Open().ok());
  waiter->Resume();
  EXPECT_EQ(waiter->ReadLine(), "through");
}

TEST_F(BarrierTest, AGroupEntersAndLeavesTogetherRoundAfterRound) {
  std::vector<std::unique_ptr<RecipeProcess>> group;
  for (int i = 0; i < 3; ++i) group.push_back(StartProcess());
  for (int round = 0; round < 3; ++round) {
    for (auto& one : group) one->Send("enter " + root_ + " 3 30000");
    for (auto& one : group) EXPECT_EQ(one->ReadLine(), "entered");
    EXPECT_EQ(group[0]->Ask("leave 50"), "failed DEADLINE_EXCEEDED");
    EXPECT_EQ(CountChildren(root_), 2u);
    for (size_t i : {1, 2}) group[i]->Send("leave 30000");
    for (size_t i : {1, 2}) EXPECT_EQ(group[i]->ReadLine(), "left");
  }
}

TEST_F(BarrierTest, OneSlowToLeaveIsNotHeldByTheNextRound) {
  auto slow = StartProcess(10'000);
  auto other = StartProcess(10'000);
  slow->Send("enter " + root_ + " 2 30000");
  EXPECT_EQ(other->Ask("enter " + root_ + " 2 30000"), "entered");
  EXPECT_EQ(slow->ReadLine(), "entered");
  slow->Send("leave 30000");
  ASSERT_TRUE(Eventually([&] { return CountChildren(root_) == 1; }));
  slow->Pause();
  EXPECT_EQ(other->Ask("leave 30000"), "left");
  // The next round has begun when it looks around again.
  other->Send("enter " + root_ + " 2 30000");
  ASSERT_TRUE(Eventually([&] { return CountChildren(root_) == 1; }));
  slow->Resume();
  EXPECT_EQ(slow->ReadLine(), "left");
  EXPECT_EQ(slow->Ask("enter " + root_ + " 2 30000"), "entered");
  EXPECT_EQ(other->ReadLine(), "entered");
}

TEST_F(BarrierTest, TooFewDoNotEnterAndOneTooLateIsReplaced) {
  auto dies = StartProcess();
  dies->Send("enter " + root_ + " 2 30000");
  ASSERT_TRUE(Eventually([&] { return CountChildren(root_) == 1; }));
  dies->Kill();
  ASSERT_TRUE(Eventually([&] { return CountChildren(root_) == 0; }));
  auto one = StartProcess();
  EXPECT_EQ(one->Ask("enter " + root_ + " 2 50"), "failed DEADLINE_EXCEEDED");
  EXPECT_EQ(CountChildren(root_), 0u);
  auto two = StartProcess();
  one->Send("enter " + root_ + " 2 30000");
  two->Send("enter " + root_ + " 2 30000");
  EXPECT_EQ(one->ReadLine(), "entered");
  EXPECT_EQ(two->ReadLine(), "entered");
  // One that dies inside does not keep the other one there.
  one->Kill();
  EXPECT_EQ(two->Ask("leave 30000"), "left");
}

TEST_F(BarrierTest, OneCutOffWhenTheLastCameStillEnters) {
  Network network(*ensemble_);
  auto session = Connect(network.servers());
  DoubleBarrier barrier(session.get(), root_, 2);
  auto entered =
      std::async(std::launch::async, [&] { return barrier.Enter(); });
  ASSERT_TRUE(Eventually([&] { return CountChildren(root_) == 1; }));
  network.Cut();
  auto other = StartProcess();
  EXPECT_EQ(other->Ask("enter " + root_ + " 2 30000"), "entered");
  EXPECT_EQ(other->Ask("leave 50"), "failed DEADLINE_EXCEEDED");
  network.BreakConnections();
  network.Heal();
  EXPECT_TRUE(entered.get().ok());
  EXPECT_TRUE(barrier.Leave(absl::Seconds(30)).ok());
}

// --- groups ---

class MembershipTest : public RecipeTest {};

TEST_F(MembershipTest, MembersThatAreKilledOrPausedLeaveTheList) {
  std::mutex mutex;
  std::vector<Members> told;
  GroupMembership group(observer_.get(), root_, [&](const Members& members) {
    std::lock_guard lock(mutex);
    told.push_back(members);
  });
  ASSERT_TRUE(group.AwaitSync(absl::Seconds(30)).ok());
  EXPECT_THAT(group.List(), IsEmpty());
  auto one = StartProcess();
  auto two = StartProcess();
  EXPECT_EQ(one->Ask("join " + root_ + " one host:1 30000"), "joined");
  EXPECT_EQ(two->Ask("join " + root_ + " two host:2 30000"), "joined");
  ASSERT_TRUE(Eventually([&] { return group.List().size() == 2; }));
  EXPECT_THAT(group.List(), ElementsAre(Pair("one", "host:1"),
                                        Pair("two", "host:2")));
  one->Kill();
  two->Pause();
  ASSERT_TRUE(Eventually([&] { return group.List().empty(); }));
  two->Resume();
  EXPECT_EQ(two->Ask("restart 30000"), "restarted");
  ASSERT_TRUE(Eventually([&] { return group.List().size() == 1; }));
  std::lock_guard lock(mutex);
  EXPECT_THAT(told.front(), IsEmpty());
  EXPECT_THAT(told.back(), ElementsAre(Pair("two", "host:2")));
}

TEST_F(MembershipTest, ANameIsTakenUntilItsSessionHasExpired) {
  auto old = StartProcess();
  EXPECT_EQ(old->Ask("join " + root_ + " me old 30000"), "joined");
  GroupMembership group(observer_.get(), root_);
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      group.Join("me", "new", absl::Milliseconds(50))));
  EXPECT_FALSE(group.joined());
  old->Kill();
  // It goes on trying.
  EXPECT_TRUE(Eventually([&] { return group.joined(); }));
  EXPECT_TRUE(group.Leave().ok());
  EXPECT_EQ(CountChildren(root_), 0u);
}

TEST_F(MembershipTest, ALostConnectionDoesNotEndTheMembership) {
  Network network(*ensemble_);
  auto session = Connect(network.servers());
  GroupMembership group(session.get(), root_);
  ASSERT_EQ(observer_->Create(root_, "").code, v1::OK);
  network.HoldAnswers();
  auto joined = std::async(std::launch::async, [&] {
    return group.Join("me", "", absl::Seconds(30));
  });
  ASSERT_TRUE(Eventually([&] { return CountChildren(root_) == 1; }));
  network.BreakConnections();
  network.Heal();
  EXPECT_TRUE(joined.get().ok());
  EXPECT_EQ(CountChildren(root_), 1u);
  network.BreakConnections();
  EXPECT_TRUE(Eventually([&] { return group.in_sync(); }));
  EXPECT_EQ(group.List().count("me"), 1u);
}

// --- cached subtree ---

class CachedSubtreeTest : public RecipeTest {
 protected:
  // What there is, read from the ensemble.
  void ReadAll(const std::string& path,
               std::map<std::string, std::string>* all) {
    GetResult got = observer_->Get(path);
    if (got.code != v1::OK) return;
    (*all)[path] = got.data;
    for (const std::string& child : observer_->GetChildren(path).children) {
      ReadAll(path + "/" + child, all);
    }
  }
  std::map<std::string, std::string> ReadAll() {
    std::map<std::string, std::string> all;
    ReadAll(root_, &all);
    return all;
  }
  static std::map<std::string, std::string> DataOf(const CachedNodes& nodes) {
    std::map<std::string, std::string> all;
    for (const auto& [path, node] : nodes) all[path] = node->data;
    return all;
  }
  // A random write somewhere below the root, which may fail.
  void WriteSomewhere(std::mt19937& random) {
    std::string path = root_;
    int depth = static_cast<int>(random() % 3);
    for (int i = 0; i < depth; ++i) path += "/" + std::to_string(random() % 3);
    switch (random() % 4) {
      case 0:
        observer_->SetData(path, std::to_string(random() % 100));
        return;
      case 1:
        if (path != root_) observer_->Delete(path);
        return;
      default:
        observer_->Create(path, std::to_string(random() % 100));
    }
  }
};

TEST_F(CachedSubtreeTest, FollowsWhatHappensBelowItsRoot) {
  std::mutex mutex;
  std::vector<std::string> told;
  auto session = Connect();
  CachedSubtree cache(session.get(), root_, [&](const SubtreeChange& change) {
    static const char* const kKinds[] = {"+", "~", "-", "sync", "no sync"};
    std::lock_guard lock(mutex);
    told.push_back(kKinds[static_cast<int>(change.kind)] + change.path);
  });
  ASSERT_TRUE(cache.AwaitSync(absl::Seconds(30)).ok());
  EXPECT_EQ(cache.Get(root_), nullptr);
  for (const char* path : {"", "/b", "/a", "/a/x"}) {
    ASSERT_EQ(observer_->Create(root_ + path, "1").code, v1::OK);
  }
  ASSERT_EQ(observer_->SetData(root_ + "/a", "2").code, v1::OK);
  ASSERT_EQ(observer_->Delete(root_ + "/b"), v1::OK);
  ASSERT_TRUE(Eventually([&] {
    return cache.Get(root_ + "/b") == nullptr &&
           cache.Get(root_ + "/a") != nullptr &&
           cache.Get(root_ + "/a")->data == "2";
  }));
  EXPECT_THAT(cache.Children(root_), ElementsAre("a"));
  EXPECT_THAT(cache.Children(root_ + "/a"), ElementsAre("x"));
  EXPECT_EQ(cache.Snapshot().size(), 3u);
  std::lock_guard lock(mutex);
  EXPECT_EQ(told.front(), "sync");
  EXPECT_THAT(told, ::testing::Contains("+" + root_ + "/a/x"));
  EXPECT_THAT(told, ::testing::Contains("-" + root_ + "/b"));
}

TEST_F(CachedSubtreeTest, MissesNothingThatHappensWhileItIsCutOff) {
  ASSERT_EQ(observer_->Create(root_, "").code, v1::OK);
  Network network(*ensemble_);
  auto session = Connect(network.servers());
  // What the listener was told makes the same tree.
  std::mutex mutex;
  std::map<std::string, std::string> told;
  CachedSubtree cache(session.get(), root_, [&](const SubtreeChange& change) {
    std::lock_guard lock(mutex);
    if (change.node != nullptr) told[change.path] = change.node->data;
    if (change.kind == SubtreeChange::Kind::kRemoved) told.erase(change.path);
  });
  ASSERT_TRUE(cache.AwaitSync(absl::Seconds(30)).ok());
  std::mt19937 random(7);
  for (int round = 0; round < 6; ++round) {
    for (int i = 0; i < 20; ++i) WriteSomewhere(random);
    network.Cut();
    for (int i = 0; i < 20; ++i) WriteSomewhere(random);
    network.BreakConnections();
    network.Heal();
    for (int i = 0; i < 20; ++i) WriteSomewhere(random);
    auto all = ReadAll();
    ASSERT_TRUE(Eventually([&] {
      return cache.in_sync() && DataOf(cache.Snapshot()) == all;
    })) << "round " << round;
    std::lock_guard lock(mutex);
    EXPECT_EQ(told, all) << "round " << round;
  }
}

TEST_F(CachedSubtreeTest, FollowsThroughTheKillOfALeaderAndTheEndOfItsSession) {
  ASSERT_EQ(observer_->Create(root_, "1").code, v1::OK);
  Network network(*ensemble_);
  auto session = Connect(network.servers(), kShort);
  CachedSubtree cache(session.get(), root_);
  ASSERT_TRUE(cache.AwaitSync(absl::Seconds(30)).ok());
  int leader = ensemble_->WaitForLeader();
  ensemble_->Kill(leader);
  ensemble_->WaitForLeader();
  ensemble_->Start(leader);
  ensemble_->WaitForLeader();
  ASSERT_TRUE(Eventually(
      [&] { return observer_->SetData(root_, "2").code == v1::OK; }));
  EXPECT_TRUE(Eventually(
      [&] { return cache.in_sync() && cache.Get(root_)->data == "2"; }));
  uint64_t before = session->session().session_id();
  ASSERT_EQ(session->Create(root_ + "-mine", "", v1::EPHEMERAL).code, v1::OK);
  network.Cut();
  ASSERT_TRUE(Eventually([&] {
    return observer_->Exists(root_ + "-mine").code == v1::NO_NODE;
  }));
  EXPECT_FALSE(session->Trusted());
  EXPECT_FALSE(cache.in_sync());
  ASSERT_EQ(observer_->SetData(root_, "3").code, v1::OK);
  network.Heal();
  ASSERT_TRUE(Eventually(
      [&] { return session->state() == SessionState::kExpired; }));
  EXPECT_TRUE(session->Restart(30'000));
  EXPECT_NE(session->session().session_id(), before);
  EXPECT_TRUE(Eventually(
      [&] { return cache.in_sync() && cache.Get(root_)->data == "3"; }));
}

TEST_F(CachedSubtreeTest, TwoOnOnePathDoNotDisturbEachOther) {
  auto session = Connect();
  auto first = std::make_unique<CachedSubtree>(session.get(), root_);
  CachedSubtree second(session.get(), root_);
  ASSERT_TRUE(first->AwaitSync(absl::Seconds(30)).ok());
  ASSERT_TRUE(second.AwaitSync(absl::Seconds(30)).ok());
  first = nullptr;
  ASSERT_EQ(observer_->Create(root_, "x").code, v1::OK);
  EXPECT_TRUE(Eventually([&] { return second.Get(root_) != nullptr; }));
}

}  // namespace
}  // namespace sillok::coord
