// Replicas with real logs: append, copy, fail over, shrink, delete.
#include "broker/replication/partition_table.h"

#include <string>

#include "test/broker/replication/cluster_fixture.h"

namespace sillok {
namespace {

TopicSettings MinIsr(int min, bool flush = false) {
  TopicSettings settings;
  settings.min_insync_replicas = min;
  settings.acknowledge_after_flush = flush;
  return settings;
}

TEST(PartitionTable, AnAcksAllAppendIsOnEveryReplicaWhenItIsAnswered) {
  ReplicaCluster cluster(3, MinIsr(2));
  cluster.Elect(0, {0, 1, 2});
  for (int i = 0; i < 20; ++i) {
    const AppendOutcome outcome = cluster.Append(0, std::to_string(i));
    ASSERT_EQ(outcome.error, ErrorCode::NONE) << outcome.error_message;
    EXPECT_EQ(outcome.base_offset, Offset(i));
    EXPECT_GE(cluster.Find(1)->stats().log_end_offset, Offset(i + 1));
    EXPECT_GE(cluster.Find(2)->stats().log_end_offset, Offset(i + 1));
  }
  EXPECT_EQ(cluster.Find(0)->high_watermark(), Offset(20));
  cluster.Await([&] { return cluster.Find(1)->high_watermark() == Offset(20); });
}

TEST(PartitionTable, WithFlushingTheAcknowledgedIsOnTheDisksOfTheIsr) {
  ReplicaCluster cluster(2, MinIsr(2, /*flush=*/true));
  cluster.Elect(0, {0, 1});
  for (int i = 0; i < 10; ++i) {
    ASSERT_EQ(cluster.Append(0, std::to_string(i)).error, ErrorCode::NONE);
  }
  EXPECT_EQ(cluster.Append(0, "one", /*acks=*/1).error, ErrorCode::NONE);
}

TEST(PartitionTable, OnlyTheLeaderAppendsAndReads) {
  ReplicaCluster cluster(2);
  cluster.Elect(0, {0, 1});
  EXPECT_EQ(cluster.Append(1, "x").error, ErrorCode::NOT_LEADER_OR_FOLLOWER);
  EXPECT_FALSE(cluster.Append(1, "x").appended());
  EXPECT_EQ(cluster.Find(1)->Read({}).error,
            ErrorCode::NOT_LEADER_OR_FOLLOWER);
  ReadRequest fenced;
  fenced.expected_epoch = LeaderEpoch(0);
  EXPECT_EQ(cluster.Find(0)->Read(fenced).error,
            ErrorCode::FENCED_LEADER_EPOCH);
  fenced.expected_epoch = LeaderEpoch(9);
  EXPECT_EQ(cluster.Find(0)->Read(fenced).error,
            ErrorCode::UNKNOWN_LEADER_EPOCH);
  EXPECT_EQ(cluster.Append(0, "x", /*acks=*/2).error,
            ErrorCode::INVALID_REQUIRED_ACKS);
}

TEST(PartitionTable, AFailedOverFollowerDropsWhatTheNewLeaderNeverHad) {
  ReplicaCluster cluster(2);
  cluster.Elect(0, {0, 1});
  ASSERT_EQ(cluster.Append(0, "kept").error, ErrorCode::NONE);
  cluster.CutOff(0, true);
  // Only in the old leader's log.
  ASSERT_EQ(cluster.Append(0, "lost", /*acks=*/1).error, ErrorCode::NONE);
  cluster.Elect(1, {1});
  ASSERT_EQ(cluster.Append(1, "new").error, ErrorCode::NONE);
  cluster.CutOff(0, false);
  cluster.Await([&] { return cluster.isr_size() == 2; });
  ASSERT_EQ(cluster.Append(1, "both").error, ErrorCode::NONE);
  EXPECT_EQ(cluster.Values(1), "kept new both ");
  cluster.Elect(0, {0, 1});
  ASSERT_EQ(cluster.Append(0, "again").error, ErrorCode::NONE);
  EXPECT_EQ(cluster.Values(0), "kept new both again ");
}

TEST(PartitionTable, ASilentFollowerLeavesTheIsrAndComesBack) {
  ReplicaCluster cluster(2, MinIsr(1));
  cluster.Elect(0, {0, 1});
  ASSERT_EQ(cluster.Append(0, "a").error, ErrorCode::NONE);
  cluster.CutOff(1, true);
  // Held until the follower is out of the ISR.
  EXPECT_EQ(cluster.Append(0, "b").error, ErrorCode::NONE);
  EXPECT_EQ(cluster.isr_size(), 1u);
  cluster.CutOff(1, false);
  cluster.Await([&] { return cluster.isr_size() == 2; });
}

TEST(PartitionTable, TooSmallAnIsrRefusesAcksAllBeforeItWrites) {
  ReplicaCluster cluster(2, MinIsr(2));
  cluster.CutOff(1, true);
  cluster.Elect(0, {0});
  const AppendOutcome refused = cluster.Append(0, "x");
  EXPECT_EQ(refused.error, ErrorCode::NOT_ENOUGH_REPLICAS);
  EXPECT_FALSE(refused.appended());
  // acks=1 is taken, but nobody may read it yet (KIP-966).
  EXPECT_EQ(cluster.Append(0, "y", /*acks=*/1).error, ErrorCode::NONE);
  EXPECT_EQ(cluster.Find(0)->high_watermark(), Offset(0));
  EXPECT_EQ(cluster.Values(0), "");
}

TEST(PartitionTable, AnAppendThatIsNotReplicatedInTimeSaysSo) {
  ReplicaCluster cluster(2);
  cluster.Elect(0, {0, 1});
  cluster.CutOff(1, true);
  const AppendOutcome outcome =
      cluster.Append(0, "x", /*acks=*/-1, /*timeout_ms=*/10);
  EXPECT_EQ(outcome.error, ErrorCode::REQUEST_TIMED_OUT);
  EXPECT_TRUE(outcome.appended());
}

TEST(PartitionTable, WaitersAreWokenByOffsetDeadlineAndRoleChange) {
  ReplicaCluster cluster(1);
  cluster.Elect(0, {0});
  const auto wait = [&](Offset offset, int64_t patience_ms) {
    auto promise = std::make_shared<std::promise<WakeReason>>();
    cluster.Find(0)->WaitFor(
        ReadBound::kHighWatermark, offset,
        Clock::Real().MonotonicMs() + patience_ms,
        [promise](WakeReason reason) { promise->set_value(reason); });
    return promise->get_future();
  };
  auto reached = wait(Offset(0), 60'000);
  auto expired = wait(Offset(5), 1);
  auto deposed = wait(Offset(5), 60'000);
  ASSERT_EQ(cluster.Append(0, "x").error, ErrorCode::NONE);
  EXPECT_EQ(reached.get(), WakeReason::kReached);
  EXPECT_EQ(expired.get(), WakeReason::kDeadline);
  cluster.Elect(0, {0});
  EXPECT_EQ(deposed.get(), WakeReason::kRoleChanged);
}

TEST(PartitionTable, ANewLeaderHidesTheEndUntilItKnowsTheHighWatermark) {
  ReplicaCluster cluster(2, MinIsr(2));
  cluster.Elect(0, {0, 1});
  ASSERT_EQ(cluster.Append(0, "x").error, ErrorCode::NONE);
  EXPECT_EQ(cluster.Find(0)->ListOffset({}).offset, Offset(1));
  cluster.CutOff(1, true);
  ASSERT_EQ(cluster.Append(0, "y", /*acks=*/1).error, ErrorCode::NONE);
  cluster.Elect(0, {0, 1});
  EXPECT_EQ(cluster.Find(0)->ListOffset({}).error,
            ErrorCode::OFFSET_NOT_AVAILABLE);
  ListOffsetRequest start;
  start.timestamp_ms = ListOffsetRequest::kEarliest;
  EXPECT_EQ(cluster.Find(0)->ListOffset(start).offset, Offset(0));
  cluster.CutOff(1, false);
  cluster.Await([&] {
    return cluster.Find(0)->ListOffset({}).error == ErrorCode::NONE;
  });
  EXPECT_EQ(cluster.Find(0)->ListOffset({}).offset, Offset(2));
}

TEST(PartitionTable, ARestartedBrokerHasItsRecordsAndHighWatermark) {
  ReplicaCluster cluster(1);
  cluster.Elect(0, {0});
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(cluster.Append(0, std::to_string(i)).error, ErrorCode::NONE);
  }
  cluster.StopBroker(0);
  cluster.StartBroker(0);
  EXPECT_EQ(cluster.Find(0), nullptr);
  cluster.Tell(0);
  EXPECT_EQ(cluster.Find(0)->high_watermark(), Offset(5));
  EXPECT_EQ(cluster.Values(0), "0 1 2 3 4 ");
}

TEST(PartitionTable, ADeletedTopicIsGoneAndReported) {
  ReplicaCluster cluster(2);
  cluster.Elect(0, {0, 1});
  ASSERT_EQ(cluster.Append(0, "x").error, ErrorCode::NONE);
  const std::shared_ptr<Partition> held = cluster.Find(0);
  v1::ClusterUpdate update;
  v1::DeletedTopic* deleted = update.add_topics_deleted();
  deleted->set_name("orders");
  deleted->set_topic_id("topic-id-1");
  cluster.Tell(0, update);
  EXPECT_EQ(cluster.Find(0), nullptr);
  cluster.Await([&] { return !cluster.deleted().empty(); });
  EXPECT_EQ(cluster.deleted().front(), "topic-id-1/0");
  EXPECT_EQ(held->Read({}).error, ErrorCode::NOT_LEADER_OR_FOLLOWER);
}

TEST(PartitionTable, ATopicMadeAnewStartsEmpty) {
  ReplicaCluster cluster(1);
  cluster.Elect(0, {0});
  ASSERT_EQ(cluster.Append(0, "old").error, ErrorCode::NONE);
  v1::ClusterUpdate again = cluster.Update("topic-id-2");
  again.mutable_topics(0)->mutable_partitions(0)->set_is_new(true);
  cluster.Tell(0, again);
  ASSERT_NE(cluster.Find(0), nullptr);
  EXPECT_EQ(cluster.Find(0)->topic_id(), "topic-id-2");
  EXPECT_EQ(cluster.Find(0)->stats().log_end_offset, Offset(0));
}

TEST(PartitionTable, NobodyLeadsWithAnEmptyLogInPlaceOfAMissingOne) {
  ReplicaCluster cluster(1);
  cluster.Elect(0, {0});
  ASSERT_EQ(cluster.Append(0, "x").error, ErrorCode::NONE);
  v1::ClusterUpdate update = cluster.Update();
  update.mutable_topics(0)->set_name("other");
  update.mutable_topics(0)->set_topic_id("topic-id-3");
  v1::PartitionState* state = update.mutable_topics(0)->mutable_partitions(0);
  state->set_leader_epoch(7);
  state->set_is_new(false);
  cluster.Tell(0, update);
  EXPECT_EQ(cluster.Table(0)->Find("other", 0), nullptr);
  EXPECT_EQ(cluster.Table(0)->stats().offline, 1);
}

TEST(PartitionTable, AReplicaUnknownToASnapshotIsKeptAside) {
  ReplicaCluster cluster(1);
  cluster.Elect(0, {0});
  ASSERT_EQ(cluster.Append(0, "x").error, ErrorCode::NONE);
  v1::ClusterUpdate empty;
  empty.set_snapshot(true);
  cluster.Tell(0, empty);
  EXPECT_EQ(cluster.Find(0), nullptr);
  cluster.Tell(0);
  ASSERT_NE(cluster.Find(0), nullptr);
  EXPECT_EQ(cluster.Values(0), "x ");
}

}  // namespace
}  // namespace sillok
