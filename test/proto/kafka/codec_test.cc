// The rules of the encoding, one by one.
#include "proto/kafka/codec.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "proto/kafka/connection.h"
#include "proto/kafka/fetch.h"
#include "proto/kafka/group_membership.h"
#include "proto/kafka/group_offsets.h"
#include "proto/kafka/metadata.h"
#include "proto/kafka/produce.h"
#include "test/golden/golden.h"

namespace sillok::kafka {
namespace {

template <typename T>
std::string DecodeError(const std::string& hex, int16_t version) {
  T message;
  const absl::Status status = DecodeMessage(
      Bytes::FromString(golden::FromHex(hex)), 0, version, &message);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

// HeartbeatRequest v4: group "g", generation 5, member "m", no instance.
constexpr char kHeartbeat[] = "0267" "00000005" "026d" "00";

TEST(KafkaCodecTest, UnknownTaggedFieldsAreSkipped) {
  HeartbeatRequest message;
  // Tag 3 of 2 bytes, tag 200 of none.
  const Bytes bytes = Bytes::FromString(
      golden::FromHex(std::string(kHeartbeat) + "02" "0302ffff" "c80100"));
  ASSERT_TRUE(DecodeMessage(bytes, 0, 4, &message).ok());
  EXPECT_EQ(message.member_id, "m");
  EXPECT_EQ(EncodeMessage(message, 4)->ToString(),
            golden::FromHex(std::string(kHeartbeat) + "00"));
}

TEST(KafkaCodecTest, UnknownTagsBetweenKnownOnesAreSkipped) {
  ApiVersionsResponse message;
  // Error 0, no keys, no throttle; tags 1 (epoch 7), 2 (no features), 3, 9.
  const Bytes bytes = Bytes::FromString(golden::FromHex(
      "0000" "01" "00000000" "04" "01080000000000000007" "020101" "030101"
      "0901ff"));
  const absl::Status status = DecodeMessage(bytes, 0, 3, &message);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(message.finalized_features_epoch, 7);
  EXPECT_TRUE(message.finalized_features.empty());
  EXPECT_TRUE(message.zk_migration_ready);
}

TEST(KafkaCodecTest, TagsOutOfOrderOrTwiceAreRefused) {
  EXPECT_EQ(DecodeError<HeartbeatRequest>(
                std::string(kHeartbeat) + "02" "0300" "0200", 4),
            "HeartbeatRequest v4: group_instance_id: tag 2 after tag 3");
  EXPECT_EQ(DecodeError<HeartbeatRequest>(
                std::string(kHeartbeat) + "02" "0300" "0300", 4),
            "HeartbeatRequest v4: group_instance_id: tag 3 after tag 3");
}

TEST(KafkaCodecTest, ATagThatLiesAboutItsSizeIsRefused) {
  const std::string front = "0000" "01" "00000000" "01";
  EXPECT_NE(DecodeError<ApiVersionsResponse>(front + "0103000000", 3)
                .find("finalized_features_epoch: needs 8 bytes, 3 are left"),
            std::string::npos);
  EXPECT_NE(DecodeError<ApiVersionsResponse>(
                front + "0109" "000000000000000000", 3)
                .find("finalized_features_epoch: is shorter than its tag says"),
            std::string::npos);
  EXPECT_NE(DecodeError<ApiVersionsResponse>(front + "0109" "00", 3)
                .find("tag 1 has 9 bytes, 1 are left"),
            std::string::npos);
}

TEST(KafkaCodecTest, ErrorsNameMessageVersionAndField) {
  EXPECT_EQ(DecodeError<MetadataRequest>("00000001" "0005" "61", 0),
            "MetadataRequest v0: topics.name: needs 5 bytes, 1 are left");
  EXPECT_EQ(DecodeError<MetadataRequest>("7fffffff", 0),
            "MetadataRequest v0: topics: has 2147483647 elements in 0 bytes");
  EXPECT_EQ(DecodeError<MetadataRequest>("ffffffff", 0),
            "MetadataRequest v0: topics: is null, which this version has not");
  EXPECT_EQ(DecodeError<MetadataRequest>("fffffffe", 1),
            "MetadataRequest v1: topics: has length -2");
  EXPECT_EQ(DecodeError<MetadataRequest>("0000000000", 0),
            "MetadataRequest v0: 1 bytes left over at the end");
  EXPECT_EQ(DecodeError<MetadataRequest>("ffffffff0f00", 9),
            "MetadataRequest v9: topics: has 4294967294 elements in 1 bytes");
  EXPECT_EQ(DecodeError<MetadataRequest>("ffffffff7f", 9),
            "MetadataRequest v9: topics: is a varint of more than 32 bits");
  EXPECT_EQ(DecodeError<MetadataRequest>("808080808000", 9),
            "MetadataRequest v9: topics: is a varint of more than 32 bits");
}

TEST(KafkaCodecTest, BytesAfterARequestCanBeLeftUnread) {
  // As librdkafka 2.0.2 sends it: no topics in four bytes for one, then
  // require_stable and the tags, which nobody gets to see.
  auto frame = Bytes::FromString(std::string("\x02g\0\0\0\0\1\0", 8));
  OffsetFetchRequest request;
  ASSERT_TRUE(DecodeMessage(frame, 0, 7, &request, Trailing::kIgnored).ok());
  EXPECT_EQ(request.group_id, "g");
  EXPECT_FALSE(request.topics.has_value());
  EXPECT_FALSE(DecodeMessage(frame, 0, 7, &request).ok());
  // Too few are too few all the same.
  frame = Bytes::FromString(std::string("\x02g\0", 3));
  EXPECT_FALSE(
      DecodeMessage(frame, 0, 7, &request, Trailing::kIgnored).ok());
}

TEST(KafkaCodecTest, ATextLongerThanKafkasIsRefusedBeforeItIsLookedFor) {
  EXPECT_EQ(DecodeError<HeartbeatRequest>("818002", 4),
            "HeartbeatRequest v4: group_id: is a text of 32768 bytes, the most "
            "is 32767");
  EXPECT_EQ(DecodeError<HeartbeatRequest>("808002", 4),
            "HeartbeatRequest v4: group_id: needs 32767 bytes, 0 are left");
}

TEST(KafkaCodecTest, MoreTagsThanTheBytesLeftCanHoldAreRefused) {
  EXPECT_EQ(DecodeError<HeartbeatRequest>(std::string(kHeartbeat) + "020300",
                                          4),
            "HeartbeatRequest v4: group_instance_id: 2 tagged fields in 2 "
            "bytes");
}

TEST(KafkaCodecTest, AVersionThatIsNotDescribedIsRefusedBothWays) {
  EXPECT_EQ(DecodeError<FetchRequest>("00", 3),
            "FetchRequest v3: is not a version between 4 and 16");
  EXPECT_EQ(DecodeError<FetchRequest>("00", 17),
            "FetchRequest v17: is not a version between 4 and 16");
  EXPECT_EQ(EncodeMessage(FetchRequest(), 17).status().message(),
            "FetchRequest v17: is not a version between 4 and 16");
}

TEST(KafkaCodecTest, AnArrayIsHeldAgainstTheLeastItsElementsTake) {
  // In v4 a topic takes 6 bytes at least (name and array), so 16 bytes hold two.
  FetchRequest empty;
  std::string bytes = EncodeMessage(empty, 4)->ToString();
  bytes[bytes.size() - 1] = 3;
  bytes += std::string(16, '\0');
  FetchRequest message;
  const absl::Status status =
      DecodeMessage(Bytes::FromString(bytes), 0, 4, &message);
  EXPECT_EQ(status.message(),
            "FetchRequest v4: topics: has 3 elements in 16 bytes");
  EXPECT_EQ(message.topics.capacity(), 0u);
}

TEST(KafkaCodecTest, RecordsAreNotCopiedOnTheWayInOrOut) {
  const Bytes records = Bytes::FromString(std::string(4096, 'r'));
  ProduceRequest sent;
  sent.topic_data.resize(1);
  sent.topic_data[0].name = "t";
  sent.topic_data[0].partition_data.resize(1);
  sent.topic_data[0].partition_data[0].records = records;

  const Bytes bytes = *EncodeMessage(sent, 9);
  bool handed_through = false;
  for (const BytesPiece& piece : bytes.pieces()) {
    handed_through |= piece.data == records.pieces()[0].data;
  }
  EXPECT_TRUE(handed_through);

  const Bytes frame = Bytes::FromString(bytes.ToString());
  ProduceRequest received;
  ASSERT_TRUE(DecodeMessage(frame, 0, 9, &received).ok());
  const Bytes& read = *received.topic_data[0].partition_data[0].records;
  ASSERT_EQ(read.pieces().size(), 1u);
  EXPECT_EQ(read.pieces()[0].owner, frame.pieces()[0].owner);
  EXPECT_GE(read.pieces()[0].data, frame.pieces()[0].data);
  EXPECT_LT(read.pieces()[0].data, frame.pieces()[0].data + frame.size());
  EXPECT_EQ(read.ToString(), records.ToString());
}

TEST(KafkaCodecTest, ReadingGoesOnAfterAPrefix) {
  const Bytes frame =
      Bytes::FromString("head" + golden::FromHex(kHeartbeat) + '\0');
  HeartbeatRequest message;
  ASSERT_TRUE(DecodeMessage(frame, 4, 4, &message).ok());
  EXPECT_EQ(message.group_id, "g");
  EXPECT_FALSE(DecodeMessage(frame, frame.size() + 1, 4, &message).ok());
}

// The key of a FindCoordinator request with these bytes, as it is read.
std::optional<std::string> ReadText(const std::string& bytes) {
  std::string frame(1, static_cast<char>(bytes.size() >> 8));
  frame += static_cast<char>(bytes.size());
  FindCoordinatorRequest request;
  if (!DecodeMessage(Bytes::FromString(frame + bytes), 0, 0, &request).ok()) {
    return std::nullopt;
  }
  return request.key;
}

TEST(KafkaCodecTest, BytesThatAreNoUtf8AreReplaced) {
  const std::string bad = "\xEF\xBF\xBD";
  for (const char* good :
       {"", "plain", "caf\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
        "\xEF\xBF\xBD", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_EQ(ReadText(good), good);
  }
  EXPECT_EQ(ReadText(std::string("a\0b", 3)), std::string("a\0b", 3));
  EXPECT_EQ(ReadText("a\xFFz"), "a" + bad + "z");
  EXPECT_EQ(ReadText("\xC3"), bad);
  EXPECT_EQ(ReadText("\xC3z"), bad + "z");
  EXPECT_EQ(ReadText("\x80"), bad);
  EXPECT_EQ(ReadText("\xC0\xAF"), bad + bad);              // overlong
  EXPECT_EQ(ReadText("\xE0\x80\x80"), bad + bad + bad);    // overlong
  EXPECT_EQ(ReadText("\xED\xA0\x80"), bad + bad + bad);    // a surrogate
  EXPECT_EQ(ReadText("\xF4\x90\x80\x80"), bad + bad + bad + bad);  // beyond
  EXPECT_EQ(ReadText("\xE2\x82"), bad + bad);
  // It must still be a text that can be written.
  EXPECT_EQ(ReadText(std::string(10'000, '\xFF'))->size(), 30'000u);
  EXPECT_EQ(ReadText(std::string(20'000, '\xFF')), std::nullopt);
}

TEST(KafkaCodecTest, NullAndOverlongTextsAreNotWritten) {
  MetadataRequest all;
  all.topics.reset();
  EXPECT_EQ(EncodeMessage(all, 0).status().message(),
            "MetadataRequest v0: topics: is null, which this version has not");
  EXPECT_TRUE(EncodeMessage(all, 1).ok());

  HeartbeatRequest message;
  message.member_id = std::string(32767, 'm');
  EXPECT_TRUE(EncodeMessage(message, 4).ok());
  message.member_id += 'm';
  EXPECT_EQ(EncodeMessage(message, 4).status().message(),
            "HeartbeatRequest v4: member_id: is a text of 32768 bytes, the "
            "most is 32767");
}

}  // namespace
}  // namespace sillok::kafka
