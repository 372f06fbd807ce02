// Consumer groups of fake brokers.
#include <string>

#include "test/support/fake_broker_service.h"
#include "test/support/fake_broker_state.h"

namespace sillok::test {

grpc::Status FakeBrokerService::FindCoordinator(
    Context*, const v1::FindCoordinatorRequest*,
    v1::FindCoordinatorResponse* response) {
  Lock lock(state_.mutex);
  size_t index = static_cast<size_t>(state_.coordinator - 1);
  response->mutable_coordinator()->set_broker_id(state_.coordinator);
  response->mutable_coordinator()->set_host("127.0.0.1");
  response->mutable_coordinator()->set_port(state_.ports[index]);
  return grpc::Status::OK;
}

grpc::Status FakeBrokerService::JoinGroup(Context* context,
                                          const v1::JoinGroupRequest* request,
                                          v1::JoinGroupResponse* response) {
  Lock lock(state_.mutex);
  FakeGroup& group = state_.groups[request->group_id()];
  ErrorCode fault = Check(&group);
  if (fault != ErrorCode::NONE) {
    response->set_error_code(Proto(fault));
    return grpc::Status::OK;
  }
  std::string id = request->member_id();
  if (id.empty()) {
    id = request->client_id() + "-" + std::to_string(group.next_member++);
    response->set_member_id(id);
    // Known from now on, but not waited for.
    pending_.insert(id);
    response->set_error_code(v1::MEMBER_ID_REQUIRED);
    return grpc::Status::OK;
  }
  if (group.members.count(id) == 0 && pending_.erase(id) == 0) {
    response->set_error_code(v1::UNKNOWN_MEMBER_ID);
    return grpc::Status::OK;
  }
  if (group.state != "PreparingRebalance") {
    group.state = "PreparingRebalance";
    for (auto& [other, member] : group.members) member.joined = false;
  }
  FakeMember& member = group.members[id];
  member.client_id = request->client_id();
  member.metadata = request->protocols(0).metadata();
  group.protocol = request->protocols(0).name();
  member.joined = true;
  CompleteJoin(&group);
  int generation = group.generation;
  state_.changed.notify_all();
  Wait(context, &lock, [&] {
    return group.generation != generation ||
           group.state != "PreparingRebalance" || group.members.count(id) == 0;
  });
  if (group.members.count(id) == 0) {
    response->set_error_code(v1::UNKNOWN_MEMBER_ID);
    return grpc::Status::OK;
  }
  response->set_generation_id(group.generation);
  response->set_protocol_type("consumer");
  response->set_protocol_name(group.protocol);
  response->set_leader(group.leader);
  response->set_member_id(id);
  if (id != group.leader) return grpc::Status::OK;
  for (const auto& [other, data] : group.members) {
    auto* joined = response->add_members();
    joined->set_member_id(other);
    joined->set_metadata(data.metadata);
  }
  return grpc::Status::OK;
}

grpc::Status FakeBrokerService::SyncGroup(Context* context,
                                          const v1::SyncGroupRequest* request,
                                          v1::SyncGroupResponse* response) {
  Lock lock(state_.mutex);
  FakeGroup& group = state_.groups[request->group_id()];
  ErrorCode code = CheckMember(&group, request->member_id(),
                               request->generation_id());
  if (code == ErrorCode::NONE && group.state == "PreparingRebalance") {
    code = ErrorCode::REBALANCE_IN_PROGRESS;
  }
  if (code != ErrorCode::NONE) {
    response->set_error_code(Proto(code));
    return grpc::Status::OK;
  }
  if (request->member_id() == group.leader) {
    for (const auto& assignment : request->assignments()) {
      group.members[assignment.member_id()].assignment =
          assignment.assignment();
    }
    group.state = "Stable";
    state_.changed.notify_all();
  }
  int generation = request->generation_id();
  Wait(context, &lock, [&] {
    return group.state == "Stable" || group.generation != generation ||
           group.state == "PreparingRebalance";
  });
  if (group.generation != generation || group.state != "Stable") {
    response->set_error_code(v1::REBALANCE_IN_PROGRESS);
    return grpc::Status::OK;
  }
  response->set_assignment(group.members[request->member_id()].assignment);
  response->set_protocol_name(group.protocol);
  return grpc::Status::OK;
}

grpc::Status FakeBrokerService::Heartbeat(Context*,
                                          const v1::HeartbeatRequest* request,
                                          v1::HeartbeatResponse* response) {
  Lock lock(state_.mutex);
  FakeGroup& group = state_.groups[request->group_id()];
  ErrorCode code =
      CheckMember(&group, request->member_id(), request->generation_id());
  if (code == ErrorCode::NONE && group.state == "PreparingRebalance") {
    code = ErrorCode::REBALANCE_IN_PROGRESS;
  }
  response->set_error_code(Proto(code));
  return grpc::Status::OK;
}

grpc::Status FakeBrokerService::LeaveGroup(Context*,
                                           const v1::LeaveGroupRequest* request,
                                           v1::LeaveGroupResponse* response) {
  Lock lock(state_.mutex);
  FakeGroup& group = state_.groups[request->group_id()];
  for (const auto& member : request->members()) {
    bool known = group.members.erase(member.member_id()) != 0;
    response->add_members(known ? v1::NONE : v1::UNKNOWN_MEMBER_ID);
  }
  StartRebalance(&group);
  return grpc::Status::OK;
}

grpc::Status FakeBrokerService::OffsetCommit(
    Context*, const v1::OffsetCommitRequest* request,
    v1::OffsetCommitResponse* response) {
  Lock lock(state_.mutex);
  FakeGroup& group = state_.groups[request->group_id()];
  ErrorCode code = request->generation_id() < 0
                       ? Check(&group)
                       : CheckMember(&group, request->member_id(),
                                     request->generation_id());
  response->set_error_code(Proto(code));
  for (const auto& offset : request->offsets()) {
    auto* answer = response->add_offsets();
    answer->set_topic(offset.topic());
    answer->set_partition(offset.partition());
    answer->set_error_code(Proto(code));
    if (code == ErrorCode::NONE) {
      group.offsets[{offset.topic(), offset.partition()}] = offset.offset();
    }
  }
  return grpc::Status::OK;
}

grpc::Status FakeBrokerService::OffsetFetch(
    Context*, const v1::OffsetFetchRequest* request,
    v1::OffsetFetchResponse* response) {
  Lock lock(state_.mutex);
  FakeGroup& group = state_.groups[request->group_id()];
  ErrorCode code = Check(&group);
  response->set_error_code(Proto(code));
  if (code != ErrorCode::NONE) return grpc::Status::OK;
  auto add = [&](const TopicPartition& id) {
    auto found = group.offsets.find(id);
    auto* offset = response->add_offsets();
    offset->set_topic(id.topic);
    offset->set_partition(id.partition);
    offset->set_offset(found == group.offsets.end() ? -1 : found->second);
    offset->set_leader_epoch(-1);
  };
  for (const auto& wanted : request->partitions()) {
    add({wanted.topic(), wanted.partition()});
  }
  if (request->all_partitions()) {
    for (const auto& [id, offset] : group.offsets) add(id);
  }
  return grpc::Status::OK;
}

grpc::Status FakeBrokerService::ListGroups(Context*,
                                           const v1::ListGroupsRequest*,
                                           v1::ListGroupsResponse* response) {
  Lock lock(state_.mutex);
  if (state_.coordinator != id_) return grpc::Status::OK;
  for (const auto& [id, group] : state_.groups) {
    auto* listed = response->add_groups();
    listed->set_group_id(id);
    listed->set_protocol_type("consumer");
    listed->set_state(group.state);
  }
  return grpc::Status::OK;
}

grpc::Status FakeBrokerService::DescribeGroups(
    Context*, const v1::DescribeGroupsRequest* request,
    v1::DescribeGroupsResponse* response) {
  Lock lock(state_.mutex);
  for (const std::string& id : request->group_ids()) {
    auto* described = response->add_groups();
    described->set_group_id(id);
    if (state_.coordinator != id_) {
      described->set_error_code(v1::NOT_COORDINATOR);
      continue;
    }
    auto found = state_.groups.find(id);
    if (found == state_.groups.end()) {
      described->set_state("Dead");
      continue;
    }
    described->set_state(found->second.state);
    described->set_protocol_type("consumer");
    described->set_protocol_name(found->second.protocol);
    for (const auto& [member_id, member] : found->second.members) {
      auto* out = described->add_members();
      out->set_member_id(member_id);
      out->set_client_id(member.client_id);
      out->set_client_host("/127.0.0.1");
      out->set_metadata(member.metadata);
      out->set_assignment(member.assignment);
    }
  }
  return grpc::Status::OK;
}

ErrorCode FakeBrokerService::Check(FakeGroup* group) {
  if (state_.coordinator != id_) return ErrorCode::NOT_COORDINATOR;
  return TakeFault(&group->faults);
}

ErrorCode FakeBrokerService::CheckMember(FakeGroup* group,
                                         const std::string& member,
                                         int generation) {
  ErrorCode code = Check(group);
  if (code != ErrorCode::NONE) return code;
  if (group->members.count(member) == 0) return ErrorCode::UNKNOWN_MEMBER_ID;
  if (generation != group->generation) return ErrorCode::ILLEGAL_GENERATION;
  return ErrorCode::NONE;
}

void FakeBrokerService::StartRebalance(FakeGroup* group) {
  if (group->members.empty()) {
    group->state = "Empty";
    ++group->generation;
  } else if (group->state != "PreparingRebalance") {
    group->state = "PreparingRebalance";
    for (auto& [id, member] : group->members) member.joined = false;
  } else {
    CompleteJoin(group);
  }
  state_.changed.notify_all();
}

void FakeBrokerService::CompleteJoin(FakeGroup* group) {
  for (const auto& [id, member] : group->members) {
    if (!member.joined) return;
  }
  ++group->generation;
  group->state = "CompletingRebalance";
  if (group->members.count(group->leader) == 0) {
    group->leader = group->members.begin()->first;
  }
}

}  // namespace sillok::test
