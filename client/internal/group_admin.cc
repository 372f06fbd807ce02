#include "client/internal/group_admin.h"

#include <algorithm>
#include <utility>

#include "client/internal/consumer_protocol.h"

namespace sillok::client {

using Stub = v1::Broker::Stub;

absl::StatusOr<std::vector<GroupListing>> GroupAdmin::List() {
  AdminCalls::TimePoint deadline = calls_.Deadline();
  ASSIGN_OR_RETURN(v1::MetadataResponse metadata,
                   calls_.Metadata({}, false, deadline));
  std::vector<GroupListing> groups;
  for (const v1::BrokerAddress& broker : metadata.brokers()) {
    v1::ListGroupsRequest request;
    v1::ListGroupsResponse response;
    for (int attempt = 1;; ++attempt) {
      absl::Status status =
          calls_.blocking().CallAt(calls_.blocking().AddressOf(broker.broker_id()), &Stub::ListGroups,
                        request, deadline, &response);
      if (status.ok()) {
        status = AnswerStatus(response.error_code(), "",
                              "groups of broker " +
                                  std::to_string(broker.broker_id()));
      }
      if (status.ok()) break;
      if (!IsMisplaced(ErrorCodeOf(status)) ||
          !calls_.blocking().Pause(attempt, deadline)) {
        return status;
      }
    }
    for (const v1::ListedGroup& group : response.groups()) {
      groups.push_back({group.group_id(), group.protocol_type(), group.state(),
                        broker.broker_id()});
    }
  }
  std::sort(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
    return a.group_id < b.group_id;
  });
  return groups;
}

absl::StatusOr<GroupInfo> GroupAdmin::Describe(const std::string& group) {
  v1::DescribeGroupsRequest request;
  request.add_group_ids(group);
  v1::DescribeGroupsResponse response;
  GroupInfo info;
  absl::Status status = calls_.CallCoordinator<v1::DescribeGroupsRequest,
                                        v1::DescribeGroupsResponse>(
      group, &Stub::DescribeGroups, request, &response,
      [](const v1::DescribeGroupsResponse& answer) {
        return answer.groups().empty()
                   ? ErrorCode::UNKNOWN_SERVER_ERROR
                   : FromProto(answer.groups(0).error_code());
      },
      &info.coordinator);
  if (!status.ok()) return status;
  const v1::DescribedGroup& described = response.groups(0);
  info.group_id = described.group_id();
  info.state = described.state();
  info.protocol_type = described.protocol_type();
  info.assignor = described.protocol_name();
  for (const v1::DescribedMember& member : described.members()) {
    GroupMemberInfo out;
    out.member_id = member.member_id();
    out.instance_id = member.group_instance_id();
    out.client_id = member.client_id();
    out.host = member.client_host();
    if (info.protocol_type == "consumer") {
      if (auto subscription = DecodeSubscription(member.metadata())) {
        out.topics = std::move(subscription->topics);
      }
      out.assignment = DecodeAssignment(member.assignment())
                           .value_or(std::vector<TopicPartition>());
    }
    info.members.push_back(std::move(out));
  }
  return info;
}

absl::StatusOr<std::map<TopicPartition, CommittedPosition>>
GroupAdmin::ListOffsets(const std::string& group) {
  v1::OffsetFetchRequest request;
  request.set_group_id(group);
  request.set_all_partitions(true);
  v1::OffsetFetchResponse response;
  absl::Status status =
      calls_.CallCoordinator<v1::OffsetFetchRequest, v1::OffsetFetchResponse>(
          group, &Stub::OffsetFetch, request, &response,
          [](const v1::OffsetFetchResponse& answer) {
            return FromProto(answer.error_code());
          });
  if (!status.ok()) return status;
  std::map<TopicPartition, CommittedPosition> offsets;
  for (const v1::CommittedOffset& offset : response.offsets()) {
    if (offset.offset() < 0) continue;
    offsets[{offset.topic(), offset.partition()}] = {
        offset.offset(), offset.leader_epoch(), offset.metadata()};
  }
  return offsets;
}

absl::Status GroupAdmin::SetOffsets(
    const std::string& group,
    const std::map<TopicPartition, int64_t>& offsets) {
  v1::OffsetCommitRequest request;
  request.set_group_id(group);
  request.set_generation_id(-1);
  for (const auto& [id, offset] : offsets) {
    v1::CommittedOffset* entry = request.add_offsets();
    entry->set_topic(id.topic);
    entry->set_partition(id.partition);
    entry->set_offset(offset);
    entry->set_leader_epoch(-1);
  }
  v1::OffsetCommitResponse response;
  return calls_.CallCoordinator<v1::OffsetCommitRequest, v1::OffsetCommitResponse>(
      group, &Stub::OffsetCommit, request, &response,
      [](const v1::OffsetCommitResponse& answer) {
        ErrorCode code = FromProto(answer.error_code());
        for (const v1::CommittedOffset& offset : answer.offsets()) {
          if (code == ErrorCode::NONE) code = FromProto(offset.error_code());
        }
        return code;
      });
}

absl::StatusOr<std::map<TopicPartition, absl::Status>>
GroupAdmin::DeleteOffsets(const std::string& group,
                          const std::vector<TopicPartition>& partitions) {
  v1::OffsetDeleteRequest request;
  request.set_group_id(group);
  for (const TopicPartition& id : partitions) {
    v1::PartitionRef* ref = request.add_partitions();
    ref->set_topic(id.topic);
    ref->set_partition(id.partition);
  }
  v1::OffsetDeleteResponse response;
  RETURN_IF_ERROR((
      calls_.CallCoordinator<v1::OffsetDeleteRequest, v1::OffsetDeleteResponse>(
          group, &Stub::OffsetDelete, request, &response,
          [](const v1::OffsetDeleteResponse& answer) {
            return FromProto(answer.error_code());
          })));
  std::map<TopicPartition, absl::Status> outcomes;
  for (const v1::DeletedOffset& deleted : response.partitions()) {
    TopicPartition id{deleted.topic(), deleted.partition()};
    outcomes[id] = AnswerStatus(deleted.error_code(), "", id.ToString());
  }
  return outcomes;
}

std::vector<GroupOutcome> GroupAdmin::Delete(
    const std::vector<std::string>& groups) {
  std::vector<GroupOutcome> outcomes;
  for (const std::string& group : groups) {
    v1::DeleteGroupsRequest request;
    request.add_group_ids(group);
    v1::DeleteGroupsResponse response;
    outcomes.push_back(
        {group, calls_.CallCoordinator<v1::DeleteGroupsRequest,
                                       v1::DeleteGroupsResponse>(
                    group, &Stub::DeleteGroups, request, &response,
                    [](const v1::DeleteGroupsResponse& answer) {
                      return answer.groups().empty()
                                 ? ErrorCode::UNKNOWN_SERVER_ERROR
                                 : FromProto(answer.groups(0).error_code());
                    })});
  }
  return outcomes;
}

}  // namespace sillok::client
