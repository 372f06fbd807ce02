// Requests about the records of partitions led here, other than reading and
// writing them.
#ifndef SILLOK_BROKER_API_RECORD_ADMIN_H_
#define SILLOK_BROKER_API_RECORD_ADMIN_H_

#include "broker/api/broker_context.h"
#include "proto/broker.pb.h"

namespace sillok::api {

// Raises the log start. Each partition: NONE with the new start,
// UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER, OFFSET_OUT_OF_RANGE (above
// the high watermark), POLICY_VIOLATION (cleanup.policy without delete),
// INVALID_TOPIC_EXCEPTION (internal). Answered when every live replica has done
// it; REQUEST_TIMED_OUT: the leader has, a follower not yet.
void DeleteRecords(const BrokerContext& context,
                   v1::DeleteRecordsRequest request,
                   Done<v1::DeleteRecordsResponse> done);

// Each partition: the largest leader epoch at or below the one asked for and the
// offset where it ended, -1 and -1 when there is none; UNKNOWN_TOPIC_OR_PARTITION,
// NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH.
v1::OffsetsForLeaderEpochResponse OffsetsForLeaderEpoch(
    const BrokerContext& context,
    const v1::OffsetsForLeaderEpochRequest& request);

// Sizes and offsets of the replicas on this broker.
v1::DescribeLogDirsResponse DescribeLogDirs(
    const BrokerContext& context, const v1::DescribeLogDirsRequest& request);

}  // namespace sillok::api

#endif  // SILLOK_BROKER_API_RECORD_ADMIN_H_
