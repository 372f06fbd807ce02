#include "broker/metadata/cluster_view.h"

#include <gtest/gtest.h>

#include "broker/metadata/cluster_view_holder.h"

namespace sillok {
namespace {

using Outcome = ClusterViewHolder::Outcome;

v1::ClusterUpdate Update(int32_t controller_epoch, bool snapshot) {
  v1::ClusterUpdate update;
  update.set_controller_id(1);
  update.set_controller_epoch(controller_epoch);
  update.set_broker_epoch(7);
  update.set_snapshot(snapshot);
  if (snapshot) update.set_cluster_id("cluster");
  return update;
}

v1::TopicState* AddTopic(v1::ClusterUpdate* update, const std::string& name,
                         const std::string& id) {
  v1::TopicState* topic = update->add_topics();
  topic->set_name(name);
  topic->set_topic_id(id);
  return topic;
}

void AddPartition(v1::TopicState* topic, int32_t number, int32_t leader,
                  int32_t leader_epoch, int32_t partition_epoch) {
  v1::PartitionState* p = topic->add_partitions();
  p->set_partition(number);
  p->set_leader(leader);
  p->set_leader_epoch(leader_epoch);
  p->set_partition_epoch(partition_epoch);
  p->add_isr(leader);
  p->add_replicas(leader);
}

void AddBroker(v1::ClusterUpdate* update, int32_t id, const char* host) {
  v1::BrokerAddress* broker = update->add_brokers();
  broker->set_broker_id(id);
  broker->set_host(host);
  broker->set_port(9094);
}

class ClusterViewTest : public testing::Test {
 protected:
  ClusterViewTest() {
    holder_.SetBrokerEpoch(BrokerEpoch(7));
    v1::ClusterUpdate first = Update(3, true);
    AddBroker(&first, 1, "h1");
    AddBroker(&first, 2, "h2");
    v1::TopicState* a = AddTopic(&first, "a", "id-a");
    a->set_configs_changed(true);
    (*a->mutable_configs())["retention.ms"] = "5";
    AddPartition(a, 0, 1, 4, 10);
    AddPartition(a, 1, 2, 4, 10);
    AddPartition(AddTopic(&first, "b", "id-b"), 0, 1, 0, 0);
    EXPECT_EQ(holder_.Apply(first), Outcome::kApplied);
  }
  const PartitionInfo* P(const std::string& topic, int32_t partition) {
    view_ = holder_.Get();
    return view_->FindPartition(topic, partition);
  }
  ClusterViewHolder holder_;
  std::shared_ptr<const ClusterView> view_;
};

TEST_F(ClusterViewTest, SnapshotIsThePicture) {
  auto view = holder_.Get();
  EXPECT_EQ(view->cluster_id(), "cluster");
  EXPECT_EQ(view->controller_id(), BrokerId(1));
  EXPECT_EQ(view->brokers().size(), 2u);
  EXPECT_EQ(view->FindBroker(BrokerId(2))->host, "h2");
  EXPECT_EQ(view->FindBroker(BrokerId(3)), nullptr);
  EXPECT_EQ(view->topic_count(), 2u);
  EXPECT_EQ(view->FindTopic("a")->configs->at("retention.ms"), "5");
  EXPECT_EQ(view->FindTopicById("id-b")->name, "b");
  EXPECT_EQ(P("a", 1)->leader, BrokerId(2));
  EXPECT_EQ(P("a", 2), nullptr);
  EXPECT_EQ(P("a", -1), nullptr);
  EXPECT_EQ(P("c", 0), nullptr);
}

TEST_F(ClusterViewTest, DeltaChangesWhatItNamesAndSharesTheRest) {
  auto before = holder_.Get();
  v1::ClusterUpdate delta = Update(3, false);
  AddPartition(AddTopic(&delta, "a", "id-a"), 1, 1, 5, 11);
  delta.add_brokers_gone(2);
  ASSERT_EQ(holder_.Apply(delta), Outcome::kApplied);
  auto after = holder_.Get();
  EXPECT_EQ(after->brokers().size(), 1u);
  EXPECT_EQ(P("a", 1)->leader_epoch, LeaderEpoch(5));
  EXPECT_EQ(after->FindTopic("b"), before->FindTopic("b"));
  EXPECT_EQ(after->FindTopic("a")->partitions[0],
            before->FindTopic("a")->partitions[0]);
  EXPECT_EQ(after->FindTopic("a")->configs, before->FindTopic("a")->configs);
  EXPECT_EQ(after->FindTopic("a"), after->FindTopicById("id-a"));
  // The old picture still stands.
  EXPECT_EQ(before->FindPartition("a", 1)->leader, BrokerId(2));
  EXPECT_EQ(before->brokers().size(), 2u);
}

TEST_F(ClusterViewTest, OlderEpochsAreDroppedAndNotHandedOn) {
  v1::ClusterUpdate seen;
  ClusterViewHolder& holder = holder_;
  holder.AddListener([&](const std::shared_ptr<const ClusterView>&,
                         const v1::ClusterUpdate& update) { seen = update; });
  v1::ClusterUpdate delta = Update(3, false);
  v1::TopicState* a = AddTopic(&delta, "a", "id-a");
  AddPartition(a, 0, 9, 3, 11);  // older leader epoch
  AddPartition(a, 1, 9, 4, 9);   // older partition epoch
  ASSERT_EQ(holder.Apply(delta), Outcome::kApplied);
  EXPECT_EQ(P("a", 0)->leader, BrokerId(1));
  EXPECT_EQ(P("a", 1)->leader, BrokerId(2));
  ASSERT_EQ(seen.topics_size(), 1);
  EXPECT_EQ(seen.topics(0).partitions_size(), 0);
}

TEST_F(ClusterViewTest, SnapshotOfANewControllerDoesNotGoBackEither) {
  v1::ClusterUpdate snapshot = Update(4, true);
  v1::TopicState* a = AddTopic(&snapshot, "a", "id-a");
  AddPartition(a, 0, 9, 3, 11);
  AddPartition(a, 1, 1, 6, 12);
  ASSERT_EQ(holder_.Apply(snapshot), Outcome::kApplied);
  EXPECT_EQ(P("a", 0)->leader, BrokerId(1));
  EXPECT_EQ(P("a", 1)->leader_epoch, LeaderEpoch(6));
  EXPECT_EQ(P("b", 0), nullptr);  // not named, so gone
  EXPECT_EQ(holder_.Get()->topic_count(), 1u);
  EXPECT_EQ(holder_.Get()->brokers().size(), 0u);
}

TEST_F(ClusterViewTest, ATopicMadeAnewStartsAtItsOwnEpochs) {
  v1::ClusterUpdate delta = Update(3, false);
  AddPartition(AddTopic(&delta, "a", "id-a2"), 0, 2, 0, 0);
  ASSERT_EQ(holder_.Apply(delta), Outcome::kApplied);
  EXPECT_EQ(P("a", 0)->leader_epoch, LeaderEpoch(0));
  EXPECT_EQ(P("a", 1), nullptr);
  EXPECT_EQ(holder_.Get()->FindTopicById("id-a"), nullptr);
  EXPECT_EQ(holder_.Get()->topic_count(), 2u);
}

TEST_F(ClusterViewTest, DeletionIsByTopicId) {
  v1::ClusterUpdate delta = Update(3, false);
  v1::DeletedTopic* gone = delta.add_topics_deleted();
  gone->set_name("a");
  gone->set_topic_id("another");
  ASSERT_EQ(holder_.Apply(delta), Outcome::kApplied);
  EXPECT_NE(P("a", 0), nullptr);
  delta.mutable_topics_deleted(0)->set_topic_id("id-a");
  // Deleted and created anew in one update.
  AddPartition(AddTopic(&delta, "a", "id-a3"), 0, 2, 0, 0);
  ASSERT_EQ(holder_.Apply(delta), Outcome::kApplied);
  EXPECT_EQ(holder_.Get()->FindTopic("a")->id, "id-a3");
}

TEST_F(ClusterViewTest, StaleUpdatesChangeNothing) {
  auto before = holder_.Get();
  EXPECT_EQ(holder_.Apply(Update(2, true)), Outcome::kStaleController);
  v1::ClusterUpdate other = Update(9, true);
  other.set_broker_epoch(6);
  EXPECT_EQ(holder_.Apply(other), Outcome::kOtherBrokerEpoch);
  EXPECT_EQ(holder_.Apply(Update(4, false)), Outcome::kNoSnapshotYet);
  EXPECT_EQ(holder_.Get(), before);
}

TEST_F(ClusterViewTest, SharedShardsKeepManyTopicsApart) {
  v1::ClusterUpdate snapshot = Update(5, true);
  for (int i = 0; i < 2000; ++i) {
    const std::string n = std::to_string(i);
    AddPartition(AddTopic(&snapshot, "t" + n, "i" + n), 0, 1, 0, 0);
  }
  ASSERT_EQ(holder_.Apply(snapshot), Outcome::kApplied);
  v1::ClusterUpdate delta = Update(5, false);
  AddPartition(AddTopic(&delta, "t7", "i7"), 0, 2, 1, 1);
  ASSERT_EQ(holder_.Apply(delta), Outcome::kApplied);
  size_t count = 0;
  holder_.Get()->ForEachTopic([&](const TopicInfo& topic) {
    ++count;
    EXPECT_EQ(topic.FindPartition(0)->leader,
              BrokerId(topic.name == "t7" ? 2 : 1));
  });
  EXPECT_EQ(count, 2000u);
  EXPECT_EQ(holder_.Get()->topic_count(), 2000u);
}

TEST(ClusterViewEndpointsTest, ABrokersDoorsAreFoundByListener) {
  v1::ClusterUpdate update;
  update.set_snapshot(true);
  v1::BrokerAddress* broker = update.add_brokers();
  broker->set_broker_id(3);
  for (const auto& [listener, port] :
       {std::pair("GRPC", 9094), std::pair("PLAINTEXT", 9092),
        std::pair("EXTERNAL", 9093)}) {
    v1::BrokerEndpoint* endpoint = broker->add_endpoints();
    endpoint->set_listener(listener);
    endpoint->set_security_protocol("PLAINTEXT");
    endpoint->set_host("h");
    endpoint->set_port(port);
  }
  auto view = ClusterView::Apply(ClusterView::Empty(), update, nullptr);
  const BrokerInfo* info = view->FindBroker(BrokerId(3));
  ASSERT_NE(info, nullptr);
  ASSERT_NE(info->FindEndpoint("EXTERNAL"), nullptr);
  EXPECT_EQ(info->FindEndpoint("EXTERNAL")->port, 9093);
  EXPECT_EQ(info->FindEndpoint("PLAINTEXT")->security_protocol, "PLAINTEXT");
  EXPECT_EQ(info->FindEndpoint("SSL"), nullptr);
}

}  // namespace
}  // namespace sillok
