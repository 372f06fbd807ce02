#include "client/internal/group_member.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sillok::client {
namespace {

std::vector<TopicPartition> Without(const std::vector<TopicPartition>& from,
                                    const std::vector<TopicPartition>& what) {
  std::vector<TopicPartition> rest;
  std::set_difference(from.begin(), from.end(), what.begin(), what.end(),
                      std::back_inserter(rest));
  return rest;
}

}  // namespace

GroupMember::GroupMember(const GroupMemberOptions& options,
                         const GroupMemberFaults& faults)
    : options_(options),
      faults_(faults),
      cooperative_(!options.assignors.empty() &&
                   std::all_of(options.assignors.begin(),
                               options.assignors.end(),
                               [](const auto& a) { return IsCooperative(a); })) {
}

// ---- the application

void GroupMember::Subscribe(std::vector<std::string> topics, int64_t now_ms) {
  OnPoll(now_ms);
  ChangeTopics(std::move(topics), now_ms);
}

void GroupMember::ChangeTopics(std::vector<std::string> topics,
                               int64_t now_ms) {
  if (state_ == kIdle || state_ == kFailed) last_poll_ms_ = now_ms;
  std::sort(topics.begin(), topics.end());
  topics.erase(std::unique(topics.begin(), topics.end()), topics.end());
  bool same = topics == topics_ && state_ != kIdle && state_ != kFailed;
  topics_ = std::move(topics);
  if (same) return;
  failure_ = absl::OkStatus();
  if (state_ == kFailed) state_ = kIdle;
  if (state_ == kReleasing || state_ == kExpelled) return;  // later
  Rejoin("the subscription changed");
}

void GroupMember::Unsubscribe() {
  if (state_ == kIdle) return;
  if (!member_id_.empty() && !IsStatic() && coordinator_known_) {
    Step leave;
    leave.kind = Step::kLeave;
    leave.leave.set_group_id(options_.group_id);
    v1::LeavingMember* self = leave.leave.add_members();
    self->set_member_id(member_id_);
    self->set_reason("the consumer unsubscribed or closed");
    leave_ = std::move(leave);
  }
  ForgetRound();
  state_ = kIdle;
  topics_.clear();
  owned_.clear();
  events_.clear();
  unconfirmed_ = 0;
  last_sticky_.reset();
  member_id_.clear();
  generation_ = -1;
  silent_ = false;
}

void GroupMember::OnPoll(int64_t now_ms) {
  last_poll_ms_ = now_ms;
  if (silent_) {
    silent_ = false;
    last_heard_ms_ = next_heartbeat_ms_ = now_ms;
  }
  if (state_ == kExpelled) Rejoin("the application polls again");
}

void GroupMember::OnReleased(int64_t now_ms) {
  OnPoll(now_ms);
  unconfirmed_ = std::max(unconfirmed_ - 1, 0);
  if (state_ != kReleasing || unconfirmed_ > 0) return;
  if (faults_.no_second_join && cooperative_ && generation_ >= 0) {
    state_ = kStable;
    return;
  }
  Rejoin(join_reason_);
}

void GroupMember::EnforceRebalance(const std::string& reason) {
  if (state_ == kStable) Rejoin(reason);
}

// ---- letting go

std::vector<TopicPartition> GroupMember::ToReleaseBeforeJoin() const {
  if (!cooperative_) return owned_;
  std::vector<TopicPartition> going;
  std::copy_if(owned_.begin(), owned_.end(), std::back_inserter(going),
               [this](const TopicPartition& id) {
                 return !std::binary_search(topics_.begin(), topics_.end(),
                                            id.topic);
               });
  return going;
}

void GroupMember::ForgetRound() {
  ++round_;
  request_out_ = heartbeat_out_ = false;
  members_.clear();
  group_topics_.clear();
  counts_.reset();
}

void GroupMember::Release(Event::Kind kind, std::vector<TopicPartition> going,
                          State then) {
  if (!going.empty()) {
    owned_ = Without(owned_, going);
    events_.push_back({kind, std::move(going)});
    ++unconfirmed_;
  }
  state_ = unconfirmed_ > 0 ? kReleasing : then;
}

void GroupMember::Rejoin(const std::string& reason) {
  ForgetRound();
  join_reason_ = reason;
  Release(Event::kRevoked, ToReleaseBeforeJoin(), kJoining);
  if (faults_.join_before_release) state_ = kJoining;
}

void GroupMember::ThrownOut(bool keep_member_id, ErrorCode code) {
  ForgetRound();
  generation_ = -1;
  if (!keep_member_id) member_id_.clear();
  join_reason_ = "the coordinator said " + ErrorName(code);
  if (faults_.keep_when_thrown_out) {
    state_ = kJoining;
    return;
  }
  if (!owned_.empty()) {
    Trouble(code, "lost " + std::to_string(owned_.size()) +
                      " partitions, since the group went on without this "
                      "consumer");
  }
  Release(Event::kLost, owned_, kJoining);
}

void GroupMember::Fail(ErrorCode code) {
  ForgetRound();
  generation_ = -1;
  member_id_.clear();
  Release(Event::kLost, owned_, kFailed);
  state_ = kFailed;
  failure_ = ErrorStatus(code, "group '" + options_.group_id + "': " +
                                   std::string(ErrorMessage(code)));
}

void GroupMember::Trouble(ErrorCode code, const std::string& what) {
  troubles_.push_back(
      ErrorStatus(code, "group '" + options_.group_id + "': " + what));
}

void GroupMember::CheckPollInterval(int64_t now_ms) {
  if (state_ != kStable && state_ != kReleasing) return;
  if (!IsMember() || silent_) return;  // gone already
  if (now_ms - last_poll_ms_ <= options_.max_poll_interval_ms) return;
  // The application is stuck: others shall have its partitions.
  std::string late = "no poll for more than max.poll.interval.ms=" +
                     std::to_string(options_.max_poll_interval_ms);
  if (IsStatic()) {
    silent_ = true;
    Trouble(ErrorCode::UNKNOWN_MEMBER_ID,
            late + ": no heartbeats until the next poll");
    return;
  }
  Trouble(ErrorCode::UNKNOWN_MEMBER_ID,
          late + ": this consumer left and joins again at its next poll; poll "
                 "more often, take fewer records at a time (max.poll.records) "
                 "or raise the interval");
  Step leave;
  leave.kind = Step::kLeave;
  leave.leave.set_group_id(options_.group_id);
  v1::LeavingMember* self = leave.leave.add_members();
  self->set_member_id(member_id_);
  self->set_reason(late);
  leave_ = std::move(leave);
  ForgetRound();
  generation_ = -1;
  member_id_.clear();
  join_reason_ = "the application polls again";
  Release(Event::kLost, owned_, kExpelled);
}

// ---- answers

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
      ThrownOut(/*keep_member_id=*/false, code);
      return true;
    case ErrorCode::ILLEGAL_GENERATION:
      ThrownOut(/*keep_member_id=*/true, code);
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
  if (response.leader() == member_id_) TakeLead(response);
}

void GroupMember::TakeLead(const v1::JoinGroupResponse& response) {
  for (const v1::JoinedMember& joined : response.members()) {
    SubscribedMember member = ReadMember(joined);
    group_topics_.insert(member.topics.begin(), member.topics.end());
    members_.push_back(std::move(member));
  }
  // A leader that came back under its instance id: the assignment stands, and
  // only its changes are to be watched for.
  if (!response.skip_assignment()) state_ = kAssigning;
}

void GroupMember::OnPartitionCounts(const std::map<std::string, int>& counts,
                                    int64_t now_ms) {
  std::map<std::string, int> mine;
  for (const std::string& topic : group_topics_) {
    auto found = counts.find(topic);
    if (found != counts.end() && found->second > 0) mine.insert(*found);
  }
  if (state_ == kStable && is_leader()) {
    if (counts_ && mine != *counts_) {
      Rejoin("the partitions of the group's topics changed");
      return;
    }
    counts_ = std::move(mine);
    return;
  }
  if (state_ != kAssigning) return;
  request_out_ = false;
  counts_ = std::move(mine);
  if (!AssignPartitions(protocol_, members_, *counts_, &to_give_)) {
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
    Rejoin("the group rebalances again");
    return;
  }
  if (code != ErrorCode::NONE) {
    if (OnCommonError(code, now_ms) && state_ != kSyncing) return;
    // The sync may or may not have been taken: join again, which is always
    // right.
    Backoff(now_ms);
    if (state_ == kSyncing) Rejoin("no answer to its sync");
    return;
  }
  auto partitions = DecodeAssignment(response.assignment());
  if (!partitions) {
    Fail(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    return;
  }
  last_heard_ms_ = now_ms;
  next_heartbeat_ms_ = now_ms + options_.heartbeat_interval_ms;
  std::sort(partitions->begin(), partitions->end());
  partitions->erase(std::unique(partitions->begin(), partitions->end()),
                    partitions->end());
  TakeAssignment(std::move(*partitions));
}

void GroupMember::TakeAssignment(std::vector<TopicPartition> assigned) {
  if (protocol_ == "sticky") last_sticky_ = {assigned, generation_};
  std::vector<TopicPartition> added = Without(assigned, owned_);
  // Eager members own nothing by now.
  join_reason_ = "partitions were revoked";
  Release(Event::kRevoked, Without(owned_, assigned), kStable);
  owned_ = std::move(assigned);
  events_.push_back({Event::kAssigned, std::move(added)});
  if (faults_.take_before_release && state_ == kReleasing) state_ = kJoining;
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
    if (state_ == kStable) Rejoin("the group rebalances");
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

std::optional<GroupMember::Event> GroupMember::TakeEvent() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

std::optional<absl::Status> GroupMember::TakeTrouble() {
  if (troubles_.empty()) return std::nullopt;
  absl::Status trouble = std::move(troubles_.front());
  troubles_.pop_front();
  return trouble;
}

}  // namespace sillok::client
