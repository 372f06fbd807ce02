// The role of one replica, and how the controller's news changes it. Pure.
#ifndef SILLOK_BROKER_REPLICATION_REPLICA_STATE_H_
#define SILLOK_BROKER_REPLICATION_REPLICA_STATE_H_

#include <cstdint>
#include <optional>
#include <variant>

#include "base/error.h"
#include "base/ids.h"
#include "broker/log/leader_epochs.h"
#include "broker/replication/follower_state.h"
#include "broker/replication/leader_state.h"
#include "broker/replication/partition_state.h"

namespace sillok {

enum class ReplicaRole {
  kOffline,   // no state from the controller yet, or its log failed
  kFollower,  // also while the partition has no leader
  kLeader,
};

// Answers for a question that names a leader epoch (KIP-320), -1 = any.
ErrorCode CheckLeaderEpoch(LeaderEpoch expected, LeaderEpoch current);

// What a leader says to a follower that ends at `fetch_offset` with a last
// record of `last_fetched_epoch`: where its log stops agreeing with the
// leader's, or nothing when it does agree (KIP-595). `leader_end` is
// LeaderEpochs::EndOffsetFor(last_fetched_epoch) of the leader's log.
std::optional<EpochEndOffset> FindDivergence(const EpochEndOffset& leader_end,
                                             LeaderEpoch last_fetched_epoch,
                                             Offset fetch_offset);

// Roles are objects that hold only what the role needs:
//
//   offline -> follower | leader        the first news, from the controller
//   follower <-> leader                 a higher leader epoch
//   leader -> leader (new tenure)       a higher leader epoch, elected again
//   leader, follower: same leader epoch, higher partition epoch: ISR and
//                                       replicas are taken over, no new tenure
//   any -> offline                      the log failed, or the replica stops
//
// News that is not newer (leader epoch, then partition epoch) changes nothing.
// Not thread-safe.
class ReplicaState {
 public:
  ReplicaState(BrokerId self, Offset high_watermark)
      : self_(self), high_watermark_(high_watermark) {}

  enum class Change {
    kStale,      // older than, or the same as, what is known
    kUpdated,    // same tenure, other ISR or replicas
    kLeader,     // a tenure as leader begins
    kFollower,   // a tenure as follower begins
  };
  // What Apply would do, without doing it: a tenure as leader needs its epoch
  // in the log first.
  Change Preview(const PartitionAssignment& assignment) const;
  // `log_end`, `durable_end`: of the own log now; a leader's epoch starts there.
  Change Apply(const PartitionAssignment& assignment,
               const LeaderOptions& options, Offset log_end,
               Offset durable_end, int64_t now_ms);
  void GoOffline();

  ReplicaRole role() const;
  LeaderEpoch leader_epoch() const { return assignment_.leader_epoch; }
  // As known last; for leaders it follows ISR changes.
  const PartitionAssignment& assignment() const;
  Offset high_watermark() const;
  // For followers: after an append or a truncation.
  void SetFollowerHighWatermark(Offset high_watermark);

  // Null unless in that role.
  LeaderState* leader() { return std::get_if<LeaderState>(&role_); }
  const LeaderState* leader() const { return std::get_if<LeaderState>(&role_); }
  const FollowerState* follower() const {
    return std::get_if<FollowerState>(&role_);
  }

 private:
  struct Offline {};

  const BrokerId self_;
  // The HW of a replica that does not lead.
  Offset high_watermark_;
  PartitionAssignment assignment_;
  std::variant<Offline, FollowerState, LeaderState> role_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_REPLICATION_REPLICA_STATE_H_
