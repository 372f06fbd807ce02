// A broker's Kafka door over real sockets: Kafka's own answers to produce
// requests, administration, order.
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "proto/kafka/config_admin.h"
#include "proto/kafka/connection.h"
#include "proto/kafka/metadata.h"
#include "proto/kafka/replica_admin.h"
#include "proto/kafka/transactions.h"
#include "test/cluster/kafka_wire_fixture.h"
#include "test/golden/golden.h"

namespace sillok::cluster_test {
namespace {

using namespace kafka;  // the messages, by dozens
using nlohmann::json;

// ---- Kafka's answers

// Where ours differs, and why it is the better one.
const std::map<std::string, ErrorCode> kBetter = {
    // Kafka fails on its own code's limits.
    {"batchLength max int", ErrorCode::CORRUPT_MESSAGE},
    {"unknown codec 7", ErrorCode::UNSUPPORTED_COMPRESSION_TYPE},
    {"says gzip, is plain", ErrorCode::CORRUPT_MESSAGE},
    {"says zstd, is plain", ErrorCode::CORRUPT_MESSAGE},
    // Kafka never answers.
    {"null records", ErrorCode::INVALID_RECORD},
    // There are no transactions here yet.
    {"transactional batch, unknown transactional id",
     ErrorCode::UNSUPPORTED_VERSION},
    {"transactional id in the request, plain batch",
     ErrorCode::UNSUPPORTED_VERSION},
};

TEST_F(KafkaWireTest, ProduceIsAnsweredAsKafkaDoes) {
  const std::map<std::string,
                 std::vector<std::pair<std::string, std::string>>>
      topics = {{"t", {}},
                {"c", {{"cleanup.policy", "compact"}}},
                {"small", {{"max.message.bytes", "200"}}},
                {"lat", {{"message.timestamp.type", "LogAppendTime"}}},
                {"gz", {{"compression.type", "gzip"}}},
                {"past",
                 {{"message.timestamp.before.max.ms", "1000"},
                  {"message.timestamp.after.max.ms", "1000"}}}};
  for (const auto& [name, configs] : topics) MakeTopic(name, 1, configs);
  KafkaSocket socket(port_);
  int compared = 0;
  for (const json& row : golden::ReadJsonLines("produce-answers.jsonl")) {
    const std::string name = row["case"];
    SCOPED_TRACE(name);
    const int16_t version = row["version"];
    std::optional<Bytes> records;
    if (!row["records"].is_null()) {
      records =
          Bytes::FromString(golden::FromHex(row["records"].get<std::string>()));
    }
    ProduceRequest request =
        Produce(row["topic"], row["partition"], std::move(records),
                row["acks"].get<int16_t>());
    if (row.contains("transactionalId")) {
      request.transactional_id = row["transactionalId"].get<std::string>();
    }
    auto response = socket.Ask<ProduceResponse>(request, version);
    ASSERT_TRUE(response.has_value());
    ASSERT_EQ(response->responses.size(), 1u);
    EXPECT_EQ(response->responses[0].name, row["topic"]);
    ASSERT_EQ(response->responses[0].partition_responses.size(), 1u);
    const auto& result = response->responses[0].partition_responses[0];
    EXPECT_EQ(result.index, row["partition"]);
    const ErrorCode error = ErrorCodeFromNumber(result.error_code);
    ++compared;
    if (auto better = kBetter.find(name); better != kBetter.end()) {
      EXPECT_EQ(error, better->second);
      continue;
    }
    EXPECT_EQ(ErrorName(error), row["error"])
        << result.error_message.value_or("");
    EXPECT_EQ(result.base_offset, row["baseOffset"]);
    if (error == ErrorCode::NONE) {
      EXPECT_EQ(result.log_start_offset, row["logStartOffset"]);
      EXPECT_EQ(result.error_message, std::nullopt);
      EXPECT_EQ(result.log_append_time_ms >= 0, row["topic"] == "lat");
    } else if (version >= 8) {
      // Kafka's wording is its own; ours always has some.
      EXPECT_FALSE(result.error_message.value_or("").empty());
    }
    std::vector<int32_t> wrong, kafkas;
    for (const auto& one : result.record_errors) {
      wrong.push_back(one.batch_index);
      EXPECT_TRUE(one.batch_index_error_message.has_value());
    }
    for (const json& one : row["recordErrors"]) {
      kafkas.push_back(one["batchIndex"]);
    }
    EXPECT_EQ(wrong, kafkas);
  }
  EXPECT_EQ(compared, 74);
}

// ---- administration

TEST_F(KafkaWireTest, TopicsAreAdministered) {
  KafkaSocket socket(port_);
  for (int16_t version = 0; version <= 7; ++version) {
    CreateTopicsRequest create;
    create.timeout_ms = 20'000;
    auto& topic = create.topics.emplace_back();
    topic.name = "v" + std::to_string(version);
    topic.num_partitions = version >= 4 ? -1 : 2;
    topic.replication_factor = version >= 4 ? -1 : 1;
    topic.configs.push_back({"retention.ms", "123456"});
    auto created = socket.Ask<CreateTopicsResponse>(create, version);
    ASSERT_TRUE(created.has_value());
    ASSERT_EQ(created->topics.at(0).error_code, 0);
    if (version >= 5) {
      std::map<std::string, std::string> configs;
      for (const auto& config : *created->topics[0].configs) {
        configs[config.name] = config.value.value_or("");
      }
      EXPECT_EQ(configs["retention.ms"], "123456");
      EXPECT_EQ(created->topics[0].replication_factor, 1);
    }
    created = socket.Ask<CreateTopicsResponse>(create, version);
    EXPECT_EQ(created->topics.at(0).error_code, 36);
  }
  // An unknown configuration, and names that are none.
  CreateTopicsRequest create;
  create.timeout_ms = 20'000;
  create.topics.push_back({"odd", 1, 1, {}, {{"no.such.key", "1"}}});
  create.topics.push_back({"far", 1, 3, {}, {}});
  const std::vector<std::string> names = {
      "", ".", "..", "a/b", "../../etc/x", std::string(250, 'n'),
      std::string("a\0b", 3), "caf\xc3\xa9", "\xff\xfe", "a b",
      "__consumer_offsets"};
  for (const std::string& name : names) {
    create.topics.push_back({name, 1, 1, {}, {}});
  }
  auto refused = socket.Ask<CreateTopicsResponse>(create, 5);
  ASSERT_TRUE(refused.has_value());
  ASSERT_EQ(refused->topics.size(), create.topics.size());
  EXPECT_EQ(refused->topics[0].error_code, 40);
  EXPECT_EQ(refused->topics[1].error_code, 38);
  for (size_t i = 2; i < refused->topics.size(); ++i) {
    EXPECT_EQ(refused->topics[i].error_code, 17) << names[i - 2];
  }

  CreatePartitionsRequest grow;
  grow.timeout_ms = 20'000;
  grow.topics.push_back({"v0", 5, std::nullopt});
  grow.topics.push_back({"v1", 1, std::nullopt});
  grow.topics.push_back({"nowhere", 5, std::nullopt});
  for (int16_t version : {3, 0}) {
    auto grown = socket.Ask<CreatePartitionsResponse>(grow, version);
    ASSERT_TRUE(grown.has_value());
    EXPECT_EQ(grown->results.at(0).error_code, version == 3 ? 0 : 37);
    EXPECT_EQ(grown->results.at(1).error_code, 37);
    EXPECT_EQ(grown->results.at(2).error_code, 3);
  }

  IncrementalAlterConfigsRequest alter;
  alter.resources.push_back({2, "v0", {{"retention.ms", 0, "777"}}});
  alter.resources.push_back({2, "v6", {{"no.such.key", 0, "777"}}});
  alter.resources.push_back({2, "v1", {{"retention.ms", 0, "minus"}}});
  alter.resources.push_back({2, "v2", {{"retention.ms", 1, std::nullopt}}});
  auto altered = socket.Ask<IncrementalAlterConfigsResponse>(alter, 1);
  ASSERT_TRUE(altered.has_value());
  ASSERT_EQ(altered->responses.size(), 4u);
  EXPECT_EQ(altered->responses[0].error_code, 0);
  EXPECT_EQ(altered->responses[1].error_code, 40);
  EXPECT_EQ(altered->responses[2].error_code, 40);
  EXPECT_EQ(altered->responses[3].error_code, 0);
  auto value = [&](const std::string& topic) {
    DescribeConfigsRequest describe;
    describe.resources.push_back(
        {2, topic, std::vector<std::string>{"retention.ms"}});
    auto described = socket.Ask<DescribeConfigsResponse>(describe, 4);
    return described->results.at(0).configs.at(0).value.value_or("");
  };
  EXPECT_TRUE(Eventually(20, [&] { return value("v2") == "604800000"; }));
  AlterConfigsRequest replace;
  replace.resources.push_back({2, "v3", {{"segment.bytes", "1048576"}}});
  EXPECT_EQ(socket.Ask<AlterConfigsResponse>(replace, 2)
                ->responses.at(0)
                .error_code,
            0);
  EXPECT_TRUE(Eventually(20, [&] { return value("v3") == "604800000"; }));

  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(socket.Ask<ProduceResponse>(Produce("v4", 0, Batch("x")), 9)
                  ->responses.at(0)
                  .partition_responses.at(0)
                  .error_code,
              0);
  }
  DeleteRecordsRequest cut;
  cut.timeout_ms = 10'000;
  cut.topics.push_back({"v4", {{0, 2}, {9, 0}}});
  auto removed = socket.Ask<DeleteRecordsResponse>(cut, 2);
  ASSERT_TRUE(removed.has_value());
  EXPECT_EQ(removed->topics.at(0).partitions.at(0).error_code, 0);
  EXPECT_EQ(removed->topics.at(0).partitions.at(0).low_watermark, 2);
  EXPECT_EQ(removed->topics.at(0).partitions.at(1).error_code, 3);

  ElectLeadersRequest elect;
  elect.topic_partitions.emplace().push_back({"v4", {0}});
  elect.timeout_ms = 10'000;
  auto elected = socket.Ask<ElectLeadersResponse>(elect, 2);
  ASSERT_TRUE(elected.has_value());
  EXPECT_EQ(elected->error_code, 0);
  EXPECT_EQ(elected->replica_election_results.at(0)
                .partition_result.at(0)
                .error_code,
            84);

  // By name, then by id.
  MetadataRequest look;
  look.allow_auto_topic_creation = false;
  look.topics->push_back({{}, "v6"});
  const Uuid id =
      socket.Ask<MetadataResponse>(look, 12)->topics.at(0).topic_id;
  DeleteTopicsRequest remove;
  remove.timeout_ms = 20'000;
  remove.topic_names = {"v5", "nowhere"};
  auto gone = socket.Ask<DeleteTopicsResponse>(remove, 5);
  ASSERT_TRUE(gone.has_value());
  EXPECT_EQ(gone->responses.at(0).error_code, 0);
  EXPECT_EQ(gone->responses.at(1).error_code, 3);
  remove.topics.push_back({std::nullopt, id});
  gone = socket.Ask<DeleteTopicsResponse>(remove, 6);
  EXPECT_EQ(gone->responses.at(0).error_code, 0);
  EXPECT_EQ(gone->responses.at(0).name, "v6");
  EXPECT_TRUE(Eventually(20, [&] {
    return socket.Ask<MetadataResponse>(look, 12)->topics.at(0).error_code == 3;
  }));
}

TEST_F(KafkaWireTest, ProducersWithoutTransactionsGetIds) {
  KafkaSocket socket(port_);
  std::set<int64_t> ids;
  for (int16_t version = 0; version <= 4; ++version) {
    InitProducerIdRequest request;
    request.transactional_id.reset();
    auto response = socket.Ask<InitProducerIdResponse>(request, version);
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(response->error_code, 0);
    EXPECT_EQ(response->producer_epoch, 0);
    EXPECT_TRUE(ids.insert(response->producer_id).second);
    request.transactional_id = "tx";
    response = socket.Ask<InitProducerIdResponse>(request, version);
    EXPECT_NE(response->error_code, 0);
    EXPECT_EQ(response->producer_id, -1);
    request.transactional_id = "";
    EXPECT_EQ(
        socket.Ask<InitProducerIdResponse>(request, version)->error_code, 42);
  }
}

TEST_F(KafkaWireTest, PipelinedRequestsAreAnsweredInOrder) {
  MakeTopic("orders", 1);
  KafkaSocket socket(port_);
  constexpr int kRequests = 20'000;
  std::thread sender([&] {
    for (int i = 0; i < kRequests; ++i) {
      if (i % 7 == 0) {
        socket.Send(Produce("orders", 0, Batch(std::to_string(i))), 9, i);
      } else if (i % 7 == 1) {
        // Not answered at all.
        socket.Send(Produce("orders", 0, Batch(std::to_string(i)), 0), 9, i);
      } else {
        socket.Send(ApiVersionsRequest(), 0, i);
      }
    }
  });
  int64_t last_offset = -1;
  for (int i = 0; i < kRequests; ++i) {
    if (i % 7 == 1) continue;
    if (i % 7 == 0) {
      auto response = socket.Receive<ProduceResponse>(9, i);
      ASSERT_TRUE(response.has_value());
      const auto& result = response->responses.at(0).partition_responses.at(0);
      ASSERT_EQ(result.error_code, 0);
      // The one with acks=0 before it lies between.
      EXPECT_EQ(result.base_offset, last_offset < 0 ? 0 : last_offset + 2);
      last_offset = result.base_offset;
    } else {
      ASSERT_TRUE(socket.Receive<ApiVersionsResponse>(0, i).has_value());
    }
  }
  sender.join();
}

}  // namespace
}  // namespace sillok::cluster_test
