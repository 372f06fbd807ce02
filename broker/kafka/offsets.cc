// ListOffsets (2), OffsetForLeaderEpoch (23).
#include <utility>

#include "broker/api/list_offsets.h"
#include "broker/api/record_admin.h"
#include "broker/kafka/families.h"
#include "broker/kafka/text.h"
#include "proto/kafka/offsets.h"

namespace sillok::kafka_door {
namespace {

using kafka::ListOffsetsRequest;
using kafka::ListOffsetsResponse;
using kafka::OffsetForLeaderEpochRequest;
using kafka::OffsetForLeaderEpochResponse;

void HandleListOffsets(const Call& call, ListOffsetsRequest request,
                       api::Done<ListOffsetsResponse> done) {
  v1::ListOffsetsRequest wanted;
  wanted.set_isolation_level(request.isolation_level);
  for (const auto& topic : request.topics) {
    for (const auto& partition : topic.partitions) {
      auto* out = wanted.add_partitions();
      out->set_topic(topic.name);
      out->set_partition(partition.partition_index);
      out->set_timestamp_ms(partition.timestamp);
      out->set_current_leader_epoch_plus_one(
          PlusOne(partition.current_leader_epoch));
    }
  }
  v1::ListOffsetsResponse answer = api::ListOffsets(*call.broker, wanted);
  ListOffsetsResponse response;
  int next = 0;
  for (const auto& topic : request.topics) {
    auto& out = response.topics.emplace_back();
    out.name = topic.name;
    for (const auto& partition : topic.partitions) {
      const v1::PartitionListOffsetResult& result = answer.partitions(next++);
      out.partitions.push_back({partition.partition_index,
                                Number(result.error_code()),
                                result.timestamp_ms(), result.offset(),
                                result.leader_epoch()});
    }
  }
  done(std::move(response));
}

void HandleOffsetForLeaderEpoch(const Call& call,
                                OffsetForLeaderEpochRequest request,
                                api::Done<OffsetForLeaderEpochResponse> done) {
  v1::OffsetsForLeaderEpochRequest wanted;
  for (const auto& topic : request.topics) {
    for (const auto& partition : topic.partitions) {
      v1::PartitionLeaderEpoch* out = wanted.add_partitions();
      out->set_topic(topic.topic);
      out->set_partition(partition.partition);
      out->set_current_leader_epoch_plus_one(
          PlusOne(partition.current_leader_epoch));
      out->set_leader_epoch(partition.leader_epoch);
    }
  }
  v1::OffsetsForLeaderEpochResponse answer =
      api::OffsetsForLeaderEpoch(*call.broker, wanted);
  OffsetForLeaderEpochResponse response;
  int next = 0;
  for (const auto& topic : request.topics) {
    auto& out = response.topics.emplace_back();
    out.topic = topic.topic;
    for (const auto& partition : topic.partitions) {
      const v1::PartitionEpochEnd& result = answer.partitions(next++);
      auto& end = out.partitions.emplace_back();
      end.partition = partition.partition;
      end.error_code = Number(result.error_code());
      if (end.error_code != 0) continue;
      end.leader_epoch = result.leader_epoch();
      end.end_offset = result.end_offset();
    }
  }
  done(std::move(response));
}

}  // namespace

ApiHandlers OffsetsHandlers() {
  return {{ListOffsetsRequest::kInfo.api_key,
           Answered<ListOffsetsRequest, ListOffsetsResponse,
                    HandleListOffsets>},
          {OffsetForLeaderEpochRequest::kInfo.api_key,
           Answered<OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse,
                    HandleOffsetForLeaderEpoch>}};
}

}  // namespace sillok::kafka_door
