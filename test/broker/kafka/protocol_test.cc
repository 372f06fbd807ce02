// The frame around the requests: headers, versions, what is served, and what
// happens to bytes that are no request.
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "broker/kafka/log_throttle.h"
#include "proto/kafka/api_table.h"
#include "proto/kafka/connection.h"
#include "proto/kafka/metadata.h"
#include "proto/kafka/produce.h"
#include "test/broker/kafka/door_fixture.h"
#include "test/support/kafka_messages.h"

namespace sillok::kafka_door {
namespace {

using kafka::ApiVersionsRequest;
using kafka::ApiVersionsResponse;

ApiVersionsRequest Hello() {
  ApiVersionsRequest request;
  request.client_software_name = "apache-kafka-java";
  request.client_software_version = "3.9.1";
  return request;
}

class ProtocolTest : public DoorTest {};

TEST_F(ProtocolTest, ApiVersionsTellsWhatIsServedInEveryVersion) {
  for (int16_t version = 0; version <= 4; ++version) {
    auto response = Ask<ApiVersionsResponse>(Hello(), version);
    EXPECT_EQ(response.error_code, 0);
    std::map<int16_t, std::pair<int16_t, int16_t>> served;
    for (const auto& api : response.api_keys) {
      served[api.api_key] = {api.min_version, api.max_version};
    }
    using Range = std::pair<int16_t, int16_t>;
    EXPECT_EQ(served[0], Range(0, 11));
    EXPECT_EQ(served[1], Range(4, 16));
    EXPECT_EQ(served[3], Range(0, 12));
    EXPECT_EQ(served[18], Range(0, 4));
    EXPECT_EQ(served[22], Range(0, 4));
    // Not before they work: SASL, ACLs, transactions, SCRAM.
    for (int16_t absent : {17, 24, 25, 26, 28, 29, 30, 31, 36, 50, 51}) {
      EXPECT_FALSE(served.contains(absent)) << absent;
    }
  }
}

TEST_F(ProtocolTest, UnknownApiVersionsVersionIsAnsweredInVersionZero) {
  for (int16_t version : {5, 99, 32767, -1}) {
    // Whatever follows the header is not looked at.
    const Ended ended =
        SendFrame(FrameOf(18, version, Bytes::FromString("garbage"))).get();
    ASSERT_EQ(ended.kind, Ended::kSent);
    ApiVersionsResponse response;
    ASSERT_TRUE(kafka::DecodeMessage(Bytes::FromString(ended.bytes), 4, 0,
                                     &response)
                    .ok());
    EXPECT_EQ(response.error_code, 35);
    ASSERT_EQ(response.api_keys.size(), 1u);
    EXPECT_EQ(response.api_keys[0].api_key, 18);
    EXPECT_EQ(response.api_keys[0].max_version, 4);
  }
}

TEST_F(ProtocolTest, ClientSoftwareMustBeNamedWell) {
  const std::vector<std::pair<std::string, bool>> names = {
      {"librdkafka", true}, {"a", true},     {"kafka-python", true},
      {"a.b-c9", true},     {"", false},     {"-a", false},
      {"a-", false},        {"a b", false},  {"a_b", false},
      {"caf\xc3\xa9", false}, {".", false}};
  for (const auto& [name, good] : names) {
    ApiVersionsRequest request = Hello();
    request.client_software_name = name;
    auto response = Ask<ApiVersionsResponse>(request, 3);
    EXPECT_EQ(response.error_code, good ? 0 : 42) << name;
    EXPECT_EQ(response.api_keys.empty(), !good) << name;
    request = Hello();
    request.client_software_version = name;
    EXPECT_EQ(Ask<ApiVersionsResponse>(request, 3).error_code, good ? 0 : 42);
  }
}

TEST_F(ProtocolTest, UnservedApisAndVersionsEndTheConnection) {
  const std::vector<std::pair<int16_t, int16_t>> requests = {
      {4, 0},  {24, 0}, {17, 0},  {999, 0}, {-1, 0}, {3, 13}, {1, 3},
      {1, 17}, {8, 1},  {0, 12}, {0, -1},  {2, 0}};
  for (const auto& [key, version] : requests) {
    const Ended ended = SendFrame(FrameOf(key, version, Bytes())).get();
    EXPECT_EQ(ended.kind, Ended::kClosed) << key << " v" << version;
  }
  EXPECT_EQ(Metric("sillok_kafka_refused_requests_total{reason=\"unknown_api"),
            5);
  EXPECT_EQ(
      Metric("sillok_kafka_refused_requests_total{reason=\"unsupported_ver"),
      7);
}

TEST_F(ProtocolTest, ShortHeadersEndTheConnection) {
  const std::string frame =
      FrameOf(3, 9, *kafka::EncodeMessage(kafka::MetadataRequest(), 9))
          .ToString();
  for (size_t size = 0; size < frame.size(); ++size) {
    EXPECT_EQ(SendFrame(Bytes::FromString(frame.substr(0, size))).get().kind,
              Ended::kClosed)
        << size;
  }
}

TEST_F(ProtocolTest, EveryApiRefusesBodiesThatAreCutOff) {
  std::mt19937_64 random(1);
  int served = 0;
  for (const kafka::MessageType& type : kafka::AllMessageTypes()) {
    const std::string name = type.info->name;
    const kafka::ApiRange* api = kafka::FindApi(type.info->api_key);
    if (api == nullptr || !name.ends_with("Request")) continue;
    ++served;
    for (int16_t version = api->min; version <= api->max; ++version) {
      auto message = type.make();
      type.randomize(message.get(), version, random);
      auto body = type.encode(message.get(), version);
      ASSERT_TRUE(body.ok());
      if (body->size() == 0) continue;
      const size_t cut = random() % body->size();
      EXPECT_EQ(
          SendFrame(FrameOf(api->key, version, body->Sub(0, cut))).get().kind,
          Ended::kClosed)
          << name << " v" << version << " cut at " << cut;
    }
  }
  EXPECT_GT(served, 30);
  EXPECT_GT(Metric("sillok_kafka_refused_requests_total{reason=\"bad_body"),
            100);
}

TEST_F(ProtocolTest, HeaderAndAnswerHeaderHaveTheirOwnVersions) {
  // ApiVersions v3 has a flexible request header and a classic answer header.
  EXPECT_EQ(Ask<ApiVersionsResponse>(Hello(), 3).error_code, 0);
  // Metadata v8 is classic, v9 flexible on both sides.
  for (int16_t version : {8, 9}) {
    auto response = Ask<kafka::MetadataResponse>(kafka::MetadataRequest(),
                                                 version);
    EXPECT_EQ(response.brokers.size(), 2u);
    EXPECT_EQ(last_.bytes.substr(0, 4), std::string("\0\0\0\x4d", 4));
  }
}

// Kafka's broker does not look at what follows a request's fields, and some
// clients send bytes too many.
TEST_F(ProtocolTest, BytesAfterARequestAreLeftAlone) {
  for (int16_t version : {1, 9}) {
    Bytes body = *kafka::EncodeMessage(kafka::MetadataRequest(), version);
    body.Append(Bytes::FromString(std::string("\0\0", 2)));
    auto response = Read<kafka::MetadataResponse>(
        SendFrame(FrameOf(3, version, body)), version);
    EXPECT_EQ(response.brokers.size(), 2u);
  }
}

TEST_F(ProtocolTest, NullClientIdIsFine) {
  kafka::RequestHeader header;
  header.request_api_key = 18;
  header.correlation_id = 77;
  header.client_id = std::nullopt;
  Bytes frame = kafka::FrameRequest(header, Bytes()).value();
  auto response = Read<ApiVersionsResponse>(
      SendFrame(Bytes::FromString(frame.ToString().substr(4))), 0);
  EXPECT_EQ(response.error_code, 0);
}

TEST_F(ProtocolTest, AnswersAndTheirErrorsAreCounted) {
  kafka::MetadataRequest request;
  request.allow_auto_topic_creation = false;
  request.topics->push_back({{}, "no-such-topic"});
  request.topics->push_back({{}, "bad name"});
  Ask<kafka::MetadataResponse>(request, 9);
  EXPECT_EQ(Metric("sillok_kafka_requests_total{api=\"Metadata\""), 1);
  EXPECT_EQ(Metric("sillok_kafka_errors_total{api=\"Metadata\",error=\"UNKNOWN"
                   "_TOPIC_OR_PARTITION\""),
            1);
  EXPECT_EQ(Metric("sillok_kafka_errors_total{api=\"Metadata\",error=\"INVALID"
                   "_TOPIC_EXCEPTION\""),
            1);
}

TEST(LogThrottle, LetsOneLineAMinuteThroughForEachHost) {
  LogThrottle throttle;
  EXPECT_EQ(throttle.Ask("a", 0), 0);
  EXPECT_EQ(throttle.Ask("b", 1), 0);
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(throttle.Ask("a", 2).has_value());
  EXPECT_FALSE(throttle.Ask("a", 59'999).has_value());
  EXPECT_EQ(throttle.Ask("a", 60'000), 6);
  EXPECT_EQ(throttle.Ask("b", 60'001), 0);
}

TEST(LogThrottle, ManyHostsShareOneLine) {
  LogThrottle throttle;
  int said = 0;
  for (int i = 0; i < 100'000; ++i) {
    if (throttle.Ask("host-" + std::to_string(i), 5).has_value()) ++said;
  }
  EXPECT_LE(said, static_cast<int>(LogThrottle::kMaxHosts) + 1);
  // A minute later there is room again.
  EXPECT_TRUE(throttle.Ask("host-99999", 60'005).has_value());
}

}  // namespace
}  // namespace sillok::kafka_door
