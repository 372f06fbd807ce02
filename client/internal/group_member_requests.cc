// The requests of a group member: which is due, and what it says.
#include <algorithm>
#include <utility>

#include "client/internal/group_member.h"

namespace sillok::client {

bool GroupMember::MayBeat(int64_t now_ms) const {
  return IsMember() && !silent_ && !heartbeat_out_ &&
         now_ms >= next_heartbeat_ms_;
}

std::optional<GroupMember::Step> GroupMember::Next(int64_t now_ms) {
  CheckPollInterval(now_ms);
  if (leave_) return std::exchange(leave_, std::nullopt);
  if (state_ == kIdle || state_ == kFailed || state_ == kExpelled) {
    return std::nullopt;
  }
  // A coordinator that is silent for a whole session may be gone.
  if (coordinator_known_ && IsMember() && !silent_ &&
      now_ms - last_heard_ms_ > options_.session_timeout_ms) {
    coordinator_known_ = false;
  }
  if (!coordinator_known_) {
    if (finding_ || now_ms < not_before_ms_) return std::nullopt;
    finding_ = true;
    return Step{Step::kFindCoordinator, round_};
  }
  if (MayBeat(now_ms)) return MakeHeartbeat(now_ms);
  if (request_out_ || now_ms < not_before_ms_) return std::nullopt;
  switch (state_) {
    case kJoining:
      request_out_ = true;
      return MakeJoin();
    case kAssigning: {
      request_out_ = true;
      Step step{Step::kPartitionCounts, round_};
      step.topics = group_topics_;
      return step;
    }
    case kSyncing:
      request_out_ = true;
      return MakeSync();
    default:
      return std::nullopt;
  }
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
  if (!IsMember() || silent_) return next_ms;
  if (coordinator_known_) {
    next_ms = std::min(next_ms, heartbeat_out_
                                    ? last_heard_ms_ +
                                          options_.session_timeout_ms + 1
                                    : next_heartbeat_ms_);
  }
  if (state_ == kStable || state_ == kReleasing) {
    next_ms = std::min(next_ms,
                       last_poll_ms_ + options_.max_poll_interval_ms + 1);
  }
  return next_ms;
}

GroupMember::Step GroupMember::MakeHeartbeat(int64_t now_ms) {
  heartbeat_out_ = true;
  next_heartbeat_ms_ = now_ms + options_.heartbeat_interval_ms;
  Step step{Step::kHeartbeat, round_};
  step.heartbeat.set_group_id(options_.group_id);
  step.heartbeat.set_generation_id(generation_);
  step.heartbeat.set_member_id(member_id_);
  step.heartbeat.set_group_instance_id(options_.instance_id);
  return step;
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
  step.join.set_reason(join_reason_);
  for (const std::string& assignor : options_.assignors) {
    v1::GroupProtocol* protocol = step.join.add_protocols();
    protocol->set_name(assignor);
    protocol->set_metadata(MakeMetadata(assignor));
  }
  return step;
}

std::string GroupMember::MakeMetadata(const std::string& assignor) const {
  ConsumerSubscription subscription;
  subscription.topics = topics_;
  subscription.generation = generation_;
  if (cooperative_ && !faults_.claim_nothing) subscription.owned = owned_;
  if (!options_.rack.empty()) subscription.rack = options_.rack;
  if (assignor == "sticky" && last_sticky_) {
    subscription.user_data = EncodeStickyUserData(*last_sticky_);
  } else if (IsCooperative(assignor)) {
    subscription.user_data = EncodeGeneration(generation_);
  }
  return EncodeSubscription(subscription);
}

SubscribedMember GroupMember::ReadMember(const v1::JoinedMember& joined) const {
  SubscribedMember member;
  member.member_id = joined.member_id();
  member.instance_id = joined.group_instance_id();
  auto subscription = DecodeSubscription(joined.metadata());
  if (!subscription) return member;  // it gets nothing
  member.topics = std::move(subscription->topics);
  if (protocol_ == "sticky") {
    // Its members are eager: what they had is in the assignor's own data.
    auto last = subscription->user_data
                    ? DecodeStickyUserData(*subscription->user_data)
                    : std::nullopt;
    if (last) {
      member.owned = std::move(last->assignment);
      member.generation = last->generation;
    }
  } else {
    member.owned = std::move(subscription->owned);
    member.generation = subscription->generation;
  }
  return member;
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

}  // namespace sillok::client
