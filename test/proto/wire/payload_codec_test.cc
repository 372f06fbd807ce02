#include "proto/wire/payload_codec.h"

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace sillok {
namespace {

// The message as the network may deliver it: cut into small pieces.
Bytes Chop(const std::string& text, size_t piece) {
  Bytes bytes;
  for (size_t i = 0; i < text.size(); i += piece) {
    bytes.Append(Bytes::FromString(text.substr(i, piece)));
  }
  return bytes;
}

v1::ProduceRequest OrdinaryRequest() {
  v1::ProduceRequest request;
  request.set_correlation_id(uint64_t{1} << 60);
  request.set_acks(-1);
  request.set_client_id("c");
  for (int i = 0; i < 3; ++i) {
    auto* partition = request.add_partitions();
    partition->set_topic("topic-" + std::to_string(i));
    partition->set_partition(i);
  }
  auto* record = request.mutable_partitions(1)->add_plain();
  record->set_key("k");
  record->set_timestamp_ms(-1);
  return request;
}

TEST(PayloadCodecTest, ReadsWhatGeneratedCodeWritesHoweverItIsCut) {
  v1::ProduceRequest request = OrdinaryRequest();
  std::string large(1000, 'x');
  request.mutable_partitions(0)->set_batch(large);
  request.mutable_partitions(2)->set_batch("small");
  std::string wire = request.SerializeAsString();
  for (size_t piece : {1, 2, 3, 7, 64, 100000}) {
    v1::ProduceRequest parsed;
    std::vector<Bytes> batches;
    ASSERT_TRUE(ParseProduceRequest(Chop(wire, piece), &parsed, &batches).ok());
    ASSERT_EQ(batches.size(), 3u);
    EXPECT_EQ(batches[0].ToString(), large);
    EXPECT_TRUE(batches[1].empty());
    EXPECT_EQ(batches[2].ToString(), "small");
    EXPECT_EQ(parsed.SerializeAsString(), OrdinaryRequest().SerializeAsString());
  }
}

TEST(PayloadCodecTest, GeneratedCodeReadsWhatItWrites) {
  std::string large(70'000, 'y');
  std::vector<Bytes> batches = {Bytes::FromString(large), Bytes(),
                                Chop("abcdef", 2)};
  Bytes wire = SerializeProduceRequest(OrdinaryRequest(), batches);
  v1::ProduceRequest parsed;
  ASSERT_TRUE(parsed.ParseFromString(wire.ToString()));
  EXPECT_EQ(parsed.partitions(0).batch(), large);
  EXPECT_EQ(parsed.partitions(1).plain_size(), 1);
  EXPECT_EQ(parsed.partitions(2).batch(), "abcdef");
  EXPECT_EQ(parsed.client_id(), "c");
}

TEST(PayloadCodecTest, SharesThePayloadInsteadOfCopyingIt) {
  Bytes payload = Bytes::FromString(std::string(5000, 'z'));
  v1::FetchResponse response;
  response.add_partitions()->set_topic("t");
  Bytes wire = SerializeFetchResponse(response, {payload});
  EXPECT_EQ(wire.pieces().back().data, payload.pieces()[0].data);
  v1::FetchResponse parsed;
  std::vector<Bytes> batches;
  ASSERT_TRUE(ParseFetchResponse(wire, &parsed, &batches).ok());
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].pieces()[0].data, payload.pieces()[0].data);
}

TEST(PayloadCodecTest, DamagedMessagesAreRefusedOrReadButNeverOverrun) {
  v1::ProduceRequest request = OrdinaryRequest();
  request.mutable_partitions(0)->set_batch(std::string(300, 'x'));
  std::string good = request.SerializeAsString();
  std::mt19937 random(7);
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bad = good;
    for (int n = random() % 3; n >= 0; --n) bad[random() % bad.size()] = random();
    bad.resize(random() % (bad.size() + 1));
    v1::ProduceRequest parsed;
    std::vector<Bytes> batches;
    if (!ParseProduceRequest(Chop(bad, 1 + random() % 50), &parsed, &batches)
             .ok()) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(PayloadCodecTest, ALengthBeyondTheMessageIsRefused) {
  // partitions field, length 2^35, nothing behind it.
  std::string wire = "\x22\x80\x80\x80\x80\x80\x01";
  v1::ProduceRequest parsed;
  std::vector<Bytes> batches;
  EXPECT_FALSE(
      ParseProduceRequest(Bytes::FromString(wire), &parsed, &batches).ok());
}

}  // namespace
}  // namespace sillok
