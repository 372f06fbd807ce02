// Partitioner and assignors against what Apache Kafka itself answers.
#include <map>
#include <string>
#include <vector>

#include "client/internal/assignor.h"
#include "client/internal/backoff.h"
#include "client/internal/consumer_protocol.h"
#include "client/internal/partitioner.h"
#include "gtest/gtest.h"
#include "test/golden/golden.h"

namespace sillok::client {
namespace {

TEST(PartitionerTest, KeysGoWhereKafkaPutsThem) {
  const int counts[] = {1, 3, 6, 12, 100};
  for (const auto& row : golden::ReadJsonLines("hashes.jsonl")) {
    std::string key = golden::FromHex(row["hex"].get<std::string>());
    for (int i = 0; i < 5; ++i) {
      BuiltinPartitioner partitioner(PartitionerKind::kMurmur2, 1);
      EXPECT_EQ(partitioner.ChooseFor(key, counts[i], {}),
                row["partition_of_1_3_6_12_100"][static_cast<size_t>(i)])
          << row["hex"];
    }
  }
}

TEST(PartitionerTest, KeylessAvoidsPartitionsWithoutALeaderAndCoversTheRest) {
  BuiltinPartitioner partitioner(PartitionerKind::kMurmur2, 42);
  std::map<int32_t, int> seen;
  for (int i = 0; i < 300; ++i) {
    int32_t chosen = partitioner.ChooseFor(std::nullopt, 4, {0, 2, 3});
    ++seen[chosen];
    partitioner.OnBatchClosed(chosen);
  }
  EXPECT_EQ(seen.count(1), 0u);
  for (int p : {0, 2, 3}) EXPECT_GT(seen[p], 30) << p;
}

TEST(PartitionerTest, RoundRobinTakesTurns) {
  BuiltinPartitioner partitioner(PartitionerKind::kRoundRobin, 1);
  std::vector<int32_t> chosen;
  for (int i = 0; i < 5; ++i) chosen.push_back(partitioner.ChooseFor("key", 3, {}));
  EXPECT_EQ(chosen, (std::vector<int32_t>{0, 1, 2, 0, 1}));
}

TEST(AssignorTest, AllFourGiveWhatKafkaGives) {
  for (const auto& row : golden::ReadJsonLines("assignors.jsonl")) {
    std::vector<SubscribedMember> members;
    for (const auto& [id, member] : row["members"].items()) {
      SubscribedMember& added = members.emplace_back();
      added.member_id = id;
      added.instance_id = member.value("groupInstanceId", "");
      added.topics = member["topics"].get<std::vector<std::string>>();
    }
    auto counts = row["partitions"].get<std::map<std::string, int>>();
    for (const char* name :
         {"range", "roundrobin", "sticky", "cooperative-sticky"}) {
      GroupAssignment got;
      ASSERT_TRUE(AssignPartitions(name, members, counts, &got));
      std::map<std::string, std::vector<std::string>> text;
      for (const auto& [member, partitions] : got) {
        auto& list = text[member];
        for (const TopicPartition& p : partitions) list.push_back(p.ToString());
        std::sort(list.begin(), list.end());
      }
      auto want =
          row[name].get<std::map<std::string, std::vector<std::string>>>();
      for (auto& [member, list] : want) std::sort(list.begin(), list.end());
      EXPECT_EQ(text, want) << name << " " << row.dump();
    }
  }
}

TEST(AssignorTest, ANameThatIsNoneIsRefused) {
  GroupAssignment out;
  EXPECT_FALSE(AssignPartitions("stickier", {}, {}, &out));
}

std::optional<std::string> Text(const nlohmann::json& value) {
  if (value.is_null()) return std::nullopt;
  return value.get<std::string>();
}

std::vector<TopicPartition> Partitions(const nlohmann::json& topics) {
  std::vector<TopicPartition> partitions;
  for (const auto& topic : topics) {
    for (int32_t number : topic["partitions"]) {
      partitions.push_back({topic["topic"].get<std::string>(), number});
    }
  }
  return partitions;
}

// The samples lack the version in front.
std::string Versioned(const nlohmann::json& row) {
  std::string bytes(1, '\0');
  bytes.push_back(static_cast<char>(row["version"].get<int>()));
  return bytes + golden::FromHex(row["hex"].get<std::string>());
}

TEST(ConsumerProtocolTest, SubscriptionsAreReadAndWrittenAsKafkaDoes) {
  int seen = 0;
  for (const auto& row : golden::ReadJsonLines("consumer_protocol.jsonl")) {
    if (row["message"] != "ConsumerProtocolSubscription") continue;
    ++seen;
    const auto& want = row["json"];
    int version = row["version"];
    auto got = DecodeSubscription(Versioned(row));
    ASSERT_TRUE(got.has_value()) << row.dump();
    EXPECT_EQ(got->topics, want["topics"].get<std::vector<std::string>>());
    EXPECT_EQ(got->user_data.has_value(), !want["userData"].is_null());
    if (version >= 1) {
      EXPECT_EQ(got->owned, Partitions(want["ownedPartitions"]));
    }
    if (version >= 2) {
      EXPECT_EQ(got->generation, want["generationId"]);
    }
    if (version >= 3) {
      EXPECT_EQ(got->rack, Text(want["rackId"]));
    }
    EXPECT_EQ(golden::ToHex(
                  EncodeSubscription(*got, static_cast<int16_t>(version))),
              golden::ToHex(Versioned(row)));
  }
  EXPECT_EQ(seen, 16);
}

TEST(ConsumerProtocolTest, AssignmentsAreReadAndWrittenAsKafkaDoes) {
  int seen = 0;
  for (const auto& row : golden::ReadJsonLines("consumer_protocol.jsonl")) {
    if (row["message"] != "ConsumerProtocolAssignment") continue;
    ++seen;
    std::string bytes = Versioned(row);
    auto got = DecodeAssignment(bytes);
    ASSERT_TRUE(got.has_value()) << row.dump();
    EXPECT_EQ(*got, Partitions(row["json"]["assignedPartitions"]));
    // Ours have no user data, so a sample that has some differs from there on.
    bool plain = row["json"]["userData"].is_null();
    std::string ours = EncodeAssignment(
        *got, std::nullopt, static_cast<int16_t>(row["version"].get<int>()));
    if (plain) {
      EXPECT_EQ(golden::ToHex(ours), golden::ToHex(bytes));
    } else {
      EXPECT_EQ(bytes.rfind(ours.substr(0, ours.size() - 4), 0), 0u);
    }
  }
  EXPECT_EQ(seen, 16);
}

TEST(ConsumerProtocolTest, WithoutAVersionOursIsTheLatest) {
  // Version 3, ["ab"], no user data, nothing owned, no generation, no rack.
  EXPECT_EQ(golden::ToHex(EncodeSubscription({{"ab"}})),
            "000300000001" "00026162" "ffffffff" "00000000" "ffffffff" "ffff");
  EXPECT_EQ(golden::ToHex(EncodeAssignment({{"ab", 3}, {"ab", 5}})),
            "000300000001" "00026162" "00000002" "00000003" "00000005"
            "ffffffff");
}

TEST(ConsumerProtocolTest, DamageIsSeen) {
  ConsumerSubscription full{{"topic"}, "data", {{"topic", 1}}, 7, "rack"};
  std::string good = EncodeSubscription(full);
  ASSERT_TRUE(DecodeSubscription(good).has_value());
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(DecodeSubscription(good.substr(0, size)).has_value()) << size;
  }
  good[1] = 9;  // a version to come, with more behind
  EXPECT_TRUE(DecodeSubscription(good + "more").has_value());
  EXPECT_EQ(DecodeAssignment(""), std::vector<TopicPartition>{});
  good = EncodeAssignment({{"topic", 1}});
  // The user data at the end is not read; everything before it is.
  for (size_t size = 1; size < good.size() - 4; ++size) {
    EXPECT_FALSE(DecodeAssignment(good.substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(
      DecodeAssignment(golden::FromHex("00017fffffff00")).has_value());
}

TEST(ConsumerProtocolTest, MembersOfVersionOneTellTheGenerationInTheirData) {
  ConsumerSubscription old{{"t"}, EncodeGeneration(5), {{"t", 1}}};
  EXPECT_EQ(DecodeSubscription(EncodeSubscription(old, 1))->generation, 5);
  old.user_data = EncodeStickyUserData({{{"t", 1}}, 6});
  EXPECT_EQ(DecodeSubscription(EncodeSubscription(old, 1))->generation, 6);
  old.user_data = "something else entirely";
  EXPECT_EQ(DecodeSubscription(EncodeSubscription(old, 1))->generation, -1);
}

TEST(ConsumerProtocolTest, StickyUserDataIsReadWithAndWithoutAGeneration) {
  // [("ab", [1])], generation 9.
  std::string bytes = golden::FromHex("00000001" "00026162" "00000001"
                                      "00000001" "00000009");
  auto data = DecodeStickyUserData(bytes);
  ASSERT_TRUE(data.has_value());
  EXPECT_EQ(data->assignment, (std::vector<TopicPartition>{{"ab", 1}}));
  EXPECT_EQ(data->generation, 9);
  EXPECT_EQ(EncodeStickyUserData(*data), bytes);
  bytes.resize(bytes.size() - 4);
  EXPECT_EQ(DecodeStickyUserData(bytes)->generation, -1);
  EXPECT_FALSE(DecodeStickyUserData(bytes.substr(0, 9)).has_value());
}

TEST(BackoffTest, DoublesUpToTheMaximumWithinTwentyPercent) {
  for (uint64_t random = 0; random < 200; ++random) {
    EXPECT_GE(BackoffMs(100, 1000, 1, random), 80);
    EXPECT_LE(BackoffMs(100, 1000, 1, random), 120);
    EXPECT_GE(BackoffMs(100, 1000, 3, random), 320);
    EXPECT_LE(BackoffMs(100, 1000, 3, random), 480);
    EXPECT_LE(BackoffMs(100, 1000, 30, random), 1200);
    EXPECT_EQ(BackoffMs(0, 1000, 1, random), 0);
  }
}

}  // namespace
}  // namespace sillok::client
