// Kafka's own bytes, read and written.
#include "broker/group/group_records.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <variant>
#include <vector>

#include "test/golden/golden.h"

namespace sillok {
namespace {

using nlohmann::json;

// Rows of one message kind with the record's version in front, as it stands in
// the log (the golden rows leave it out).
struct Row {
  int version;
  json fields;
  std::string bytes;
};

std::vector<Row> GoldenRows(const std::string& message) {
  std::ifstream file("test/broker/group/testdata/records.jsonl");
  std::vector<Row> rows;
  for (std::string line; std::getline(file, line);) {
    const json row = json::parse(line);
    if (row["message"] != message) continue;
    const int version = row["version"];
    std::string bytes = {'\0', static_cast<char>(version)};
    bytes += golden::FromHex(row["hex"].get<std::string>());
    rows.push_back({version, row["json"], bytes});
  }
  EXPECT_FALSE(rows.empty()) << message;
  return rows;
}

std::string FromBase64(const std::string& text) {
  static constexpr char kAlphabet[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  uint32_t bits = 0;
  int have = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 |
           static_cast<uint32_t>(std::string_view(kAlphabet).find(c));
    have += 6;
    if (have < 8) continue;
    have -= 8;
    bytes.push_back(static_cast<char>(bits >> have));
  }
  return bytes;
}

std::optional<std::string> Nullable(const json& value) {
  if (value.is_null()) return std::nullopt;
  return value.get<std::string>();
}

TEST(GroupRecordsTest, OffsetKeysAreReadAsKafkaWritesThem) {
  for (const Row& row : GoldenRows("OffsetCommitKey")) {
    const OffsetKey expected{row.fields["group"], row.fields["topic"],
                             row.fields["partition"]};
    const auto key = ParseKey(row.bytes);
    ASSERT_TRUE(std::holds_alternative<OffsetKey>(key)) << row.fields;
    EXPECT_EQ(std::get<OffsetKey>(key), expected);
    if (row.version == 1) {
      EXPECT_EQ(EncodeOffsetKey(expected.group, expected.topic,
                                expected.partition),
                row.bytes);
    }
  }
}

TEST(GroupRecordsTest, GroupKeysAreReadAndWrittenAsKafkaDoes) {
  for (const Row& row : GoldenRows("GroupMetadataKey")) {
    const auto key = ParseKey(row.bytes);
    ASSERT_TRUE(std::holds_alternative<GroupKey>(key)) << row.fields;
    EXPECT_EQ(std::get<GroupKey>(key).group, row.fields["group"]);
    EXPECT_EQ(EncodeGroupKey(std::get<GroupKey>(key).group), row.bytes);
  }
}

TEST(GroupRecordsTest, OffsetValuesOfAllVersionsAreRead) {
  for (const Row& row : GoldenRows("OffsetCommitValue")) {
    const auto value = ParseOffsetValue(row.bytes);
    ASSERT_TRUE(value.has_value()) << row.version << row.fields;
    EXPECT_EQ(value->offset, row.fields["offset"].get<int64_t>());
    EXPECT_EQ(value->leader_epoch,
              row.version >= 3 ? row.fields["leaderEpoch"].get<int32_t>() : -1);
    EXPECT_EQ(value->metadata, row.fields["metadata"]);
    EXPECT_EQ(value->commit_timestamp_ms,
              row.fields["commitTimestamp"].get<int64_t>());
    EXPECT_EQ(value->expire_timestamp_ms.has_value(), row.version == 1);
    if (row.version == 1) {
      EXPECT_EQ(*value->expire_timestamp_ms,
                row.fields["expireTimestamp"].get<int64_t>());
    }
    if (row.version == 3) {
      EXPECT_EQ(EncodeOffsetValue(*value), row.bytes);
    }
  }
}

TEST(GroupRecordsTest, GroupValuesOfAllVersionsAreRead) {
  for (const Row& row : GoldenRows("GroupMetadataValue")) {
    const auto value = ParseGroupValue(row.bytes);
    ASSERT_TRUE(value.has_value()) << row.version << row.fields;
    EXPECT_EQ(value->protocol_type, row.fields["protocolType"]);
    EXPECT_EQ(value->generation, row.fields["generation"].get<int32_t>());
    EXPECT_EQ(value->protocol, Nullable(row.fields["protocol"]));
    EXPECT_EQ(value->leader, Nullable(row.fields["leader"]));
    EXPECT_EQ(value->state_timestamp_ms,
              row.version >= 2
                  ? row.fields["currentStateTimestamp"].get<int64_t>()
                  : -1);
    const json& members = row.fields["members"];
    ASSERT_EQ(value->members.size(), members.size());
    for (size_t i = 0; i < members.size(); ++i) {
      const GroupMemberValue& member = value->members[i];
      EXPECT_EQ(member.member_id, members[i]["memberId"]);
      EXPECT_EQ(member.group_instance_id,
                row.version >= 3 ? Nullable(members[i]["groupInstanceId"])
                                 : std::nullopt);
      EXPECT_EQ(member.client_id, members[i]["clientId"]);
      EXPECT_EQ(member.client_host, members[i]["clientHost"]);
      const int32_t session = members[i]["sessionTimeout"];
      EXPECT_EQ(member.session_timeout_ms, session);
      EXPECT_EQ(member.rebalance_timeout_ms,
                row.version >= 1
                    ? members[i]["rebalanceTimeout"].get<int32_t>()
                    : session);
      EXPECT_EQ(member.subscription, FromBase64(members[i]["subscription"]));
      EXPECT_EQ(member.assignment, FromBase64(members[i]["assignment"]));
    }
    if (row.version == 3) {
      EXPECT_EQ(EncodeGroupValue(*value), row.bytes);
    }
  }
}

TEST(GroupRecordsTest, SubscribedTopicsAreReadFromEveryVersion) {
  for (const Row& row : GoldenRows("ConsumerProtocolSubscription")) {
    const auto topics = ParseSubscribedTopics(row.bytes);
    ASSERT_TRUE(topics.has_value()) << row.fields;
    EXPECT_EQ(json(*topics), row.fields["topics"]);
  }
}

TEST(GroupRecordsTest, KeysOfNewerGroupTypesArePassedOver) {
  for (char version = 3; version < 12; ++version) {
    const std::string key = {0, version, 0, 1, 'g'};
    EXPECT_TRUE(std::holds_alternative<std::monostate>(ParseKey(key)));
  }
}

// Everything that can be cut off or flipped is: no read may go out of bounds
// (the sanitizer builds would tell) nor make up members out of nothing.
TEST(GroupRecordsTest, DamagedBytesAreRefusedOrReadButNeverCrash) {
  std::vector<std::string> samples;
  for (const char* message :
       {"OffsetCommitKey", "OffsetCommitValue", "GroupMetadataKey",
        "GroupMetadataValue", "ConsumerProtocolSubscription"}) {
    for (const Row& row : GoldenRows(message)) samples.push_back(row.bytes);
  }
  const auto read_all = [](const std::string& bytes) {
    ParseKey(bytes);
    ParseOffsetValue(bytes);
    ParseSubscribedTopics(bytes);
    const auto group = ParseGroupValue(bytes);
    if (group.has_value()) {
      EXPECT_LE(group->members.size(), bytes.size());
    }
  };
  std::mt19937 random(1);
  for (const std::string& sample : samples) {
    for (size_t size = 0; size < std::min<size_t>(sample.size(), 200); ++size) {
      read_all(sample.substr(0, size));
    }
    for (int i = 0; i < 50; ++i) {
      std::string damaged = sample;
      for (int flips = 0; flips < 3; ++flips) {
        damaged[random() % damaged.size()] = static_cast<char>(random());
      }
      read_all(damaged);
    }
  }
}

TEST(GroupRecordsTest, ATruncatedValueIsRefused) {
  OffsetValue value;
  value.offset = 7;
  value.metadata = "m";
  const std::string bytes = EncodeOffsetValue(value);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ParseOffsetValue(bytes.substr(0, size)).has_value()) << size;
  }
  GroupValue group;
  group.protocol_type = "consumer";
  group.members.resize(2);
  const std::string group_bytes = EncodeGroupValue(group);
  for (size_t size = 0; size < group_bytes.size(); ++size) {
    EXPECT_FALSE(ParseGroupValue(group_bytes.substr(0, size)).has_value());
  }
}

TEST(GroupRecordsTest, ACountBeyondTheBytesIsRefusedWithoutAllocating) {
  GroupValue group;
  group.protocol_type = "consumer";
  std::string bytes = EncodeGroupValue(group);
  bytes.replace(bytes.size() - 4, 4, "\x7f\xff\xff\xff");
  EXPECT_FALSE(ParseGroupValue(bytes).has_value());
}

}  // namespace
}  // namespace sillok
