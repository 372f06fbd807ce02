// Fast leader election: one member's part in it.
#ifndef SILLOK_COORDINATOR_ZAB_ELECTION_H_
#define SILLOK_COORDINATOR_ZAB_ELECTION_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/ids.h"
#include "coordinator/zab/local.h"
#include "coordinator/zab/message.h"

namespace sillok::zab {

// Members tell one another their votes; each adopts the best vote it hears; who
// sees a quorum with its own vote decides. Only a heuristic for picking a member
// whose history is recent: that it really is, discovery checks. So whatever is
// lost, doubled or out of date here costs time, never safety.
class Election {
 public:
  explicit Election(Local* local) : local_(local) {}

  void Rebind(Local* local) { local_ = local; }
  void AddTo(Fingerprint* print, bool looking) const;

  // Begins a new round with a vote for this member.
  void Begin();
  // While looking. Gives the leader once there is a decision.
  std::optional<MemberId> Step(const Message& notification);
  std::optional<MemberId> Tick();

  // The same for one that is new here: it takes the word of a quorum that it
  // follows, and not that of the leader alone.
  std::optional<MemberId> Hear(const Message& notification);

  // There is no need to ask: `leader` leads.
  void Appoint(MemberId leader);

  // Tells `to` what this member votes for or follows. `epoch` as in Message.
  void Notify(MemberId to, Role role, uint32_t epoch);
  // Likewise, to one that looks. If it seems not to know the newest membership
  // it hears of it.
  void Answer(const Message& question, Role role, uint32_t epoch);

  // The connection to `member` is gone: no use to wait for its vote. Until it is
  // heard again.
  std::optional<MemberId> OnLost(MemberId member, bool looking);
  void OnHeard(MemberId member) {
    if (!lost_.empty()) lost_.erase(member);
  }

  uint64_t round() const { return round_; }
  uint64_t rounds_begun() const { return rounds_begun_; }

 private:
  bool IsBetter(const Vote& a, const Vote& b) const;
  bool Leaves(const Vote& vote) const;
  void NoteLeaving(const Message& notification);
  void NotifyAll();
  void Echo(const Message& notification);
  Message Notification(Role role, uint32_t epoch) const;
  void StartRound(uint64_t round);
  std::optional<MemberId> Decide();
  bool HeardFromAll() const;

  Local* local_;
  uint64_t round_ = 0;
  uint64_t rounds_begun_ = 0;
  // The vote for this member with what it had when the election began.
  Vote own_;
  Vote vote_;
  // The best vote of this round from each, this member included.
  std::map<MemberId, Vote> votes_;
  std::set<MemberId> lost_;
  // Candidates of this round that have stood back for an equal one.
  std::set<MemberId> leaving_;
  // New here: whom the others follow, in which epoch.
  std::map<MemberId, std::pair<MemberId, uint32_t>> heard_;
  // Observing: whose votes have been given back since the last tick.
  std::map<MemberId, Vote> echoed_;
  int ticks_since_notify_ = 0;
  // Ticks since a quorum agreed with vote_; -1 if none does.
  int settled_ticks_ = -1;
};

}  // namespace sillok::zab

#endif  // SILLOK_COORDINATOR_ZAB_ELECTION_H_
