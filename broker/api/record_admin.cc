#include "broker/api/record_admin.h"

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>

#include "base/error.h"
#include "broker/api/partition_lookup.h"
#include "broker/metadata/cluster_view.h"
#include "broker/metadata/topic_config.h"
#include "fmt/format.h"

namespace sillok::api {
namespace {

constexpr int64_t kDefaultTimeoutMs = 30'000;

// The answers of many partitions, from many strands, until the last is in.
class Gathered {
 public:
  Gathered(v1::DeleteRecordsResponse response,
           Done<v1::DeleteRecordsResponse> done)
      : left_(response.partitions_size()),
        response_(std::move(response)),
        done_(std::move(done)) {}

  void Set(int index, ErrorCode error, std::string message, Offset start) {
    std::unique_lock lock(mutex_);
    v1::DeletedRecords* result = response_.mutable_partitions(index);
    result->set_error_code(static_cast<v1::ErrorCode>(error));
    result->set_error_message(std::move(message));
    result->set_low_watermark(start.value());
    if (--left_ > 0) return;
    v1::DeleteRecordsResponse response = std::move(response_);
    lock.unlock();
    done_(std::move(response));
  }

 private:
  std::mutex mutex_;
  int left_;
  v1::DeleteRecordsResponse response_;
  const Done<v1::DeleteRecordsResponse> done_;
};

// What is kept for its keys' sake is not the client's to cut.
bool DeletesByAge(const BrokerContext& context, const std::string& topic) {
  static const ConfigMap none;
  auto info = context.cluster->Get()->FindTopic(topic);
  if (info == nullptr) return true;
  const ConfigMap& set = info->configs == nullptr ? none : *info->configs;
  const DynamicConfigs dynamic = context.dynamic_configs == nullptr
                                     ? DynamicConfigs()
                                     : *context.dynamic_configs->Get();
  return ResolveTopicConfig(set,
                            TopicDefaults(context.options.config, dynamic))
      .cleanup_delete;
}

std::string WhyNotDeleted(ErrorCode error, const Partition& partition,
                          int64_t wanted) {
  switch (error) {
    case ErrorCode::NONE:
      return "";
    case ErrorCode::OFFSET_OUT_OF_RANGE:
      return fmt::format(
          "{} cannot be cut before {}: allowed is up to the high watermark {}",
          partition.id().ToString(), wanted, partition.high_watermark().value());
    case ErrorCode::REQUEST_TIMED_OUT:
      return fmt::format(
          "{} is cut on its leader, but not yet known to be on every replica",
          partition.id().ToString());
    default:
      return std::string(ErrorMessage(error));
  }
}

}  // namespace

void DeleteRecords(const BrokerContext& context,
                   v1::DeleteRecordsRequest request,
                   Done<v1::DeleteRecordsResponse> done) {
  v1::DeleteRecordsResponse empty;
  for (const v1::PartitionOffsetLimit& wanted : request.partitions()) {
    v1::DeletedRecords* result = empty.add_partitions();
    result->set_topic(wanted.topic());
    result->set_partition(wanted.partition());
    result->set_low_watermark(-1);
  }
  if (request.partitions().empty()) return done(std::move(empty));
  const int64_t timeout_ms =
      request.timeout_ms() > 0 ? request.timeout_ms() : kDefaultTimeoutMs;
  auto answers = std::make_shared<Gathered>(std::move(empty), std::move(done));
  for (int i = 0; i < request.partitions_size(); ++i) {
    const v1::PartitionOffsetLimit& wanted = request.partitions(i);
    if (IsInternalTopic(wanted.topic())) {
      answers->Set(i, ErrorCode::INVALID_TOPIC_EXCEPTION,
                   fmt::format("'{}' is an internal topic: its records stay",
                               wanted.topic()),
                   kNoOffset);
      continue;
    }
    PartitionLookup found =
        FindPartition(context, wanted.topic(), wanted.partition());
    if (found.error != ErrorCode::NONE) {
      answers->Set(i, found.error, found.message, kNoOffset);
      continue;
    }
    if (!DeletesByAge(context, wanted.topic())) {
      answers->Set(i, ErrorCode::POLICY_VIOLATION,
                   fmt::format("topic '{}' has a cleanup.policy without "
                               "'delete': its records are not deleted by offset",
                               wanted.topic()),
                   kNoOffset);
      continue;
    }
    const Offset before = wanted.before_offset() == -1
                              ? found.partition->high_watermark()
                              : Offset(wanted.before_offset());
    found.partition->DeleteRecordsBefore(
        before, timeout_ms, [answers, i, partition = found.partition,
                 before](ErrorCode error, Offset start) {
          answers->Set(i, error,
                       WhyNotDeleted(error, *partition, before.value()),
                       error == ErrorCode::NONE ? start : kNoOffset);
        });
  }
}

v1::OffsetsForLeaderEpochResponse OffsetsForLeaderEpoch(
    const BrokerContext& context,
    const v1::OffsetsForLeaderEpochRequest& request) {
  v1::OffsetsForLeaderEpochResponse response;
  for (const v1::PartitionLeaderEpoch& wanted : request.partitions()) {
    v1::PartitionEpochEnd* result = response.add_partitions();
    result->set_topic(wanted.topic());
    result->set_partition(wanted.partition());
    result->set_leader_epoch(-1);
    result->set_end_offset(-1);
    PartitionLookup found =
        FindPartition(context, wanted.topic(), wanted.partition());
    ErrorCode error = found.error;
    if (error == ErrorCode::NONE) {
      Partition::EpochEndOutcome outcome = found.partition->EndOffsetForEpoch(
          LeaderEpoch(wanted.current_leader_epoch_plus_one() - 1),
          LeaderEpoch(wanted.leader_epoch()));
      error = outcome.error;
      if (error == ErrorCode::NONE && outcome.end.epoch.value() >= 0) {
        result->set_leader_epoch(outcome.end.epoch.value());
        result->set_end_offset(outcome.end.end_offset.value());
      }
    }
    result->set_error_code(static_cast<v1::ErrorCode>(error));
  }
  return response;
}

v1::DescribeLogDirsResponse DescribeLogDirs(
    const BrokerContext& context, const v1::DescribeLogDirsRequest& request) {
  std::set<std::string> wanted(request.topics().begin(),
                               request.topics().end());
  v1::DescribeLogDirsResponse response;
  for (const std::shared_ptr<Partition>& partition :
       context.partitions->All()) {
    if (!wanted.empty() && !wanted.contains(partition->id().topic)) continue;
    PartitionStats stats = partition->stats();
    v1::ReplicaLog* out = response.add_replicas();
    out->set_topic(partition->id().topic);
    out->set_partition(partition->id().partition);
    out->set_size_bytes(stats.size_bytes);
    out->set_log_start_offset(stats.log_start_offset.value());
    out->set_high_watermark(stats.high_watermark.value());
    out->set_log_end_offset(stats.log_end_offset.value());
    out->set_log_dir(context.options.log_dir);
    out->set_leader(stats.role == ReplicaRole::kLeader);
  }
  return response;
}

}  // namespace sillok::api
