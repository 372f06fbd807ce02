// Administration of a running cluster over gRPC: more partitions, changed
// configs, asked-for elections, deleted records.
#include <signal.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/rpc/channel.h"
#include "fmt/format.h"
#include "proto/broker.grpc.pb.h"
#include "test/cluster/cluster_fixture.h"

namespace sillok::cluster_test {
namespace {

constexpr char kTopic[] = "orders";

class AdminTest : public ClusterTest {
 protected:
  std::unique_ptr<v1::Broker::Stub> Stub(int broker) {
    return v1::Broker::NewStub(
        rpc::NewChannel(Node(fmt::format("broker-{}", broker)).grpc_address()));
  }

  template <typename Response, typename Request>
  using Method = grpc::Status (v1::Broker::Stub::*)(grpc::ClientContext*,
                                                    const Request&, Response*);
  // Asks the broker, which must answer.
  template <typename Response, typename Request>
  Response Ask(int broker, Method<Response, Request> method,
               const Request& request) {
    auto stub = Stub(broker);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() +
                         std::chrono::seconds(40));
    Response response;
    grpc::Status status = (stub.get()->*method)(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  // Values in partitions of their own, acks=all.
  v1::ErrorCode Produce(int partition, const std::string& value) {
    v1::ProduceRequest request;
    request.set_acks(-1);
    request.set_timeout_ms(5'000);
    auto* part = request.add_partitions();
    part->set_topic(kTopic);
    part->set_partition(partition);
    part->add_plain()->set_value(value);
    v1::ErrorCode error = v1::NONE;
    // The leader may be moving.
    EXPECT_TRUE(Eventually(30, [&] {
      int leader = LeaderOf(kTopic, partition);
      if (leader < 0) return false;
      auto response = Ask(leader, &v1::Broker::Stub::Produce, request);
      if (response.partitions_size() != 1) return false;
      error = response.partitions(0).error_code();
      return error != v1::NOT_LEADER_OR_FOLLOWER &&
             error != v1::UNKNOWN_TOPIC_OR_PARTITION;
    }));
    return error;
  }

  v1::TopicResult Grow(int broker, int total) {
    v1::CreatePartitionsRequest request;
    request.set_timeout_ms(20'000);
    auto* topic = request.add_topics();
    topic->set_name(kTopic);
    topic->set_total_count(total);
    return Ask(broker, &v1::Broker::Stub::CreatePartitions, request).topics(0);
  }

  v1::AlteredConfig Set(v1::ConfigResourceType type, const std::string& name,
                        const std::map<std::string, std::string>& values) {
    v1::AlterConfigsRequest request;
    auto* changes = request.add_resources();
    changes->mutable_resource()->set_type(type);
    changes->mutable_resource()->set_name(name);
    for (const auto& [key, value] : values) {
      auto* change = changes->add_changes();
      change->set_name(key);
      change->set_value(value);
    }
    return Ask(2, &v1::Broker::Stub::AlterConfigs, request).results(0);
  }

  // Value and source of the key as the broker sees it: "7 TOPIC".
  std::string Config(int broker, v1::ConfigResourceType type,
                     const std::string& name, const std::string& key) {
    v1::DescribeConfigsRequest request;
    auto* resource = request.add_resources();
    resource->set_type(type);
    resource->set_name(name);
    auto response = Ask(broker, &v1::Broker::Stub::DescribeConfigs, request);
    for (const v1::ConfigEntry& entry : response.results(0).entries()) {
      if (entry.name() == key) return entry.value() + " " + entry.source();
    }
    return "";
  }

  std::vector<v1::DeletedRecords> Delete(
      int broker, const std::vector<std::pair<int, int64_t>>& limits) {
    v1::DeleteRecordsRequest request;
    request.set_timeout_ms(20'000);
    for (const auto& [partition, before] : limits) {
      auto* limit = request.add_partitions();
      limit->set_topic(kTopic);
      limit->set_partition(partition);
      limit->set_before_offset(before);
    }
    auto response = Ask(broker, &v1::Broker::Stub::DeleteRecords, request);
    return {response.partitions().begin(), response.partitions().end()};
  }

  // Of the replica on that broker; -1 = none.
  int64_t LogStart(int broker, int partition) {
    v1::DescribeLogDirsRequest request;
    auto response = Ask(broker, &v1::Broker::Stub::DescribeLogDirs, request);
    for (const v1::ReplicaLog& log : response.replicas()) {
      if (log.topic() == kTopic && log.partition() == partition) {
        return log.log_start_offset();
      }
    }
    return -1;
  }

  static int AnyBut(int broker) { return broker == 1 ? 2 : 1; }
};

TEST_F(AdminTest, ATopicGrowsAndItsNewPartitionsTakeRecords) {
  StartCluster();
  CreateTopic(kTopic, 1, 3);
  EXPECT_EQ(Produce(0, "before"), v1::NONE);
  v1::TopicResult grown = Grow(3, 4);
  ASSERT_EQ(grown.error_code(), v1::NONE) << grown.error_message();
  EXPECT_EQ(grown.partitions(), 4);
  EXPECT_EQ(Grow(1, 4).error_code(), v1::INVALID_PARTITIONS);
  EXPECT_EQ(Grow(2, 2).error_code(), v1::INVALID_PARTITIONS);
  for (int p = 0; p < 4; ++p) {
    EXPECT_EQ(Produce(p, fmt::format("in {}", p)), v1::NONE);
  }
  EXPECT_EQ(ReadAll(kTopic).size(), 5u);
  ASSERT_TRUE(Eventually(30, [&] { return FullyReplicated(kTopic); }));
  auto topics = NewAdmin()->DescribeTopics({kTopic});
  ASSERT_TRUE(topics.ok());
  std::set<int> leaders;
  for (const auto& info : (*topics)[0].partitions) leaders.insert(info.leader);
  EXPECT_EQ(leaders.size(), 3u);
  // It is so for whoever comes later, too.
  for (const char* name : {"broker-1", "broker-2", "broker-3"}) Kill(name);
  for (const char* name : {"broker-1", "broker-2", "broker-3"}) StartAgain(name);
  ASSERT_TRUE(Eventually(60, [&] {
    auto read = NewAdmin()->DescribeTopics({kTopic});
    return read.ok() && (*read)[0].partitions.size() == 4 &&
           FullyReplicated(kTopic);
  }));
  EXPECT_EQ(ReadAll(kTopic).size(), 5u);
}

TEST_F(AdminTest, ConfigsChangeWhileTheClusterRuns) {
  StartCluster();
  CreateTopic(kTopic, 1, 3);
  const std::string large(4'000, 'x');
  EXPECT_EQ(Produce(0, large), v1::NONE);
  ASSERT_EQ(Set(v1::TOPIC, kTopic, {{"max.message.bytes", "1000"}}).error_code(),
            v1::NONE);
  EXPECT_EQ(Produce(0, large), v1::MESSAGE_TOO_LARGE);
  EXPECT_EQ(Produce(0, "small"), v1::NONE);
  for (int b = 1; b <= 3; ++b) {
    EXPECT_EQ(Config(b, v1::TOPIC, kTopic, "max.message.bytes"), "1000 TOPIC");
  }
  v1::AlteredConfig refused =
      Set(v1::TOPIC, kTopic,
          {{"max.message.bytes", "many"}, {"retention.ms", "5"}});
  EXPECT_EQ(refused.error_code(), v1::INVALID_CONFIG);
  EXPECT_NE(refused.error_message().find("max.message.bytes"),
            std::string::npos);
  EXPECT_EQ(Config(1, v1::TOPIC, kTopic, "retention.ms"), "604800000 DEFAULT");

  // More in-sync replicas than there are, once a follower is gone.
  ASSERT_EQ(Set(v1::TOPIC, kTopic, {{"min.insync.replicas", "3"}}).error_code(),
            v1::NONE);
  Kill(LeaderOf(kTopic, 0) == 1 ? "broker-3" : "broker-1");
  ASSERT_TRUE(Eventually(
      30, [&] { return Produce(0, "small") == v1::NOT_ENOUGH_REPLICAS; }));
  ASSERT_EQ(Set(v1::TOPIC, kTopic, {{"min.insync.replicas", "2"}}).error_code(),
            v1::NONE);
  EXPECT_EQ(Produce(0, "small"), v1::NONE);
}

TEST_F(AdminTest, BrokersConfigsChangeWhileTheyRun) {
  StartCluster();
  CreateTopic(kTopic, 1, 3);
  const std::string large(4'000, 'x');
  ASSERT_EQ(Set(v1::BROKER, "", {{"message.max.bytes", "1000"}}).error_code(),
            v1::NONE);
  // Brokers hear of it from the coordinator, each by itself.
  ASSERT_TRUE(Eventually(20, [&] {
    for (int b = 1; b <= 3; ++b) {
      if (Config(b, v1::TOPIC, kTopic, "max.message.bytes") !=
          "1000 DYNAMIC_DEFAULT_BROKER") {
        return false;
      }
    }
    return true;
  }));
  ASSERT_TRUE(Eventually(
      20, [&] { return Produce(0, large) == v1::MESSAGE_TOO_LARGE; }));
  const int leader = LeaderOf(kTopic, 0);
  const std::string self = std::to_string(leader);
  ASSERT_EQ(Set(v1::BROKER, self, {{"message.max.bytes", "9000"}}).error_code(),
            v1::NONE);
  ASSERT_TRUE(Eventually(20, [&] { return Produce(0, large) == v1::NONE; }));
  EXPECT_EQ(Config(leader, v1::TOPIC, kTopic, "max.message.bytes"),
            "9000 DYNAMIC_BROKER");
  EXPECT_EQ(Config(leader, v1::BROKER, self, "message.max.bytes"),
            "9000 DYNAMIC_BROKER");
  EXPECT_EQ(Config(AnyBut(leader), v1::BROKER, "", "message.max.bytes"),
            "1000 DYNAMIC_DEFAULT_BROKER");
  v1::AlteredConfig refused =
      Set(v1::BROKER, self, {{"num.partitions", "9"}});
  EXPECT_EQ(refused.error_code(), v1::INVALID_CONFIG);
  // A new start finds it so.
  Kill(fmt::format("broker-{}", leader));
  StartAgain(fmt::format("broker-{}", leader));
  ASSERT_TRUE(Eventually(30, [&] {
    return Config(leader, v1::TOPIC, kTopic, "max.message.bytes") ==
           "9000 DYNAMIC_BROKER";
  }));
}

TEST_F(AdminTest, PreferredLeadersTakeOverWhenAsked) {
  tools::DevClusterSpec spec;
  spec.broker_sets = {"auto.leader.rebalance.enable=false"};
  StartCluster(spec);
  CreateTopic(kTopic, 3, 3);
  auto elect = [&] {
    v1::ElectLeadersRequest request;
    request.set_timeout_ms(20'000);
    request.set_all_partitions(true);
    return Ask(3, &v1::Broker::Stub::ElectLeaders, request);
  };
  EXPECT_EQ(elect().partitions_size(), 0);
  int moved = -1;
  for (int p = 0; p < 3; ++p) {
    if (LeaderOf(kTopic, p) == 1) moved = p;
  }
  ASSERT_NE(moved, -1);
  ASSERT_TRUE(cluster_->SignalNode(Node("broker-1"), SIGTERM).ok());
  ASSERT_TRUE(cluster_->AwaitExit(Node("broker-1"), 30).ok());
  ASSERT_TRUE(Eventually(30, [&] { return LeaderOf(kTopic, moved) > 1; }));
  auto without = elect();
  ASSERT_EQ(without.partitions_size(), 1);
  EXPECT_EQ(without.partitions(0).error_code(),
            v1::PREFERRED_LEADER_NOT_AVAILABLE);
  StartAgain("broker-1");
  ASSERT_TRUE(Eventually(60, [&] { return FullyReplicated(kTopic); }));
  EXPECT_GT(LeaderOf(kTopic, moved), 1);
  auto with = elect();
  ASSERT_EQ(with.partitions_size(), 1);
  EXPECT_EQ(with.partitions(0).error_code(), v1::NONE)
      << with.partitions(0).error_message();
  ASSERT_TRUE(Eventually(10, [&] { return LeaderOf(kTopic, moved) == 1; }));
}

TEST_F(AdminTest, DeletedRecordsAreGoneOnEveryReplica) {
  StartCluster();
  CreateTopic(kTopic, 2, 3);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Produce(0, fmt::format("{}", i)), v1::NONE);
  }
  EXPECT_EQ(Produce(1, "other"), v1::NONE);
  const int leader = LeaderOf(kTopic, 0);
  auto deleted = Delete(leader, {{0, 4}, {0, 11}, {7, 0}});
  ASSERT_EQ(deleted.size(), 3u);
  EXPECT_EQ(deleted[0].error_code(), v1::NONE) << deleted[0].error_message();
  EXPECT_EQ(deleted[0].low_watermark(), 4);
  EXPECT_EQ(deleted[1].error_code(), v1::OFFSET_OUT_OF_RANGE);
  EXPECT_EQ(deleted[1].low_watermark(), -1);
  EXPECT_EQ(deleted[2].error_code(), v1::UNKNOWN_TOPIC_OR_PARTITION);
  for (int b = 1; b <= 3; ++b) EXPECT_EQ(LogStart(b, 0), 4) << b;
  EXPECT_EQ(ReadAll(kTopic).size(), 7u);
  EXPECT_EQ(Delete(AnyBut(leader), {{0, 5}})[0].error_code(),
            v1::NOT_LEADER_OR_FOLLOWER);

  deleted = Delete(leader, {{0, -1}});
  EXPECT_EQ(deleted[0].error_code(), v1::NONE) << deleted[0].error_message();
  EXPECT_EQ(deleted[0].low_watermark(), 10);
  EXPECT_EQ(ReadAll(kTopic).size(), 1u);
  EXPECT_EQ(Produce(0, "after"), v1::NONE);
  EXPECT_EQ(ReadAll(kTopic).size(), 2u);

  ASSERT_EQ(Set(v1::TOPIC, kTopic, {{"cleanup.policy", "compact"}}).error_code(),
            v1::NONE);
  EXPECT_EQ(Delete(leader, {{0, -1}})[0].error_code(), v1::POLICY_VIOLATION);
}

TEST_F(AdminTest, EpochsEndWhereTheNextLeaderBegan) {
  StartCluster();
  CreateTopic(kTopic, 1, 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Produce(0, "a"), v1::NONE);
  const int first = LeaderOf(kTopic, 0);
  ASSERT_TRUE(
      cluster_->SignalNode(Node(fmt::format("broker-{}", first)), SIGTERM).ok());
  ASSERT_TRUE(Eventually(30, [&] {
    int now = LeaderOf(kTopic, 0);
    return now > 0 && now != first;
  }));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Produce(0, "b"), v1::NONE);
  auto end_of = [&](int epoch, int believed) {
    v1::OffsetsForLeaderEpochRequest request;
    auto* wanted = request.add_partitions();
    wanted->set_topic(kTopic);
    wanted->set_leader_epoch(epoch);
    wanted->set_current_leader_epoch_plus_one(believed + 1);
    auto response = Ask(LeaderOf(kTopic, 0),
                        &v1::Broker::Stub::OffsetsForLeaderEpoch, request);
    return response.partitions(0);
  };
  EXPECT_EQ(end_of(0, -1).leader_epoch(), 0);
  EXPECT_EQ(end_of(0, -1).end_offset(), 3);
  EXPECT_EQ(end_of(1, 1).end_offset(), 5);
  EXPECT_EQ(end_of(0, 0).error_code(), v1::FENCED_LEADER_EPOCH);
  EXPECT_EQ(end_of(0, 9).error_code(), v1::UNKNOWN_LEADER_EPOCH);
}

}  // namespace
}  // namespace sillok::cluster_test
