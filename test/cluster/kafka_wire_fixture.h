// A cluster of one broker, spoken to in Kafka's wire protocol over sockets.
#ifndef SILLOK_TEST_CLUSTER_KAFKA_WIRE_FIXTURE_H_
#define SILLOK_TEST_CLUSTER_KAFKA_WIRE_FIXTURE_H_

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "proto/kafka/fetch.h"
#include "proto/kafka/produce.h"
#include "proto/kafka/topic_admin.h"
#include "proto/record/record_batch.h"
#include "test/cluster/cluster_fixture.h"
#include "test/support/kafka_socket.h"

namespace sillok::cluster_test {

inline constexpr int32_t kMaxRequestBytes = 1 << 20;

class KafkaWireTest : public ClusterTest {
 protected:
  void SetUp() override {
    tools::DevClusterSpec spec;
    spec.coordinators = 1;
    spec.brokers = 1;
    spec.broker_sets = {
        "offsets.topic.num.partitions=2",
        "socket.request.max.bytes=" + std::to_string(kMaxRequestBytes)};
    StartCluster(spec);
    if (HasFatalFailure()) return;
    port_ = Node("broker-1").kafka_port;
    ASSERT_GT(port_, 0);
  }

  using Configs = std::vector<std::pair<std::string, std::string>>;
  void MakeTopic(const std::string& name, int32_t partitions,
                 const Configs& configs = {}) {
    KafkaSocket socket(port_);
    kafka::CreateTopicsRequest request;
    request.timeout_ms = 20'000;
    auto& topic = request.topics.emplace_back();
    topic.name = name;
    topic.num_partitions = partitions;
    topic.replication_factor = 1;
    for (auto& [key, value] : configs) topic.configs.push_back({key, value});
    auto response = socket.Ask<kafka::CreateTopicsResponse>(request, 7);
    ASSERT_TRUE(response.has_value());
    ASSERT_EQ(response->topics.at(0).error_code, 0)
        << *response->topics[0].error_message;
    EXPECT_EQ(response->topics[0].num_partitions, partitions);
    EXPECT_NE(response->topics[0].topic_id, kafka::Uuid{});
  }

  static kafka::ProduceRequest Produce(const std::string& topic,
                                       int32_t partition,
                                       std::optional<Bytes> records,
                                       int16_t acks = -1) {
    kafka::ProduceRequest request;
    request.acks = acks;
    request.timeout_ms = 10'000;
    request.topic_data.push_back({topic, {{partition, std::move(records)}}});
    return request;
  }

  static Bytes Batch(const std::string& value) {
    record::BatchBuilder builder;
    builder.Append(1'700'000'000'000, std::nullopt, value);
    return Bytes::FromString(builder.Build().value());
  }

  // A record goes in, and a consumer gets it.
  void ExpectWorks(KafkaSocket& socket) {
    auto produced = socket.Ask<kafka::ProduceResponse>(
        Produce("orders", 0, Batch("v")), 9);
    ASSERT_TRUE(produced.has_value());
    const auto& result = produced->responses.at(0).partition_responses.at(0);
    ASSERT_EQ(result.error_code, 0);
    kafka::FetchRequest fetch;
    fetch.max_wait_ms = 5'000;
    fetch.min_bytes = 1;
    auto& topic = fetch.topics.emplace_back();
    topic.topic = "orders";
    auto& partition = topic.partitions.emplace_back();
    partition.fetch_offset = result.base_offset;
    partition.partition_max_bytes = 1'000'000;
    auto fetched = socket.Ask<kafka::FetchResponse>(fetch, 11);
    ASSERT_TRUE(fetched.has_value());
    EXPECT_GE(fetched->responses.at(0).partitions.at(0).records->size(), 61u);
  }

  int64_t Resident() {
    auto pid = cluster_->Pid(Node("broker-1"));
    EXPECT_TRUE(pid.has_value()) << "the broker has ended";
    if (!pid.has_value()) return 0;
    std::ifstream status(fmt::format("/proc/{}/statm", *pid));
    int64_t size = 0, pages = 0;
    status >> size >> pages;
    return pages * sysconf(_SC_PAGESIZE);
  }
  int64_t LogLines() {
    std::ifstream log(Node("broker-1").log_path());
    return std::count(std::istreambuf_iterator<char>(log), {}, '\n');
  }

  int port_ = 0;
};

}  // namespace sillok::cluster_test

#endif  // SILLOK_TEST_CLUSTER_KAFKA_WIRE_FIXTURE_H_
