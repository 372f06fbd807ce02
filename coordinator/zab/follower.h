// A member while it follows a leader.
#ifndef SILLOK_COORDINATOR_ZAB_FOLLOWER_H_
#define SILLOK_COORDINATOR_ZAB_FOLLOWER_H_

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/ids.h"
#include "coordinator/zab/local.h"
#include "coordinator/zab/message.h"

namespace sillok::zab {

// From the decision of the election until the follower gives its leader up:
//
//   discovery --NEWEPOCH--> sync --NEWLEADER--> broadcast
//
// In discovery it greets the leader until that asks for a promise. From the
// promise on it takes entries. An entry is taken if its predecessor is in the
// log; by induction all before it is then the same in both histories, since a
// zxid names one entry of one leader and its one predecessor.
class Follower {
 public:
  // `round` is that of the election that chose `leader`.
  Follower(Local* local, MemberId leader, uint64_t round);

  void Rebind(Local* local) { local_ = local; }
  void AddTo(Fingerprint* print) const;

  void Step(Message message);
  // The leader answered that it does not lead, in this role and round.
  void OnLeaderNotification(const Message& notification);
  void Tick();
  void OnDurable();
  // True if the staged snapshot is to be used; it is then part of a Persist.
  bool OnSnapshotReceived(uint32_t epoch, Zxid zxid, Membership membership);

  MemberId leader() const { return leader_; }
  uint64_t round() const { return round_; }
  // 0 until known.
  uint32_t epoch() const { return epoch_; }
  bool serving() const {
    return serve_at_.has_value() && local_->delivered >= *serve_at_;
  }
  bool in_broadcast() const { return phase_ == Phase::kBroadcast; }
  // It has been silent for so long that others who look for a leader are right.
  bool suspects_leader() const {
    const Options& options = local_->options;
    return heard_leader_ &&
           silent_ticks_ >=
               std::max(options.silence_ticks / 2, 2 * options.heartbeat_ticks);
  }
  // The leader is silent, gone or not one: look for another.
  bool given_up() const { return given_up_; }

 private:
  enum class Phase { kDiscovery, kSync, kBroadcast };

  void OnNewEpoch(const Message& message);
  void OnAppend(Message& message);
  void OnNewLeader(const Message& message);
  void OnPing(const Message& message);

  void SendFollowerInfo();
  void SendAckEpoch();
  void SendAck();
  void Reject(Zxid zxid);
  // Drops what the leader does not have. False if that must not be.
  bool Truncate(Zxid zxid);
  // The log is the leader's up to `verified`, of which `commit` is committed.
  void Advance(Zxid verified, Zxid commit, bool established);
  Zxid acknowledged() const;

  Local* local_;
  const MemberId leader_;
  const uint64_t round_;
  Phase phase_ = Phase::kDiscovery;
  uint32_t epoch_ = 0;
  // The promise of epoch_ was given to this leader, now.
  bool promised_ = false;
  // The end of what is known to be the same in the leader's log and ours.
  Zxid verified_;
  Zxid last_ack_;
  // The Persist with current_epoch = epoch_.
  uint64_t current_epoch_token_ = 0;
  // Serving once this is handed out: what was committed when the leader first
  // told us that it is established.
  std::optional<Zxid> serve_at_;
  bool given_up_ = false;
  // The leader has told us that it looked for one itself.
  bool greeting_lost_ = false;
  // It has sent us something of its epoch.
  bool heard_leader_ = false;
  int silent_ticks_ = 0;
  int silence_limit_;
  int ticks_ = 0;
};

}  // namespace sillok::zab

#endif  // SILLOK_COORDINATOR_ZAB_FOLLOWER_H_
