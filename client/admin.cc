#include "client/admin.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "client/internal/admin_calls.h"
#include "client/internal/config_admin.h"
#include "client/internal/group_admin.h"
#include "client/internal/log_admin.h"
#include "client/internal/topic_admin.h"

namespace sillok::client {
namespace {

class AdminImpl final : public Admin {
 public:
  explicit AdminImpl(const AdminConfig& config)
      : calls_(config),
        topics_(calls_),
        configs_(calls_),
        groups_(calls_),
        logs_(calls_) {}

  absl::StatusOr<ClusterInfo> DescribeCluster() override;

  absl::StatusOr<std::vector<TopicOutcome>> CreateTopics(
      const std::vector<TopicSpec>& topics, bool validate_only) override {
    return topics_.CreateTopics(topics, validate_only);
  }
  absl::StatusOr<std::vector<TopicOutcome>> DeleteTopics(
      const std::vector<std::string>& names) override {
    return topics_.DeleteTopics(names);
  }
  absl::StatusOr<std::vector<TopicInfo>> ListTopics() override {
    return topics_.ListTopics();
  }
  absl::StatusOr<std::vector<TopicInfo>> DescribeTopics(
      const std::vector<std::string>& names) override {
    return topics_.DescribeTopics(names);
  }
  absl::StatusOr<std::vector<TopicOutcome>> CreatePartitions(
      const std::vector<PartitionsSpec>& topics, bool validate_only) override {
    return topics_.CreatePartitions(topics, validate_only);
  }
  absl::StatusOr<std::map<TopicPartition, absl::Status>> ElectLeaders(
      ElectionType type,
      const std::vector<TopicPartition>& partitions) override {
    return topics_.ElectLeaders(type, partitions);
  }

  absl::StatusOr<std::vector<ConfigValue>> DescribeConfig(
      const ConfigResource& resource) override {
    return configs_.Describe(resource);
  }
  absl::Status AlterConfig(const ConfigResource& resource,
                           const std::vector<ConfigChange>& changes,
                           bool validate_only) override {
    return configs_.Alter(resource, changes, validate_only);
  }

  absl::StatusOr<std::map<TopicPartition, ListedOffset>> ListOffsets(
      const std::map<TopicPartition, int64_t>& times,
      IsolationLevel isolation) override {
    return logs_.ListOffsets(times, isolation);
  }
  absl::StatusOr<std::map<TopicPartition, TrimmedPartition>> DeleteRecords(
      const std::map<TopicPartition, int64_t>& before_offsets) override {
    return logs_.DeleteRecords(before_offsets);
  }
  absl::StatusOr<std::vector<ReplicaLogInfo>> DescribeLogDirs(
      const std::vector<std::string>& topics) override {
    return logs_.DescribeLogDirs(topics);
  }

  absl::StatusOr<std::vector<GroupListing>> ListGroups() override {
    return groups_.List();
  }
  absl::StatusOr<GroupInfo> DescribeGroup(const std::string& group) override {
    return groups_.Describe(group);
  }
  absl::StatusOr<std::map<TopicPartition, CommittedPosition>> ListGroupOffsets(
      const std::string& group) override {
    return groups_.ListOffsets(group);
  }
  absl::Status SetGroupOffsets(
      const std::string& group,
      const std::map<TopicPartition, int64_t>& offsets) override {
    return groups_.SetOffsets(group, offsets);
  }
  absl::StatusOr<std::map<TopicPartition, absl::Status>> DeleteGroupOffsets(
      const std::string& group,
      const std::vector<TopicPartition>& partitions) override {
    return groups_.DeleteOffsets(group, partitions);
  }
  absl::StatusOr<std::vector<GroupOutcome>> DeleteGroups(
      const std::vector<std::string>& groups) override {
    return groups_.Delete(groups);
  }

 private:
  AdminCalls calls_;
  TopicAdmin topics_;
  ConfigAdmin configs_;
  GroupAdmin groups_;
  LogAdmin logs_;
};

absl::StatusOr<ClusterInfo> AdminImpl::DescribeCluster() {
  ASSIGN_OR_RETURN(v1::MetadataResponse response,
                   calls_.Metadata({}, false, calls_.Deadline()));
  ClusterInfo info;
  info.cluster_id = response.cluster_id();
  info.controller_id = response.controller_id();
  for (const v1::BrokerAddress& broker : response.brokers()) {
    info.brokers.push_back({broker.broker_id(), broker.host(), broker.port(),
                            broker.kafka_port(), broker.rack()});
  }
  std::sort(info.brokers.begin(), info.brokers.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  return info;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Admin>> Admin::Create(AdminConfig config) {
  if (config.bootstrap_servers.empty()) {
    return ErrorStatus(ErrorCode::INVALID_CONFIG,
                       "bootstrap.servers is empty");
  }
  return std::make_unique<AdminImpl>(config);
}

}  // namespace sillok::client
