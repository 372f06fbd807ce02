// ZAB: the agreement of a coordinator ensemble on one sequence of transactions.
#ifndef SILLOK_COORDINATOR_ZAB_ZAB_H_
#define SILLOK_COORDINATOR_ZAB_ZAB_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "coordinator/zab/entry.h"
#include "coordinator/zab/log_view.h"
#include "coordinator/zab/membership.h"
#include "coordinator/zab/message.h"
#include "coordinator/zab/options.h"
#include "coordinator/zab/persist.h"

namespace sillok::zab {

struct BarrierResult {
  uint64_t id = 0;
  // If false, this member ceased to lead: ask the new leader.
  bool ok = false;
  // Everything acknowledged before the barrier was asked is at or below it.
  // Where it has been applied, a read is linearizable. On the leader itself the
  // entries up to here were in `committed` of this Output or an earlier one.
  Zxid zxid;
};

// Bring `to` up to date with a snapshot of this member's applied state.
struct SnapshotSend {
  MemberId to{-1};
  uint32_t epoch = 0;
};

enum class TransferStart : uint8_t {
  kStarted,
  kNotLeading,  // this member does not serve as leader
  kUnfit,       // not another voter that follows, or nobody is
  kBusy,        // a hand-over is under way
};

// Whether the members could be changed to some others now.
enum class ReconfigCheck : uint8_t {
  kOk,
  kNotLeading,  // this member does not serve as leader
  kBusy,        // another change or a hand-over is under way
  kNoQuorum,    // no majority of the new voters follows and is up to date
  kNoVoters,    // nobody would vote
};

struct RoleState {
  Role role = Role::kLooking;
  // Who leads; -1 while looking.
  MemberId leader{-1};
  // The leader's epoch; 0 until it is known.
  uint32_t epoch = 0;
  // All that was committed before has come out in `committed`. A leader may now
  // propose, a follower may open its client port.
  bool serving = false;

  friend bool operator==(const RoleState&, const RoleState&) = default;
};

// What the shell owes the core after inputs.
struct Output {
  // Durable writes, in order. Answer each with OnPersisted (answering only the
  // last of several is enough).
  std::vector<Persist> persist;
  // Safe to send now; the core has held back what had to wait for storage.
  // A message may be dropped, never altered.
  std::vector<Message> send;
  // Committed entries, in order, each exactly once per incarnation, from the
  // first one after the applied zxid given at construction (or after an
  // installed snapshot). They may come before their own Persist is done; apply
  // them behind it in the same storage queue.
  std::vector<Entry> committed;
  std::vector<BarrierResult> barriers;
  std::vector<SnapshotSend> snapshots;
  // The staged snapshot is of no use: throw it away.
  bool discard_snapshot = false;
  // Set when it has changed.
  std::optional<RoleState> role;
  // The membership in force, when it has changed. Not in the first Output.
  std::optional<Membership> membership;
  // Whom this member may have to talk to: those of the membership in force and
  // of one that is to follow or has just been left, itself included. In the
  // first Output and when it has changed.
  std::optional<std::vector<EnsembleMember>> contacts;
  // The ensemble goes on without this member: the process should say so and
  // end. Comes once; the core does nothing more.
  bool removed = false;
  // Not empty: histories contradict each other or this member's own storage.
  // The process must log this and stop; the core does nothing more.
  std::string fatal;
};

// One member of the ensemble: election, discovery, synchronisation and broadcast
// of the Zab 1.0 protocol. Decides everything, does nothing: no thread, clock,
// disk or network. One owner calls it; no call blocks except for LogView reads.
//
// A shell drives it from one loop:
//
//   1. Start: read HardState, applied zxid and log from storage, construct.
//   2. Take one input at a time and pass it in: Step for each message from a
//      peer, Tick at an even pace (late ticks are not made up for in a burst),
//      Propose, ReadBarrier, OnPersisted, the snapshot reports.
//   3. After each input, or after a batch of inputs that were waiting, while
//      HasOutput(): TakeOutput() and carry it out. Batching is the shell's
//      choice: all that was proposed since the last TakeOutput is one Persist
//      and one kAppend per follower.
//   4. Carry out an Output in the order of its fields: hand `persist` to
//      storage (asynchronous; one queue, in order, fsync before OnPersisted),
//      `send` to the transport, `committed` to the state machine. Nothing waits
//      for anything else; a shell need not hold messages back for its disk.
//   5. On a write error do not call OnPersisted; stop the process. A restart
//      with what is on disk is always safe; going on is not.
//
// After a crash the log must hold a prefix of the Persists handed out, at least
// to the last one reported by OnPersisted.
//
// Snapshots. For each SnapshotSend the leader's shell takes a consistent
// snapshot of its applied state at zxid S, streams it as SnapshotChunk messages
// tagged with the epoch, keeps its log from being trimmed beyond S meanwhile,
// and reports OnSnapshotSent. The receiver's shell stages the chunks apart
// from the live state (a new stream throws an unfinished one away), and when
// the last one is in and checked calls OnSnapshotReceived. The next Output has
// either a Persist with install_snapshot or discard_snapshot; take it before
// staging anything else. A SnapshotSend for a member replaces one to it that is
// still under way.
//
// Membership. A transaction for which Options::membership_of gives members is a
// change of the ensemble: it is proposed like any other, and while it is not
// known to be committed everything needs a quorum of the old voters and one of
// the new. When it is committed the leader adds an entry with an empty txn, which
// comes out in `committed` as any entry and means nothing to the state machine:
// it tells whoever reads the log that the change before it is committed. When it
// is committed as well, members that have left are not needed any more; only then
// the change itself comes out in `committed`.
// A leader that has no vote any more hands over as soon as it can. How this is
// safe: docs/decisions/0006-reconfiguration.md.
//
// Trimming. The shell may trim the log to any zxid at or below the applied one
// whenever it likes; followers that need older entries get a snapshot.
class Zab {
 public:
  // `log` must outlive the core. `applied` is the zxid up to which the state
  // machine on disk has applied; it lies between log->TrimmedTo() and
  // log->LastZxid(). Starts looking; a single voter leads at once.
  Zab(Options options, HardState hard_state, Zxid applied, const LogView* log);
  ~Zab();
  Zab(const Zab&) = delete;
  Zab& operator=(const Zab&) = delete;
  // An equal core on an equal log, for those who explore what could come next.
  std::unique_ptr<Zab> Clone(const LogView* log) const;
  // Equal for cores that will do the same; almost surely different for others.
  // Does not look into transactions, nor at the log. `settled`: the epochs there
  // are, where no election comes any more; see fingerprint.h.
  uint64_t Fingerprint(
      const std::vector<uint32_t>* settled = nullptr) const;

  // A message arrived. Ignores what is stale, foreign or not for this member.
  void Step(Message message);
  void Tick();

  // Leader only: appends `txn` (not empty) to the history and gives its zxid.
  // Nothing if this member does not serve as leader, too much is in flight, or
  // it changes the membership and CheckReconfig is not kOk; then nothing has
  // happened. A zxid given is no promise: the entry is committed when it
  // comes out in `committed`; if the role changes before, its fate is open.
  std::optional<Zxid> Propose(std::string txn);

  // All Persists up to `token` are on stable storage.
  void OnPersisted(uint64_t token);

  // Leader only: asks a quorum whether this member still leads; the answer with
  // this id comes in Output::barriers. False if this member does not serve as
  // leader; then no answer comes.
  bool ReadBarrier(uint64_t id);

  // Leader only: gives the lead to `to`, or if that is nobody to the voter that
  // has most of the history. From now on Propose refuses. When the target has
  // everything, on disk, and all of it is committed, this member follows it and
  // the target leads without an election; should it not come up, the members
  // elect as usual. If it has not caught up within transfer_ticks nothing has
  // happened and Propose takes again: see transferring().
  TransferStart TransferTo(std::optional<MemberId> to);

  // Whether Propose would now take a change to these members.
  ReconfigCheck CheckReconfig(const std::vector<EnsembleMember>& next) const;

  // The whole snapshot `from` sent in `epoch`, at `zxid`, is staged, with the
  // membership as of that zxid. (Without members: that at the start, for those
  // whose membership never changes.)
  void OnSnapshotReceived(MemberId from, uint32_t epoch, Zxid zxid,
                          Membership membership = {});
  // A SnapshotSend has been streamed, at `zxid`, or has failed. If it never was
  // asked for or is outdated the call does nothing.
  void OnSnapshotSent(MemberId to, uint32_t epoch, Zxid zxid, bool ok);

  // A hint, never needed for safety: the connection to `member` was closed by
  // its side or refused. A follower stops waiting for its leader.
  void OnPeerLost(MemberId member);

  // For a clean shutdown: says goodbye to the followers, so that they elect
  // another leader at once, and takes part in nothing any more. What was
  // proposed and not committed stays open; stop proposing and wait for
  // committed() == last_logged() first to avoid that.
  void Resign();

  // True if TakeOutput would give anything.
  bool HasOutput() const;
  Output TakeOutput();

  // The state as of now, also for metrics.
  RoleState role() const;
  HardState hard_state() const;
  // The last entry of the history, durable or not.
  Zxid last_logged() const;
  // Everything at or below is on stable storage.
  Zxid durable() const;
  // Everything at or below is committed, as far as this member knows.
  Zxid committed() const;
  // A leader that waits for its successor to catch up.
  bool transferring() const;
  // A leader: voters (itself included) that have its full history. Else 0.
  size_t synced_voters() const;
  // A leader: the members, itself included, that follow and have been sent all
  // there is for them, voters or not. Else none.
  std::vector<MemberId> synced_members() const;
  // In force, as far as this member knows.
  Membership membership() const;
  // In this member's history, not known to be committed.
  std::optional<Membership> pending_membership() const;
  // Rounds of election this incarnation has begun.
  uint64_t elections() const;

 private:
  class Impl;
  explicit Zab(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sillok::zab

#endif  // SILLOK_COORDINATOR_ZAB_ZAB_H_
