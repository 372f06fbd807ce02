// Brokers behind addresses that are not theirs (NAT, containers): clients of
// each listener are told the addresses of that listener, and get along with
// them alone.
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "proto/kafka/fetch.h"
#include "proto/kafka/metadata.h"
#include "proto/kafka/produce.h"
#include "proto/kafka/topic_admin.h"
#include "proto/record/record_batch.h"
#include "test/cluster/cluster_fixture.h"
#include "test/support/kafka_socket.h"
#include "test/support/tcp_proxy.h"

namespace sillok::cluster_test {
namespace {

using namespace kafka;  // the messages

constexpr int kBrokers = 3;

// Each broker has a Kafka listener for the inside and one for the outside, whose
// port, like that of gRPC, others only know by what stands in front of it.
class ListenersTest : public ClusterTest {
 protected:
  void SetUp() override {
    tools::DevClusterSpec spec;
    spec.brokers = kBrokers;
    StartCluster(spec, [this] { Configure(); });
  }

  void Configure() {
    for (int id = 1; id <= kBrokers; ++id) {
      const tools::DevNode node = Node(fmt::format("broker-{}", id));
      outside_[id] = std::make_unique<TcpProxy>(node.kafka_port);
      grpc_[id] = std::make_unique<TcpProxy>(node.grpc_port);
      std::ofstream config(node.dir + "/config.properties", std::ios::app);
      config << fmt::format(
          "listeners=GRPC://127.0.0.1:{0},OUTSIDE://127.0.0.1:{1},"
          "INSIDE://127.0.0.1:{2},REPLICATION://127.0.0.1:0\n"
          "advertised.listeners=GRPC://127.0.0.1:{3},OUTSIDE://localhost:{4},"
          "INSIDE://127.0.0.1:{2},REPLICATION://127.0.0.1:0\n"
          "listener.security.protocol.map=OUTSIDE:PLAINTEXT,INSIDE:PLAINTEXT\n",
          node.grpc_port, node.kafka_port, node.replication_port,
          grpc_[id]->port(), outside_[id]->port());
      inside_[id] = node.replication_port;  // a free port, used for this here
    }
  }

  // What a client that came in at `port` is told: host and port by broker.
  std::map<int, std::pair<std::string, int>> Told(int port) {
    KafkaSocket socket(port);
    auto response =
        socket.Ask<MetadataResponse>(MetadataRequest{.topics = std::nullopt}, 9);
    std::map<int, std::pair<std::string, int>> told;
    if (!response.has_value()) return told;
    for (const auto& broker : response->brokers) {
      told[broker.node_id] = {broker.host, broker.port};
    }
    return told;
  }

  std::map<int, std::unique_ptr<TcpProxy>> outside_;
  std::map<int, std::unique_ptr<TcpProxy>> grpc_;
  std::map<int, int> inside_;
};

TEST_F(ListenersTest, EachListenersClientsAreToldItsAddresses) {
  ASSERT_TRUE(Eventually(20, [this] {
    return Told(outside_[1]->port()).size() == kBrokers;
  }));
  for (int via = 1; via <= kBrokers; ++via) {
    const auto outside = Told(outside_[via]->port());
    const auto inside = Told(inside_[via]);
    for (int id = 1; id <= kBrokers; ++id) {
      EXPECT_EQ(outside.at(id),
                std::make_pair(std::string("localhost"), outside_[id]->port()));
      EXPECT_EQ(inside.at(id),
                std::make_pair(std::string("127.0.0.1"), inside_[id]));
    }
  }
}

TEST_F(ListenersTest, ARecordGoesInAndOutByAdvertisedAddressesAlone) {
  CreateTopic("orders", 3, 3);  // the admin client came by gRPC
  EXPECT_GT(grpc_[1]->accepted() + grpc_[2]->accepted() + grpc_[3]->accepted(),
            0);
  std::map<int, int> leaders;
  ASSERT_TRUE(Eventually(20, [&] {
    KafkaSocket socket(outside_[1]->port());
    MetadataRequest request;
    request.topics.emplace().push_back({.name = "orders"});
    auto response = socket.Ask<MetadataResponse>(request, 9);
    if (!response.has_value() || response->topics.size() != 1) return false;
    leaders.clear();
    for (const auto& partition : response->topics[0].partitions) {
      if (partition.error_code != 0) return false;
      leaders[partition.partition_index] = partition.leader_id;
    }
    return leaders.size() == 3u;
  }));
  for (const auto& [partition, leader] : leaders) {
    const auto address = Told(outside_[1]->port()).at(leader);
    KafkaSocket socket(address.second);
    ProduceRequest produce;
    produce.acks = -1;
    produce.timeout_ms = 20'000;
    record::BatchBuilder builder;
    builder.Append(1'700'000'000'000, std::nullopt, "v");
    produce.topic_data.push_back(
        {"orders",
         {{partition, Bytes::FromString(builder.Build().value())}}});
    auto produced = socket.Ask<ProduceResponse>(produce, 9);
    ASSERT_TRUE(produced.has_value());
    EXPECT_EQ(produced->responses.at(0).partition_responses.at(0).error_code,
              0);
    FetchRequest fetch;
    fetch.max_wait_ms = 10'000;
    fetch.min_bytes = 1;
    auto& topic = fetch.topics.emplace_back();
    topic.topic = "orders";
    auto& wanted = topic.partitions.emplace_back();
    wanted.partition = partition;
    wanted.partition_max_bytes = 1'000'000;
    auto fetched = socket.Ask<FetchResponse>(fetch, 11);
    ASSERT_TRUE(fetched.has_value());
    EXPECT_GE(fetched->responses.at(0).partitions.at(0).records->size(), 61u);
  }
  // Our own clients find the brokers by gRPC's advertised addresses.
  EXPECT_EQ(ReadAll("orders").size(), 3u);
}

}  // namespace
}  // namespace sillok::cluster_test
