#include "proto/kafka/header.h"

#include <gtest/gtest.h>

#include <string>

#include "proto/kafka/api_table.h"
#include "proto/kafka/codec.h"
#include "proto/kafka/messages.h"
#include "test/golden/golden.h"

namespace sillok::kafka {
namespace {

Bytes Hex(const std::string& hex) {
  return Bytes::FromString(golden::FromHex(hex));
}

TEST(KafkaHeaderTest, HeaderVersionFollowsTheApisFirstFlexibleVersion) {
  EXPECT_EQ(RequestHeaderVersion(FetchRequest::kInfo.api_key, 11), 1);
  EXPECT_EQ(RequestHeaderVersion(FetchRequest::kInfo.api_key, 12), 2);
  EXPECT_EQ(ResponseHeaderVersion(FetchRequest::kInfo.api_key, 11), 0);
  EXPECT_EQ(ResponseHeaderVersion(FetchRequest::kInfo.api_key, 12), 1);
  // Never flexible, and unknown.
  EXPECT_EQ(RequestHeaderVersion(SaslHandshakeRequest::kInfo.api_key, 1), 1);
  EXPECT_EQ(RequestHeaderVersion(999, 5), 1);
  EXPECT_EQ(ResponseHeaderVersion(999, 5), 0);
}

TEST(KafkaHeaderTest, AnswersToApiVersionsHaveTheOldHeaderAlways) {
  EXPECT_EQ(RequestHeaderVersion(kApiVersionsKey, 3), 2);
  for (int16_t version = 0; version <= 99; ++version) {
    EXPECT_EQ(ResponseHeaderVersion(kApiVersionsKey, version), 0);
  }
}

TEST(KafkaHeaderTest, ClientIdKeepsItsTwoByteLengthInTheFlexibleHeader) {
  // ApiVersions v3, correlation 7, client "ab", one tag of one byte, then body.
  const auto parsed = DecodeRequestHeader(
      Hex("00120003" "00000007" "00026162" "010501ff" "c0ffee"));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->header.request_api_key, 18);
  EXPECT_EQ(parsed->header.request_api_version, 3);
  EXPECT_EQ(parsed->header.correlation_id, 7);
  EXPECT_EQ(parsed->header.client_id, "ab");
  EXPECT_EQ(parsed->body_position, 16u);
}

TEST(KafkaHeaderTest, HeadersOfUnknownVersionsAndApisAreStillRead) {
  const auto newer =
      DecodeRequestHeader(Hex("00120063" "00000007" "ffff" "00" "abcdef"));
  ASSERT_TRUE(newer.ok()) << newer.status();
  EXPECT_EQ(newer->header.request_api_version, 99);
  EXPECT_EQ(newer->header.client_id, std::nullopt);

  const auto unknown = DecodeRequestHeader(Hex("03e70000" "00000007" "0000"));
  ASSERT_TRUE(unknown.ok()) << unknown.status();
  EXPECT_EQ(unknown->header.request_api_key, 999);
}

TEST(KafkaHeaderTest, CutOffHeadersAreRefused) {
  const std::string whole = golden::FromHex(
      "00120003" "00000007" "00026162" "010501ff");
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(
        DecodeRequestHeader(Bytes::FromString(whole.substr(0, size))).ok());
  }
}

TEST(KafkaHeaderTest, FrameSizesAreHeldToTheLimit) {
  const auto size = [](const std::string& hex) {
    return ReadFrameSize(golden::FromHex(hex).data(), 100);
  };
  EXPECT_EQ(*size("00000000"), 0u);
  EXPECT_EQ(*size("00000064"), 100u);
  EXPECT_FALSE(size("00000065").ok());
  EXPECT_FALSE(size("ffffffff").ok());
  EXPECT_FALSE(size("80000000").ok());
}

TEST(KafkaHeaderTest, FramesHoldSizeHeaderAndBody) {
  const auto old = FrameResponse(12, 3, 7, Hex("aabb"));
  EXPECT_EQ(golden::ToHex(old->ToString()), "00000006" "00000007" "aabb");
  const auto flexible = FrameResponse(12, 4, 7, Hex("aabb"));
  EXPECT_EQ(golden::ToHex(flexible->ToString()),
            "00000007" "00000007" "00" "aabb");
  const auto versions = FrameResponse(18, 3, 7, Hex("aabb"));
  EXPECT_EQ(golden::ToHex(versions->ToString()), "00000006" "00000007" "aabb");

  RequestHeader header;
  header.request_api_key = 12;
  header.request_api_version = 4;
  header.correlation_id = 7;
  header.client_id = "c";
  const auto request = FrameRequest(header, Hex("aabb"));
  EXPECT_EQ(golden::ToHex(request->ToString()),
            "0000000e" "000c0004" "00000007" "000163" "00" "aabb");
}

TEST(KafkaApiTableTest, EveryApiIsDescribedInTheVersionsItAdvertises) {
  size_t count = 0;
#define SILLOK_CHECK(Api)                                           \
  {                                                                 \
    SCOPED_TRACE(#Api);                                             \
    const ApiRange* api = FindApi(Api##Request::kInfo.api_key);     \
    ASSERT_NE(api, nullptr);                                        \
    EXPECT_EQ(std::string(api->name) + "Request",                   \
              Api##Request::kInfo.name);                            \
    EXPECT_EQ(api->key, Api##Response::kInfo.api_key);              \
    EXPECT_GE(api->min, Api##Request::kInfo.min);                   \
    EXPECT_LE(api->max, Api##Request::kInfo.max);                   \
    EXPECT_EQ(api->flexible, Api##Request::kInfo.flexible);         \
    EXPECT_EQ(api->flexible, Api##Response::kInfo.flexible);        \
    EXPECT_EQ(Api##Request::kInfo.min, Api##Response::kInfo.min);   \
    EXPECT_EQ(Api##Request::kInfo.max, Api##Response::kInfo.max);   \
    ++count;                                                        \
  }
  SILLOK_KAFKA_APIS(SILLOK_CHECK)
#undef SILLOK_CHECK
  EXPECT_EQ(ApiTable().size(), count);
  for (size_t i = 1; i < ApiTable().size(); ++i) {
    EXPECT_LT(ApiTable()[i - 1].key, ApiTable()[i].key);
  }
  EXPECT_EQ(FindApi(999), nullptr);
  EXPECT_EQ(FindApi(-1), nullptr);
}

TEST(KafkaApiTableTest, TheVersionsNamedClientsNeedAreThere) {
  struct Need {
    const char* who;
    int16_t key;
    int16_t version;
  };
  constexpr Need kNeeds[] = {
      {"librdkafka before 2.11.1: compression", 0, 0},
      {"librdkafka: message format 2", 0, 3},
      {"librdkafka: message format 2", 1, 4},
      {"librdkafka: zstd", 0, 7},
      {"librdkafka: zstd", 1, 10},
      {"librdkafka: offsets by time", 2, 1},
      {"librdkafka: idempotence", 22, 0},
      {"librdkafka: transactions", 24, 0},
      {"librdkafka: transactions", 25, 0},
      {"librdkafka: OffsetForLeaderEpoch", 23, 2},
      {"librdkafka: groups", 10, 0},
      {"librdkafka: SASL", 17, 0},
      {"librdkafka: SASL", 17, 1},
      {"librdkafka: SASL", 36, 0},
      {"kafkajs: Fetch", 1, 11},
      {"kafka-python: DescribeLogDirs", 35, 0},
      {"Java 4: CreateTopics", 19, 2},
      {"kafka-configs.sh", 44, 0},
  };
  for (const Need& need : kNeeds) {
    const ApiRange* api = FindApi(need.key);
    ASSERT_NE(api, nullptr) << need.who;
    EXPECT_TRUE(api->Has(need.version)) << need.who << " " << need.version;
  }
  // KIP-890's second part would change what clients do.
  EXPECT_EQ(FindApi(1)->max, 16);
  EXPECT_LT(FindApi(0)->max, 12);
  EXPECT_LT(FindApi(26)->max, 5);
}

}  // namespace
}  // namespace sillok::kafka
