#include "client/internal/log_admin.h"

#include <utility>

namespace sillok::client {

using Stub = v1::Broker::Stub;

absl::StatusOr<std::map<TopicPartition, ListedOffset>> LogAdmin::ListOffsets(
    const std::map<TopicPartition, int64_t>& times, IsolationLevel isolation) {
  using Outcomes = std::map<TopicPartition, ListedOffset>;
  return calls_.AskLeaders<ListedOffset, v1::ListOffsetsRequest,
                           v1::ListOffsetsResponse, int64_t>(
      times, &Stub::ListOffsets,
      [isolation](const TopicPartition& id, const int64_t& time,
                  v1::ListOffsetsRequest* request) {
        request->set_isolation_level(
            isolation == IsolationLevel::kReadCommitted ? 1 : 0);
        v1::PartitionListOffset* entry = request->add_partitions();
        entry->set_topic(id.topic);
        entry->set_partition(id.partition);
        entry->set_timestamp_ms(time);
      },
      [](const v1::ListOffsetsResponse& response, Outcomes* offsets) {
        for (const v1::PartitionListOffsetResult& result :
             response.partitions()) {
          TopicPartition id{result.topic(), result.partition()};
          (*offsets)[id] = {
              AnswerStatus(result.error_code(), "", id.ToString()),
              result.offset(), result.timestamp_ms(), result.leader_epoch()};
        }
      });
}

absl::StatusOr<std::map<TopicPartition, TrimmedPartition>>
LogAdmin::DeleteRecords(
    const std::map<TopicPartition, int64_t>& before_offsets) {
  using Outcomes = std::map<TopicPartition, TrimmedPartition>;
  return calls_.AskLeaders<TrimmedPartition, v1::DeleteRecordsRequest,
                           v1::DeleteRecordsResponse, int64_t>(
      before_offsets, &Stub::DeleteRecords,
      [](const TopicPartition& id, const int64_t& offset,
         v1::DeleteRecordsRequest* request) {
        v1::PartitionOffsetLimit* entry = request->add_partitions();
        entry->set_topic(id.topic);
        entry->set_partition(id.partition);
        entry->set_before_offset(offset);
      },
      [](const v1::DeleteRecordsResponse& response, Outcomes* outcomes) {
        for (const v1::DeletedRecords& result : response.partitions()) {
          TopicPartition id{result.topic(), result.partition()};
          (*outcomes)[id] = {
              AnswerStatus(result.error_code(), result.error_message(),
                           id.ToString()),
              result.low_watermark()};
        }
      });
}

absl::StatusOr<std::vector<ReplicaLogInfo>> LogAdmin::DescribeLogDirs(
    const std::vector<std::string>& topics) {
  AdminCalls::TimePoint deadline = calls_.Deadline();
  ASSIGN_OR_RETURN(v1::MetadataResponse metadata,
                   calls_.Metadata({}, false, deadline));
  v1::DescribeLogDirsRequest request;
  for (const std::string& topic : topics) request.add_topics(topic);
  std::vector<ReplicaLogInfo> replicas;
  for (const v1::BrokerAddress& broker : metadata.brokers()) {
    v1::DescribeLogDirsResponse response;
    RETURN_IF_ERROR(calls_.blocking().CallAt(
        calls_.blocking().AddressOf(broker.broker_id()), &Stub::DescribeLogDirs, request, deadline,
        &response));
    for (const v1::ReplicaLog& replica : response.replicas()) {
      replicas.push_back({broker.broker_id(),
                          {replica.topic(), replica.partition()},
                          replica.size_bytes(),
                          replica.log_start_offset(),
                          replica.high_watermark(),
                          replica.log_end_offset(),
                          replica.log_dir(),
                          replica.leader()});
    }
  }
  return replicas;
}

}  // namespace sillok::client
