// FindCoordinator (10), JoinGroup (11), Heartbeat (12), LeaveGroup (13),
// SyncGroup (14).
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "broker/api/metadata.h"
#include "broker/kafka/endpoints.h"
#include "broker/kafka/families.h"
#include "broker/kafka/gather.h"
#include "broker/kafka/text.h"
#include "proto/kafka/group_membership.h"

namespace sillok::kafka_door {
namespace {

using kafka::FindCoordinatorRequest;
using kafka::FindCoordinatorResponse;
using kafka::HeartbeatRequest;
using kafka::HeartbeatResponse;
using kafka::JoinGroupRequest;
using kafka::JoinGroupResponse;
using kafka::LeaveGroupRequest;
using kafka::LeaveGroupResponse;
using kafka::SyncGroupRequest;
using kafka::SyncGroupResponse;

// ---- FindCoordinator

constexpr int16_t kFirstBatchedFind = 4;

FindCoordinatorResponse::Coordinator Translate(
    const std::string& key, const v1::FindCoordinatorResponse& answer,
    const std::string& listener) {
  FindCoordinatorResponse::Coordinator out;
  out.key = key;
  out.node_id = -1;
  out.port = -1;
  out.error_code = Number(answer.error_code());
  out.error_message = MessageFor(out.error_code, answer.error_message());
  if (out.error_code != 0) return out;
  auto endpoint = FindEndpoint(answer.coordinator(), listener);
  if (!endpoint.has_value()) {
    out.error_code = Number(ErrorCode::COORDINATOR_NOT_AVAILABLE);
    out.error_message = "the coordinator has no listener '" + listener + "'";
    return out;
  }
  out.node_id = answer.coordinator().broker_id();
  out.host = endpoint->host;
  out.port = endpoint->port;
  return out;
}

void HandleFindCoordinator(const Call& call, FindCoordinatorRequest request,
                           api::Done<FindCoordinatorResponse> done) {
  std::vector<std::string> keys = std::move(request.coordinator_keys);
  const bool batched = call.version >= kFirstBatchedFind;
  if (!batched) keys = {request.key};
  const size_t count = keys.size();
  Gather<v1::FindCoordinatorResponse>(
      count,
      [&call, keys, type = request.key_type](size_t i, auto found) {
        v1::FindCoordinatorRequest wanted;
        wanted.set_key(keys[i]);
        wanted.set_key_type(type);
        api::FindCoordinator(*call.broker, std::move(wanted),
                             std::move(found));
      },
      [keys, batched, listener = call.caller.listener, done = std::move(done)](
          std::vector<v1::FindCoordinatorResponse> answers) {
        FindCoordinatorResponse response;
        for (size_t i = 0; i < answers.size(); ++i) {
          response.coordinators.push_back(
              Translate(keys[i], answers[i], listener));
        }
        if (!batched) {
          FindCoordinatorResponse::Coordinator& one =
              response.coordinators.front();
          response.error_code = one.error_code;
          response.error_message = std::move(one.error_message);
          response.node_id = one.node_id;
          response.host = std::move(one.host);
          response.port = one.port;
          response.coordinators.clear();
        } else {
          response.error_message = std::nullopt;
        }
        done(std::move(response));
      });
}

// ---- JoinGroup

constexpr int16_t kFirstJoinWithKnownId = 4;      // KIP-394
constexpr int16_t kFirstJoinWithNullProtocol = 7;
constexpr int16_t kFirstJoinWithSkip = 9;         // KIP-814

v1::JoinGroupRequest Translate(const Call& call, JoinGroupRequest request) {
  v1::JoinGroupRequest out;
  out.set_group_id(std::move(request.group_id));
  out.set_session_timeout_ms(request.session_timeout_ms);
  // v0 has none, and kafkajs sends 0: a member could never sync in time.
  out.set_rebalance_timeout_ms(request.rebalance_timeout_ms > 0
                                   ? request.rebalance_timeout_ms
                                   : request.session_timeout_ms);
  out.set_member_id(std::move(request.member_id));
  out.set_group_instance_id(request.group_instance_id.value_or(""));
  out.set_protocol_type(std::move(request.protocol_type));
  for (auto& protocol : request.protocols) {
    v1::GroupProtocol* p = out.add_protocols();
    p->set_name(std::move(protocol.name));
    p->set_metadata(protocol.metadata.ToString());
  }
  out.set_client_id(call.caller.client_id);
  out.set_reason(request.reason.value_or(""));
  return out;
}

JoinGroupResponse Translate(v1::JoinGroupResponse answer, int16_t version) {
  JoinGroupResponse out;
  out.error_code = Number(answer.error_code());
  out.member_id = answer.member_id();
  if (out.error_code != 0) {
    if (version >= kFirstJoinWithNullProtocol) out.protocol_name.reset();
    return out;
  }
  out.generation_id = answer.generation_id();
  out.protocol_type = answer.protocol_type();
  out.protocol_name = answer.protocol_name();
  out.leader = answer.leader();
  out.skip_assignment = answer.skip_assignment();
  for (v1::JoinedMember& member : *answer.mutable_members()) {
    out.members.push_back(
        {member.member_id(), NullIfEmpty(member.group_instance_id()),
         Bytes::FromString(std::move(*member.mutable_metadata()))});
  }
  return out;
}

void HandleJoinGroup(const Call& call, JoinGroupRequest request,
                     api::Done<JoinGroupResponse> done) {
  GroupCaller caller;
  caller.client_host = call.caller.client_host;
  caller.require_known_member_id = call.version >= kFirstJoinWithKnownId;
  caller.supports_skip_assignment = call.version >= kFirstJoinWithSkip;
  call.broker->groups->Join(
      Translate(call, std::move(request)), std::move(caller),
      [version = call.version,
       done = std::move(done)](v1::JoinGroupResponse answer) {
        done(Translate(std::move(answer), version));
      });
}

// ---- SyncGroup

constexpr int16_t kFirstSyncWithProtocol = 5;

void HandleSyncGroup(const Call& call, SyncGroupRequest request,
                     api::Done<SyncGroupResponse> done) {
  if (call.version >= kFirstSyncWithProtocol &&
      (!request.protocol_type.has_value() ||
       !request.protocol_name.has_value())) {
    SyncGroupResponse refused;
    refused.error_code = Number(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    return done(std::move(refused));
  }
  v1::SyncGroupRequest wanted;
  wanted.set_group_id(std::move(request.group_id));
  wanted.set_generation_id(request.generation_id);
  wanted.set_member_id(std::move(request.member_id));
  wanted.set_group_instance_id(request.group_instance_id.value_or(""));
  wanted.set_protocol_type(request.protocol_type.value_or(""));
  wanted.set_protocol_name(request.protocol_name.value_or(""));
  for (auto& assignment : request.assignments) {
    v1::MemberAssignment* out = wanted.add_assignments();
    out->set_member_id(std::move(assignment.member_id));
    out->set_assignment(assignment.assignment.ToString());
  }
  call.broker->groups->Sync(
      std::move(wanted),
      [done = std::move(done)](v1::SyncGroupResponse answer) {
        SyncGroupResponse response;
        response.error_code = Number(answer.error_code());
        if (response.error_code == 0) {
          response.protocol_type = NullIfEmpty(answer.protocol_type());
          response.protocol_name = NullIfEmpty(answer.protocol_name());
          response.assignment =
              Bytes::FromString(std::move(*answer.mutable_assignment()));
        }
        done(std::move(response));
      });
}

// ---- Heartbeat

void HandleHeartbeat(const Call& call, HeartbeatRequest request,
                     api::Done<HeartbeatResponse> done) {
  v1::HeartbeatRequest wanted;
  wanted.set_group_id(std::move(request.group_id));
  wanted.set_generation_id(request.generation_id);
  wanted.set_member_id(std::move(request.member_id));
  wanted.set_group_instance_id(request.group_instance_id.value_or(""));
  call.broker->groups->Heartbeat(
      std::move(wanted),
      [done = std::move(done)](v1::HeartbeatResponse answer) {
        done({0, Number(answer.error_code())});
      });
}

// ---- LeaveGroup

constexpr int16_t kFirstBatchedLeave = 3;

void HandleLeaveGroup(const Call& call, LeaveGroupRequest request,
                      api::Done<LeaveGroupResponse> done) {
  const bool batched = call.version >= kFirstBatchedLeave;
  if (!batched) {
    request.members = {{std::move(request.member_id), std::nullopt, {}}};
  }
  v1::LeaveGroupRequest wanted;
  wanted.set_group_id(std::move(request.group_id));
  for (const auto& member : request.members) {
    v1::LeavingMember* out = wanted.add_members();
    out->set_member_id(member.member_id);
    out->set_group_instance_id(member.group_instance_id.value_or(""));
    out->set_reason(member.reason.value_or(""));
  }
  call.broker->groups->Leave(
      std::move(wanted),
      [batched, members = std::move(request.members),
       done = std::move(done)](v1::LeaveGroupResponse answer) {
        LeaveGroupResponse response;
        response.error_code = Number(answer.error_code());
        if (response.error_code != 0) return done(std::move(response));
        for (int i = 0; i < answer.members_size(); ++i) {
          response.members.push_back({members[i].member_id,
                                      members[i].group_instance_id,
                                      Number(answer.members(i))});
        }
        // One member, and no place for its error but the answer's.
        if (!batched && !response.members.empty()) {
          response.error_code = response.members[0].error_code;
          response.members.clear();
        }
        done(std::move(response));
      });
}

}  // namespace

ApiHandlers GroupMembershipHandlers() {
  return {
      {FindCoordinatorRequest::kInfo.api_key,
       Answered<FindCoordinatorRequest, FindCoordinatorResponse,
                HandleFindCoordinator>},
      {JoinGroupRequest::kInfo.api_key,
       Answered<JoinGroupRequest, JoinGroupResponse, HandleJoinGroup>},
      {HeartbeatRequest::kInfo.api_key,
       Answered<HeartbeatRequest, HeartbeatResponse, HandleHeartbeat>},
      {LeaveGroupRequest::kInfo.api_key,
       Answered<LeaveGroupRequest, LeaveGroupResponse, HandleLeaveGroup>},
      {SyncGroupRequest::kInfo.api_key,
       Answered<SyncGroupRequest, SyncGroupResponse, HandleSyncGroup>}};
}

}  // namespace sillok::kafka_door
