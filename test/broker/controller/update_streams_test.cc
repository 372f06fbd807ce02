#include "broker/controller/update_streams.h"

#include <gtest/gtest.h>

namespace sillok {
namespace {

class UpdateStreamsTest : public testing::Test {
 protected:
  UpdateStreamsTest() : streams_(10'000) {
    state_.controller_id = 1;
    state_.controller_epoch = 3;
    AddBroker(1, 101);
    AddBroker(2, 102);
  }
  void AddBroker(int32_t id, int64_t epoch) {
    LiveBroker& broker = state_.brokers[id];
    broker.epoch = epoch;
    broker.address.set_broker_id(id);
  }
  v1::ClusterUpdate Delta(int size = 0) {
    v1::ClusterUpdate delta;
    delta.set_controller_epoch(3);
    delta.set_cluster_id(std::string(size, 'x'));
    return delta;
  }
  std::vector<std::pair<uint64_t, UpdateStreams::Update>> Take() {
    return streams_.TakeSends(&state_);
  }
  ClusterState state_;
  UpdateStreams streams_;
};

TEST_F(UpdateStreamsTest, SnapshotThenDeltasInOrderOneAtATime) {
  streams_.Open(7, 1, 101);
  auto sends = Take();
  ASSERT_EQ(sends.size(), 1u);
  EXPECT_EQ(sends[0].first, 7u);
  EXPECT_TRUE(sends[0].second->snapshot());
  EXPECT_EQ(sends[0].second->sequence(), 1u);
  EXPECT_EQ(sends[0].second->broker_epoch(), 101);
  streams_.Publish(state_, Delta(1));
  streams_.Publish(state_, Delta(2));
  EXPECT_TRUE(Take().empty());  // the snapshot is still under way
  streams_.OnSent(7);
  sends = Take();
  ASSERT_EQ(sends.size(), 1u);
  EXPECT_EQ(sends[0].second->sequence(), 2u);
  EXPECT_EQ(sends[0].second->cluster_id().size(), 1u);
  EXPECT_EQ(sends[0].second->broker_epoch(), 101);
  streams_.OnSent(7);
  EXPECT_EQ(Take()[0].second->sequence(), 3u);
}

TEST_F(UpdateStreamsTest, SnapshotsWaitForACommittedState) {
  streams_.Open(7, 1, 101);
  EXPECT_TRUE(streams_.TakeSends(nullptr).empty());
  streams_.Publish(state_, Delta());
  auto sends = Take();  // the snapshot has the publication in it
  ASSERT_EQ(sends.size(), 1u);
  streams_.OnSent(7);
  EXPECT_TRUE(Take().empty());
  EXPECT_TRUE(streams_.OnReport(7, 1));
  EXPECT_EQ(streams_.AppliedVersion(1), streams_.version());
}

TEST_F(UpdateStreamsTest, SlowBrokerGetsAFreshSnapshotInsteadOfALongQueue) {
  streams_.Open(7, 1, 101);
  Take();
  for (int i = 0; i < 5; ++i) streams_.Publish(state_, Delta(3'000));
  streams_.OnSent(7);
  auto sends = Take();
  ASSERT_EQ(sends.size(), 1u);
  EXPECT_TRUE(sends[0].second->snapshot());
  EXPECT_EQ(sends[0].second->sequence(), 2u);
  streams_.OnSent(7);
  EXPECT_TRUE(Take().empty());
  streams_.Publish(state_, Delta(5));
  EXPECT_FALSE(Take()[0].second->snapshot());
}

TEST_F(UpdateStreamsTest, AppliedVersionsFollowTheReports) {
  streams_.Open(7, 1, 101);
  Take();
  EXPECT_EQ(streams_.AppliedVersion(1), 0u);
  EXPECT_TRUE(streams_.OnReport(7, 0));  // the hello
  EXPECT_EQ(streams_.AppliedVersion(1), 0u);
  EXPECT_TRUE(streams_.OnReport(7, 1));
  EXPECT_EQ(streams_.AppliedVersion(1), 1u);
  const uint64_t version = streams_.Publish(state_, Delta());
  EXPECT_FALSE(streams_.OnReport(7, 2));  // it was never sent
  EXPECT_EQ(streams_.AppliedVersion(1), 1u);
  streams_.OnSent(7);
  Take();
  EXPECT_TRUE(streams_.OnReport(7, 2));
  EXPECT_EQ(streams_.AppliedVersion(1), version);
  EXPECT_FALSE(streams_.OnReport(8, 1));
}

TEST_F(UpdateStreamsTest, StreamOfABrokerNotSeenYetWaits) {
  streams_.Open(7, 3, 103);
  EXPECT_TRUE(Take().empty());
  streams_.Open(8, 2, 202);  // a younger registration than the one known
  EXPECT_TRUE(Take().empty());
  EXPECT_TRUE(streams_.TakeClosed().empty());
  AddBroker(3, 103);
  AddBroker(2, 202);
  EXPECT_EQ(Take().size(), 2u);
}

TEST_F(UpdateStreamsTest, StreamOfAnotherIncarnationEnds) {
  streams_.Open(7, 1, 100);  // older than the one known
  streams_.Open(8, 2, 102);
  Take();
  auto closed = streams_.TakeClosed();
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].id, 7u);
  AddBroker(2, 202);
  Take();
  EXPECT_EQ(streams_.TakeClosed().size(), 1u);
  streams_.Open(9, 2, 202);
  Take();
  state_.brokers.erase(2);
  Take();
  EXPECT_EQ(streams_.TakeClosed().size(), 1u);
  EXPECT_EQ(streams_.size(), 0u);
}

TEST_F(UpdateStreamsTest, SecondStreamReplacesTheFirst) {
  streams_.Open(7, 1, 101);
  Take();
  streams_.OnReport(7, 1);
  streams_.Open(8, 1, 101);
  EXPECT_EQ(streams_.TakeClosed()[0].id, 7u);
  EXPECT_EQ(streams_.AppliedVersion(1), 0u);
  EXPECT_EQ(Take()[0].first, 8u);
  streams_.Close(7);  // late
  EXPECT_EQ(streams_.BrokerOf(8), 1);
  EXPECT_EQ(streams_.BrokerOf(7), -1);
}

TEST_F(UpdateStreamsTest, NewIsToldOnlyToTheIncarnationsOfTheCreation) {
  streams_.Open(7, 1, 101);
  streams_.Open(8, 2, 102);
  Take();
  TopicEntry topic;
  topic.name = "t";
  topic.id = "id";
  topic.partitions.resize(1);
  topic.partitions[0].new_on = {{1, 101}};
  state_.AddTopic(topic);
  v1::ClusterUpdate delta = Delta();
  delta.add_topics()->set_name("t");
  delta.mutable_topics(0)->add_partitions()->set_is_new(true);
  streams_.Publish(state_, delta);
  streams_.OnSent(7);
  streams_.OnSent(8);
  auto sends = Take();
  ASSERT_EQ(sends.size(), 2u);
  EXPECT_TRUE(sends[0].second->topics(0).partitions(0).is_new());
  EXPECT_FALSE(sends[1].second->topics(0).partitions(0).is_new());
}

}  // namespace
}  // namespace sillok
