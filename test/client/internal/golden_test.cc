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
      Partitioner partitioner(PartitionerKind::kMurmur2, 1);
      EXPECT_EQ(partitioner.Choose(key, counts[i], {}),
                row["partition_of_1_3_6_12_100"][static_cast<size_t>(i)])
          << row["hex"];
    }
  }
}

TEST(PartitionerTest, KeylessAvoidsPartitionsWithoutALeaderAndCoversTheRest) {
  Partitioner partitioner(PartitionerKind::kMurmur2, 42);
  std::map<int32_t, int> seen;
  for (int i = 0; i < 300; ++i) {
    int32_t chosen = partitioner.Choose(std::nullopt, 4, {0, 2, 3});
    ++seen[chosen];
    partitioner.OnBatchClosed(chosen);
  }
  EXPECT_EQ(seen.count(1), 0u);
  for (int p : {0, 2, 3}) EXPECT_GT(seen[p], 30) << p;
}

TEST(PartitionerTest, RoundRobinTakesTurns) {
  Partitioner partitioner(PartitionerKind::kRoundRobin, 1);
  std::vector<int32_t> chosen;
  for (int i = 0; i < 5; ++i) chosen.push_back(partitioner.Choose("key", 3, {}));
  EXPECT_EQ(chosen, (std::vector<int32_t>{0, 1, 2, 0, 1}));
}

TEST(AssignorTest, RangeAndRoundRobinGiveWhatKafkaGives) {
  for (const auto& row : golden::ReadJsonLines("assignors.jsonl")) {
    std::vector<SubscribedMember> members;
    for (const auto& [id, member] : row["members"].items()) {
      members.push_back({id, member.value("groupInstanceId", ""),
                         member["topics"].get<std::vector<std::string>>()});
    }
    auto counts = row["partitions"].get<std::map<std::string, int>>();
    for (const char* name : {"range", "roundrobin"}) {
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
  EXPECT_FALSE(AssignPartitions("sticky", {}, {}, &out));
}

TEST(ConsumerProtocolTest, TheBytesAreKafkas) {
  // Version 1, ["ab"], no user data, nothing owned.
  EXPECT_EQ(golden::ToHex(EncodeSubscription({"ab"})),
            "000100000001" "00026162" "ffffffff" "00000000");
  EXPECT_EQ(golden::ToHex(EncodeAssignment({{"ab", 3}, {"ab", 5}})),
            "000100000001" "00026162" "00000002" "00000003" "00000005"
            "ffffffff");
}

TEST(ConsumerProtocolTest, EveryVersionIsReadAndDamageIsSeen) {
  auto v0 = golden::FromHex("000000000001" "00026162" "ffffffff");
  EXPECT_EQ(DecodeSubscription(v0), std::vector<std::string>{"ab"});
  // Version 3: owned partitions, generation, rack after what we need.
  auto v3 = golden::FromHex("000300000001" "00026162" "ffffffff" "00000000"
                            "00000007" "ffff");
  EXPECT_EQ(DecodeSubscription(v3), std::vector<std::string>{"ab"});
  EXPECT_EQ(DecodeAssignment(""), std::vector<TopicPartition>{});
  EXPECT_EQ(DecodeAssignment(EncodeAssignment({{"x", 1}, {"y", 0}})),
            (std::vector<TopicPartition>{{"x", 1}, {"y", 0}}));
  std::string good = EncodeAssignment({{"topic", 1}});
  // The user data at the end is not read; everything before it is.
  for (size_t size = 1; size < good.size() - 4; ++size) {
    EXPECT_FALSE(DecodeAssignment(good.substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(
      DecodeAssignment(golden::FromHex("00017fffffff00")).has_value());
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
