// What a broker's Kafka door does with input that makes no sense, over real
// sockets: each has its answer, and costs nothing that lasts.
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "proto/kafka/api_table.h"
#include "proto/kafka/config_admin.h"
#include "proto/kafka/connection.h"
#include "proto/kafka/group_admin.h"
#include "proto/kafka/group_membership.h"
#include "proto/kafka/group_offsets.h"
#include "proto/kafka/metadata.h"
#include "proto/kafka/offsets.h"
#include "test/cluster/kafka_wire_fixture.h"

namespace sillok::cluster_test {
namespace {

using namespace kafka;  // the messages, by dozens

// Once everything has been served that there is, nothing should grow, but for
// an arena that the allocator may take late.
constexpr int64_t kMayGrowBytes = 32 << 20;
// Of connections that hold what they asked for.
constexpr int64_t kMayHoldBytes = 64 << 20;

std::string Repeat(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) out += text;
  return out;
}

class KafkaBadInputTest : public KafkaWireTest {
 protected:
  // The most memory the broker ever had at once.
  int64_t PeakResident() {
    std::ifstream status(fmt::format(
        "/proc/{}/status", cluster_->Pid(Node("broker-1")).value_or(0)));
    std::string word;
    int64_t kib = 0;
    while (status >> word && word != "VmHWM:") {
    }
    status >> kib;
    EXPECT_GT(kib, 0);
    return kib * 1024;
  }
};

// What a row must lead to.
enum class Then {
  kEnds,     // the connection, without an answer
  kAnswers,  // one frame, which `check` looks at; then the connection goes on
};

struct BadInput {
  std::string what;
  std::string bytes;
  Then then = Then::kEnds;
  std::function<void(KafkaSocket&)> check;
};

std::string BigEndian(int32_t number) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<uint32_t>(number) >> shift));
  }
  return out;
}

std::string Frame(int16_t key, int16_t version, const std::string& body) {
  return KafkaSocket::FrameOf(key, version, body);
}

std::vector<BadInput> BrokenFrames() {
  std::vector<BadInput> rows;
  for (int32_t length : {-1, INT32_MIN, kMaxRequestBytes + 1, INT32_MAX}) {
    rows.push_back({fmt::format("a length of {}", length), BigEndian(length)});
  }
  for (int32_t length : {0, 1, 3, 4, 8, 9}) {
    rows.push_back({fmt::format("a request of {} bytes", length),
                    BigEndian(length) + std::string(length, '\0')});
  }
  rows.push_back({"HTTP", "GET / HTTP/1.1\r\nHost: broker\r\n\r\n"});
  rows.push_back({"a TLS hello", std::string("\x16\x03\x01\x02\x00\x01", 6) +
                                     std::string(512, 'x')});
  rows.push_back({"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"});
  for (int16_t key : {4, 5, 6, 7, 17, 24, 27, 36, 67, 68, 999, -1}) {
    rows.push_back({fmt::format("API {}", key), Frame(key, 0, "")});
  }
  for (const ApiRange& api : ApiTable()) {
    if (api.key == kApiVersionsKey) continue;
    for (int version : {api.min - 1, api.max + 1, 32767, -1}) {
      rows.push_back({fmt::format("{} v{}", api.name, version),
                      Frame(api.key, static_cast<int16_t>(version), "")});
    }
    rows.push_back({fmt::format("{} without a body", api.name),
                    Frame(api.key, api.max, "")});
    rows.push_back({fmt::format("{} of 0xff", api.name),
                    Frame(api.key, api.max, std::string(200, '\xff'))});
    // ListGroups v0 has no fields, and what follows is left alone.
    if (api.key == ListGroupsRequest::kInfo.api_key) continue;
    rows.push_back({fmt::format("{} v{} of 0x7f", api.name, api.min),
                    Frame(api.key, api.min, std::string(200, '\x7f'))});
  }
  // ApiVersions without a body is a fine one; without topics, so is Metadata.
  const std::string huge = BigEndian(INT32_MAX);
  rows.push_back({"2^31-1 topics in 4 bytes", Frame(3, 1, huge)});
  rows.push_back({"-2 topics", Frame(3, 1, BigEndian(-2))});
  rows.push_back(
      {"2^32-2 compact topics", Frame(3, 9, "\xff\xff\xff\xff\x0f")});
  rows.push_back({"a varint that does not end",
                  Frame(3, 9, std::string(12, '\x80'))});
  rows.push_back({"a million empty names",
                  Frame(3, 1, BigEndian(400'000) +
                                  std::string(800'000, '\0'))});
  rows.push_back({"a text longer than its request",
                  Frame(3, 1, BigEndian(1) + std::string("\x7f\xff", 2))});
  rows.push_back({"a text of negative length",
                  Frame(3, 1, BigEndian(1) + std::string("\xff\xfe", 2))});
  rows.push_back({"records longer than their request",
                  Frame(0, 3,
                        std::string("\xff\xff\xff\xff", 4) + BigEndian(1000) +
                            BigEndian(1) + std::string("\0\1t", 3) +
                            BigEndian(1) + BigEndian(0) + huge)});
  rows.push_back({"a tag longer than its request",
                  Frame(18, 3, std::string("\2a\2b\1\0\x7f", 7))});
  return rows;
}

ProduceRequest Records(const std::string& bytes) {
  ProduceRequest request;
  request.acks = -1;
  request.timeout_ms = 1000;
  request.topic_data.push_back({"orders", {{0, Bytes::FromString(bytes)}}});
  return request;
}

template <typename Response>
std::function<void(KafkaSocket&)> Error(
    int16_t version, std::function<int16_t(const Response&)> error_of,
    int16_t expected) {
  return [=](KafkaSocket& socket) {
    auto response = socket.Receive<Response>(version);
    ASSERT_TRUE(response.has_value());
    EXPECT_EQ(error_of(*response), expected);
  };
}

// Requests that can be read and cannot be granted.
std::vector<BadInput> Refusals() {
  std::vector<BadInput> rows;
  auto add = [&rows](const std::string& what, const std::string& bytes,
                     std::function<void(KafkaSocket&)> check) {
    rows.push_back({what, bytes, Then::kAnswers, std::move(check)});
  };
  for (int16_t version : {5, 32767, -1}) {
    add(fmt::format("ApiVersions v{}", version),
        Frame(18, version, "whatever"), [](KafkaSocket& socket) {
          auto response = socket.Receive<ApiVersionsResponse>(0);
          ASSERT_TRUE(response.has_value());
          EXPECT_EQ(response->error_code, 35);
        });
  }
  ApiVersionsRequest hello;
  hello.client_software_name = "not a name";
  hello.client_software_version = "1";
  add("a client without a proper name", KafkaSocket::FrameOf(hello, 3),
      Error<ApiVersionsResponse>(
          3, [](const auto& r) { return r.error_code; }, 42));

  auto produced = [](const ProduceResponse& r) {
    return r.responses.at(0).partition_responses.at(0).error_code;
  };
  add("records that are none",
      KafkaSocket::FrameOf(Records("rubbish"), 9),
      Error<ProduceResponse>(9, produced, 2));
  add("a batch of zeros",
      KafkaSocket::FrameOf(Records(std::string(5'000, '\0')), 9),
      Error<ProduceResponse>(9, produced, 2));
  add("Produce v2", KafkaSocket::FrameOf(Records("x"), 2),
      Error<ProduceResponse>(2, produced, 35));
  ProduceRequest strange = Records("x");
  strange.acks = 7;
  add("acks=7", KafkaSocket::FrameOf(strange, 9),
      Error<ProduceResponse>(9, produced, 21));
  ProduceRequest internal = Records("x");
  internal.topic_data[0].name = "__consumer_offsets";
  add("writing to an internal topic", KafkaSocket::FrameOf(internal, 9),
      Error<ProduceResponse>(9, produced, 17));

  FetchRequest fetch;
  fetch.max_wait_ms = INT32_MAX;
  fetch.max_bytes = fetch.min_bytes = INT32_MIN;
  auto& topic = fetch.topics.emplace_back();
  topic.topic = "orders";
  for (int64_t offset : {int64_t{-5}, int64_t{1} << 62}) {
    topic.partitions = {{0, -1, offset, -1, -1, -1}};
    add(fmt::format("fetch from {}", offset),
        KafkaSocket::FrameOf(fetch, 11),
        Error<FetchResponse>(
            11,
            [](const auto& r) {
              return r.responses.at(0).partitions.at(0).error_code;
            },
            1));
  }
  topic.partitions.clear();
  for (int i = 0; i < 15'000; ++i) {
    topic.partitions.push_back({100 + i, -1, 0, -1, -1, 1});
  }
  add("a fetch of 15000 partitions that are not there",
      KafkaSocket::FrameOf(fetch, 11), [](KafkaSocket& socket) {
        auto response = socket.Receive<FetchResponse>(11);
        ASSERT_TRUE(response.has_value());
        ASSERT_EQ(response->responses.at(0).partitions.size(), 15'000u);
        EXPECT_EQ(response->responses[0].partitions[14'999].error_code, 3);
      });
  fetch.session_id = 4711;
  fetch.session_epoch = 3;
  add("a fetch session nobody knows", KafkaSocket::FrameOf(fetch, 11),
      Error<FetchResponse>(
          11, [](const auto& r) { return r.error_code; }, 70));

  ListOffsetsRequest list;
  list.topics.push_back({"orders", {{0, -1, -7}}});
  add("offsets at time -7", KafkaSocket::FrameOf(list, 7),
      Error<ListOffsetsResponse>(
          7,
          [](const auto& r) {
            return r.topics.at(0).partitions.at(0).error_code;
          },
          42));

  FindCoordinatorRequest find;
  find.key = "g";
  find.key_type = 9;
  add("a coordinator of kind 9", KafkaSocket::FrameOf(find, 3),
      Error<FindCoordinatorResponse>(
          3, [](const auto& r) { return r.error_code; }, 42));

  JoinGroupRequest join;
  join.group_id = "g";
  join.protocol_type = "consumer";
  join.protocols.push_back({"range", {}});
  auto joined = [](const JoinGroupResponse& r) { return r.error_code; };
  for (int32_t timeout : {-1, 0, 1, INT32_MAX}) {
    join.session_timeout_ms = timeout;
    add(fmt::format("a session of {} ms", timeout),
        KafkaSocket::FrameOf(join, 5),
        Error<JoinGroupResponse>(5, joined, 26));
  }
  join.session_timeout_ms = 10'000;
  join.group_id = "";
  add("a group without a name", KafkaSocket::FrameOf(join, 5),
      Error<JoinGroupResponse>(5, joined, 24));

  OffsetCommitRequest commit;
  commit.group_id = "big";
  commit.topics.push_back(
      {"orders", {{0, 1, -1, std::string(5'000, 'm')}}});
  add("metadata of 5000 bytes beside an offset",
      KafkaSocket::FrameOf(commit, 7),
      Error<OffsetCommitResponse>(
          7,
          [](const auto& r) {
            return r.topics.at(0).partitions.at(0).error_code;
          },
          12));

  DescribeConfigsRequest describe;
  describe.resources.push_back({77, "x", std::nullopt});
  add("the configuration of a thing of kind 77",
      KafkaSocket::FrameOf(describe, 4),
      Error<DescribeConfigsResponse>(
          4, [](const auto& r) { return r.results.at(0).error_code; }, 42));
  return rows;
}

TEST_F(KafkaBadInputTest, InputThatMakesNoSenseHasItsAnswerAndCostsNothing) {
  MakeTopic("orders", 2);
  // A group's first request makes the offsets topic.
  ASSERT_TRUE(Eventually(60, [&] {
    KafkaSocket socket(port_);
    FindCoordinatorRequest find;
    find.key = "g";
    auto found = socket.Ask<FindCoordinatorResponse>(find, 2);
    if (!found.has_value() || found->error_code != 0) return false;
    JoinGroupRequest join;
    join.group_id = "";
    join.session_timeout_ms = 10'000;
    auto joined = socket.Ask<JoinGroupResponse>(join, 3);
    return joined.has_value() && joined->error_code == 24;
  }));
  std::vector<BadInput> rows = BrokenFrames();
  for (BadInput& row : Refusals()) rows.push_back(std::move(row));
  std::cout << rows.size() << " rows" << std::endl;
  KafkaSocket steady(port_);
  auto run_all = [&] {
    KafkaSocket shared(port_);
    for (const BadInput& row : rows) {
      SCOPED_TRACE(row.what);
      if (row.then == Then::kAnswers) {
        ASSERT_TRUE(shared.SendRaw(row.bytes));
        row.check(shared);
        if (HasFatalFailure()) return;
        continue;
      }
      KafkaSocket socket(port_);
      ASSERT_TRUE(socket.connected());
      socket.SendRaw(row.bytes);  // it may have ended before the last byte
      EXPECT_TRUE(socket.EndsSilently());
    }
    ExpectWorks(steady);
  };
  for (int i = 0; i < 15 && !HasFailure(); ++i) run_all();
  ASSERT_FALSE(HasFailure());
  const int64_t before = Resident();
  const int64_t lines = LogLines();
  for (int i = 0; i < 40 && !HasFailure(); ++i) run_all();
  const int64_t grown = Resident() - before;
  std::cout << "resident memory grew by " << grown / 1024 << " KiB"
            << std::endl;
  EXPECT_LT(grown, kMayGrowBytes);
  EXPECT_LT(LogLines() - lines, 200);
}

TEST_F(KafkaBadInputTest, RandomBytesHarmNobody) {
  MakeTopic("orders", 2);
  KafkaSocket steady(port_);
  std::mt19937_64 random(7);
  for (int i = 0; i < 3'000; ++i) {
    const auto& table = ApiTable();
    const ApiRange& api = table[random() % table.size()];
    const int16_t version = static_cast<int16_t>(
        api.min + random() % (api.max - api.min + 1));
    std::string body(random() % 60, '\0');
    // Small numbers reach further into a decoder than large ones.
    for (char& c : body) {
      c = static_cast<char>(random() % 3 == 0 ? random() : random() % 3);
    }
    KafkaSocket socket(port_);
    ASSERT_TRUE(socket.SendRaw(KafkaSocket::FrameOf(api.key, version, body)));
    if (i % 100 == 0) ExpectWorks(steady);
  }
  ExpectWorks(steady);
}

// 128 MiB of zeros, in a request of some kilobytes.
TEST_F(KafkaBadInputTest, DecompressionBombsAreRefusedBeforeTheyUnfold) {
  MakeTopic("orders", 1);
  KafkaSocket steady(port_);
  ExpectWorks(steady);
  const std::string zeros(size_t{128} << 20, '\0');
  const int64_t peak_before = PeakResident();
  for (const record::Codec codec :
       {record::Codec::kGzip, record::Codec::kLz4, record::Codec::kZstd}) {
    SCOPED_TRACE(static_cast<int>(codec));
    record::BatchOptions options;
    options.codec = codec;
    record::BatchBuilder builder(options);
    builder.Append(1'700'000'000'000, std::nullopt, zeros);
    const Bytes bomb = Bytes::FromString(builder.Build().value());
    ASSERT_LT(bomb.size(), size_t{kMaxRequestBytes});
    for (int i = 0; i < 10; ++i) {
      auto produced = steady.Ask<ProduceResponse>(
          Produce("orders", 0, bomb), 9);
      ASSERT_TRUE(produced.has_value());
      const auto& result =
          produced->responses.at(0).partition_responses.at(0);
      EXPECT_EQ(result.error_code, 10);  // MESSAGE_TOO_LARGE
      EXPECT_FALSE(result.error_message.value_or("").empty());
    }
  }
  EXPECT_LT(PeakResident() - peak_before, kMayGrowBytes);
  ExpectWorks(steady);
}

TEST_F(KafkaBadInputTest, HalfARequestAndAnswersNobodyReadsHoldNobodyUp) {
  MakeTopic("orders", 1);
  KafkaSocket steady(port_);
  ExpectWorks(steady);
  const int64_t before = Resident();
  std::vector<std::unique_ptr<KafkaSocket>> idle;
  const std::string half =
      BigEndian(kMaxRequestBytes) + std::string("\0\3\0\1", 4);
  for (int i = 0; i < 200; ++i) {
    idle.push_back(std::make_unique<KafkaSocket>(port_));
    ASSERT_TRUE(idle.back()->SendRaw(half));
  }
  MetadataRequest everything;
  everything.topics.reset();
  const std::string ask =
      Repeat(KafkaSocket::FrameOf(everything, 9), 100);
  for (int i = 0; i < 20; ++i) {
    idle.push_back(std::make_unique<KafkaSocket>(port_));
    idle.back()->SendRaw(ask);
  }
  for (int i = 0; i < 20; ++i) ExpectWorks(steady);
  idle.clear();
  for (int i = 0; i < 20; ++i) ExpectWorks(steady);
  // 200 requests of a MiB were announced; room for them is made as they come.
  EXPECT_LT(Resident() - before, kMayHoldBytes);
}

}  // namespace
}  // namespace sillok::cluster_test
