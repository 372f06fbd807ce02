// Every sample Kafka itself encoded: same fields, and the same bytes back.
#include "test/golden/golden.h"

#include <gtest/gtest.h>

#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "test/support/kafka_messages.h"

namespace sillok::kafka {
namespace {

// What the samples have and we do not describe: before KIP-896's floor, beyond
// what is to be advertised, or between brokers.
const std::map<std::string, std::set<int>>& NotDescribed() {
  static const std::map<std::string, std::set<int>> versions = {
      {"AddOffsetsToTxn", {4}},
      {"AddPartitionsToTxn", {4, 5}},
      {"EndTxn", {4, 5}},
      {"Fetch", {0, 1, 2, 3, 17}},
      {"FindCoordinator", {5, 6}},
      {"InitProducerId", {5}},
      {"ListOffsets", {0, 8, 9, 10}},
      {"OffsetCommit", {0, 1}},
      {"OffsetFetch", {0}},
      {"OffsetForLeaderEpoch", {0, 1}},
      {"TxnOffsetCommit", {4}},
  };
  return versions;
}

bool IsDescribed(const std::string& message, int version) {
  for (const char* end : {"Request", "Response"}) {
    if (!message.ends_with(end)) continue;
    const std::string api =
        message.substr(0, message.size() - std::string(end).size());
    const auto found = NotDescribed().find(api);
    return found == NotDescribed().end() || found->second.count(version) == 0;
  }
  return true;
}

const MessageType* FindType(const std::string& name) {
  for (const MessageType& type : AllMessageTypes()) {
    if (type.info->name == name) return &type;
  }
  return nullptr;
}

void CheckRow(const MessageType& type, const nlohmann::json& row) {
  const int16_t version = row["version"].get<int16_t>();
  const std::string bytes = golden::FromHex(row["hex"].get<std::string>());
  EXPECT_EQ(version >= type.info->flexible, row["flexible"].get<bool>());

  const std::shared_ptr<void> message = type.make();
  const absl::Status decoded =
      type.decode(Bytes::FromString(bytes), version, message.get());
  ASSERT_TRUE(decoded.ok()) << decoded;
  EXPECT_EQ(nlohmann::json::parse(type.dump(message.get(), version)),
            row["json"]);

  const auto encoded = type.encode(message.get(), version);
  ASSERT_TRUE(encoded.ok()) << encoded.status();
  EXPECT_EQ(golden::ToHex(encoded->ToString()), row["hex"]);
}

TEST(KafkaGoldenTest, EverySampleReadsAsKafkaMeantItAndWritesTheSameBytes) {
  size_t checked = 0;
  std::map<std::string, std::set<int>> skipped;
  std::set<std::pair<std::string, int>> seen;
  for (const nlohmann::json& row :
       golden::ReadJsonLines("kafka_messages.jsonl")) {
    const std::string name = row["message"];
    const int version = row["version"];
    if (!IsDescribed(name, version)) {
      skipped[name].insert(version);
      continue;
    }
    const MessageType* type = FindType(name);
    ASSERT_NE(type, nullptr) << name;
    SCOPED_TRACE(name + " v" + std::to_string(version));
    CheckRow(*type, row);
    seen.emplace(name, version);
    ++checked;
  }
  for (const MessageType& type : AllMessageTypes()) {
    for (int version = type.info->min; version <= type.info->max; ++version) {
      EXPECT_EQ(seen.count({type.info->name, version}), 1u)
          << "no sample of " << type.info->name << " v" << version;
    }
  }
  std::cout << checked << " samples checked, skipped:";
  for (const auto& [name, versions] : skipped) {
    std::cout << "\n  " << name;
    for (const int version : versions) std::cout << " v" << version;
  }
  std::cout << "\n";
}

}  // namespace
}  // namespace sillok::kafka
