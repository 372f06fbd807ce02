#include "broker/replication/leader_state.h"

#include <algorithm>
#include <utility>

namespace sillok {
namespace {

bool Contains(const std::vector<BrokerId>& ids, BrokerId id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

LeaderState::LeaderState(BrokerId self, const PartitionAssignment& assignment,
                         const LeaderOptions& options, Offset log_end,
                         Offset durable_end, Offset high_watermark,
                         int64_t now_ms)
    : self_(self),
      options_(options),
      epoch_start_(log_end),
      log_end_(log_end),
      durable_end_(durable_end),
      high_watermark_(high_watermark) {
  Commit(assignment, now_ms);
}

void LeaderState::OnLocalEnd(Offset log_end, Offset durable_end,
                             int64_t now_ms) {
  log_end_ = std::max(log_end_, log_end);
  durable_end_ = std::max(durable_end_, durable_end);
  AdvanceHighWatermark(now_ms);
}

bool LeaderState::OnReplicaFetch(const ReplicaFetch& fetch, int64_t now_ms) {
  const auto found = followers_.find(fetch.replica);
  if (found == followers_.end()) return false;
  FollowerProgress& progress = found->second;
  // A fetch that was under way when the replica restarted must not stand for
  // the log it has now (KIP-903).
  if (fetch.broker_epoch < progress.broker_epoch &&
      !options_.faults.ignore_broker_epoch) {
    return false;
  }
  if (fetch.broker_epoch > progress.broker_epoch &&
      progress.broker_epoch != BrokerEpoch(-1)) {
    progress.last_fetch_ms = FollowerProgress::kNever;
    progress.leader_end_at_last_fetch = kNoOffset;
    progress.ineligible_until_ms = FollowerProgress::kNever;
  }
  progress.broker_epoch = fetch.broker_epoch;
  progress.log_end = fetch.fetch_offset;
  progress.log_start = fetch.replica_log_start;
  if (fetch.fetch_offset >= fetch.leader_end_at_read) {
    progress.caught_up_ms = std::max(progress.caught_up_ms, now_ms);
  } else if (progress.leader_end_at_last_fetch != kNoOffset &&
             fetch.fetch_offset >= progress.leader_end_at_last_fetch) {
    progress.caught_up_ms =
        std::max(progress.caught_up_ms, progress.last_fetch_ms);
  }
  progress.last_fetch_ms = now_ms;
  progress.leader_end_at_last_fetch = fetch.leader_end_at_read;
  // Ask before the HW moves: from here on the joiner counts.
  MaybeExpand(fetch.replica, now_ms);
  AdvanceHighWatermark(now_ms);
  return true;
}

Offset LeaderState::LowWatermark(Offset own_start) const {
  Offset low = own_start;
  for (BrokerId id : assignment_.isr) {
    const auto found = followers_.find(id);
    if (found != followers_.end()) low = std::min(low, found->second.log_start);
  }
  return low;
}

void LeaderState::CheckLag(int64_t now_ms) {
  if (pending_.has_value()) {
    // The controller's news should have come long ago; ask once more.
    if (pending_->awaiting_news &&
        now_ms - pending_->asked_ms > options_.replica_lag_time_max_ms) {
      pending_->awaiting_news = false;
      pending_->due = true;
      pending_->asked_ms = now_ms;
    }
    // A joiner that died may have been holding the HW.
    AdvanceHighWatermark(now_ms);
    return;
  }
  std::vector<BrokerId> staying;
  for (BrokerId id : assignment_.isr) {
    const auto found = followers_.find(id);
    if (found != followers_.end() && IsBehind(found->second, now_ms)) continue;
    staying.push_back(id);
  }
  if (staying.size() < assignment_.isr.size()) Ask(std::move(staying), now_ms);
  AdvanceHighWatermark(now_ms);
}

void LeaderState::OnAlterIsrResult(ErrorCode error,
                                   const PartitionAssignment& state,
                                   int64_t now_ms) {
  if (!pending_.has_value() || pending_->due) return;  // answered by news
  switch (error) {
    case ErrorCode::NONE:
      OnAssignment(state, now_ms);
      if (pending_.has_value() && !pending_->due &&
          state.leader_epoch == assignment_.leader_epoch &&
          state.partition_epoch == assignment_.partition_epoch) {
        // Nothing was changed. If what stands is what we asked for, and no
        // earlier request can still be on its way, that was that.
        const bool settled =
            pending_->isr == assignment_.isr &&
            (!pending_->uncertain ||
             now_ms - pending_->uncertain_since_ms >
                 options_.replica_lag_time_max_ms);
        if (settled) {
          pending_.reset();
        } else {
          pending_->awaiting_news = true;
          pending_->asked_ms = now_ms;
        }
      }
      return;
    case ErrorCode::INELIGIBLE_REPLICA:
    case ErrorCode::OPERATION_NOT_ATTEMPTED:
      OnRefused(now_ms);
      return;
    case ErrorCode::FENCED_LEADER_EPOCH:
    case ErrorCode::INVALID_UPDATE_VERSION:
    case ErrorCode::NEW_LEADER_ELECTED:
    case ErrorCode::UNKNOWN_TOPIC_ID:
    case ErrorCode::UNKNOWN_TOPIC_OR_PARTITION:
    case ErrorCode::INVALID_REQUEST:
      pending_->awaiting_news = true;
      pending_->asked_ms = now_ms;
      return;
    default:
      pending_->uncertain = true;
      pending_->uncertain_since_ms = now_ms;
      pending_->due = true;
      return;
  }
}

void LeaderState::OnAssignment(const PartitionAssignment& assignment,
                               int64_t now_ms) {
  if (assignment.leader_epoch != assignment_.leader_epoch) return;
  if (assignment.partition_epoch <= assignment_.partition_epoch) return;
  // Whatever was asked for on the old partition epoch can no longer happen.
  pending_.reset();
  Commit(assignment, now_ms);
}

void LeaderState::SetOptions(const LeaderOptions& options, int64_t now_ms) {
  options_ = options;
  AdvanceHighWatermark(now_ms);
}

std::optional<AlterIsr> LeaderState::TakeAlterIsr() {
  if (!pending_.has_value() || !pending_->due) return std::nullopt;
  pending_->due = false;
  AlterIsr wanted;
  wanted.leader_epoch = assignment_.leader_epoch;
  wanted.partition_epoch = assignment_.partition_epoch;
  for (BrokerId id : pending_->isr) {
    const auto found = followers_.find(id);
    wanted.isr.push_back({id, found == followers_.end()
                                  ? BrokerEpoch(-1)
                                  : found->second.broker_epoch});
  }
  return wanted;
}

bool LeaderState::EnoughInSync() const {
  const auto needed =
      std::min<size_t>(std::max(options_.min_insync_replicas, 1),
                       std::max<size_t>(assignment_.replicas.size(), 1));
  return assignment_.isr.size() >= needed;
}

bool LeaderState::NeedsCheck() const {
  if (pending_.has_value() || high_watermark_ < durable_end_) return true;
  for (const auto& [id, progress] : followers_) {
    if (progress.log_end < log_end_ && InCommittedIsr(id)) return true;
  }
  return false;
}

std::vector<BrokerId> LeaderState::MaximalIsr() const {
  std::vector<BrokerId> isr = assignment_.isr;
  if (pending_.has_value()) {
    isr.insert(isr.end(), pending_->added.begin(), pending_->added.end());
  }
  return isr;
}

bool LeaderState::InCommittedIsr(BrokerId id) const {
  return Contains(assignment_.isr, id);
}

bool LeaderState::CountsForHighWatermark(BrokerId id,
                                         const FollowerProgress& progress,
                                         int64_t now_ms) const {
  if (InCommittedIsr(id)) {
    return !options_.faults.shrink_before_commit || !pending_.has_value() ||
           Contains(pending_->isr, id);
  }
  if (options_.faults.joiner_does_not_count) return false;
  if (pending_.has_value() && Contains(pending_->added, id)) return true;
  const int64_t patience =
      std::min(options_.joiner_wait_max_ms, options_.replica_lag_time_max_ms);
  return now_ms >= progress.ineligible_until_ms &&
         now_ms - progress.caught_up_ms <= patience &&
         now_ms - progress.last_fetch_ms <= patience;
}

bool LeaderState::MayJoin(const FollowerProgress& progress,
                          int64_t now_ms) const {
  return progress.log_end >= high_watermark_ &&
         (progress.log_end >= epoch_start_ ||
          options_.faults.join_without_epoch_start) &&
         now_ms >= progress.ineligible_until_ms;
}

bool LeaderState::IsBehind(const FollowerProgress& progress,
                           int64_t now_ms) const {
  return progress.log_end != log_end_ &&
         now_ms - progress.caught_up_ms > options_.replica_lag_time_max_ms;
}

void LeaderState::MaybeExpand(BrokerId id, int64_t now_ms) {
  if (pending_.has_value() || InCommittedIsr(id)) return;
  if (!MayJoin(followers_.at(id), now_ms)) return;
  std::vector<BrokerId> isr = assignment_.isr;
  isr.push_back(id);
  Ask(std::move(isr), now_ms);
}

void LeaderState::Ask(std::vector<BrokerId> isr, int64_t now_ms) {
  Pending pending;
  for (BrokerId id : isr) {
    if (!InCommittedIsr(id)) pending.added.push_back(id);
  }
  pending.isr = std::move(isr);
  pending.asked_ms = now_ms;
  pending_ = std::move(pending);
}

void LeaderState::AdvanceHighWatermark(int64_t now_ms) {
  if (!EnoughInSync() && !options_.faults.advance_under_min_isr) return;
  Offset least = durable_end_;
  for (const auto& [id, progress] : followers_) {
    if (progress.log_end < least &&
        CountsForHighWatermark(id, progress, now_ms)) {
      least = progress.log_end;
    }
  }
  high_watermark_ = std::max(high_watermark_, least);
}

void LeaderState::Commit(const PartitionAssignment& assignment,
                         int64_t now_ms) {
  const std::vector<BrokerId> old_isr = std::move(assignment_.isr);
  assignment_ = assignment;
  std::map<BrokerId, FollowerProgress> followers;
  for (BrokerId id : assignment_.replicas) {
    if (id == self_) continue;
    FollowerProgress progress;
    if (const auto found = followers_.find(id); found != followers_.end()) {
      progress = found->second;
    }
    const bool member = InCommittedIsr(id);
    const bool was_member = Contains(old_isr, id);
    // A member that the tenure begins with has its full time to show up. One
    // that was put out has to catch up before anything waits for it.
    if (member && !was_member) {
      progress.caught_up_ms = std::max(progress.caught_up_ms, now_ms);
    } else if (!member && was_member) {
      progress.caught_up_ms = FollowerProgress::kNever;
      progress.leader_end_at_last_fetch = kNoOffset;
    }
    followers.emplace(id, progress);
  }
  followers_ = std::move(followers);
  AdvanceHighWatermark(now_ms);
}

void LeaderState::OnRefused(int64_t now_ms) {
  for (BrokerId id : pending_->added) {
    const auto found = followers_.find(id);
    if (found == followers_.end()) continue;
    found->second.ineligible_until_ms = now_ms + options_.joiner_wait_max_ms;
  }
  if (!pending_->uncertain || pending_->added.empty()) {
    pending_.reset();
    AdvanceHighWatermark(now_ms);
    return;
  }
  // An earlier copy of the request may still be carried out, so the joiner has
  // to count. Ask for the ISR as it is until either news has come or the
  // copies have had time enough to be carried out or lost.
  pending_->isr = assignment_.isr;
  pending_->due = true;
}

}  // namespace sillok
