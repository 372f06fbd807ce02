// Tables for the pure rules of replication.
#include <string>
#include <vector>

#include "broker/replication/fetch_planner.h"
#include "broker/replication/follower_state.h"
#include "broker/replication/leader_state.h"
#include "broker/replication/offset_waiters.h"
#include "broker/replication/replica_state.h"
#include "gtest/gtest.h"

namespace sillok {
namespace {

PartitionAssignment Assign(int leader, int leader_epoch, int partition_epoch,
                           std::vector<int> isr, std::vector<int> replicas) {
  PartitionAssignment assignment;
  assignment.leader = BrokerId(leader);
  assignment.leader_epoch = LeaderEpoch(leader_epoch);
  assignment.partition_epoch = PartitionEpoch(partition_epoch);
  for (int id : isr) assignment.isr.emplace_back(id);
  for (int id : replicas) assignment.replicas.emplace_back(id);
  return assignment;
}

LeaderState::ReplicaFetch FetchFrom(int replica, int64_t offset,
                                    int64_t leader_end, int64_t epoch = 1) {
  LeaderState::ReplicaFetch fetch;
  fetch.replica = BrokerId(replica);
  fetch.broker_epoch = BrokerEpoch(epoch);
  fetch.fetch_offset = Offset(offset);
  fetch.leader_end_at_read = Offset(leader_end);
  return fetch;
}

LeaderOptions MinIsr(int min) {
  LeaderOptions options;
  options.min_insync_replicas = min;
  options.replica_lag_time_max_ms = 1'000;
  options.joiner_wait_max_ms = 100;
  return options;
}

LeaderState Leader(const PartitionAssignment& assignment, int min_isr,
                   int64_t end, int64_t hw) {
  return LeaderState(BrokerId(1), assignment, MinIsr(min_isr), Offset(end),
                     Offset(end), Offset(hw), /*now_ms=*/0);
}

TEST(LeaderState, HighWatermarkIsTheLeastEndOfTheIsr) {
  LeaderState leader =
      Leader(Assign(1, 5, 1, {1, 2, 3}, {1, 2, 3}), 2, 10, 4);
  EXPECT_EQ(leader.high_watermark(), Offset(4));
  EXPECT_FALSE(leader.HighWatermarkKnown());
  leader.OnReplicaFetch(FetchFrom(2, 10, 10), 1);
  EXPECT_EQ(leader.high_watermark(), Offset(4));  // 3 has not fetched yet
  leader.OnReplicaFetch(FetchFrom(3, 8, 10), 2);
  EXPECT_EQ(leader.high_watermark(), Offset(8));
  leader.OnReplicaFetch(FetchFrom(3, 10, 10), 3);
  EXPECT_EQ(leader.high_watermark(), Offset(10));
  EXPECT_TRUE(leader.HighWatermarkKnown());
}

TEST(LeaderState, OnlyTheDurablePartOfTheOwnLogCounts) {
  LeaderState leader(BrokerId(1), Assign(1, 5, 1, {1}, {1}), MinIsr(1),
                     Offset(0), Offset(0), Offset(0), 0);
  leader.OnLocalEnd(Offset(10), Offset(3), 1);
  EXPECT_EQ(leader.high_watermark(), Offset(3));
}

TEST(LeaderState, AShrinkCountsWhenItIsCommitted) {
  LeaderState leader = Leader(Assign(1, 5, 1, {1, 2}, {1, 2}), 1, 0, 0);
  leader.OnLocalEnd(Offset(5), Offset(5), 10);
  leader.CheckLag(900);
  EXPECT_FALSE(leader.TakeAlterIsr().has_value());
  leader.CheckLag(1'100);
  const auto wanted = leader.TakeAlterIsr();
  ASSERT_TRUE(wanted.has_value());
  EXPECT_EQ(wanted->isr.size(), 1u);
  EXPECT_EQ(wanted->partition_epoch, PartitionEpoch(1));
  EXPECT_EQ(leader.high_watermark(), Offset(0));
  leader.CheckLag(2'000);
  EXPECT_FALSE(leader.TakeAlterIsr().has_value());  // one at a time
  leader.OnAlterIsrResult(ErrorCode::NONE, Assign(1, 5, 2, {1}, {1, 2}),
                          2'001);
  EXPECT_EQ(leader.high_watermark(), Offset(5));
}

TEST(LeaderState, ABusyFollowerIsCaughtUpWhenItReachesTheEndOfItsLastFetch) {
  LeaderState leader = Leader(Assign(1, 5, 1, {1, 2}, {1, 2}), 1, 0, 0);
  for (int64_t t = 1; t <= 20; ++t) {
    leader.OnLocalEnd(Offset(t * 10), Offset(t * 10), t * 500);
    leader.OnReplicaFetch(FetchFrom(2, (t - 1) * 10, t * 10), t * 500);
    leader.CheckLag(t * 500);
    EXPECT_FALSE(leader.TakeAlterIsr().has_value()) << t;
  }
}

TEST(LeaderState, AJoinerCountsFromTheMomentItIsAskedFor) {
  LeaderState leader = Leader(Assign(1, 5, 1, {1}, {1, 2}), 1, 10, 10);
  leader.OnReplicaFetch(FetchFrom(2, 9, 10), 1);
  EXPECT_FALSE(leader.TakeAlterIsr().has_value());
  leader.OnReplicaFetch(FetchFrom(2, 10, 10), 2);
  const auto wanted = leader.TakeAlterIsr();
  ASSERT_TRUE(wanted.has_value());
  EXPECT_EQ(wanted->isr[1], (IsrMemberEpoch{BrokerId(2), BrokerEpoch(1)}));
  leader.OnLocalEnd(Offset(20), Offset(20), 5'000);
  EXPECT_EQ(leader.high_watermark(), Offset(10));
}

TEST(LeaderState, NobodyJoinsBelowTheStartOfTheEpoch) {
  // KAFKA-7128: HW 5 is old news, the predecessor may have committed up to 10.
  LeaderState leader = Leader(Assign(1, 5, 1, {1, 3}, {1, 2, 3}), 2, 10, 5);
  leader.OnReplicaFetch(FetchFrom(2, 7, 10), 1);
  EXPECT_FALSE(leader.TakeAlterIsr().has_value());
  leader.OnReplicaFetch(FetchFrom(2, 10, 10), 2);
  EXPECT_TRUE(leader.TakeAlterIsr().has_value());
}

TEST(LeaderState, AFetchFromBeforeARestartIsIgnored) {
  LeaderState leader = Leader(Assign(1, 5, 1, {1, 2}, {1, 2}), 1, 10, 0);
  EXPECT_TRUE(leader.OnReplicaFetch(FetchFrom(2, 3, 10, /*epoch=*/8), 1));
  EXPECT_FALSE(leader.OnReplicaFetch(FetchFrom(2, 10, 10, /*epoch=*/7), 2));
  EXPECT_EQ(leader.high_watermark(), Offset(3));
  EXPECT_FALSE(leader.OnReplicaFetch(FetchFrom(9, 10, 10), 2));
}

TEST(LeaderState, AnUnansweredExpansionCountsUntilNewsComes) {
  LeaderState leader = Leader(Assign(1, 5, 1, {1}, {1, 2}), 1, 10, 10);
  leader.OnReplicaFetch(FetchFrom(2, 10, 10), 1);
  ASSERT_TRUE(leader.TakeAlterIsr().has_value());
  leader.OnAlterIsrResult(ErrorCode::REQUEST_TIMED_OUT, {}, 2);
  ASSERT_TRUE(leader.TakeAlterIsr().has_value());  // asked again
  leader.OnAlterIsrResult(ErrorCode::INELIGIBLE_REPLICA, {}, 3);
  leader.OnLocalEnd(Offset(20), Offset(20), 500);
  EXPECT_EQ(leader.high_watermark(), Offset(10));
  leader.OnAssignment(Assign(1, 5, 2, {1}, {1, 2}), 600);
  EXPECT_EQ(leader.high_watermark(), Offset(20));
}

TEST(LeaderState, ADeadJoinerHoldsTheHighWatermarkOnlyForAMoment) {
  LeaderState leader = Leader(Assign(1, 5, 1, {1}, {1, 2}), 1, 10, 10);
  leader.OnReplicaFetch(FetchFrom(2, 10, 10), 1);
  ASSERT_TRUE(leader.TakeAlterIsr().has_value());
  leader.OnAlterIsrResult(ErrorCode::INELIGIBLE_REPLICA, {}, 2);
  leader.OnLocalEnd(Offset(20), Offset(20), 3);
  EXPECT_EQ(leader.high_watermark(), Offset(20));
}

TEST(LeaderState, TooSmallAnIsrFreezesTheHighWatermark) {
  LeaderState leader = Leader(Assign(1, 5, 1, {1}, {1, 2, 3}), 2, 0, 0);
  leader.OnLocalEnd(Offset(5), Offset(5), 1);
  EXPECT_FALSE(leader.EnoughInSync());
  EXPECT_EQ(leader.high_watermark(), Offset(0));
  // A partition with fewer replicas than the minimum needs all it has.
  EXPECT_TRUE(Leader(Assign(1, 5, 1, {1}, {1}), 2, 0, 0).EnoughInSync());
}

// ---- followers

EpochEndOffset OwnEnd(const LeaderEpochs& epochs, LeaderEpoch epoch) {
  return epochs.EndOffsetFor(epoch, Offset(100));
}

FollowerStep Decide(const FetchAnswer& answer, int64_t start = 0) {
  LeaderEpochs epochs;
  epochs.Assign(LeaderEpoch(1), Offset(0));
  epochs.Assign(LeaderEpoch(3), Offset(40));
  epochs.Assign(LeaderEpoch(5), Offset(80));
  const FollowerState follower(BrokerId(1), LeaderEpoch(7));
  return follower.Decide(
      answer, {Offset(start), Offset(100), LeaderEpoch(5)},
      [&](LeaderEpoch epoch) { return OwnEnd(epochs, epoch); });
}

FetchAnswer ToQuestion() {
  FetchAnswer answer;
  answer.asked_epoch = LeaderEpoch(7);
  answer.asked_offset = Offset(100);
  answer.asked_last_epoch = LeaderEpoch(5);
  answer.leader_log_start = Offset(0);
  return answer;
}

TEST(FollowerState, TruncatesToTheEndOfTheLargestCommonEpoch) {
  using Action = FollowerStep::Action;
  struct Case {
    EpochEndOffset leader;
    FollowerStep step;
  } cases[] = {
      // The leader's epoch 5 is shorter than ours.
      {{LeaderEpoch(5), Offset(90)}, {Action::kTruncate, Offset(90)}},
      // It has no epoch 5; its 3 ended before or after ours did.
      {{LeaderEpoch(3), Offset(60)}, {Action::kTruncate, Offset(60)}},
      {{LeaderEpoch(3), Offset(95)}, {Action::kTruncate, Offset(80)}},
      // We lack its epoch 4: step back to the end of 3 and ask again (KIP-279).
      {{LeaderEpoch(4), Offset(50)}, {Action::kTruncate, Offset(80)}},
      // Unknown to the leader: nothing to go by.
      {{kNoLeaderEpoch, kNoOffset}, {Action::kWait, {}}},
  };
  for (const Case& c : cases) {
    FetchAnswer answer = ToQuestion();
    answer.diverging = c.leader;
    EXPECT_EQ(Decide(answer), c.step) << c.leader.epoch << c.leader.end_offset;
  }
}

TEST(FollowerState, IgnoresAnswersToOlderQuestions) {
  using Action = FollowerStep::Action;
  FetchAnswer answer = ToQuestion();
  EXPECT_EQ(Decide(answer).action, Action::kAppend);
  answer.asked_offset = Offset(99);
  EXPECT_EQ(Decide(answer).action, Action::kIgnore);
  answer = ToQuestion();
  answer.asked_epoch = LeaderEpoch(6);
  EXPECT_EQ(Decide(answer).action, Action::kIgnore);
  // As long as then, but another log: it was cut and has grown again.
  answer = ToQuestion();
  answer.asked_last_epoch = LeaderEpoch(3);
  EXPECT_EQ(Decide(answer).action, Action::kIgnore);
}

TEST(FollowerState, StartsOverWhenTheLeaderKeepsNothingOfWhatItHas) {
  using Action = FollowerStep::Action;
  // What lies below the leader's start may be of another history: it must not
  // come to light again if this replica leads one day.
  FetchAnswer answer = ToQuestion();
  answer.leader_log_start = Offset(100);
  EXPECT_EQ(Decide(answer), (FollowerStep{Action::kRestartAt, Offset(100)}));
  answer = ToQuestion();
  answer.leader_log_start = Offset(95);
  answer.diverging = EpochEndOffset{LeaderEpoch(5), Offset(95)};
  EXPECT_EQ(Decide(answer), (FollowerStep{Action::kRestartAt, Offset(95)}));
  // An empty log at that place is as it should be.
  answer = ToQuestion();
  answer.leader_log_start = Offset(100);
  EXPECT_EQ(Decide(answer, /*start=*/100).action, Action::kAppend);
}

TEST(FollowerState, WaitsStopsOrStartsOverOnErrors) {
  using Action = FollowerStep::Action;
  FetchAnswer answer = ToQuestion();
  answer.error = ErrorCode::FENCED_LEADER_EPOCH;
  EXPECT_EQ(Decide(answer).action, Action::kStop);
  answer.error = ErrorCode::UNKNOWN_LEADER_EPOCH;
  EXPECT_EQ(Decide(answer).action, Action::kWait);
  answer.error = ErrorCode::OFFSET_OUT_OF_RANGE;
  EXPECT_EQ(Decide(answer).action, Action::kWait);
  answer.leader_log_start = Offset(200);
  EXPECT_EQ(Decide(answer), (FollowerStep{Action::kRestartAt, Offset(200)}));
}

TEST(FollowerState, HighWatermarkFollowsTheLeaderWithinTheOwnLog) {
  EXPECT_EQ(FollowerState::HighWatermarkAfter(Offset(5), Offset(9), Offset(7)),
            Offset(7));
  // A new leader that knows less does not take it back.
  EXPECT_EQ(FollowerState::HighWatermarkAfter(Offset(5), Offset(3), Offset(7)),
            Offset(5));
}

TEST(ReplicaState, StaleNewsChangesNothing) {
  using Change = ReplicaState::Change;
  ReplicaState state(BrokerId(1), Offset(3));
  const auto apply = [&](const PartitionAssignment& next) {
    return state.Apply(next, MinIsr(1), Offset(10), Offset(10), 0);
  };
  EXPECT_EQ(apply(Assign(2, 4, 7, {1, 2}, {1, 2})), Change::kFollower);
  EXPECT_EQ(apply(Assign(2, 4, 7, {1, 2}, {1, 2})), Change::kStale);
  EXPECT_EQ(apply(Assign(1, 3, 9, {1, 2}, {1, 2})), Change::kStale);
  EXPECT_EQ(apply(Assign(2, 4, 8, {2}, {1, 2})), Change::kUpdated);
  EXPECT_EQ(apply(Assign(1, 5, 9, {1, 2}, {1, 2})), Change::kLeader);
  EXPECT_EQ(state.high_watermark(), Offset(3));
  EXPECT_EQ(apply(Assign(1, 6, 10, {1, 2}, {1, 2})), Change::kLeader);
  state.GoOffline();
  EXPECT_EQ(state.role(), ReplicaRole::kOffline);
  EXPECT_EQ(state.high_watermark(), Offset(3));
}

TEST(FindDivergence, ComparesTheFollowersLastEpochWithTheLeaders) {
  const EpochEndOffset end{LeaderEpoch(3), Offset(50)};
  EXPECT_EQ(FindDivergence(end, LeaderEpoch(3), Offset(50)), std::nullopt);
  EXPECT_EQ(FindDivergence(end, LeaderEpoch(3), Offset(51)), end);
  EXPECT_EQ(FindDivergence(end, LeaderEpoch(4), Offset(40)), end);
  EXPECT_EQ(FindDivergence(end, kNoLeaderEpoch, Offset(99)), std::nullopt);
}

// ---- waiters and planner

TEST(OffsetWaiters, FireInOrderOfOffsetsAndOnlyOnce) {
  OffsetWaiters waiters;
  std::string fired;
  const auto add = [&](uint64_t id, int64_t offset, int64_t deadline) {
    waiters.Add(id, Offset(offset), deadline,
                [&fired, id](WakeReason) { fired += std::to_string(id); });
  };
  add(1, 9, 50);
  add(2, 5, 10);
  add(3, 5, 90);
  EXPECT_EQ(waiters.NextDeadline(), 10);
  EXPECT_TRUE(waiters.TakeReached(Offset(5)).empty());
  for (auto& wake : waiters.TakeReached(Offset(6))) {
    wake(WakeReason::kReached);
  }
  EXPECT_EQ(fired, "23");
  EXPECT_FALSE(waiters.Remove(2));
  EXPECT_TRUE(waiters.TakeExpired(49).empty());
  EXPECT_EQ(waiters.TakeExpired(50).size(), 1u);
  EXPECT_TRUE(waiters.empty());
}

FetchPosition At(int64_t offset) {
  FetchPosition position;
  position.following = true;
  position.offset = Offset(offset);
  return position;
}

TEST(FetchPlanner, QuietPartitionsEndUpInTheWideLaneAndAreNeverLeftOut) {
  FetchPlanner planner({.narrow_lanes = 1, .quiet_after_ms = 10});
  for (FetchPlanner::Slot slot = 1; slot <= 100; ++slot) {
    planner.Set(slot, At(0), false, 0);
  }
  EXPECT_EQ(planner.Take(1, 0).size(), 100u);
  planner.Done(1, false, 20);                   // quiet: cooling
  EXPECT_EQ(planner.Take(0, 20).size(), 100u);  // the wide lane has them too
  EXPECT_EQ(planner.Take(1, 20).size(), 100u);
  planner.Done(1, false, 40);
  EXPECT_TRUE(planner.Take(1, 40).empty());
  // One wakes up: it goes on alone.
  planner.OnData(7, 50);
  planner.Set(7, At(1), false, 50);
  planner.Done(0, false, 50);
  const auto narrow = planner.Take(1, 50);
  ASSERT_EQ(narrow.size(), 1u);
  EXPECT_EQ(narrow[0].slot, 7u);
  EXPECT_EQ(narrow[0].position.offset, Offset(1));
  EXPECT_EQ(planner.Take(0, 50).size(), 99u);
}

TEST(FetchPlanner, AFailedRequestWaitsForTheBackOff) {
  FetchPlanner planner({.narrow_lanes = 1, .backoff_ms = 100});
  planner.Set(1, At(0), false, 0);
  ASSERT_EQ(planner.Take(1, 0).size(), 1u);
  planner.Done(1, /*failed=*/true, 5);
  EXPECT_TRUE(planner.Take(1, 50).empty());
  EXPECT_EQ(planner.NextDue(), 105);
  EXPECT_EQ(planner.Take(1, 105).size(), 1u);
}

TEST(FetchPlanner, ANewTenureDoesNotWaitForTheOldAnswer) {
  FetchPlanner planner({.narrow_lanes = 2});
  planner.Set(1, At(5), false, 0);
  ASSERT_EQ(planner.Take(1, 0).size(), 1u);
  EXPECT_TRUE(planner.Take(2, 0).empty());
  planner.Set(1, At(3), /*fresh=*/true, 1);
  ASSERT_EQ(planner.Take(2, 1).size(), 1u);
  planner.Done(1, /*failed=*/true, 2);  // says nothing about the new one
  EXPECT_EQ(planner.NextDue(), std::nullopt);
  planner.Remove(1);
  EXPECT_TRUE(planner.empty());
  planner.Done(2, false, 3);
}

}  // namespace
}  // namespace sillok
