// The leader's desk: takes the requests of all members in one order and turns
// them into proposals, or into answers that need no transaction.
//
// Pure; owned by Member and used on its thread. Does something only between
// StartTerm and EndTerm. What it refuses it refuses for good: an answer "no"
// leaves only after a quorum has confirmed that this member still leads, and is
// given by the asking member only after the state it rests on is committed, so
// that nobody is told what a deposed leader believed.
#ifndef SILLOK_COORDINATOR_SERVER_SEQUENCER_H_
#define SILLOK_COORDINATOR_SERVER_SEQUENCER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "coordinator/server/member_faults.h"
#include "coordinator/tree/prepare.h"
#include "coordinator/tree/reaper.h"
#include "coordinator/tree/session_tracker.h"
#include "coordinator/tree/znode_tree.h"
#include "coordinator/zab/zab.h"
#include "proto/forward.pb.h"

namespace sillok::coord {

// The time of one input: timeouts use the first, transactions carry the second.
struct Now {
  int64_t monotonic_ms = 0;
  int64_t wall_ms = 0;
};

class Sequencer {
 public:
  struct Options {
    MemberId self{0};
    int64_t tick_ms = 2'000;  // tickTime: the grain of session expiry
    PrepareOptions prepare;
    ReaperOptions reaper;
    MemberFaults faults;
  };
  struct Counters {
    uint64_t proposed = 0;
    uint64_t rejected = 0;
    uint64_t expired_sessions = 0;
    uint64_t reaped = 0;  // containers and TTL znodes
  };

  // Both must outlive this.
  Sequencer(const Options& options, const ZnodeTree& tree, zab::Zab* zab);

  // This member leads and its tree has applied the whole history.
  void StartTerm(Now now);
  // Forgets everything: what was not answered never will be.
  void EndTerm();
  bool in_term() const { return in_term_; }

  // A request of a client of `from`. Requests of one member keep their order.
  void Submit(MemberId from, v1::ForwardRequest request, Now now);
  // `from` has heard of these sessions. Gives those it serves no longer.
  std::vector<SessionId> Touch(MemberId from,
                               const std::vector<SessionId>& sessions,
                               Now now);
  // The stream of a session that `from` serves broke; it may be expired soon.
  void OnBroken(MemberId from, SessionId session, int64_t within_ms, Now now);
  // The tree has applied `txn`.
  void OnApplied(Zxid zxid, const v1::Txn& txn, const ApplyResult& result,
                 Now now);
  // Proposes the end of a session that there is; false when there is no room.
  bool Close(SessionId session, Now now);
  void OnBarrier(const zab::BarrierResult& result);
  // Expires sessions, containers and TTL znodes.
  void OnTime(Now now);
  // After a batch of inputs: proposes what had to wait, and asks the quorum
  // about the answers that are due.
  void EndTurn(Now now);

  using Replies = std::vector<std::pair<MemberId, v1::ForwardReply>>;
  Replies TakeReplies() { return std::exchange(replies_, {}); }

  // Requests that wait for room to be proposed.
  size_t backlog() const { return backlog_.size(); }
  const Counters& counters() const { return counters_; }
  uint64_t quota_overruns() const { return preparer_.quota_overruns(); }

 private:
  struct Waiting {
    MemberId from;
    v1::ForwardRequest request;
  };

  // False when there is no room: nothing has happened.
  bool Handle(MemberId from, v1::ForwardRequest& request, Now now);
  bool HandlePrepared(MemberId from, const v1::ForwardRequest& request,
                      Prepared prepared);
  void HandleAttach(MemberId from, const v1::ForwardRequest& request, Now now);
  void Refuse(MemberId from, uint64_t ticket, v1::CoordResponse response,
              Zxid after);
  void RefuseCode(MemberId from, uint64_t ticket, v1::CoordCode code);
  bool Propose(const v1::Txn& txn);
  void ExpireSessions(Now now);
  // True also when it is pending already.
  bool ProposeClose(SessionId session, Now now);
  void Reap(Now now);
  Prepared Prepare(MemberId from, const v1::ForwardRequest& request, Now now);
  // Whether these could be the members now.
  v1::CoordCode Judge(const std::vector<v1::EnsembleMember>& next) const;

  const Options options_;
  const ZnodeTree& tree_;
  zab::Zab* const zab_;
  Preparer preparer_;
  SessionTracker tracker_;
  Reaper reaper_;
  bool in_term_ = false;

  std::deque<Waiting> backlog_;
  // Answers that wait for the quorum's word, by the number of the barrier. The
  // last group gathers until the end of the turn.
  uint64_t next_barrier_ = 1;
  Replies gathering_;
  std::map<uint64_t, Replies> confirming_;
  Replies replies_;
  Counters counters_;
  std::string buffer_;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_SERVER_SEQUENCER_H_
