// Answers to group calls that could not reach a group.
#ifndef SILLOK_BROKER_GROUP_FAILED_ANSWERS_H_
#define SILLOK_BROKER_GROUP_FAILED_ANSWERS_H_

#include <string>

#include "base/error.h"
#include "broker/group/group_member.h"
#include "proto/broker.pb.h"

namespace sillok {

// For responses that have nothing but an error_code to say then.
template <typename Response>
Response Failed(ErrorCode error) {
  Response response;
  response.set_error_code(AsProto(error));
  return response;
}

inline v1::JoinGroupResponse FailedJoin(const v1::JoinGroupRequest& request,
                                        ErrorCode error) {
  auto response = Failed<v1::JoinGroupResponse>(error);
  response.set_generation_id(-1);
  response.set_member_id(request.member_id());
  return response;
}

// Kafka clients look at each partition's code.
inline v1::OffsetCommitResponse FailedCommit(
    const v1::OffsetCommitRequest& request, ErrorCode error) {
  auto response = Failed<v1::OffsetCommitResponse>(error);
  for (const v1::CommittedOffset& wanted : request.offsets()) {
    v1::CommittedOffset* answer = response.add_offsets();
    answer->set_topic(wanted.topic());
    answer->set_partition(wanted.partition());
    answer->set_error_code(AsProto(error));
  }
  return response;
}

inline v1::OffsetFetchResponse FailedFetch(
    const v1::OffsetFetchRequest& request, ErrorCode error) {
  auto response = Failed<v1::OffsetFetchResponse>(error);
  for (const v1::PartitionRef& wanted : request.partitions()) {
    v1::CommittedOffset* answer = response.add_offsets();
    answer->set_topic(wanted.topic());
    answer->set_partition(wanted.partition());
    answer->set_offset(-1);
    answer->set_leader_epoch(-1);
    answer->set_error_code(AsProto(error));
  }
  return response;
}

inline v1::OffsetDeleteResponse FailedOffsetDelete(
    const v1::OffsetDeleteRequest& request, ErrorCode error) {
  auto response = Failed<v1::OffsetDeleteResponse>(error);
  for (const v1::PartitionRef& wanted : request.partitions()) {
    v1::DeletedOffset* answer = response.add_partitions();
    answer->set_topic(wanted.topic());
    answer->set_partition(wanted.partition());
    answer->set_error_code(AsProto(error));
  }
  return response;
}

inline v1::DescribedGroup FailedDescribe(const std::string& group_id,
                                         ErrorCode error) {
  auto response = Failed<v1::DescribedGroup>(error);
  response.set_group_id(group_id);
  return response;
}

}  // namespace sillok

#endif  // SILLOK_BROKER_GROUP_FAILED_ANSWERS_H_
