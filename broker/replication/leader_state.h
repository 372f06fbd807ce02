// What a leader knows of its followers, and what follows from it: the high
// watermark and the in-sync set (ISR). Pure.
#ifndef SILLOK_BROKER_REPLICATION_LEADER_STATE_H_
#define SILLOK_BROKER_REPLICATION_LEADER_STATE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "broker/replication/partition_state.h"

namespace sillok {

// Rules that a test may switch off, to see that its checkers notice. All false
// in a broker.
struct LeaderFaults {
  bool advance_under_min_isr = false;
  bool join_without_epoch_start = false;
  bool shrink_before_commit = false;
  bool joiner_does_not_count = false;
  bool ignore_broker_epoch = false;
};

struct LeaderOptions {
  // min.insync.replicas; a partition with fewer replicas needs all of them.
  int32_t min_insync_replicas = 1;
  // replica.lag.time.max.ms
  int64_t replica_lag_time_max_ms = 30'000;
  // The high watermark waits for a caught-up replica that is about to join the
  // ISR, so that it is not outrun for ever; but no longer than this after its
  // last sign of life, since it may have died.
  int64_t joiner_wait_max_ms = 1'500;
  LeaderFaults faults;
};

// What the leader knows of one follower in this leader epoch.
struct FollowerProgress {
  // It has everything below; -1 until its first fetch in this epoch.
  Offset log_end = kNoOffset;
  Offset log_start = kNoOffset;
  BrokerEpoch broker_epoch{-1};  // of its last fetch
  // The last moment at which it had all that the leader had then.
  int64_t caught_up_ms = kNever;
  // The fetch before: a follower that reaches what the leader had then was
  // caught up at that time, however fast the leader grows.
  int64_t last_fetch_ms = kNever;
  Offset leader_end_at_last_fetch = kNoOffset;
  // The controller would not have it in the ISR; do not ask again before.
  int64_t ineligible_until_ms = kNever;

  static constexpr int64_t kNever = INT64_MIN / 2;
};

// One tenure: from becoming leader in one leader epoch until the epoch ends. Not
// thread-safe. Times are monotonic ms of this broker.
//
// The rules:
// * HW = least log end among the leader (its durable end when acknowledging
//   after flush), the *maximal ISR* (the committed one and whoever a pending
//   change would add), and caught-up replicas about to join. It never goes back
//   in a tenure, and stands still while the committed ISR is smaller than
//   min.insync.replicas (KIP-966).
// * A shrink counts when it is committed; an expansion counts from the moment it
//   is asked for. One change is in flight at a time (KIP-497).
// * A follower may join when it has reached the HW and the start of this epoch
//   (KAFKA-7128): else it could lack what an earlier leader committed.
// * A member leaves when it has not been caught up for replica.lag.time.max.ms.
class LeaderState {
 public:
  // `assignment.leader` is `self`. `log_end` is where this epoch starts.
  LeaderState(BrokerId self, const PartitionAssignment& assignment,
              const LeaderOptions& options, Offset log_end, Offset durable_end,
              Offset high_watermark, int64_t now_ms);

  // ---- inputs

  // The own log grew or more of it is on the disk. Without
  // acknowledge-after-flush both are the same.
  void OnLocalEnd(Offset log_end, Offset durable_end, int64_t now_ms);

  // A follower asked for what comes after `fetch_offset` in this leader epoch,
  // so it has everything below (its log was found to match ours).
  struct ReplicaFetch {
    BrokerId replica;
    BrokerEpoch broker_epoch{-1};
    Offset fetch_offset;
    Offset replica_log_start;
    Offset leader_end_at_read;  // our log end when the fetch was answered
  };
  // False: not an assigned replica, or from before the replica's last restart;
  // nothing is changed.
  bool OnReplicaFetch(const ReplicaFetch& fetch, int64_t now_ms);

  // Every replica.lag.time.max.ms / 2: finds members that have fallen behind.
  void CheckLag(int64_t now_ms);

  // The controller's answer to the request last taken. NONE: `state` is in
  // force. REQUEST_TIMED_OUT and other unknown ends: it may or may not be; the
  // same request is due again. INELIGIBLE_REPLICA, OPERATION_NOT_ATTEMPTED: it
  // is not. FENCED_LEADER_EPOCH, INVALID_UPDATE_VERSION, NEW_LEADER_ELECTED, ...:
  // news is on its way by OnAssignment or by the end of the tenure.
  void OnAlterIsrResult(ErrorCode error, const PartitionAssignment& state,
                        int64_t now_ms);

  // News from the controller in the same leader epoch. Older or equal partition
  // epochs change nothing.
  void OnAssignment(const PartitionAssignment& assignment, int64_t now_ms);

  void SetOptions(const LeaderOptions& options, int64_t now_ms);

  // ---- outputs

  // A request that is now due to the controller; at most one is outstanding.
  std::optional<AlterIsr> TakeAlterIsr();

  Offset high_watermark() const { return high_watermark_; }
  // Everything below is deleted on the leader, whose log begins at
  // `own_start`, and on every member of the committed ISR; kNoOffset while a
  // member has not been heard of.
  Offset LowWatermark(Offset own_start) const;
  Offset epoch_start() const { return epoch_start_; }
  Offset log_end() const { return log_end_; }
  const PartitionAssignment& assignment() const { return assignment_; }
  bool EnoughInSync() const;
  // The HW is at least what any earlier leader can have let consumers read
  // (KIP-207).
  bool HighWatermarkKnown() const { return high_watermark_ >= epoch_start_; }
  // A member lacks something, or something holds the HW: CheckLag may have
  // work, so it should be called within a second or so.
  bool NeedsCheck() const;
  bool AlterIsrPending() const { return pending_.has_value(); }
  // The committed ISR and what a pending change would add.
  std::vector<BrokerId> MaximalIsr() const;
  const std::map<BrokerId, FollowerProgress>& followers() const {
    return followers_;
  }

 private:
  struct Pending {
    std::vector<BrokerId> isr;    // asked for
    // All that requests based on this partition epoch ever asked to add; they
    // count for the HW until the epoch is over, because a request that seems
    // lost may still be carried out.
    std::vector<BrokerId> added;
    bool due = true;          // to be taken by TakeAlterIsr
    // An earlier request of this epoch was not answered and may still land.
    bool uncertain = false;
    int64_t uncertain_since_ms = 0;
    int64_t asked_ms = 0;
    bool awaiting_news = false;
  };

  bool InCommittedIsr(BrokerId id) const;
  bool CountsForHighWatermark(BrokerId id, const FollowerProgress& progress,
                              int64_t now_ms) const;
  bool MayJoin(const FollowerProgress& progress, int64_t now_ms) const;
  bool IsBehind(const FollowerProgress& progress, int64_t now_ms) const;
  void MaybeExpand(BrokerId id, int64_t now_ms);
  void Ask(std::vector<BrokerId> isr, int64_t now_ms);
  void AdvanceHighWatermark(int64_t now_ms);
  void Commit(const PartitionAssignment& assignment, int64_t now_ms);
  void OnRefused(int64_t now_ms);

  const BrokerId self_;
  LeaderOptions options_;
  PartitionAssignment assignment_;  // committed
  const Offset epoch_start_;
  Offset log_end_;
  Offset durable_end_;
  Offset high_watermark_;
  // The assigned replicas but this one.
  std::map<BrokerId, FollowerProgress> followers_;
  std::optional<Pending> pending_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_REPLICATION_LEADER_STATE_H_
