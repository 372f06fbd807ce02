// A member while it leads, or tries to.
#ifndef SILLOK_COORDINATOR_ZAB_LEADER_H_
#define SILLOK_COORDINATOR_ZAB_LEADER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "coordinator/zab/local.h"
#include "coordinator/zab/message.h"
#include "coordinator/zab/zab.h"

namespace sillok::zab {

// What the leader knows of one other member.
struct Progress {
  // It takes part in elections, so it is given all there is. One that does not
  // is given what is committed, no more.
  bool voter = false;
  // Taken out of the ensemble, this many ticks ago; -1 it belongs to it.
  int leaving_ticks = -1;

  enum class State {
    kUnknown,    // no ACKEPOCH yet: nothing may be sent
    kProbe,      // `sent` is a guess; one kAppend at a time until it is right
    kReplicate,  // `sent` follows on; entries flow
    kSnapshot,   // its log and ours have no common entry left to start from
  };
  State state = State::kUnknown;

  // Discovery.
  std::optional<uint32_t> accepted_epoch;  // from its FOLLOWERINFO
  bool promised = false;                   // counts for the quorum of epoch e
  std::optional<Zxid> last_logged;         // from its ACKEPOCH

  // Its history is ours up to `match` on disk, up to `received` in memory.
  // match <= received <= sent, but for what a restart has taken from received.
  Zxid match;
  Zxid received;
  // kReplicate: the end of what we have sent. kProbe: the predecessor we try.
  Zxid sent;
  // kProbe: under way since this many ticks; -1 none is.
  int probe_ticks = -1;
  // kReplicate: ticks since `received` moved while it lags behind `sent`.
  int stalled_ticks = 0;

  struct InFlight {
    Zxid last;
    size_t bytes = 0;
  };
  // kReplicate: appends sent and not acknowledged as durable.
  std::deque<InFlight> in_flight;
  size_t in_flight_bytes = 0;

  // It has acknowledged NEWLEADER, so its acknowledgements count.
  bool in_epoch = false;
  // It has to be told NEWLEADER (again).
  bool owes_new_leader_ack = false;
  int new_leader_ticks = -1;

  // Of the last commit it was told.
  Zxid commit_told;
  uint64_t pong = 0;
  int silent_ticks = 0;
  // Its connection has ended, and it has not been heard since.
  bool lost = false;

  // kSnapshot: streaming ended this many ticks ago; -1 still under way.
  int snapshot_ticks = -1;
  // kSnapshot: it may not be taken yet.
  bool snapshot_held = false;
};

// From the decision of the election until it gives up:
//
//   gathering -> promises -> sync -> broadcast
//
// gathering: waits for a quorum of FOLLOWERINFO to choose an epoch above all.
// promises: has that epoch on its own disk and asks for promises; a quorum of
//   them, none with a more recent history than ours, ends discovery.
// sync: its history up to here is what the epoch starts from; brings followers
//   to it. A quorum of ACKNEWLEADER makes all of it committed.
// broadcast: established; proposes.
class Leader {
 public:
  explicit Leader(Local* local);

  void Rebind(Local* local) { local_ = local; }
  void AddTo(Fingerprint* print) const;

  void Step(const Message& message);
  void OnFollowerInfo(const Message& message);
  void Tick();
  void OnDurable();
  std::optional<Zxid> Propose(std::string txn);
  bool ReadBarrier(uint64_t id);
  void OnSnapshotSent(MemberId to, uint32_t epoch, Zxid zxid, bool ok);
  void OnPeerLost(MemberId member);
  void SayGoodbye();
  ReconfigCheck CheckReconfig(const std::vector<EnsembleMember>& next) const;
  TransferStart TransferTo(std::optional<MemberId> to);
  bool transferring() const { return successor_.has_value(); }
  // Who has been told to lead: this term is over.
  std::optional<MemberId> handed_over_to() const {
    return handed_over_ ? successor_ : std::nullopt;
  }

  // Sends what has gathered since the last time.
  void Flush();
  // Committed entries have been handed out.
  void OnDelivered() {
    dirty_ = dirty_ || successor_.has_value() || snapshots_held_;
  }
  bool WantsFlush() const { return dirty_; }
  // Those whose zxid has been handed out as committed.
  std::vector<BarrierResult> TakeBarriers(Zxid delivered);
  std::vector<SnapshotSend> TakeSnapshots() {
    return std::exchange(snapshots_, {});
  }
  bool HasResults() const {
    return !snapshots_.empty() ||
           (!finished_barriers_.empty() &&
            finished_barriers_.front().zxid <= local_->delivered);
  }
  // The role is over: no barrier will be answered by it.
  std::vector<BarrierResult> FailBarriers();

  uint32_t epoch() const { return phase_ == Phase::kGathering ? 0 : epoch_; }
  bool established() const { return phase_ == Phase::kBroadcast; }
  // Established, and all that earlier epochs have left has been handed out.
  bool serving() const {
    return established() && local_->delivered >= history_end_;
  }
  bool given_up() const { return given_up_; }
  size_t in_epoch_count() const;
  std::vector<MemberId> synced_members() const;

 private:
  enum class Phase { kGathering, kPromises, kSync, kBroadcast };
  struct Barrier {
    uint64_t id;
    // Done by pongs to this heartbeat round or a later one.
    uint64_t round;
    Zxid zxid;
  };
  using Members = std::map<MemberId, Progress>;

  void MaybeChooseEpoch();
  void SendNewEpoch(MemberId to);
  void OnAckEpoch(MemberId from, Progress& p, const Message& m);
  void MaybeStartSync();
  void StartProgress(Progress& p, Zxid last_logged);
  void OnAck(Progress& p, const Message& m);
  void OnRejected(Progress& p, const Message& m);
  void OnAcknowledged(Progress& p, Zxid durable, Zxid received);
  // The last zxid of our history at or before `zxid`, if it may go on from there.
  std::optional<Zxid> CommonUpTo(Zxid zxid) const;
  // Continues from `hint`, the last zxid that `p` has at or before a refused one.
  void Resume(Progress& p, Zxid hint);
  void MaybeEstablish();
  void MaybeCommit();
  void FinishBarriers();
  Zxid AppendOwn(std::string txn);

  // The history names other members than those we knew.
  void FollowMemberships();
  void MaybeSeal();
  void MaybeLeave();
  void ForgetLeft();
  bool UpToDate(const Progress& p) const;
  // Of the members that count: whether `has(Progress)` is true of a quorum, and
  // what a quorum has reached by `at(Progress)`. For ourselves the first word.
  template <typename Has>
  bool HasQuorum(bool self, Has has) const;
  template <typename T, typename At>
  T ReachedByQuorum(T self, At at) const;

  void Replicate(MemberId to, Progress& p);
  void SendProbe(MemberId to, Progress& p);
  void SendEntries(MemberId to, Progress& p);
  void SendAppend(MemberId to, Progress& p, std::vector<Entry> entries);
  void SendNewLeader(MemberId to, Progress& p);
  void SendSnapshot(Progress& p);
  void ReleaseSnapshots();
  void SendPings();
  void SendRemoved(MemberId to);
  void TickProgress(Progress& p);
  bool HearsQuorum() const;
  bool IsFit(MemberId id, const Progress& p) const;
  void MaybeHandOver();
  // The end of what `p` may be given now.
  Zxid EndFor(const Progress& p) const;
  std::vector<Entry> ReadFor(const Progress& p) const;

  Local* local_;
  Phase phase_ = Phase::kGathering;
  uint32_t epoch_ = 0;
  // The Persists with our own promise and with current_epoch = epoch_.
  uint64_t promise_token_ = 0;
  uint64_t current_epoch_token_ = 0;
  // The history the epoch starts from ends here.
  Zxid history_end_;
  Members members_;
  // Of Memberships::changes(): members_ is as it was then.
  uint64_t seen_changes_ = 0;

  // Sizes of entries proposed and not committed, for the limits.
  struct Proposed {
    Zxid zxid;
    size_t bytes;
  };
  std::deque<Proposed> uncommitted_;
  size_t uncommitted_bytes_ = 0;

  uint64_t heartbeat_round_ = 0;
  bool ping_wanted_ = false;
  std::deque<Barrier> barriers_;
  std::deque<BarrierResult> finished_barriers_;
  std::vector<SnapshotSend> snapshots_;
  bool snapshots_held_ = false;
  // Who is to lead next; until then nothing new is proposed.
  std::optional<MemberId> successor_;
  bool handed_over_ = false;
  int transfer_ticks_ = 0;

  bool dirty_ = true;
  bool given_up_ = false;
  int phase_ticks_ = 0;
  int heartbeat_ticks_ = 0;
};

}  // namespace sillok::zab

#endif  // SILLOK_COORDINATOR_ZAB_LEADER_H_
