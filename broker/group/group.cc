#include "broker/group/group.h"

#include <algorithm>
#include <utility>

#include "glog/logging.h"

namespace sillok {

std::string_view GroupStateName(GroupState state) {
  switch (state) {
    case GroupState::kEmpty:
      return "Empty";
    case GroupState::kPreparingRebalance:
      return "PreparingRebalance";
    case GroupState::kCompletingRebalance:
      return "CompletingRebalance";
    case GroupState::kStable:
      return "Stable";
    case GroupState::kDead:
      return "Dead";
  }
  return "Dead";
}

Group::Group(std::string id, const GroupOptions* options, GroupTime time)
    : id_(std::move(id)),
      options_(options),
      state_timestamp_ms_(time.wall_ms) {}

void Group::Restore(const GroupValue& value, GroupTime time) {
  CHECK(members_.empty() && state_ == GroupState::kEmpty) << id_;
  generation_ = std::max(value.generation, 0);
  protocol_type_ = value.protocol_type;
  protocol_name_ = value.protocol.value_or("");
  leader_ = value.leader.value_or("");
  for (const GroupMemberValue& v : value.members) {
    GroupMember member;
    member.id = v.member_id;
    member.instance_id = v.group_instance_id.value_or("");
    member.client_id = v.client_id;
    member.client_host = v.client_host;
    member.rebalance_timeout_ms = std::max(v.rebalance_timeout_ms, 1);
    member.session_timeout_ms = std::max(v.session_timeout_ms, 1);
    member.assignment = v.assignment;
    const auto [place, first] = members_.emplace(member.id, member);
    if (!first) continue;  // no coordinator writes an id twice
    if (member.is_static()) static_members_[member.instance_id] = member.id;
    SetProtocols(place->second, {{protocol_name_, v.subscription}});
    StartSession(place->second, time);
  }
  state_ = members_.empty() ? GroupState::kEmpty : GroupState::kStable;
  state_timestamp_ms_ = value.state_timestamp_ms;
  if (!members_.empty() && members_.count(leader_) == 0) {
    leader_ = members_.begin()->first;
  }
}

ErrorCode Group::Heartbeat(const v1::HeartbeatRequest& request,
                           GroupTime time) {
  if (state_ == GroupState::kDead) {
    return ErrorCode::COORDINATOR_NOT_AVAILABLE;
  }
  const ErrorCode error =
      CheckMember(request.member_id(), request.group_instance_id());
  if (error != ErrorCode::NONE) return error;
  if (request.generation_id() != generation_) {
    return ErrorCode::ILLEGAL_GENERATION;
  }
  if (state_ == GroupState::kEmpty) return ErrorCode::UNKNOWN_MEMBER_ID;
  StartSession(*FindMember(request.member_id()), time);
  return state_ == GroupState::kPreparingRebalance
             ? ErrorCode::REBALANCE_IN_PROGRESS
             : ErrorCode::NONE;
}

ErrorCode Group::Leave(const v1::LeavingMember& leaving, GroupTime time,
                       GroupOutput* out) {
  if (state_ == GroupState::kDead) {
    return ErrorCode::COORDINATOR_NOT_AVAILABLE;
  }
  const std::string& instance_id = leaving.group_instance_id();
  std::string member_id = leaving.member_id();
  if (member_id.empty()) {
    // An administrator takes out a static member by its instance id.
    const auto known = static_members_.find(instance_id);
    if (instance_id.empty() || known == static_members_.end()) {
      return ErrorCode::UNKNOWN_MEMBER_ID;
    }
    member_id = known->second;
  } else if (instance_id.empty() && pending_members_.count(member_id) > 0) {
    RemovePending(member_id, time, out);
    return ErrorCode::NONE;
  } else {
    const ErrorCode error = CheckMember(member_id, instance_id);
    if (error != ErrorCode::NONE) return error;
  }
  GroupEvent cause =
      CauseOf("a member leaves", *FindMember(member_id), leaving.reason());
  TakeOut(member_id, ErrorCode::UNKNOWN_MEMBER_ID, out);
  MaybePrepareRebalance(std::move(cause), time, out);
  MaybeCompleteJoin(time, out);
  return ErrorCode::NONE;
}

ErrorCode Group::CheckCommit(const v1::OffsetCommitRequest& request,
                             GroupTime time) {
  if (state_ == GroupState::kDead) {
    return ErrorCode::COORDINATOR_NOT_AVAILABLE;
  }
  const bool names_member = request.generation_id() >= 0 ||
                            !request.member_id().empty() ||
                            !request.group_instance_id().empty();
  if (state_ == GroupState::kEmpty && request.generation_id() < 0) {
    return ErrorCode::NONE;  // assigns partitions itself ("simple consumer")
  }
  // While there are members, only they commit.
  if (!names_member) return ErrorCode::UNKNOWN_MEMBER_ID;
  const ErrorCode error =
      CheckMember(request.member_id(), request.group_instance_id());
  if (error != ErrorCode::NONE) return error;
  if (request.generation_id() != generation_) {
    return ErrorCode::ILLEGAL_GENERATION;
  }
  // It knows its generation but not its partitions: what it commits now, it
  // has read under an assignment that is over.
  if (state_ == GroupState::kCompletingRebalance) {
    return ErrorCode::REBALANCE_IN_PROGRESS;
  }
  StartSession(*FindMember(request.member_id()), time);
  return ErrorCode::NONE;
}

void Group::Drop(ErrorCode reason, GroupOutput* out) {
  state_ = GroupState::kDead;
  while (!members_.empty()) {
    TakeOut(std::string(members_.begin()->first), reason, out);
  }
  pending_members_.clear();
  pending_writes_.clear();
  join_deadline_ms_ = sync_deadline_ms_ = check_at_ms_ = kNoDeadlineMs;
}

v1::DescribedGroup Group::Describe() const {
  const bool stable = state_ == GroupState::kStable;
  v1::DescribedGroup described;
  described.set_group_id(id_);
  described.set_state(std::string(GroupStateName(state_)));
  described.set_protocol_type(protocol_type_);
  if (stable) described.set_protocol_name(protocol_name_);
  for (const auto& [id, member] : members_) {
    v1::DescribedMember* m = described.add_members();
    m->set_member_id(id);
    m->set_group_instance_id(member.instance_id);
    m->set_client_id(member.client_id);
    m->set_client_host(member.client_host);
    if (!stable) continue;  // what they have now is about to change
    const std::string* metadata = member.FindMetadata(protocol_name_);
    if (metadata != nullptr) m->set_metadata(*metadata);
    m->set_assignment(member.assignment);
  }
  return described;
}

// ---- members

ErrorCode Group::CheckMember(const std::string& member_id,
                             const std::string& instance_id) const {
  if (!instance_id.empty()) {
    const auto known = static_members_.find(instance_id);
    if (known == static_members_.end()) return ErrorCode::UNKNOWN_MEMBER_ID;
    if (known->second != member_id) return ErrorCode::FENCED_INSTANCE_ID;
  }
  return members_.count(member_id) > 0 ? ErrorCode::NONE
                                       : ErrorCode::UNKNOWN_MEMBER_ID;
}

GroupMember* Group::FindMember(const std::string& member_id) {
  const auto found = members_.find(member_id);
  return found == members_.end() ? nullptr : &found->second;
}

GroupMember* Group::RenameMember(const std::string& from,
                                 const std::string& to) {
  auto node = members_.extract(from);
  CHECK(!node.empty()) << id_;
  node.key() = to;
  node.mapped().id = to;
  GroupMember& member = members_.insert(std::move(node)).position->second;
  if (member.is_static()) static_members_[member.instance_id] = to;
  if (leader_ == from) leader_ = to;
  return &member;
}

void Group::SetProtocols(GroupMember& member,
                         std::vector<MemberProtocol> protocols) {
  // A name counts once, even if sent twice.
  for (const MemberProtocol& p : member.protocols) {
    if (member.FindMetadata(p.name) != &p.metadata) continue;
    const auto counted = supporters_.find(p.name);
    if (--counted->second == 0) supporters_.erase(counted);
  }
  member.protocols = std::move(protocols);
  for (const MemberProtocol& p : member.protocols) {
    if (member.FindMetadata(p.name) == &p.metadata) ++supporters_[p.name];
  }
}

void Group::SetJoinCall(GroupMember& member, std::optional<CallId> call) {
  joined_ -= member.join_call.has_value();
  member.join_call = call;
  joined_ += member.join_call.has_value();
}

void Group::TakeOut(const std::string& member_id, ErrorCode reason,
                    GroupOutput* out) {
  const auto found = members_.find(member_id);
  if (found == members_.end()) return;
  const GroupMember member = found->second;
  SetProtocols(found->second, {});
  SetJoinCall(found->second, std::nullopt);
  members_.erase(found);
  const auto instance = static_members_.find(member.instance_id);
  if (instance != static_members_.end() && instance->second == member_id) {
    static_members_.erase(instance);
  }
  if (leader_ == member_id) {
    leader_ = members_.empty() ? "" : members_.begin()->first;
  }
  if (member.join_call.has_value()) {
    v1::JoinGroupResponse response;
    response.set_error_code(AsProto(reason));
    response.set_generation_id(-1);
    // With UNKNOWN_MEMBER_ID the client begins anew, without this id.
    if (reason != ErrorCode::UNKNOWN_MEMBER_ID) {
      response.set_member_id(member_id);
    }
    out->joins.emplace_back(*member.join_call, std::move(response));
  }
  if (member.sync_call.has_value()) {
    v1::SyncGroupResponse response;
    response.set_error_code(AsProto(reason));
    out->syncs.emplace_back(*member.sync_call, std::move(response));
  }
}

void Group::PutOut(const std::vector<std::string>& member_ids,
                   std::string_view why, GroupTime time, GroupOutput* out) {
  GroupEvent event;
  for (const std::string& id : member_ids) {
    event = CauseOf(why, *FindMember(id), "");
    TakeOut(id, ErrorCode::UNKNOWN_MEMBER_ID, out);
    event.kind = GroupEvent::Kind::kMemberPutOut;
    event.generation = generation_;
    event.members = members_.size();
    out->events.push_back(event);
  }
  if (!member_ids.empty()) {
    event.kind = GroupEvent::Kind::kRebalance;
    MaybePrepareRebalance(std::move(event), time, out);
  }
}

GroupEvent Group::CauseOf(std::string_view why, const GroupMember& member,
                          std::string client_reason) {
  GroupEvent event;
  event.why = why;
  event.member_id = member.id;
  event.instance_id = member.instance_id;
  event.client_reason = std::move(client_reason);
  return event;
}

void Group::RemovePending(const std::string& member_id, GroupTime time,
                          GroupOutput* out) {
  pending_members_.erase(member_id);
  MaybeCompleteJoin(time, out);
}

// A sign of life.
void Group::StartSession(GroupMember& member, GroupTime time) {
  member.session_deadline_ms = time.now_ms + member.session_timeout_ms;
  NoteDeadline(member.session_deadline_ms);
}

int32_t Group::RebalanceTimeoutMs() const {
  int32_t longest = 0;
  for (const auto& [id, member] : members_) {
    longest = std::max(longest, member.rebalance_timeout_ms);
  }
  return longest;
}

void Group::TransitionTo(GroupState state, GroupTime time) {
  state_ = state;
  state_timestamp_ms_ = time.wall_ms;
}

// ---- time

void Group::OnTime(GroupTime time, GroupOutput* out) {
  if (time.now_ms < check_at_ms_) return;
  ExpireSessions(time, out);
  if (sync_deadline_ms_ <= time.now_ms) ExpirePendingSyncs(time, out);
  if (state_ == GroupState::kPreparingRebalance &&
      join_deadline_ms_ <= time.now_ms) {
    OnJoinDeadline(time, out);
  }
  MaybeCompleteJoin(time, out);
  RecomputeDeadline();
}

void Group::ExpireSessions(GroupTime time, GroupOutput* out) {
  std::vector<std::string> expired;
  for (auto& [id, member] : members_) {
    if (member.session_deadline_ms > time.now_ms) continue;
    const bool waits =
        member.join_call.has_value() || member.sync_call.has_value();
    if (waits && !member.is_new) {
      // Its session begins anew with the answer.
      member.session_deadline_ms = kNoDeadlineMs;
    } else {
      expired.push_back(id);
    }
  }
  std::vector<std::string> pending;
  for (const auto& [id, until] : pending_members_) {
    if (until <= time.now_ms) pending.push_back(id);
  }
  for (const std::string& id : pending) pending_members_.erase(id);
  sessions_expired_ += static_cast<int64_t>(expired.size());
  PutOut(expired, "its session has ended", time, out);
}

void Group::ExpirePendingSyncs(GroupTime time, GroupOutput* out) {
  sync_deadline_ms_ = kNoDeadlineMs;
  std::vector<std::string> silent;
  for (const auto& [id, member] : members_) {
    if (member.pending_sync) silent.push_back(id);
  }
  PutOut(silent, "it sent no SyncGroup in time", time, out);
}

void Group::NoteDeadline(int64_t at_ms) {
  check_at_ms_ = std::min(check_at_ms_, at_ms);
}

void Group::RecomputeDeadline() {
  check_at_ms_ = std::min(join_deadline_ms_, sync_deadline_ms_);
  for (const auto& [id, member] : members_) {
    NoteDeadline(member.session_deadline_ms);
  }
  for (const auto& [id, until] : pending_members_) NoteDeadline(until);
}

// ---- what is made durable

void Group::Write(PendingWrite write, GroupValue value, GroupOutput* out) {
  const uint64_t token = next_token_++;
  pending_writes_.emplace(token, std::move(write));
  out->writes.push_back({token, std::move(value)});
}

// The group as a record, with the assignments given or those in force.
GroupValue Group::Value(
    const std::map<std::string, std::string>* assignment) const {
  GroupValue value;
  value.protocol_type = protocol_type_;
  value.generation = generation_;
  if (!protocol_name_.empty()) value.protocol = protocol_name_;
  if (!leader_.empty()) value.leader = leader_;
  value.state_timestamp_ms = state_timestamp_ms_;
  for (const auto& [id, member] : members_) {
    GroupMemberValue m;
    m.member_id = id;
    if (member.is_static()) m.group_instance_id = member.instance_id;
    m.client_id = member.client_id;
    m.client_host = member.client_host;
    m.rebalance_timeout_ms = member.rebalance_timeout_ms;
    m.session_timeout_ms = member.session_timeout_ms;
    const std::string* metadata = member.FindMetadata(protocol_name_);
    if (metadata != nullptr) m.subscription = *metadata;
    if (assignment == nullptr) {
      m.assignment = member.assignment;
    } else if (auto it = assignment->find(id); it != assignment->end()) {
      m.assignment = it->second;
    }
    value.members.push_back(std::move(m));
  }
  return value;
}

}  // namespace sillok
