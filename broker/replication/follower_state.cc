#include "broker/replication/follower_state.h"

#include <algorithm>

namespace sillok {

using Action = FollowerStep::Action;

FollowerStep FollowerState::Decide(
    const FetchAnswer& answer, const LogPosition& log,
    const OwnEndForEpoch& own_end_for_epoch) const {
  if (answer.asked_epoch != leader_epoch_) return {Action::kIgnore, {}};
  if (answer.asked_offset != log.end ||
      answer.asked_last_epoch != log.last_epoch) {
    return {Action::kIgnore, {}};
  }
  switch (answer.error) {
    case ErrorCode::NONE:
      if (answer.diverging.has_value()) {
        FollowerStep step = Truncate(*answer.diverging, log,
                                     own_end_for_epoch);
        // Nothing that the leader still has would stay; what is below its
        // start cannot be compared any more.
        if (step.action == Action::kTruncate &&
            step.offset <= answer.leader_log_start) {
          step = {Action::kRestartAt, answer.leader_log_start};
        }
        return step;
      }
      // The same with all that we have: it may be of another history, which
      // must not come to light again if this replica leads one day.
      if (answer.leader_log_start >= log.end && log.start < log.end) {
        return {Action::kRestartAt, answer.leader_log_start};
      }
      return {Action::kAppend, {}};
    case ErrorCode::OFFSET_OUT_OF_RANGE:
      // Below the leader's start: what we have is older than anything it
      // keeps. (Above its end, its answer would name the diverging epoch,
      // except that an empty log has none; then there is nothing to lose.)
      if (answer.leader_log_start > log.end ||
          (answer.leader_log_start != kNoOffset && log.start == log.end &&
           answer.leader_log_start != log.end)) {
        return {Action::kRestartAt, answer.leader_log_start};
      }
      return {Action::kWait, {}};
    case ErrorCode::FENCED_LEADER_EPOCH:
      return {Action::kStop, {}};
    default:
      // UNKNOWN_LEADER_EPOCH and NOT_LEADER_OR_FOLLOWER (the leader has not
      // heard of its role yet), storage and transport trouble.
      return {Action::kWait, {}};
  }
}

FollowerStep FollowerState::Truncate(
    const EpochEndOffset& leader_end, const LogPosition& log,
    const OwnEndForEpoch& own_end_for_epoch) const {
  if (leader_end.end_offset == kNoOffset) return {Action::kWait, {}};
  Offset target = std::min(leader_end.end_offset, log.end);
  if (leader_end.epoch != kNoLeaderEpoch) {
    const EpochEndOffset own = own_end_for_epoch(leader_end.epoch);
    if (own.end_offset != kNoOffset) {
      // We have this epoch: the shorter of both ends. We lack it: whatever we
      // have after the largest epoch below it is not the leader's.
      target = own.epoch == leader_end.epoch
                   ? std::min(target, own.end_offset)
                   : std::min(own.end_offset, log.end);
    }
  }
  // A leader that names a divergence which is none would have us ask the same
  // for ever.
  if (target >= log.end) return {Action::kWait, {}};
  return {Action::kTruncate, target};
}

Offset FollowerState::HighWatermarkAfter(Offset high_watermark,
                                         Offset leader_hw, Offset log_end) {
  return std::max(std::min(high_watermark, log_end),
                  std::min(leader_hw, log_end));
}

}  // namespace sillok
