// Admin: topics, groups, offsets and what the cluster looks like.
//
// Thread-safe; calls block up to default.api.timeout.ms and retry passing
// trouble (an unreachable broker, a controller that moves) until then. A Status
// carries the ErrorCode (base/error.h) with topic or group named;
// NETWORK_EXCEPTION: no broker could be reached.
#ifndef SILLOK_CLIENT_ADMIN_H_
#define SILLOK_CLIENT_ADMIN_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/error.h"
#include "base/ids.h"
#include "client/config.h"

namespace sillok::client {

struct BrokerInfo {
  int32_t id = -1;
  std::string host;
  int port = 0;
  int kafka_port = 0;
  std::string rack;
};

struct PartitionInfo {
  int32_t partition = 0;
  ErrorCode error = ErrorCode::NONE;
  int32_t leader = -1;  // -1 = none
  int32_t leader_epoch = -1;
  std::vector<int32_t> replicas;
  std::vector<int32_t> isr;
  std::vector<int32_t> offline;
};

struct TopicInfo {
  std::string name;
  absl::Status status;  // UNKNOWN_TOPIC_OR_PARTITION, ...
  std::string topic_id;
  bool internal = false;
  std::vector<PartitionInfo> partitions;  // by number
};

struct ClusterInfo {
  std::string cluster_id;
  int32_t controller_id = -1;
  std::vector<BrokerInfo> brokers;  // alive, by id
};

struct TopicSpec {
  std::string name;
  int partitions = 0;          // 0 = the cluster's default
  int replication_factor = 0;  // 0 = the cluster's default
  // Partition -> brokers, instead of the two above.
  std::map<int32_t, std::vector<int32_t>> assignments;
  std::map<std::string, std::string> configs;
};

struct TopicOutcome {
  std::string name;
  absl::Status status;
  std::string topic_id;
  int partitions = 0;
  int replication_factor = 0;
};

// What a configuration belongs to. The BROKER named "" stands for what all
// brokers share.
struct ConfigResource {
  enum Kind { kTopic, kBroker };
  Kind kind = kTopic;
  std::string name;

  std::string ToString() const;  // "topic 'orders'", "broker 1", "all brokers"
};

struct ConfigValue {
  std::string name;
  std::string value;  // "" if sensitive
  // TOPIC, DYNAMIC_BROKER, DYNAMIC_DEFAULT_BROKER, BROKER (its file), DEFAULT.
  std::string source;
  std::string documentation;
  bool read_only = false;
  bool sensitive = false;
  std::string type;  // BOOLEAN, STRING, INT, LONG, LIST, ...; "" if not told
  // Where the value comes from and what it would fall back to, nearest first.
  struct Synonym {
    std::string name;
    std::string value;
    std::string source;
  };
  std::vector<Synonym> synonyms;
};

struct ConfigChange {
  enum Operation { kSet, kUnset, kAppend, kSubtract };  // the last two: lists
  std::string name;
  Operation operation = kSet;
  std::string value;
};

struct PartitionsSpec {
  std::string name;
  int total = 0;  // how many it shall have
  // Brokers of each new partition, in order; empty = the cluster places them.
  std::vector<std::vector<int32_t>> assignments;
};

enum class ElectionType { kPreferred, kUnclean };

struct TrimmedPartition {
  absl::Status status;
  int64_t log_start_offset = -1;  // now
};

struct GroupOutcome {
  std::string group_id;
  absl::Status status;
};

struct GroupListing {
  std::string group_id;
  std::string protocol_type;
  std::string state;
  int32_t coordinator = -1;
};

struct GroupMemberInfo {
  std::string member_id;
  std::string instance_id;
  std::string client_id;
  std::string host;
  std::vector<std::string> topics;         // subscription; empty if foreign
  std::vector<TopicPartition> assignment;  // empty if foreign
};

struct GroupInfo {
  std::string group_id;
  absl::Status status;
  std::string state;
  std::string protocol_type;
  std::string assignor;
  int32_t coordinator = -1;
  std::vector<GroupMemberInfo> members;
};

struct CommittedPosition {
  int64_t offset = -1;
  int32_t leader_epoch = -1;
  std::string metadata;
};

struct ListedOffset {
  absl::Status status;
  int64_t offset = -1;
  int64_t timestamp_ms = -1;
  int32_t leader_epoch = -1;
};

struct ReplicaLogInfo {
  int32_t broker = -1;
  TopicPartition partition;
  int64_t size_bytes = 0;
  int64_t log_start_offset = 0;
  int64_t high_watermark = 0;
  int64_t log_end_offset = 0;
  std::string log_dir;
  bool leader = false;
};

class Admin {
 public:
  static absl::StatusOr<std::unique_ptr<Admin>> Create(AdminConfig config);
  virtual ~Admin() = default;

  virtual absl::StatusOr<ClusterInfo> DescribeCluster() = 0;

  // One outcome for each topic, in order. The call fails only when no answer
  // could be had at all.
  virtual absl::StatusOr<std::vector<TopicOutcome>> CreateTopics(
      const std::vector<TopicSpec>& topics, bool validate_only = false) = 0;
  virtual absl::StatusOr<std::vector<TopicOutcome>> DeleteTopics(
      const std::vector<std::string>& names) = 0;
  // All topics, by name; internal ones too.
  virtual absl::StatusOr<std::vector<TopicInfo>> ListTopics() = 0;
  virtual absl::StatusOr<std::vector<TopicInfo>> DescribeTopics(
      const std::vector<std::string>& names) = 0;
  // More partitions for topics that are there. Records with a key that were
  // written before stay where they are, those after may go elsewhere.
  virtual absl::StatusOr<std::vector<TopicOutcome>> CreatePartitions(
      const std::vector<PartitionsSpec>& topics, bool validate_only = false) = 0;

  // Elections; without partitions: of all that need one. ELECTION_NOT_NEEDED is
  // an OK outcome of none. Unclean: any live replica where no in-sync one lives,
  // which may lose records.
  virtual absl::StatusOr<std::map<TopicPartition, absl::Status>> ElectLeaders(
      ElectionType type, const std::vector<TopicPartition>& partitions) = 0;

  virtual absl::StatusOr<std::vector<ConfigValue>> DescribeConfig(
      const ConfigResource& resource) = 0;
  // All changes or none. INVALID_CONFIG names key, value and what is allowed.
  virtual absl::Status AlterConfig(const ConfigResource& resource,
                                   const std::vector<ConfigChange>& changes,
                                   bool validate_only = false) = 0;

  // Offsets by time (-1 end, -2 start, else first at or after Unix ms).
  virtual absl::StatusOr<std::map<TopicPartition, ListedOffset>> ListOffsets(
      const std::map<TopicPartition, int64_t>& times,
      IsolationLevel isolation = IsolationLevel::kReadUncommitted) = 0;

  // Raises log starts: records before the offset (-1: the high watermark) are
  // gone for good. Each partition has an outcome.
  virtual absl::StatusOr<std::map<TopicPartition, TrimmedPartition>>
  DeleteRecords(const std::map<TopicPartition, int64_t>& before_offsets) = 0;

  // Of all brokers, by id.
  virtual absl::StatusOr<std::vector<GroupListing>> ListGroups() = 0;
  virtual absl::StatusOr<GroupInfo> DescribeGroup(const std::string& group) = 0;
  virtual absl::StatusOr<std::map<TopicPartition, CommittedPosition>>
  ListGroupOffsets(const std::string& group) = 0;
  // Sets offsets of a group that has no members now; else UNKNOWN_MEMBER_ID.
  virtual absl::Status SetGroupOffsets(
      const std::string& group,
      const std::map<TopicPartition, int64_t>& offsets) = 0;
  // Forgets offsets; GROUP_SUBSCRIBED_TO_TOPIC while a member reads the topic.
  // Each partition has an outcome.
  virtual absl::StatusOr<std::map<TopicPartition, absl::Status>>
  DeleteGroupOffsets(const std::string& group,
                     const std::vector<TopicPartition>& partitions) = 0;
  // Forgets groups and their offsets; NON_EMPTY_GROUP while they have members,
  // GROUP_ID_NOT_FOUND. In order.
  virtual absl::StatusOr<std::vector<GroupOutcome>> DeleteGroups(
      const std::vector<std::string>& groups) = 0;

  // Replica sizes on every live broker; empty `topics` = all.
  virtual absl::StatusOr<std::vector<ReplicaLogInfo>> DescribeLogDirs(
      const std::vector<std::string>& topics) = 0;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_ADMIN_H_
