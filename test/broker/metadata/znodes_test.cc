// Our znodes against those that Apache Kafka wrote (test/golden/znodes.jsonl).
#include "broker/metadata/znodes.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "test/golden/golden.h"

namespace sillok {
namespace {

using Json = nlohmann::json;

class ZnodesTest : public testing::Test {
 protected:
  ZnodesTest() {
    for (const Json& row : golden::ReadJsonLines("znodes.jsonl")) {
      golden_[row["path"]] = row;
    }
  }
  std::string Data(const std::string& path) {
    EXPECT_EQ(golden_.count(path), 1u) << path;
    return golden_[path]["data"];
  }
  // Equal as JSON: the order of fields is free.
  void ExpectSame(const std::string& ours, const std::string& path) {
    EXPECT_EQ(Json::parse(ours), Json::parse(Data(path))) << path;
  }
  std::map<std::string, Json> golden_;
};

TEST_F(ZnodesTest, TopicsAreWrittenAsKafkaWritesThem) {
  int topics = 0;
  for (const auto& [path, row] : golden_) {
    const std::string prefix = "/brokers/topics/";
    if (path.rfind(prefix, 0) != 0) continue;
    const std::string rest = path.substr(prefix.size());
    if (rest.find('/') != std::string::npos) continue;
    auto topic = DecodeTopic(Data(path));
    ASSERT_TRUE(topic.ok()) << topic.status();
    EXPECT_EQ(znode_path::Topic(rest), path);
    EXPECT_EQ(topic->topic_id.size(), 22u);
    ExpectSame(EncodeTopic(*topic), path);
    for (const auto& [number, replicas] : topic->partitions) {
      const std::string state_path = znode_path::PartitionState(rest, number);
      auto state = DecodePartitionState(Data(state_path));
      ASSERT_TRUE(state.ok()) << state.status();
      ExpectSame(EncodePartitionState(*state), state_path);
      EXPECT_EQ(golden_.count(znode_path::Partition(rest, number)), 1u);
    }
    EXPECT_EQ(golden_.count(znode_path::TopicPartitions(rest)), 1u);
    auto config = DecodeConfig(Data(znode_path::TopicConfig(rest)));
    ASSERT_TRUE(config.ok()) << config.status();
    ExpectSame(EncodeConfig(*config), znode_path::TopicConfig(rest));
    ++topics;
  }
  EXPECT_EQ(topics, 7);
}

TEST_F(ZnodesTest, BrokerIsWrittenAsKafkaWritesIt) {
  auto broker = DecodeBroker(Data("/brokers/ids/1"));
  ASSERT_TRUE(broker.ok()) << broker.status();
  ASSERT_EQ(broker->endpoints.size(), 1u);
  EXPECT_EQ(broker->endpoints[0],
            (BrokerEndpoint{"PLAINTEXT", "PLAINTEXT", "127.0.0.1", 19091}));
  EXPECT_EQ(broker->timestamp_ms, 1795248546441);
  EXPECT_EQ(broker->Grpc(), nullptr);
  ExpectSame(EncodeBroker(*broker), "/brokers/ids/1");
}

TEST_F(ZnodesTest, GrpcAddressIsOneMoreListener) {
  BrokerZnode broker{
      .endpoints = {{"PLAINTEXT", "PLAINTEXT", "h1", 9092},
                    {"GRPC", "PLAINTEXT", "::1", 9094}},
      .rack = "r1",
      .timestamp_ms = 5};
  const Json json = Json::parse(EncodeBroker(broker));
  EXPECT_EQ(json["endpoints"],
            (Json{"PLAINTEXT://h1:9092", "GRPC://[::1]:9094"}));
  EXPECT_EQ(json["host"], "h1");
  EXPECT_EQ(json["port"], 9092);
  EXPECT_EQ(json["rack"], "r1");
  auto back = DecodeBroker(json.dump());
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->endpoints, broker.endpoints);
  EXPECT_EQ(back->Grpc()->port, 9094);
  EXPECT_EQ(back->Kafka()->port, 9092);
}

TEST_F(ZnodesTest, ControllerAndClusterIdAreKafkas) {
  EXPECT_EQ(*DecodeController(Data("/controller")), 1);
  ExpectSame(EncodeController(1, 1795248546563), "/controller");
  EXPECT_EQ(*DecodeControllerEpoch(Data("/controller_epoch")), 1);
  auto id = DecodeClusterId(Data("/cluster/id"));
  ASSERT_TRUE(id.ok());
  ExpectSame(EncodeClusterId(*id), "/cluster/id");
}

TEST_F(ZnodesTest, BaseZnodesAreKafkasAndParentsComeFirst) {
  std::map<std::string, bool> seen{{"", true}};
  for (const std::string& path : znode_path::Base()) {
    EXPECT_TRUE(seen[path.substr(0, path.rfind('/'))]) << path;
    seen[path] = true;
    if (path == znode_path::kDeletedReplicas) continue;  // ours
    EXPECT_EQ(golden_.count(path), 1u) << path;
  }
}

TEST_F(ZnodesTest, DamagedZnodesAreErrorsNotCrashes) {
  for (const char* text :
       {"", "null", "[]", "{", "{}", "{\"partitions\":3}",
        "{\"partitions\":{\"x\":[1]}}", "{\"partitions\":{\"-1\":[1]}}",
        "{\"partitions\":{\"0\":[\"a\"]}}", "{\"isr\":[1],\"leader\":\"1\"}",
        "{\"leader\":1,\"leader_epoch\":0,\"controller_epoch\":1}",
        "{\"endpoints\":[1]}", "{\"endpoints\":[\"PLAINTEXT:9092\"]}",
        "{\"endpoints\":[\"PLAINTEXT://h:port\"]}", "{\"config\":{\"a\":1}}",
        "{\"id\":7}", "{\"topic\":\"t\",\"pending\":{\"a\":[1]}}"}) {
    EXPECT_FALSE(DecodeTopic(text).ok()) << text;
    EXPECT_FALSE(DecodePartitionState(text).ok()) << text;
    EXPECT_FALSE(DecodeBroker(text).ok()) << text;
    EXPECT_FALSE(DecodeConfig(text).ok()) << text;
    EXPECT_FALSE(DecodeClusterId(text).ok()) << text;
    EXPECT_FALSE(DecodeController(text).ok()) << text;
    EXPECT_FALSE(DecodeDeletedReplicas(text).ok()) << text;
    EXPECT_FALSE(DecodeControllerEpoch(text).ok()) << text;
  }
}

TEST_F(ZnodesTest, DeletedReplicasComeBack) {
  DeletedReplicasZnode znode{"orders", {{2, {0, 5}}, {3, {1}}}};
  auto back = DecodeDeletedReplicas(EncodeDeletedReplicas(znode));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->topic, "orders");
  EXPECT_EQ(back->pending, znode.pending);
}

TEST_F(ZnodesTest, UuidsAreBase64UrlWithoutPadding) {
  std::array<uint8_t, 16> bytes{};
  EXPECT_EQ(EncodeUuid(bytes), "AAAAAAAAAAAAAAAAAAAAAA");
  bytes.fill(0xff);
  EXPECT_EQ(EncodeUuid(bytes), "_____________________w");
  bytes = {0x00, 0x10, 0x83, 0x10, 0x51, 0x87, 0x20, 0x92,
           0x8b, 0x30, 0xd3, 0x8f, 0x41, 0x14, 0x93, 0x51};
  EXPECT_EQ(EncodeUuid(bytes), "ABCDEFGHIJKLMNOPQRSTUQ");
}

TEST_F(ZnodesTest, UuidsComeBackAndNothingElseDoes) {
  std::array<uint8_t, 16> bytes;
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = 37 * i + 11;
  EXPECT_EQ(DecodeUuid(EncodeUuid(bytes)), bytes);
  bytes.fill(0xff);
  EXPECT_EQ(DecodeUuid("_____________________w"), bytes);
  for (const char* text :
       {"", "AAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAA=A", "AAAAAAAAAAAAAAAAAAAAA+",
        "AAAAAAAAAAAAAAAAAAAAAB"}) {
    EXPECT_EQ(DecodeUuid(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace sillok
