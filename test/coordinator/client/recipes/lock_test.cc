// Locks and elections against real members, with holders that are killed,
// paused and cut off.
#include "coordinator/client/recipes/lock.h"

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include "coordinator/client/recipes/leader_election.h"
#include "coordinator/client/recipes/read_write_lock.h"
#include "gmock/gmock.h"
#include "test/coordinator/client/recipes/recipe_fixture.h"

namespace sillok::coord {
namespace {

class LockTest : public RecipeTest {};

TEST_F(LockTest, AKilledHolderIsFollowedByTheNextInLineWithALargerToken) {
  auto holder = StartProcess();
  holder->Send("lock " + root_);
  std::string first = holder->Ask("acquire 30000");
  ASSERT_GT(TokenOf(first), 0u) << first;
  auto next = StartProcess();
  next->Send("lock " + root_);
  EXPECT_EQ(next->Ask("acquire 0"), "failed DEADLINE_EXCEEDED");
  next->Send("acquire 30000");
  ASSERT_TRUE(Eventually([&] { return CountChildren(root_) == 2; }));
  EXPECT_EQ(holder->Ask("held"), "held");
  holder->Kill();
  EXPECT_GT(TokenOf(next->ReadLine()), TokenOf(first));
  EXPECT_EQ(CountChildren(root_), 1u);
  EXPECT_EQ(next->Ask("release"), "released");
  EXPECT_EQ(CountChildren(root_), 0u);
}

TEST_F(LockTest, AHolderPausedPastItsSessionKnowsThatItHoldsNoMore) {
  auto holder = StartProcess();
  holder->Send("lock " + root_);
  std::string first = holder->Ask("acquire 30000");
  ASSERT_GT(TokenOf(first), 0u) << first;
  holder->Pause();
  auto next = StartProcess();
  next->Send("lock " + root_);
  std::string second = next->Ask("acquire 30000");
  EXPECT_GT(TokenOf(second), TokenOf(first));
  // Asked while it is still paused: the first thing it does when it goes on.
  holder->Send("held");
  holder->Resume();
  EXPECT_EQ(holder->ReadLine(), "not held");
  EXPECT_EQ(holder->Ask("await-loss 30000"), "lost");
  EXPECT_EQ(holder->Ask("release"), "released");
  EXPECT_EQ(next->Ask("held"), "held") << "not taken away by that release";
  EXPECT_EQ(holder->Ask("restart 30000"), "restarted");
  holder->Send("acquire 30000");
  EXPECT_EQ(next->Ask("release"), "released");
  EXPECT_GT(TokenOf(holder->ReadLine()), TokenOf(second));
}

TEST_F(LockTest, AHolderCutOffDoesNotHoldWhenTheNextOneDoes) {
  Network network(*ensemble_);
  auto cut_off = Connect(network.servers(), kShort);
  DistributedLock lock(cut_off.get(), root_);
  ASSERT_TRUE(lock.Acquire().ok());
  EXPECT_TRUE(lock.Held());
  network.Cut();
  auto next = StartProcess();
  next->Send("lock " + root_);
  std::string second = next->Ask("acquire 30000");
  EXPECT_FALSE(lock.Held());
  EXPECT_GT(TokenOf(second), lock.fencing_token());
  EXPECT_TRUE(lock.AwaitLoss(absl::Seconds(30)));
  network.Heal();
  EXPECT_TRUE(lock.Release().ok());
  EXPECT_EQ(next->Ask("held"), "held");
}

TEST_F(LockTest, AShortCutIsSurvivedWithTheLock) {
  Network network(*ensemble_);
  auto session = Connect(network.servers());
  DistributedLock lock(session.get(), root_);
  ASSERT_TRUE(lock.Acquire().ok());
  network.BreakConnections();
  EXPECT_FALSE(lock.AwaitLoss(absl::Milliseconds(300)));
  EXPECT_TRUE(lock.Held());
  EXPECT_EQ(CountChildren(root_), 1u);
}

TEST_F(LockTest, ACreateWhoseAnswerIsLostIsFoundAgainAndMadeOnce) {
  Network network(*ensemble_);
  auto session = Connect(network.servers());
  // Half of the rounds find the parents there.
  for (int round = 0; round < 4; ++round) {
    DistributedLock lock(session.get(), root_);
    network.HoldAnswers();
    auto acquired = std::async(std::launch::async, [&] {
      return lock.Acquire(absl::Seconds(20));
    });
    // The create of the line, or the znode in it, has happened unanswered.
    ASSERT_TRUE(Eventually([&] {
      return round == 0 ? observer_->Exists("/").code == v1::OK
                        : CountChildren(root_) == 1;
    }));
    network.BreakConnections();
    network.Heal();
    EXPECT_TRUE(acquired.get().ok());
    EXPECT_EQ(CountChildren(root_), 1u);
    EXPECT_TRUE(lock.Held());
    EXPECT_TRUE(lock.Release().ok());
    EXPECT_EQ(CountChildren(root_), 0u);
  }
}

TEST_F(LockTest, WhoGivesUpWithoutAnAnswerLeavesNothingInLine) {
  Network network(*ensemble_);
  auto session = Connect(network.servers(), kShort * 4);
  ASSERT_EQ(session->CreateParents(root_), v1::OK);
  DistributedLock lock(session.get(), root_);
  network.HoldAnswers();
  auto acquired =
      std::async(std::launch::async, [&] { return lock.Acquire(); });
  ASSERT_TRUE(Eventually([&] { return CountChildren(root_) == 1; }));
  lock.Cancel();
  network.Cut();
  network.BreakConnections();
  EXPECT_TRUE(absl::IsCancelled(acquired.get()));
  network.Heal();
  EXPECT_TRUE(Eventually([&] { return CountChildren(root_) == 0; }));
}

TEST_F(LockTest, ALockIsHandedOnInTheOrderOfArrival) {
  constexpr int kWaiters = 5;
  DistributedLock first(observer_.get(), root_);
  absl::Status acquired = first.Acquire();
  ASSERT_TRUE(acquired.ok()) << acquired;
  std::mutex mutex;
  std::vector<int> order;
  std::vector<uint64_t> tokens;
  std::vector<std::thread> threads;
  auto session = Connect();
  for (int i = 0; i < kWaiters; ++i) {
    threads.emplace_back([&, i] {
      DistributedLock lock(session.get(), root_);
      EXPECT_TRUE(lock.Acquire().ok());
      {
        std::lock_guard guard(mutex);
        order.push_back(i);
        tokens.push_back(lock.fencing_token());
      }
      EXPECT_TRUE(lock.Release().ok());
    });
    size_t in_line = static_cast<size_t>(i) + 2;
    ASSERT_TRUE(Eventually([&] { return CountChildren(root_) == in_line; }));
  }
  EXPECT_TRUE(first.Release().ok());
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(order, ::testing::ElementsAre(0, 1, 2, 3, 4));
  EXPECT_TRUE(std::is_sorted(tokens.begin(), tokens.end()));
  EXPECT_GT(tokens[0], first.fencing_token());
}

TEST_F(LockTest, WaitingEndsWithTheTimeAndWithCancel) {
  DistributedLock holder(observer_.get(), root_);
  ASSERT_TRUE(holder.Acquire().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(holder.Acquire()));
  DistributedLock lock(observer_.get(), root_);
  EXPECT_TRUE(absl::IsDeadlineExceeded(lock.Acquire(absl::Milliseconds(50))));
  EXPECT_EQ(CountChildren(root_), 1u);
  auto waiting =
      std::async(std::launch::async, [&] { return lock.Acquire(); });
  ASSERT_TRUE(Eventually([&] { return CountChildren(root_) == 2; }));
  lock.Cancel();
  EXPECT_TRUE(absl::IsCancelled(waiting.get()));
  EXPECT_EQ(CountChildren(root_), 1u);
  EXPECT_EQ(lock.fencing_token() > holder.fencing_token(), true);
  EXPECT_FALSE(lock.Held());
}

TEST_F(LockTest, AZnodeDeletedUnderTheHolderIsNoticed) {
  DistributedLock lock(observer_.get(), root_);
  ASSERT_TRUE(lock.Acquire().ok());
  auto other = Connect();
  auto lost = std::async(std::launch::async, [&] {
    return lock.AwaitLoss(absl::InfiniteDuration());
  });
  for (const std::string& name : other->GetChildren(root_).children) {
    EXPECT_EQ(other->Delete(root_ + "/" + name), v1::OK);
  }
  EXPECT_TRUE(lost.get());
  EXPECT_FALSE(lock.Held());
}

TEST_F(LockTest, OneHoldsAtATimeWhileLeadersOfTheEnsembleAreKilled) {
  constexpr int kWorkers = 4;
  std::atomic<int> inside{0};
  std::atomic<int> rounds{0};
  std::atomic<bool> stop{false};
  uint64_t last_token = 0;  // guarded by the lock under test
  std::vector<std::thread> workers;
  for (int i = 0; i < kWorkers; ++i) {
    workers.emplace_back([&] {
      auto session = Connect();
      DistributedLock lock(session.get(), root_);
      while (!stop) {
        absl::Status status = lock.Acquire(absl::Seconds(30));
        ASSERT_TRUE(status.ok()) << status;
        EXPECT_EQ(++inside, 1);
        EXPECT_GT(lock.fencing_token(), last_token);
        last_token = lock.fencing_token();
        ++rounds;
        --inside;
        lock.Release().IgnoreError();
      }
    });
  }
  for (int kill = 0; kill < 2; ++kill) {
    int before = rounds;
    ASSERT_TRUE(Eventually([&] { return rounds > before + 20; }));
    int leader = ensemble_->WaitForLeader();
    ensemble_->Kill(leader);
    before = rounds;
    EXPECT_TRUE(Eventually([&] { return rounds > before + 20; }));
    ensemble_->Start(leader);
    ensemble_->WaitForLeader();
  }
  stop = true;
  for (std::thread& worker : workers) worker.join();
  EXPECT_TRUE(Eventually([&] { return CountChildren(root_) == 0; }));
}

TEST_F(LockTest, ReadersShareAndAWriterIsAlone) {
  auto session = Connect();
  ReadWriteLock one(observer_.get(), root_);
  ReadWriteLock two(session.get(), root_);
  ASSERT_TRUE(one.read().Acquire().ok());
  EXPECT_TRUE(two.read().Acquire(absl::ZeroDuration()).ok());
  auto writer = StartProcess();
  writer->Send("write " + root_);
  writer->Send("acquire 30000");
  ASSERT_TRUE(Eventually([&] { return CountChildren(root_) == 3; }));
  ASSERT_TRUE(one.read().Release().ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      one.read().Acquire(absl::Milliseconds(50))))
      << "a reader behind a waiting writer";
  ASSERT_TRUE(two.read().Release().ok());
  EXPECT_GT(TokenOf(writer->ReadLine()), 0u);
  // A writer that dies lets all readers in.
  auto first = std::async(std::launch::async, [&] {
    return one.read().Acquire(absl::Seconds(30));
  });
  auto second = std::async(std::launch::async, [&] {
    return two.read().Acquire(absl::Seconds(30));
  });
  ASSERT_TRUE(Eventually([&] { return CountChildren(root_) == 3; }));
  writer->Kill();
  EXPECT_TRUE(first.get().ok());
  EXPECT_TRUE(second.get().ok());
}

TEST_F(LockTest, WithoutTheEnsembleAcquireEndsInTime) {
  Network network(*ensemble_);
  auto session = Connect(network.servers(), kShort);
  DistributedLock lock(session.get(), root_);
  network.Cut();
  absl::Status status = lock.Acquire(absl::Milliseconds(100));
  EXPECT_TRUE(absl::IsUnavailable(status) || absl::IsAborted(status))
      << status;
  network.Heal();
}

class ElectionTest : public RecipeTest {};

TEST_F(ElectionTest, AKilledLeaderIsFollowedInALaterTerm) {
  auto one = StartProcess();
  one->Send("elect " + root_ + " one");
  uint64_t first = TokenOf(one->ReadUntil("elected"));
  EXPECT_EQ(*LeaderElection::Leader(*observer_, root_), "one");
  auto two = StartProcess();
  two->Send("elect " + root_ + " two");
  ASSERT_TRUE(Eventually([&] { return CountChildren(root_) == 2; }));
  one->Kill();
  EXPECT_GT(TokenOf(two->ReadUntil("elected")), first);
  EXPECT_EQ(*LeaderElection::Leader(*observer_, root_), "two");
}

TEST_F(ElectionTest, APausedLeaderLearnsThatItsTermIsOverAndStandsAgain) {
  auto one = StartProcess();
  one->Send("elect " + root_ + " one");
  uint64_t first = TokenOf(one->ReadUntil("elected"));
  auto two = StartProcess();
  two->Send("elect " + root_ + " two");
  one->Pause();
  uint64_t second = TokenOf(two->ReadUntil("elected"));
  EXPECT_GT(second, first);
  one->Resume();
  EXPECT_EQ(one->ReadUntil("lost"), "lost");
  EXPECT_EQ(one->Ask("restart 30000"), "restarted");
  ASSERT_TRUE(Eventually([&] { return CountChildren(root_) == 2; }));
  two->Kill();
  EXPECT_GT(TokenOf(one->ReadUntil("elected")), second);
}

TEST_F(ElectionTest, ALeaderCutOffHasStoppedBeforeTheNextOneLeads) {
  Network network(*ensemble_);
  auto session = Connect(network.servers(), kShort);
  std::atomic<bool> leads{false};
  LeaderElection cut_off(session.get(), root_, "one",
                         {[&](uint64_t) { leads = true; },
                          [&] { leads = false; }, nullptr});
  ASSERT_TRUE(Eventually([&] { return leads.load(); }));
  EXPECT_TRUE(cut_off.IsLeader());
  auto two = StartProcess();
  two->Send("elect " + root_ + " two");
  ASSERT_TRUE(Eventually([&] { return CountChildren(root_) == 2; }));
  network.Cut();
  EXPECT_GT(TokenOf(two->ReadUntil("elected")), cut_off.epoch());
  EXPECT_FALSE(leads);
  EXPECT_FALSE(cut_off.IsLeader());
  network.Heal();
}

TEST_F(ElectionTest, WhoResignsIsFollowedAtOnce) {
  auto session = Connect();
  std::vector<std::string> told;
  {
    LeaderElection one(session.get(), root_, "one",
                       {[&](uint64_t) { told.push_back("elected"); },
                        [&] { told.push_back("lost"); }, nullptr});
    ASSERT_TRUE(Eventually([&] { return one.IsLeader(); }));
  }
  EXPECT_THAT(told, ::testing::ElementsAre("elected", "lost"));
  EXPECT_TRUE(absl::IsNotFound(
      LeaderElection::Leader(*observer_, root_).status()));
}

}  // namespace
}  // namespace sillok::coord
