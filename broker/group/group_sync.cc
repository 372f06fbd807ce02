// The second half: the leader's assignments come, are made durable, and reach
// the members.
#include <utility>

#include "broker/group/group.h"

namespace sillok {

void Group::Sync(CallId call, const v1::SyncGroupRequest& request,
                 GroupTime time, GroupOutput* out) {
  const auto refuse = [&](ErrorCode error) {
    v1::SyncGroupResponse response;
    response.set_error_code(AsProto(error));
    out->syncs.emplace_back(call, std::move(response));
  };
  if (state_ == GroupState::kDead) {
    return refuse(ErrorCode::COORDINATOR_NOT_AVAILABLE);
  }
  const ErrorCode error =
      CheckMember(request.member_id(), request.group_instance_id());
  if (error != ErrorCode::NONE) return refuse(error);
  if (request.generation_id() != generation_) {
    return refuse(ErrorCode::ILLEGAL_GENERATION);
  }
  if ((!request.protocol_type().empty() &&
       request.protocol_type() != protocol_type_) ||
      (!request.protocol_name().empty() &&
       request.protocol_name() != protocol_name_)) {
    return refuse(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
  }
  GroupMember& member = *FindMember(request.member_id());
  switch (state_) {
    case GroupState::kPreparingRebalance:
      return refuse(ErrorCode::REBALANCE_IN_PROGRESS);
    case GroupState::kStable:
      member.pending_sync = false;
      StartSession(member, time);
      out->syncs.emplace_back(call, SyncedResponse(member));
      return;
    case GroupState::kCompletingRebalance:
      if (member.sync_call.has_value()) {
        // Sent again; nobody waits for the first one.
        std::swap(call, *member.sync_call);
        refuse(ErrorCode::REBALANCE_IN_PROGRESS);
      } else {
        member.sync_call = call;
      }
      member.pending_sync = false;
      if (member.id == leader_ && !AssignmentUnderWay()) {
        StartAssignment(request, time, out);
      }
      return;
    case GroupState::kEmpty:
    case GroupState::kDead:
      return refuse(ErrorCode::UNKNOWN_MEMBER_ID);
  }
}

bool Group::AssignmentUnderWay() const {
  for (const auto& [token, write] : pending_writes_) {
    if (write.kind == PendingWrite::Kind::kAssignment &&
        write.generation == generation_) {
      return true;
    }
  }
  return false;
}

void Group::StartAssignment(const v1::SyncGroupRequest& request,
                            GroupTime time, GroupOutput* out) {
  PendingWrite write;
  write.kind = PendingWrite::Kind::kAssignment;
  write.generation = generation_;
  // Whom the leader left out gets nothing; whom we do not know is left out.
  for (const auto& [id, member] : members_) write.assignment[id];
  for (const v1::MemberAssignment& given : request.assignments()) {
    const auto place = write.assignment.find(given.member_id());
    if (place != write.assignment.end()) place->second = given.assignment();
  }
  GroupValue value = Value(&write.assignment);
  Write(std::move(write), std::move(value), out);
}

void Group::OnWritten(uint64_t token, ErrorCode error, GroupTime time,
                      GroupOutput* out) {
  const auto found = pending_writes_.find(token);
  if (found == pending_writes_.end()) return;
  const PendingWrite write = std::move(found->second);
  pending_writes_.erase(found);
  // A rebalance may have begun while it was being written: then what was
  // written is history, and the log has the better one later.
  const bool current = write.generation == generation_;
  switch (write.kind) {
    case PendingWrite::Kind::kEmpty:
      // Nobody waits. When it is lost, a failover brings members back whose
      // sessions then end.
      break;
    case PendingWrite::Kind::kAssignment:
      if (!current || state_ != GroupState::kCompletingRebalance) break;
      if (error == ErrorCode::NONE) {
        FinishAssignment(write, time, out);
      } else {
        FailAssignment(error, time, out);
        GroupEvent cause;
        cause.why = "the assignment could not be written";
        PrepareRebalance(std::move(cause), time, out);
      }
      break;
    case PendingWrite::Kind::kStaticMember:
      if (!current || state_ != GroupState::kStable) break;
      FinishStaticMember(write, error, time, out);
      break;
  }
  MaybeCompleteJoin(time, out);
}

void Group::FinishAssignment(const PendingWrite& write, GroupTime time,
                             GroupOutput* out) {
  TransitionTo(GroupState::kStable, time);
  for (auto& [id, member] : members_) {
    const auto given = write.assignment.find(id);
    member.assignment =
        given != write.assignment.end() ? given->second : std::string();
    if (!member.sync_call.has_value()) continue;
    out->syncs.emplace_back(*member.sync_call, SyncedResponse(member));
    member.sync_call.reset();
    // Its session stood still while it waited.
    StartSession(member, time);
  }
}

void Group::FailAssignment(ErrorCode error, GroupTime time,
                           GroupOutput* out) {
  for (auto& [id, member] : members_) {
    member.assignment.clear();
    if (!member.sync_call.has_value()) continue;
    v1::SyncGroupResponse response;
    response.set_error_code(AsProto(error));
    out->syncs.emplace_back(*member.sync_call, std::move(response));
    member.sync_call.reset();
    StartSession(member, time);
  }
}

v1::SyncGroupResponse Group::SyncedResponse(const GroupMember& member) const {
  v1::SyncGroupResponse response;
  response.set_assignment(member.assignment);
  response.set_protocol_type(protocol_type_);
  response.set_protocol_name(protocol_name_);
  return response;
}

void Group::FinishStaticMember(const PendingWrite& write, ErrorCode error,
                               GroupTime time, GroupOutput* out) {
  GroupMember* member = FindMember(write.new_member_id);
  if (member == nullptr || member->join_call != write.call) return;
  const CallId call = *member->join_call;
  SetJoinCall(*member, std::nullopt);
  if (error != ErrorCode::NONE) {
    member = RenameMember(write.new_member_id, write.old_member.id);
    SetProtocols(*member, {});
    std::vector<MemberProtocol> protocols = write.old_member.protocols;
    *member = write.old_member;
    member->protocols.clear();
    SetProtocols(*member, std::move(protocols));
    leader_ = write.old_leader;
    StartSession(*member, time);
    v1::JoinGroupResponse response;
    response.set_error_code(AsProto(error));
    response.set_generation_id(-1);
    out->joins.emplace_back(call, std::move(response));
    return;
  }
  StartSession(*member, time);
  const bool leads = member->id == leader_;
  v1::JoinGroupResponse response = JoinedResponse(
      member->id, leads && write.supports_skip_assignment);
  if (write.supports_skip_assignment) {
    response.set_skip_assignment(leads);
  } else {
    // A client that cannot skip would assign anew, and nobody would hear of it:
    // let it believe that the old id still leads.
    response.set_leader(write.old_leader);
  }
  out->joins.emplace_back(call, std::move(response));
}

}  // namespace sillok
