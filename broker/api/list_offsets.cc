#include "broker/api/list_offsets.h"

#include "broker/api/partition_lookup.h"

namespace sillok::api {

v1::ListOffsetsResponse ListOffsets(const BrokerContext& context,
                                    const v1::ListOffsetsRequest& request) {
  v1::ListOffsetsResponse response;
  for (const v1::PartitionListOffset& wanted : request.partitions()) {
    auto* result = response.add_partitions();
    result->set_topic(wanted.topic());
    result->set_partition(wanted.partition());
    result->set_offset(-1);
    result->set_timestamp_ms(-1);
    result->set_leader_epoch(-1);
    auto refuse = [&](ErrorCode error) {
      result->set_error_code(static_cast<v1::ErrorCode>(error));
    };
    if (wanted.timestamp_ms() < ListOffsetRequest::kMaxTimestamp) {
      refuse(ErrorCode::INVALID_REQUEST);
      continue;
    }
    PartitionLookup found =
        FindPartition(context, wanted.topic(), wanted.partition());
    if (found.error != ErrorCode::NONE) {
      refuse(found.error);
      continue;
    }
    ListOffsetRequest list;
    list.timestamp_ms = wanted.timestamp_ms();
    list.bound = request.isolation_level() == 1 ? ReadBound::kLastStable
                                                : ReadBound::kHighWatermark;
    list.expected_epoch =
        LeaderEpoch(wanted.current_leader_epoch_plus_one() - 1);
    ListOffsetOutcome outcome = found.partition->ListOffset(list);
    refuse(outcome.error);
    if (outcome.error != ErrorCode::NONE) continue;
    result->set_offset(outcome.offset.value());
    result->set_timestamp_ms(outcome.timestamp_ms);
    result->set_leader_epoch(outcome.leader_epoch.value());
  }
  return response;
}

}  // namespace sillok::api
