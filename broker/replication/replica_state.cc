#include "broker/replication/replica_state.h"

#include <algorithm>
#include <tuple>

namespace sillok {

ErrorCode CheckLeaderEpoch(LeaderEpoch expected, LeaderEpoch current) {
  if (expected == kNoLeaderEpoch || expected == current) return ErrorCode::NONE;
  return expected < current ? ErrorCode::FENCED_LEADER_EPOCH
                            : ErrorCode::UNKNOWN_LEADER_EPOCH;
}

std::optional<EpochEndOffset> FindDivergence(const EpochEndOffset& leader_end,
                                             LeaderEpoch last_fetched_epoch,
                                             Offset fetch_offset) {
  if (last_fetched_epoch == kNoLeaderEpoch) return std::nullopt;
  if (leader_end.epoch == last_fetched_epoch &&
      leader_end.end_offset >= fetch_offset) {
    return std::nullopt;
  }
  return leader_end;
}

ReplicaState::Change ReplicaState::Preview(
    const PartitionAssignment& next) const {
  const PartitionAssignment& known = assignment();
  const bool newer =
      std::tie(next.leader_epoch, next.partition_epoch) >
      std::tie(known.leader_epoch, known.partition_epoch);
  const bool offline = role() == ReplicaRole::kOffline;
  if (!newer) {
    // A replica whose log was away may take up its last known role again.
    const bool same = next.leader_epoch == known.leader_epoch &&
                      next.partition_epoch == known.partition_epoch;
    if (!offline || !same) return Change::kStale;
  }
  if (!offline && next.leader_epoch == known.leader_epoch &&
      next.leader == known.leader) {
    return Change::kUpdated;
  }
  return next.leader == self_ ? Change::kLeader : Change::kFollower;
}

ReplicaState::Change ReplicaState::Apply(const PartitionAssignment& next,
                                         const LeaderOptions& options,
                                         Offset log_end, Offset durable_end,
                                         int64_t now_ms) {
  const Change change = Preview(next);
  switch (change) {
    case Change::kStale:
      break;
    case Change::kUpdated:
      if (LeaderState* state = leader()) state->OnAssignment(next, now_ms);
      assignment_ = next;
      break;
    case Change::kLeader: {
      const Offset hw = high_watermark();
      assignment_ = next;
      role_.emplace<LeaderState>(self_, next, options, log_end, durable_end,
                                 std::min(hw, log_end), now_ms);
      break;
    }
    case Change::kFollower:
      high_watermark_ = high_watermark();
      assignment_ = next;
      role_.emplace<FollowerState>(next.leader, next.leader_epoch);
      break;
  }
  return change;
}

void ReplicaState::GoOffline() {
  high_watermark_ = high_watermark();
  assignment_ = assignment();
  role_.emplace<Offline>();
}

ReplicaRole ReplicaState::role() const {
  if (leader() != nullptr) return ReplicaRole::kLeader;
  if (follower() != nullptr) return ReplicaRole::kFollower;
  return ReplicaRole::kOffline;
}

const PartitionAssignment& ReplicaState::assignment() const {
  return leader() != nullptr ? leader()->assignment() : assignment_;
}

Offset ReplicaState::high_watermark() const {
  return leader() != nullptr ? leader()->high_watermark() : high_watermark_;
}

void ReplicaState::SetFollowerHighWatermark(Offset high_watermark) {
  high_watermark_ = high_watermark;
}

}  // namespace sillok
