// The first half of a group's life: members join, and the group waits until it
// has them all.
#include <algorithm>
#include <utility>

#include "broker/group/group.h"

namespace sillok {
namespace {

// How long the join of a new member may wait. Its client does not know its id
// yet and cannot heartbeat: if it has died meanwhile, nothing else would tell.
constexpr int64_t kNewMemberJoinTimeoutMs = 5 * 60 * 1000;

std::vector<MemberProtocol> ProtocolsOf(const v1::JoinGroupRequest& request) {
  std::vector<MemberProtocol> protocols;
  for (const v1::GroupProtocol& p : request.protocols()) {
    protocols.push_back({p.name(), p.metadata()});
  }
  return protocols;
}

// Whether a member that came back wants what it wanted. What a consumer says
// beside its topics (owned partitions, a generation) is gone with its process
// and changes no assignment.
bool SameWish(const std::string& protocol_type, const std::string& was,
              const std::string& is) {
  if (was == is) return true;
  if (protocol_type != "consumer") return false;
  std::optional<std::vector<std::string>> before = ParseSubscribedTopics(was);
  std::optional<std::vector<std::string>> now = ParseSubscribedTopics(is);
  if (!before || !now) return false;
  std::sort(before->begin(), before->end());
  std::sort(now->begin(), now->end());
  return *before == *now;
}

int32_t RebalanceTimeoutOf(const v1::JoinGroupRequest& request) {
  return request.rebalance_timeout_ms() > 0 ? request.rebalance_timeout_ms()
                                            : request.session_timeout_ms();
}

}  // namespace

void Group::Answer(const JoinInput& input, ErrorCode error,
                   GroupOutput* out) {
  v1::JoinGroupResponse response;
  response.set_error_code(AsProto(error));
  response.set_generation_id(-1);
  response.set_member_id(input.request->member_id());
  out->joins.emplace_back(input.call, std::move(response));
}

void Group::Join(const JoinInput& input, GroupTime time, GroupOutput* out) {
  const std::string& member_id = input.request->member_id();
  if (state_ == GroupState::kDead) {
    Answer(input, ErrorCode::COORDINATOR_NOT_AVAILABLE, out);
    return;
  }
  const bool replaces = member_id.empty() &&
                        static_members_.count(
                            input.request->group_instance_id()) > 0;
  if (!replaces && !HasRoomFor(member_id)) {
    Answer(input, ErrorCode::GROUP_MAX_SIZE_REACHED, out);
    pending_members_.erase(member_id);
    if (members_.count(member_id) > 0) {
      TakeOut(member_id, ErrorCode::GROUP_MAX_SIZE_REACHED, out);
    }
  } else if (!SupportsProtocols(*input.request)) {
    Answer(input, ErrorCode::INCONSISTENT_GROUP_PROTOCOL, out);
  } else if (member_id.empty()) {
    JoinAsNew(input, time, out);
  } else {
    JoinAgain(input, time, out);
  }
  MaybeCompleteJoin(time, out);
}

bool Group::HasRoomFor(const std::string& member_id) const {
  const auto known = members_.find(member_id);
  switch (state_) {
    case GroupState::kEmpty:
    case GroupState::kDead:
      return true;
    case GroupState::kPreparingRebalance: {
      // Who has not joined yet may lose its place to one who has.
      if (known != members_.end() && known->second.awaiting_join()) return true;
      return static_cast<int64_t>(joined_) < options_->max_size;
    }
    case GroupState::kCompletingRebalance:
    case GroupState::kStable:
      return known != members_.end() ||
             static_cast<int64_t>(members_.size()) < options_->max_size;
  }
  return false;
}

// Whether the others and this one have at least one protocol in common.
bool Group::SupportsProtocols(const v1::JoinGroupRequest& request) const {
  if (request.protocol_type().empty() || request.protocols().empty()) {
    return false;
  }
  if (members_.empty()) return true;
  if (request.protocol_type() != protocol_type_) return false;
  // What it wanted so far does not count.
  const auto instance = static_members_.find(request.group_instance_id());
  const auto self = members_.find(instance != static_members_.end()
                                      ? instance->second
                                      : request.member_id());
  const bool known = self != members_.end();
  return std::any_of(
      request.protocols().begin(), request.protocols().end(),
      [&](const v1::GroupProtocol& wanted) {
        const auto counted = supporters_.find(wanted.name());
        size_t others = counted == supporters_.end() ? 0 : counted->second;
        if (known && self->second.FindMetadata(wanted.name()) != nullptr) {
          --others;
        }
        return others == members_.size() - known;
      });
}

void Group::JoinAsNew(const JoinInput& input, GroupTime time,
                      GroupOutput* out) {
  const std::string& instance_id = input.request->group_instance_id();
  if (!instance_id.empty()) {
    const auto known = static_members_.find(instance_id);
    if (known != static_members_.end()) {
      ReplaceStaticMember(input, std::string(known->second), time, out);
    } else {
      AddMember(input, input.new_member_id, time, out);
    }
    return;
  }
  if (!input.require_known_member_id) {
    AddMember(input, input.new_member_id, time, out);
    return;
  }
  // KIP-394: a client that never hears this answer leaves no member behind.
  const int64_t until = time.now_ms + input.request->session_timeout_ms();
  pending_members_[input.new_member_id] = until;
  NoteDeadline(until);
  Answer(input, ErrorCode::MEMBER_ID_REQUIRED, out);
  out->joins.back().second.set_member_id(input.new_member_id);
}

void Group::JoinAgain(const JoinInput& input, GroupTime time,
                      GroupOutput* out) {
  const v1::JoinGroupRequest& request = *input.request;
  if (request.group_instance_id().empty() &&
      pending_members_.erase(request.member_id()) > 0) {
    AddMember(input, request.member_id(), time, out);
    return;
  }
  const ErrorCode error =
      CheckMember(request.member_id(), request.group_instance_id());
  if (error != ErrorCode::NONE) {
    Answer(input, error, out);
    return;
  }
  GroupMember& member = *FindMember(request.member_id());
  const bool unchanged = member.protocols == ProtocolsOf(request);
  const bool leads = member.id == leader_;
  switch (state_) {
    case GroupState::kPreparingRebalance:
      UpdateMember(member, input, out);
      return;
    case GroupState::kCompletingRebalance:
      // It did not get its answer; the generation is still the same.
      if (unchanged) {
        StartSession(member, time);
        out->joins.emplace_back(input.call, JoinedResponse(member.id, leads));
        return;
      }
      UpdateMember(member, input, out);
      PrepareRebalance(
          CauseOf("a member has new metadata", member, request.reason()), time,
          out);
      return;
    case GroupState::kStable:
      // A leader that joins again asks for a new assignment: it may know of
      // new partitions.
      if (!leads && unchanged) {
        StartSession(member, time);
        out->joins.emplace_back(input.call, JoinedResponse(member.id, false));
        return;
      }
      UpdateMember(member, input, out);
      PrepareRebalance(
          CauseOf(unchanged ? "the leader joins again"
                            : "a member has new metadata",
                  member, request.reason()),
          time, out);
      return;
    case GroupState::kEmpty:
    case GroupState::kDead:
      Answer(input, ErrorCode::UNKNOWN_MEMBER_ID, out);
      return;
  }
}

void Group::AddMember(const JoinInput& input, const std::string& member_id,
                      GroupTime time, GroupOutput* out) {
  const v1::JoinGroupRequest& request = *input.request;
  if (members_.empty()) {
    protocol_type_ = request.protocol_type();
    leader_ = member_id;
  }
  GroupMember& member = members_[member_id];
  member.id = member_id;
  member.instance_id = request.group_instance_id();
  member.is_new = true;
  member.session_deadline_ms = time.now_ms + kNewMemberJoinTimeoutMs;
  NoteDeadline(member.session_deadline_ms);
  if (member.is_static()) static_members_[member.instance_id] = member_id;
  UpdateMember(member, input, out);
  if (state_ == GroupState::kPreparingRebalance) joined_in_slice_ = true;
  MaybePrepareRebalance(CauseOf("a member joins", member, request.reason()),
                        time, out);
}

void Group::UpdateMember(GroupMember& member, const JoinInput& input,
                         GroupOutput* out) {
  const v1::JoinGroupRequest& request = *input.request;
  member.client_id = request.client_id();
  member.client_host = input.client_host;
  member.rebalance_timeout_ms = RebalanceTimeoutOf(request);
  member.session_timeout_ms = request.session_timeout_ms();
  SetProtocols(member, ProtocolsOf(request));
  if (member.join_call.has_value()) {
    // The client has sent it again; nobody waits for the first one.
    v1::JoinGroupResponse response;
    response.set_error_code(v1::REBALANCE_IN_PROGRESS);
    response.set_generation_id(-1);
    response.set_member_id(member.id);
    out->joins.emplace_back(*member.join_call, std::move(response));
  }
  SetJoinCall(member, input.call);
}

// A static member came back under a new id, and its place is its own: the
// others need not notice, unless it now wants something else.
void Group::ReplaceStaticMember(const JoinInput& input,
                                const std::string& old_member_id,
                                GroupTime time, GroupOutput* out) {
  const GroupMember old_member = *FindMember(old_member_id);
  const std::string old_leader = leader_;
  GroupMember* member = RenameMember(old_member_id, input.new_member_id);
  if (member->join_call.has_value()) {
    v1::JoinGroupResponse fenced;
    fenced.set_error_code(v1::FENCED_INSTANCE_ID);
    fenced.set_generation_id(-1);
    fenced.set_member_id(old_member_id);
    out->joins.emplace_back(*member->join_call, std::move(fenced));
    SetJoinCall(*member, std::nullopt);
  }
  if (member->sync_call.has_value()) {
    v1::SyncGroupResponse fenced;
    fenced.set_error_code(v1::FENCED_INSTANCE_ID);
    out->syncs.emplace_back(*member->sync_call, std::move(fenced));
    member->sync_call.reset();
  }
  UpdateMember(*member, input, out);
  if (member->is_new) {
    member->session_deadline_ms = time.now_ms + kNewMemberJoinTimeoutMs;
    NoteDeadline(member->session_deadline_ms);
  } else {
    StartSession(*member, time);
  }
  if (state_ == GroupState::kCompletingRebalance) {
    // The leader may already be assigning to the old id.
    PrepareRebalance(CauseOf("a static member came back while the leader assigns",
                             *member, input.request->reason()),
                     time, out);
    return;
  }
  if (state_ != GroupState::kStable) return;

  const std::string* was = old_member.FindMetadata(protocol_name_);
  const std::string* is = member->FindMetadata(protocol_name_);
  const bool same = was != nullptr && is != nullptr &&
                    SameWish(protocol_type_, *was, *is) &&
                    SelectProtocol() == protocol_name_;
  if (!same) {
    PrepareRebalance(CauseOf("a static member came back with new metadata",
                             *member, input.request->reason()),
                     time, out);
    return;
  }
  PendingWrite write;
  write.kind = PendingWrite::Kind::kStaticMember;
  write.generation = generation_;
  write.new_member_id = input.new_member_id;
  write.old_member = old_member;
  write.old_member.join_call.reset();
  write.old_member.sync_call.reset();
  write.old_leader = old_leader;
  write.call = input.call;
  write.supports_skip_assignment = input.supports_skip_assignment;
  Write(std::move(write), Value(nullptr), out);
}

v1::JoinGroupResponse Group::JoinedResponse(const std::string& member_id,
                                            bool with_members) const {
  v1::JoinGroupResponse response;
  response.set_generation_id(generation_);
  response.set_protocol_type(protocol_type_);
  response.set_protocol_name(protocol_name_);
  response.set_leader(leader_);
  response.set_member_id(member_id);
  if (!with_members) return response;
  for (const auto& [id, member] : members_) {
    v1::JoinedMember* joined = response.add_members();
    joined->set_member_id(id);
    joined->set_group_instance_id(member.instance_id);
    const std::string* metadata = member.FindMetadata(protocol_name_);
    if (metadata != nullptr) joined->set_metadata(*metadata);
  }
  return response;
}

// ---- rebalancing

void Group::MaybePrepareRebalance(GroupEvent cause, GroupTime time,
                                  GroupOutput* out) {
  if (state_ == GroupState::kEmpty || state_ == GroupState::kStable ||
      state_ == GroupState::kCompletingRebalance) {
    PrepareRebalance(std::move(cause), time, out);
  }
}

void Group::PrepareRebalance(GroupEvent cause, GroupTime time,
                             GroupOutput* out) {
  cause.generation = generation_;
  cause.members = members_.size();
  out->events.push_back(std::move(cause));
  if (state_ == GroupState::kCompletingRebalance) {
    FailAssignment(ErrorCode::REBALANCE_IN_PROGRESS, time, out);
  }
  sync_deadline_ms_ = kNoDeadlineMs;
  for (auto& [id, member] : members_) member.pending_sync = false;
  const int32_t delay = options_->initial_rebalance_delay_ms;
  initial_delay_ = state_ == GroupState::kEmpty && delay > 0;
  joined_in_slice_ = false;
  if (initial_delay_) {
    initial_delay_left_ms_ = std::max(RebalanceTimeoutMs() - delay, 0);
    join_deadline_ms_ = time.now_ms + delay;
  } else {
    join_deadline_ms_ = time.now_ms + RebalanceTimeoutMs();
  }
  NoteDeadline(join_deadline_ms_);
  TransitionTo(GroupState::kPreparingRebalance, time);
}

// Every input that can be the last one waited for ends here.
void Group::MaybeCompleteJoin(GroupTime time, GroupOutput* out) {
  if (state_ != GroupState::kPreparingRebalance || initial_delay_) return;
  if (!pending_members_.empty()) return;
  if (joined_ == members_.size()) CompleteJoin(time, out);
}

void Group::OnJoinDeadline(GroupTime time, GroupOutput* out) {
  if (initial_delay_ && joined_in_slice_ && initial_delay_left_ms_ > 0) {
    const int64_t slice = std::min<int64_t>(
        options_->initial_rebalance_delay_ms, initial_delay_left_ms_);
    initial_delay_left_ms_ -= slice;
    joined_in_slice_ = false;
    join_deadline_ms_ = time.now_ms + slice;
    NoteDeadline(join_deadline_ms_);
    return;
  }
  CompleteJoin(time, out);
}

void Group::CompleteJoin(GroupTime time, GroupOutput* out) {
  initial_delay_ = false;
  // Static members keep their place until their session ends.
  std::vector<std::string> gone;
  for (const auto& [id, member] : members_) {
    if (!member.awaiting_join() && !member.is_static()) gone.push_back(id);
  }
  PutOut(gone, "it did not join again in time", time, out);
  if (!members_.empty() && !ElectLeaderAmongJoined()) {
    // Only static members are left and none of them is here: wait on, their
    // sessions run.
    join_deadline_ms_ = time.now_ms + RebalanceTimeoutMs();
    NoteDeadline(join_deadline_ms_);
    return;
  }
  join_deadline_ms_ = kNoDeadlineMs;
  generation_ = generation_ == std::numeric_limits<int32_t>::max()
                    ? 1
                    : generation_ + 1;
  ++rebalances_;
  if (members_.empty()) {
    protocol_name_.clear();
    leader_.clear();
    TransitionTo(GroupState::kEmpty, time);
    PendingWrite write;
    write.kind = PendingWrite::Kind::kEmpty;
    write.generation = generation_;
    Write(std::move(write), Value(nullptr), out);
    return;
  }
  protocol_name_ = SelectProtocol();
  TransitionTo(GroupState::kCompletingRebalance, time);
  for (auto& [id, member] : members_) {
    // A static member that is away keeps its place while its session lasts.
    if (!member.awaiting_join()) continue;
    out->joins.emplace_back(*member.join_call,
                            JoinedResponse(id, id == leader_));
    SetJoinCall(member, std::nullopt);
    member.is_new = false;
    member.pending_sync = true;
    StartSession(member, time);
  }
  sync_deadline_ms_ = time.now_ms + RebalanceTimeoutMs();
  NoteDeadline(sync_deadline_ms_);
}

// The leader stays while it joins; else the first that has joined takes over.
bool Group::ElectLeaderAmongJoined() {
  const GroupMember* leader = FindMember(leader_);
  if (leader != nullptr && leader->awaiting_join()) return true;
  for (const auto& [id, member] : members_) {
    if (!member.awaiting_join()) continue;
    leader_ = id;
    return true;
  }
  return false;
}

// Each member votes for the first of its protocols that all members have. The
// most votes win; among equals, what the leader likes better.
std::string Group::SelectProtocol() const {
  std::map<std::string, size_t> votes;
  for (const auto& [id, member] : members_) {
    for (const MemberProtocol& p : member.protocols) {
      const auto counted = supporters_.find(p.name);
      if (counted->second != members_.size()) continue;
      ++votes[p.name];
      break;
    }
  }
  const auto leader = members_.find(leader_);
  if (leader == members_.end()) return "";
  std::string best;
  for (const MemberProtocol& p : leader->second.protocols) {
    const auto mine = votes.find(p.name);
    if (mine == votes.end()) continue;
    if (best.empty() || mine->second > votes[best]) best = p.name;
  }
  return best;
}

}  // namespace sillok
