// Processes are killed under a steady acks=all load with a group reading.

#include <signal.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "base/rpc/channel.h"
#include "proto/broker.grpc.pb.h"
#include "test/cluster/cluster_fixture.h"

namespace sillok::cluster_test {
namespace {

constexpr char kTopic[] = "orders";

class FailoverTest : public ClusterTest {
 protected:
  // What was acknowledged and is not among `seen`.
  static size_t Missing(const std::map<int, std::set<int64_t>>& acknowledged,
                        const std::map<int, std::set<int64_t>>& seen) {
    size_t missing = 0;
    for (const auto& [key, numbers] : acknowledged) {
      auto it = seen.find(key);
      for (int64_t number : numbers) {
        if (it == seen.end() || !it->second.contains(number)) ++missing;
      }
    }
    return missing;
  }

  void AwaitProgress(const Load& load, uint64_t more) {
    uint64_t goal = load.acknowledged() + more;
    ASSERT_TRUE(Eventually(60, [&] { return load.acknowledged() >= goal; }))
        << "acknowledged " << load.acknowledged() << " of " << goal;
  }

  // The group's offsets as the cluster has them are not behind what it
  // acknowledged to the reader.
  void ExpectCommitsSurvive(const Reader& reader) {
    std::map<int, int64_t> acknowledged = reader.Committed();
    std::map<TopicPartition, client::CommittedPosition> kept;
    ASSERT_TRUE(Eventually(30, [&] {
      auto offsets = NewAdmin()->ListGroupOffsets("readers");
      if (offsets.ok()) kept = *offsets;
      return offsets.ok();
    }));
    for (const auto& [partition, offset] : acknowledged) {
      EXPECT_GE((kept[TopicPartition{kTopic, partition}].offset), offset)
          << "partition " << partition;
    }
  }
};

TEST_F(FailoverTest, KillingLeaderControllerAndCoordinatorLeaderLosesNothing) {
  StartCluster();
  CreateTopic(kTopic, 6, 3, {{"min.insync.replicas", "2"}});
  Load load(ProducerConfig(), kTopic, 12);
  Reader reader(ConsumerConfig("readers"), kTopic);
  AwaitProgress(load, 1000);
  ASSERT_TRUE(Eventually(60, [&] { return !reader.Committed().empty(); }));
  load.TakeLongestPauseMs();

  auto kill_one = [&](const char* what, const std::string& name) {
    SCOPED_TRACE(std::string(what) + " " + name);
    ASSERT_NE(name, "");
    Kill(name);
    AwaitProgress(load, 2000);
    ExpectCommitsSurvive(reader);
    std::cout << "killed the " << what << " (" << name
              << "): longest pause between acknowledgements "
              << load.TakeLongestPauseMs() << " ms" << std::endl;
    StartAgain(name);
    ASSERT_TRUE(Eventually(60, [&] { return FullyReplicated(kTopic); }));
    load.TakeLongestPauseMs();
  };
  kill_one("leading broker",
           "broker-" + std::to_string(LeaderOf(kTopic, 0)));
  auto described = NewAdmin()->DescribeCluster();
  ASSERT_TRUE(described.ok()) << described.status();
  kill_one("controller",
           "broker-" + std::to_string(described->controller_id));
  kill_one("coordinator leader", CoordinatorLeader());

  load.Stop();
  EXPECT_EQ(load.failed(), 0u);
  std::map<int, std::set<int64_t>> acknowledged = load.Acknowledged();
  EXPECT_TRUE(Eventually(
      60, [&] { return Missing(acknowledged, reader.Seen()) == 0; }))
      << Missing(acknowledged, reader.Seen()) << " acknowledged records of "
      << load.acknowledged() << " were never consumed";
  reader.Stop();
  for (const std::string& violation : reader.Violations()) {
    ADD_FAILURE() << violation;
  }
  std::cout << load.acknowledged() << " records acknowledged, "
            << reader.records() << " consumed" << std::endl;
}

TEST_F(FailoverTest, AfterAllSixAreKilledEverythingAcknowledgedIsThere) {
  StartCluster();
  CreateTopic(kTopic, 6, 3, {{"min.insync.replicas", "2"}});
  std::map<int, std::set<int64_t>> acknowledged;
  std::map<int, int64_t> committed;
  {
    Load load(ProducerConfig(), kTopic, 12);
    Reader reader(ConsumerConfig("readers"), kTopic);
    AwaitProgress(load, 3000);
    ASSERT_TRUE(Eventually(60, [&] { return !reader.Committed().empty(); }));
    for (const tools::DevNode& node : cluster_->nodes()) {
      ASSERT_TRUE(cluster_->SignalNode(node, SIGKILL).ok());
    }
    for (const tools::DevNode& node : cluster_->nodes()) {
      ASSERT_TRUE(cluster_->AwaitExit(node, 10).ok());
    }
    acknowledged = load.Acknowledged();
    committed = reader.Committed();
    absl::Status up = cluster_->Up([](const std::string&) {});
    ASSERT_TRUE(up.ok()) << up;
    ASSERT_TRUE(Eventually(60, [&] { return FullyReplicated(kTopic); }));
    ExpectCommitsSurvive(reader);
    // The clients that were there all the time go on.
    AwaitProgress(load, 500);
    std::cout << "killed all six: longest pause between acknowledgements "
              << load.TakeLongestPauseMs() << " ms" << std::endl;
    load.Stop();
    reader.Stop();
    for (const std::string& violation : reader.Violations()) {
      ADD_FAILURE() << violation;
    }
  }
  std::map<int, std::set<int64_t>> kept;
  for (const auto& [key, value] : ReadAll(kTopic)) {
    kept[std::stoi(key)].insert(std::stoll(value.substr(value.find(':') + 1)));
  }
  EXPECT_EQ(Missing(acknowledged, kept), 0u);
  EXPECT_FALSE(committed.empty());
}

TEST_F(FailoverTest, APausedBrokerNeverServesAsAStaleLeader) {
  StartCluster();
  CreateTopic(kTopic, 1, 3, {{"min.insync.replicas", "2"}});
  Load load(ProducerConfig(), kTopic, 4);
  AwaitProgress(load, 200);
  int old_leader = LeaderOf(kTopic, 0);
  std::string name = "broker-" + std::to_string(old_leader);
  ASSERT_TRUE(cluster_->SignalNode(Node(name), SIGSTOP).ok());
  // Past its session: the others elect.
  ASSERT_TRUE(Eventually(60, [&] {
    int leader = -1;
    for (const tools::DevNode& node : cluster_->nodes()) {
      if (node.kind != tools::DevNode::Kind::kBroker || node.name() == name) {
        continue;
      }
      client::AdminConfig config;
      config.bootstrap_servers = {node.grpc_address()};
      config.default_api_timeout_ms = 3'000;
      auto topics = (*client::Admin::Create(config))->DescribeTopics({kTopic});
      if (topics.ok() && !(*topics)[0].partitions.empty()) {
        leader = (*topics)[0].partitions[0].leader;
      }
      break;
    }
    return leader >= 0 && leader != old_leader;
  }));
  AwaitProgress(load, 500);

  // Asked for by name, with acks=1, in the moment it wakes up: what it would
  // take as a stale leader is exactly what would be lost.
  auto stub = v1::Broker::NewStub(rpc::NewChannel(Node(name).grpc_address()));
  v1::ProduceRequest request;
  request.set_acks(1);
  request.set_timeout_ms(5'000);
  auto* partition = request.add_partitions();
  partition->set_topic(kTopic);
  auto* record = partition->add_plain();
  record->set_key("99");
  std::atomic<int> asked{0}, taken{0};
  std::set<int64_t> taken_numbers;
  std::atomic<bool> asking{true};
  std::thread asker([&] {
    for (int64_t number = 0; asking; ++number) {
      record->set_value("99:" + std::to_string(number));
      grpc::ClientContext context;
      context.set_deadline(std::chrono::system_clock::now() +
                           std::chrono::seconds(5));
      v1::ProduceResponse response;
      if (!stub->Produce(&context, request, &response).ok()) continue;
      ++asked;
      if (response.partitions(0).error_code() == v1::NONE) {
        ++taken;
        taken_numbers.insert(number);
      }
    }
  });
  ASSERT_TRUE(cluster_->SignalNode(Node(name), SIGCONT).ok());
  ASSERT_TRUE(cluster_->AwaitHealthy(Node(name), 60).ok());
  ASSERT_TRUE(Eventually(60, [&] { return FullyReplicated(kTopic); }));
  ASSERT_TRUE(Eventually(30, [&] { return asked > 100; }));
  asking = false;
  asker.join();
  load.Stop();
  EXPECT_EQ(load.failed(), 0u);

  // Whatever was acknowledged, by whomever, is in the log.
  std::map<int, std::set<int64_t>> kept;
  for (const auto& [key, value] : ReadAll(kTopic)) {
    kept[std::stoi(key)].insert(std::stoll(value.substr(value.find(':') + 1)));
  }
  EXPECT_EQ(Missing(load.Acknowledged(), kept), 0u);
  EXPECT_EQ(Missing({{99, taken_numbers}}, kept), 0u)
      << taken << " of " << asked << " appends were acknowledged by " << name;
}

}  // namespace
}  // namespace sillok::cluster_test
