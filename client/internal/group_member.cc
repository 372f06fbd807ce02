#include "client/internal/group_member.h"

#include <algorithm>
#include <utility>

#include "client/internal/consumer_protocol.h"

namespace sillok::client {

GroupMember::GroupMember(const GroupMemberOptions& options)
    : options_(options) {}

void GroupMember::Subscribe(std::vector<std::string> topics, int64_t now_ms) {
  std::sort(topics.begin(), topics.end());
  topics.erase(std::unique(topics.begin(), topics.end()), topics.end());
  bool same = topics == topics_ && state_ != kIdle && state_ != kFailed;
  topics_ = std::move(topics);
  last_poll_ms_ = now_ms;
  if (same) return;
  failure_ = absl::OkStatus();
  if (state_ == kFailed) state_ = kIdle;
  if (state_ != kReleasing) Rejoin();
}

void GroupMember::Unsubscribe() {
  if (state_ == kIdle) return;
  if (!member_id_.empty() && options_.instance_id.empty() &&
      coordinator_known_) {
    Step leave;
    leave.kind = Step::kLeave;
    leave.leave.set_group_id(options_.group_id);
    leave.leave.add_members()->set_member_id(member_id_);
    leave_ = std::move(leave);
  }
  ++round_;
  state_ = kIdle;
  topics_.clear();
  owned_.clear();
  events_.clear();
  members_.clear();
  group_topics_.clear();
  request_out_ = heartbeat_out_ = false;
  member_id_.clear();
  generation_ = -1;
}

void GroupMember::OnPoll(int64_t now_ms) {
  last_poll_ms_ = now_ms;
  if (state_ == kExpelled) state_ = kJoining;
}

void GroupMember::Release(Event::Kind kind) {
  ++round_;
  request_out_ = heartbeat_out_ = false;
  members_.clear();
  group_topics_.clear();
  if (owned_.empty()) {
    state_ = kJoining;
    return;
  }
  // An assignment the application has not seen yet is taken back unseen.
  if (!events_.empty() && events_.back().kind == Event::kAssigned) {
    events_.pop_back();
    owned_.clear();
    state_ = kJoining;
    return;
  }
  state_ = kReleasing;
  events_.push_back({kind, std::exchange(owned_, {})});
}

void GroupMember::Rejoin() { Release(Event::kRevoked); }

void GroupMember::ThrownOut(bool keep_member_id) {
  generation_ = -1;
  if (!keep_member_id) member_id_.clear();
  if (state_ != kReleasing) Release(Event::kLost);
}

void GroupMember::OnReleased(int64_t now_ms) {
  last_poll_ms_ = now_ms;
  if (state_ == kReleasing) state_ = kJoining;
}

void GroupMember::Fail(ErrorCode code) {
  failure_ = ErrorStatus(code, "group '" + options_.group_id + "': " +
                                   std::string(ErrorMessage(code)));
  if (!owned_.empty()) events_.push_back({Event::kLost, owned_});
  owned_.clear();
  generation_ = -1;
  member_id_.clear();
  state_ = kFailed;
  ++round_;
}

void GroupMember::OnCoordinator(ErrorCode code, int64_t now_ms) {
  finding_ = false;
  coordinator_known_ = code == ErrorCode::NONE;
  if (code == ErrorCode::NONE) {
    last_heard_ms_ = now_ms;
    return;
  }
  if (code == ErrorCode::GROUP_AUTHORIZATION_FAILED ||
      code == ErrorCode::INVALID_GROUP_ID) {
    if (state_ != kIdle) Fail(code);
    return;
  }
  Backoff(now_ms);
}

bool GroupMember::OnCommonError(ErrorCode code, int64_t now_ms) {
  switch (code) {
    case ErrorCode::NOT_COORDINATOR:
    case ErrorCode::COORDINATOR_NOT_AVAILABLE:
    case ErrorCode::NETWORK_EXCEPTION:
    case ErrorCode::BROKER_NOT_AVAILABLE:
    case ErrorCode::REQUEST_TIMED_OUT:
      coordinator_known_ = false;
      Backoff(now_ms);
      return true;
    case ErrorCode::COORDINATOR_LOAD_IN_PROGRESS:
      Backoff(now_ms);
      return true;
    case ErrorCode::UNKNOWN_MEMBER_ID:
      ThrownOut(/*keep_member_id=*/false);
      return true;
    case ErrorCode::ILLEGAL_GENERATION:
      ThrownOut(/*keep_member_id=*/true);
      return true;
    case ErrorCode::FENCED_INSTANCE_ID:
    case ErrorCode::INCONSISTENT_GROUP_PROTOCOL:
    case ErrorCode::INVALID_SESSION_TIMEOUT:
    case ErrorCode::INVALID_GROUP_ID:
    case ErrorCode::GROUP_AUTHORIZATION_FAILED:
    case ErrorCode::GROUP_MAX_SIZE_REACHED:
    case ErrorCode::UNSUPPORTED_VERSION:
      Fail(code);
      return true;
    default:
      return false;
  }
}

void GroupMember::OnJoin(uint64_t round, ErrorCode code,
                         const v1::JoinGroupResponse& response,
                         int64_t now_ms) {
  if (round != round_ || state_ != kJoining) return;
  request_out_ = false;
  if (code == ErrorCode::MEMBER_ID_REQUIRED) {
    member_id_ = response.member_id();
    return;
  }
  if (code != ErrorCode::NONE) {
    if (!OnCommonError(code, now_ms)) Backoff(now_ms);
    return;
  }
  ++rebalances_;
  member_id_ = response.member_id();
  generation_ = response.generation_id();
  protocol_ = response.protocol_name();
  last_heard_ms_ = now_ms;
  next_heartbeat_ms_ = now_ms + options_.heartbeat_interval_ms;
  to_give_.clear();
  state_ = kSyncing;
  if (response.leader() != member_id_ || response.skip_assignment()) return;
  for (const v1::JoinedMember& joined : response.members()) {
    SubscribedMember member{joined.member_id(), joined.group_instance_id(), {}};
    if (auto topics = DecodeSubscription(joined.metadata())) {
      member.topics = std::move(*topics);
    }
    group_topics_.insert(member.topics.begin(), member.topics.end());
    members_.push_back(std::move(member));
  }
  state_ = kAssigning;
}

void GroupMember::OnPartitionCounts(const std::map<std::string, int>& counts,
                                    int64_t now_ms) {
  std::map<std::string, int> mine;
  for (const std::string& topic : group_topics_) {
    auto found = counts.find(topic);
    if (found != counts.end() && found->second > 0) mine.insert(*found);
  }
  if (state_ == kStable && is_leader() && mine != counts_) {
    Rejoin();
    return;
  }
  if (state_ != kAssigning) return;
  request_out_ = false;
  counts_ = std::move(mine);
  if (!AssignPartitions(protocol_, members_, counts_, &to_give_)) {
    Fail(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    return;
  }
  state_ = kSyncing;
}

void GroupMember::OnSync(uint64_t round, ErrorCode code,
                         const v1::SyncGroupResponse& response,
                         int64_t now_ms) {
  if (round != round_ || state_ != kSyncing) return;
  request_out_ = false;
  if (code == ErrorCode::REBALANCE_IN_PROGRESS) {
    Rejoin();
    return;
  }
  if (code != ErrorCode::NONE) {
    if (OnCommonError(code, now_ms) && state_ != kSyncing) return;
    // The sync may or may not have been taken: join again, which is always
    // right.
    Backoff(now_ms);
    if (state_ == kSyncing) Rejoin();
    return;
  }
  auto partitions = DecodeAssignment(response.assignment());
  if (!partitions) {
    Fail(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    return;
  }
  owned_ = std::move(*partitions);
  events_.push_back({Event::kAssigned, owned_});
  state_ = kStable;
  last_heard_ms_ = now_ms;
  next_heartbeat_ms_ = now_ms + options_.heartbeat_interval_ms;
}

void GroupMember::OnHeartbeat(uint64_t round, ErrorCode code, int64_t now_ms) {
  if (round != round_) return;
  heartbeat_out_ = false;
  if (code == ErrorCode::NONE) {
    last_heard_ms_ = now_ms;
    return;
  }
  if (code == ErrorCode::REBALANCE_IN_PROGRESS) {
    last_heard_ms_ = now_ms;
    if (state_ == kStable) Rejoin();
    return;
  }
  (void)OnCommonError(code, now_ms);
}

void GroupMember::OnCommit(ErrorCode code, int64_t now_ms) {
  if (!IsMember()) return;
  if (code == ErrorCode::REBALANCE_IN_PROGRESS) {
    if (state_ == kStable) next_heartbeat_ms_ = now_ms;
    return;
  }
  if (code != ErrorCode::NONE) (void)OnCommonError(code, now_ms);
}

void GroupMember::CheckPollInterval(int64_t now_ms) {
  if (state_ != kStable && state_ != kReleasing) return;
  if (!IsMember()) return;  // gone already
  if (now_ms - last_poll_ms_ <= options_.max_poll_interval_ms) return;
  // The application is stuck: others shall have its partitions.
  Step leave;
  leave.kind = Step::kLeave;
  leave.leave.set_group_id(options_.group_id);
  v1::LeavingMember* self = leave.leave.add_members();
  self->set_member_id(member_id_);
  self->set_group_instance_id(options_.instance_id);
  leave_ = std::move(leave);
  ++round_;
  request_out_ = heartbeat_out_ = false;
  generation_ = -1;
  member_id_.clear();
  members_.clear();
  group_topics_.clear();
  if (state_ == kReleasing) return;  // joins when released
  if (!owned_.empty()) {
    events_.push_back({Event::kLost, std::exchange(owned_, {})});
    state_ = kReleasing;
  } else {
    state_ = kExpelled;
  }
}

std::optional<GroupMember::Step> GroupMember::Next(int64_t now_ms) {
  CheckPollInterval(now_ms);
  if (leave_) {
    std::optional<Step> step = std::move(leave_);
    leave_.reset();
    return step;
  }
  if (state_ == kIdle || state_ == kFailed || state_ == kExpelled) {
    return std::nullopt;
  }
  // A coordinator that is silent for a whole session may be gone.
  if (coordinator_known_ && IsMember() &&
      now_ms - last_heard_ms_ > options_.session_timeout_ms) {
    coordinator_known_ = false;
  }
  if (!coordinator_known_) {
    if (finding_ || now_ms < not_before_ms_) return std::nullopt;
    finding_ = true;
    return Step{Step::kFindCoordinator, round_};
  }
  if (IsMember() && !heartbeat_out_ && now_ms >= next_heartbeat_ms_) {
    heartbeat_out_ = true;
    next_heartbeat_ms_ = now_ms + options_.heartbeat_interval_ms;
    Step step{Step::kHeartbeat, round_};
    step.heartbeat.set_group_id(options_.group_id);
    step.heartbeat.set_generation_id(generation_);
    step.heartbeat.set_member_id(member_id_);
    step.heartbeat.set_group_instance_id(options_.instance_id);
    return step;
  }
  if (request_out_ || now_ms < not_before_ms_) return std::nullopt;
  if (state_ == kJoining) {
    request_out_ = true;
    return MakeJoin();
  }
  if (state_ == kAssigning) {
    request_out_ = true;
    Step step{Step::kPartitionCounts, round_};
    step.topics = group_topics_;
    return step;
  }
  if (state_ == kSyncing) {
    request_out_ = true;
    return MakeSync();
  }
  return std::nullopt;
}

GroupMember::Step GroupMember::MakeJoin() const {
  Step step{Step::kJoin, round_};
  step.join.set_group_id(options_.group_id);
  step.join.set_session_timeout_ms(
      static_cast<int32_t>(options_.session_timeout_ms));
  step.join.set_rebalance_timeout_ms(
      static_cast<int32_t>(options_.max_poll_interval_ms));
  step.join.set_member_id(member_id_);
  step.join.set_group_instance_id(options_.instance_id);
  step.join.set_protocol_type("consumer");
  step.join.set_client_id(options_.client_id);
  for (const std::string& assignor : options_.assignors) {
    v1::GroupProtocol* protocol = step.join.add_protocols();
    protocol->set_name(assignor);
    protocol->set_metadata(EncodeSubscription(topics_));
  }
  return step;
}

GroupMember::Step GroupMember::MakeSync() const {
  Step step{Step::kSync, round_};
  step.sync.set_group_id(options_.group_id);
  step.sync.set_generation_id(generation_);
  step.sync.set_member_id(member_id_);
  step.sync.set_group_instance_id(options_.instance_id);
  step.sync.set_protocol_type("consumer");
  step.sync.set_protocol_name(protocol_);
  for (const auto& [member, partitions] : to_give_) {
    v1::MemberAssignment* assignment = step.sync.add_assignments();
    assignment->set_member_id(member);
    assignment->set_assignment(EncodeAssignment(partitions));
  }
  return step;
}

std::optional<GroupMember::Event> GroupMember::TakeEvent() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

int64_t GroupMember::NextMs() const {
  if (state_ == kIdle || state_ == kFailed || state_ == kExpelled) {
    return INT64_MAX;
  }
  int64_t next_ms = INT64_MAX;
  if (!coordinator_known_) {
    if (!finding_) next_ms = not_before_ms_;
  } else if (!request_out_ && state_ != kStable && state_ != kReleasing) {
    next_ms = not_before_ms_;
  }
  if (coordinator_known_ && IsMember()) {
    next_ms = std::min(next_ms, heartbeat_out_
                                    ? last_heard_ms_ +
                                          options_.session_timeout_ms + 1
                                    : next_heartbeat_ms_);
  }
  if (IsMember() && (state_ == kStable || state_ == kReleasing)) {
    next_ms = std::min(next_ms,
                       last_poll_ms_ + options_.max_poll_interval_ms + 1);
  }
  return next_ms;
}

}  // namespace sillok::client
