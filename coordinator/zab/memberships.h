// The memberships that one member's history names, and whose word counts.
#ifndef SILLOK_COORDINATOR_ZAB_MEMBERSHIPS_H_
#define SILLOK_COORDINATOR_ZAB_MEMBERSHIPS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "coordinator/zab/entry.h"
#include "coordinator/zab/fingerprint.h"
#include "coordinator/zab/membership.h"
#include "coordinator/zab/options.h"
#include "coordinator/zab/quorum.h"

namespace sillok::zab {

// Follows the history entry by entry. An entry for which Options::membership_of
// gives members begins a membership; the next entry without a txn is its seal: it
// was proposed after the change had been committed and so proves that it was.
//
// As long as the newest membership is not known to be committed, a quorum is one
// of the old voters and one of the new ones. Known it is from the commit, of which
// its seal is a proof (see proven). It is settled when the seal is committed, too:
// then a majority of its voters have on disk that it is committed. Until then the
// old members stay members, may be asked for their vote and to lead, and the
// change is not handed out (see held): what has been applied, the membership at
// the start and that of a snapshot are settled.
class Memberships {
 public:
  Memberships(const Options& options, Zxid applied);

  void OnAppended(const Entry& entry);
  void OnTruncated(Zxid end);
  // A snapshot took the place of the whole history. If nobody is named the
  // membership stays as it was.
  void OnInstalled(Zxid zxid, Membership membership);
  void OnCommitted(Zxid commit);

  // The history itself proves that it is committed up to here. To be passed to
  // OnCommitted at once.
  Zxid proven() const;
  // Committed entries from here on are not to be handed out yet; Zxid() all are.
  Zxid held() const { return active_ == 0 ? Zxid() : active().version; }

  bool can_change() const { return membership_of_ != nullptr; }
  // In force: the last one known to be committed.
  const Membership& active() const { return steps_[active_].membership; }
  const Membership& newest() const { return steps_.back().membership; }
  // The newest one if it is not known to be committed.
  bool pending() const { return active_ + 1 < steps_.size(); }
  // The newest is committed, and no seal of it is in the history.
  bool wants_seal() const {
    return steps_.size() > 1 && !pending() && steps_.back().seal == Zxid();
  }
  // Nothing is on its way and no old member is needed any more.
  bool settled() const { return steps_.size() == 1; }
  // The last settled one.
  const Membership& settled_one() const { return steps_.front().membership; }
  // Rises with every change of what is said here.
  uint64_t changes() const { return changes_; }

  // The members of all that are kept, each once, as in the newest that has it.
  const std::vector<EnsembleMember>& contacts() const { return contacts_; }
  bool Contains(MemberId id) const;
  // Takes part in elections: a voter of the newest membership or of the one
  // before it.
  const MemberSet& voters() const { return voters_; }
  // The contacts that do not.
  const MemberSet& observers() const { return observers_; }
  bool Votes(MemberId id) const { return voters_.Contains(id); }
  // Whether the word of `id` is part of any quorum now.
  bool Counts(MemberId id) const;

  // Whether those of whom `agrees(MemberId)` is true are a quorum now.
  template <typename Agrees>
  bool IsQuorum(Agrees agrees) const {
    for (size_t i = first_quorum_; i < end_quorum_; ++i) {
      const VoterSet& voters = steps_[i].voters;
      size_t count = 0;
      for (MemberId voter : voters.members()) count += agrees(voter) ? 1 : 0;
      if (!voters.IsQuorum(count)) return false;
    }
    return true;
  }
  // What a quorum has reached, by `position(MemberId)`.
  template <typename Position>
  auto ReachedByQuorum(Position position) const {
    using T = decltype(position(MemberId()));
    T reached{};
    for (size_t i = first_quorum_; i < end_quorum_; ++i) {
      const VoterSet& voters = steps_[i].voters;
      std::vector<T> positions;
      positions.reserve(voters.size());
      for (MemberId id : voters.members()) positions.push_back(position(id));
      if (positions.empty()) return T{};
      T here = voters.ReachedByQuorum(std::move(positions));
      reached = i == first_quorum_ ? here : std::min(reached, here);
    }
    return reached;
  }

  void AddTo(Fingerprint* print) const;

 private:
  struct Step {
    explicit Step(Membership of);

    Membership membership;
    VoterSet voters;
    // The first entry after it without a txn; Zxid() none yet.
    Zxid seal;
  };

  void Update();

  // Not const: a member is assigned to when a core is copied.
  MembershipOf membership_of_;
  ZabFaults faults_;
  Zxid commit_;
  // By version, without gaps. The first one is settled.
  std::vector<Step> steps_;
  size_t active_ = 0;
  // Of steps_: a quorum is a majority of each of these.
  size_t first_quorum_ = 0;
  size_t end_quorum_ = 1;
  std::vector<EnsembleMember> contacts_;
  MemberSet voters_{{}};
  MemberSet observers_{{}};
  uint64_t changes_ = 0;
};

}  // namespace sillok::zab

#endif  // SILLOK_COORDINATOR_ZAB_MEMBERSHIPS_H_
