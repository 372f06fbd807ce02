#include "proto/kafka/api_table.h"

#include <algorithm>

namespace sillok::kafka {

// Chosen by what clients ask for, some of it by exact version:
// - Produce begins at 0 although 0 to 2 are answered with error 35: librdkafka
//   before 2.11.1 stops compressing without a word where v0 is missing.
// - The same releases look for FindCoordinator 0, ListOffsets 1, InitProducerId
//   0, SaslHandshake 0 and 1, OffsetCommit 2, OffsetFetch 1, and kafkajs does
//   not look at a minimum at all: none of them may rise.
// - OffsetCommit and OffsetFetch end at 8 because 9 belongs to KIP-848, and the
//   transaction APIs below KIP-890's second part. What is described beyond that
//   (MessageInfo) is there for the day this table moves.
// - Fetch from 13 on names topics by id alone: every topic has one.
const std::vector<ApiRange>& ApiTable() {
  static const std::vector<ApiRange> table = {
      {0, "Produce", 0, 11, 9},
      {1, "Fetch", 4, 16, 12},
      {2, "ListOffsets", 1, 7, 6},
      {3, "Metadata", 0, 12, 9},
      {8, "OffsetCommit", 2, 8, 8},
      {9, "OffsetFetch", 1, 8, 6},
      {10, "FindCoordinator", 0, 4, 3},
      {11, "JoinGroup", 0, 9, 6},
      {12, "Heartbeat", 0, 4, 4},
      {13, "LeaveGroup", 0, 5, 4},
      {14, "SyncGroup", 0, 5, 4},
      {15, "DescribeGroups", 0, 5, 5},
      {16, "ListGroups", 0, 4, 3},
      {17, "SaslHandshake", 0, 1, kNever},
      {18, "ApiVersions", 0, 4, 3},
      {19, "CreateTopics", 0, 7, 5},
      {20, "DeleteTopics", 0, 6, 4},
      {21, "DeleteRecords", 0, 2, 2},
      {22, "InitProducerId", 0, 4, 2},
      {23, "OffsetForLeaderEpoch", 2, 4, 4},
      {24, "AddPartitionsToTxn", 0, 3, 3},
      {25, "AddOffsetsToTxn", 0, 3, 3},
      {26, "EndTxn", 0, 3, 3},
      {28, "TxnOffsetCommit", 0, 3, 3},
      {29, "DescribeAcls", 0, 3, 2},
      {30, "CreateAcls", 0, 3, 2},
      {31, "DeleteAcls", 0, 3, 2},
      {32, "DescribeConfigs", 0, 4, 4},
      {33, "AlterConfigs", 0, 2, 2},
      {35, "DescribeLogDirs", 0, 4, 2},
      {36, "SaslAuthenticate", 0, 2, 2},
      {37, "CreatePartitions", 0, 3, 2},
      {42, "DeleteGroups", 0, 2, 2},
      {43, "ElectLeaders", 0, 2, 2},
      {44, "IncrementalAlterConfigs", 0, 1, 1},
      {45, "AlterPartitionReassignments", 0, 0, 0},
      {46, "ListPartitionReassignments", 0, 0, 0},
      {47, "OffsetDelete", 0, 0, kNever},
      {50, "DescribeUserScramCredentials", 0, 0, 0},
      {51, "AlterUserScramCredentials", 0, 0, 0},
      {60, "DescribeCluster", 0, 1, 0},
      {61, "DescribeProducers", 0, 0, 0},
      {65, "DescribeTransactions", 0, 0, 0},
      {66, "ListTransactions", 0, 1, 0},
  };
  return table;
}

const ApiRange* FindApi(int16_t key) {
  const std::vector<ApiRange>& table = ApiTable();
  const auto found = std::lower_bound(
      table.begin(), table.end(), key,
      [](const ApiRange& api, int16_t wanted) { return api.key < wanted; });
  return found != table.end() && found->key == key ? &*found : nullptr;
}

}  // namespace sillok::kafka
