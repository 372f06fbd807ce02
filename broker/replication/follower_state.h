// What a follower does with its leader's answers. Pure.
#ifndef SILLOK_BROKER_REPLICATION_FOLLOWER_STATE_H_
#define SILLOK_BROKER_REPLICATION_FOLLOWER_STATE_H_

#include <functional>
#include <optional>

#include "base/error.h"
#include "base/ids.h"
#include "broker/log/leader_epochs.h"

namespace sillok {

// Where a replica's own log stands.
struct LogPosition {
  Offset start;
  Offset end;
  LeaderEpoch last_epoch = kNoLeaderEpoch;  // of its last record; -1 = none
};

// The part of a fetch answer that decides.
struct FetchAnswer {
  ErrorCode error = ErrorCode::NONE;
  LeaderEpoch asked_epoch = kNoLeaderEpoch;  // leader epoch of the question
  Offset asked_offset;
  // Epoch of the last record at that time: a log that was cut and has grown to
  // the same length again is another log.
  LeaderEpoch asked_last_epoch = kNoLeaderEpoch;
  Offset leader_high_watermark = kNoOffset;
  Offset leader_log_start = kNoOffset;  // -1 = not told
  std::optional<EpochEndOffset> diverging;
};

// What to do with the answer, in this order: `action`, the high watermark
// (FollowerState::HighWatermarkAfter), then the next fetch.
struct FollowerStep {
  enum class Action {
    kIgnore,     // the answer is to an older question: only ask anew
    kAppend,     // append what came (may be nothing), take over the HW
    kTruncate,   // drop everything from `offset` on, then ask anew
    kRestartAt,  // drop everything; the log continues at `offset`
    kWait,       // nothing now: ask again after the back-off
    kStop,       // do not ask until the controller tells a new epoch
  };
  Action action = Action::kIgnore;
  Offset offset;

  friend bool operator==(const FollowerStep&, const FollowerStep&) = default;
};

// One tenure as follower of one leader in one leader epoch. Truncation goes by
// leader epochs, never by the high watermark (KIP-101): the leader says with an
// answer where our last epoch ended in its log (KIP-595), and we step back to
// the end of the largest epoch that both have, as often as it takes (KIP-279).
class FollowerState {
 public:
  // `leader` kNoBroker: the partition has no leader now.
  FollowerState(BrokerId leader, LeaderEpoch leader_epoch)
      : leader_(leader), leader_epoch_(leader_epoch) {}

  BrokerId leader() const { return leader_; }
  LeaderEpoch leader_epoch() const { return leader_epoch_; }

  // `own_end_for_epoch` is LeaderEpochs::EndOffsetFor of the own log.
  using OwnEndForEpoch = std::function<EpochEndOffset(LeaderEpoch)>;
  FollowerStep Decide(const FetchAnswer& answer, const LogPosition& log,
                      const OwnEndForEpoch& own_end_for_epoch) const;

  // The follower's HW after an append: what the leader said, as far as the own
  // log reaches. A new leader may know less than this replica does already.
  static Offset HighWatermarkAfter(Offset high_watermark, Offset leader_hw,
                                   Offset log_end);

 private:
  FollowerStep Truncate(const EpochEndOffset& leader_end,
                        const LogPosition& log,
                        const OwnEndForEpoch& own_end_for_epoch) const;

  BrokerId leader_;
  LeaderEpoch leader_epoch_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_REPLICATION_FOLLOWER_STATE_H_
