// The promises of ZAB, one class each. They watch a simulated ensemble from
// outside and know nothing of how the core keeps them.
#ifndef SILLOK_TEST_SIM_ZAB_CHECKERS_H_
#define SILLOK_TEST_SIM_ZAB_CHECKERS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "coordinator/zab/entry.h"
#include "coordinator/zab/membership.h"
#include "coordinator/zab/message.h"
#include "coordinator/zab/options.h"
#include "test/sim/zab_image.h"

namespace sillok::sim {

// The first broken promise of a run.
class Violation {
 public:
  bool found() const { return !invariant_.empty(); }
  const std::string& invariant() const { return invariant_; }
  const std::string& text() const { return text_; }

  template <typename... Parts>
  void Report(const char* invariant, const Parts&... parts) {
    if (found()) return;
    std::ostringstream out;
    (out << ... << parts);
    invariant_ = invariant;
    text_ = out.str();
  }

 private:
  std::string invariant_;
  std::string text_;
};

// No two members ever serve as leader of one epoch.
class OneLeaderPerEpoch {
 public:
  explicit OneLeaderPerEpoch(Violation* violation) : violation_(violation) {}
  void OnServingLeader(size_t node, uint32_t epoch);

 private:
  Violation* violation_;
  std::map<uint32_t, size_t> leaders_;
};

// All members deliver the same sequence, each a prefix of it, without gaps.
class PrefixAgreement {
 public:
  explicit PrefixAgreement(Violation* violation) : violation_(violation) {}

  // The `index`-th delivery (from 0) of `node`. True if it is the first time
  // that anybody delivers this entry.
  bool OnDelivered(size_t node, size_t index, const zab::Entry& entry);
  // How many entries a snapshot at `zxid` stands for.
  size_t OnSnapshotInstalled(size_t node, Zxid zxid);
  // At restart: what was applied must be part of the sequence as well.
  size_t IndexAfter(size_t node, Zxid applied);

  // What has been delivered by at least one member.
  const std::vector<zab::Entry>& committed() const { return committed_; }
  Zxid last() const {
    return committed_.empty() ? Zxid() : committed_.back().zxid;
  }

 private:
  Violation* violation_;
  std::vector<zab::Entry> committed_;
};

// How the simulation writes a change of the membership: "members 0 1 3o", with
// an o behind those who only observe.
std::string MembersTxn(const std::vector<zab::EnsembleMember>& members);
std::optional<std::vector<zab::EnsembleMember>> MembersOf(
    std::string_view txn);

// Nobody ever takes for the membership in force what was not committed; and as
// long as one that is has no committed entry behind it that says so, both it and
// the one before it can go on (see CommittedKept).
class MembershipsAgree {
 public:
  explicit MembershipsAgree(Violation* violation,
                            zab::MembershipOf members_of = MembersOf)
      : violation_(violation), members_of_(std::move(members_of)) {}
  void Begin(zab::Membership first) { committed_ = {std::move(first)}; }
  void OnFirstDelivered(const zab::Entry& entry);
  void OnInForce(size_t node, const zab::Membership& membership);

  // As of `zxid`.
  const zab::Membership& At(Zxid zxid) const;
  const zab::Membership& last() const { return committed_.back(); }
  // The one before the last.
  const zab::Membership* before() const {
    return committed_.size() < 2 ? nullptr : &committed_[committed_.size() - 2];
  }
  size_t size() const { return committed_.size(); }
  // Since `zxid` the ensemble has, as far as anybody knows, been without `id`.
  bool HasBeenWithout(MemberId id, Zxid zxid) const;
  // What follows the last one proves that it is committed.
  bool sealed() const { return sealed_; }

 private:
  void Check(size_t node, const zab::Membership& membership);

  Violation* violation_;
  zab::MembershipOf members_of_;
  std::vector<zab::Membership> committed_;
  bool sealed_ = true;
  Zxid last_;
  // Said before anybody has delivered so far.
  std::map<Zxid, std::pair<size_t, zab::Membership>> early_;
};

// What was ever delivered is on the stable storage of a quorum, at any instant.
class CommittedKept {
 public:
  explicit CommittedKept(Violation* violation) : violation_(violation) {}
  // After a delivery, a crash or a change that takes entries away. Logs are
  // gapless (see CheckWhole), so the last entry stands for all. `images` by
  // member id.
  void Check(const std::vector<const ZabImage*>& images,
             const zab::Membership& members, Zxid last_committed);
  // Every entry of every log against the committed sequence.
  void CheckWhole(size_t node, const ZabImage& image,
                  const std::vector<zab::Entry>& committed);

 private:
  Violation* violation_;
};

// Entries are delivered as proposed, in the order of their leader, epochs in
// order; and a leader proposes only on top of all that is committed.
class PrimaryOrder {
 public:
  explicit PrimaryOrder(Violation* violation) : violation_(violation) {}
  // `predecessor`: the end of the proposer's history before it.
  void OnProposed(size_t node, Zxid zxid, const std::string& txn,
                  Zxid predecessor, Zxid last_committed);
  void OnFirstDelivered(const zab::Entry& entry);

 private:
  Violation* violation_;
  std::map<Zxid, std::string> proposed_;
  // The history each epoch's proposals begin on.
  std::map<uint32_t, Zxid> starts_;
  Zxid last_;
};

// Promises only grow, and nothing is said before it is on stable storage.
class EpochsDurable {
 public:
  explicit EpochsDurable(Violation* violation) : violation_(violation) {}
  void OnStored(size_t node, const zab::HardState& before,
                const ZabImage& image);
  void OnSend(size_t node, const zab::Message& message, const ZabImage& image);
  // It begins anew with an empty disk.
  void OnWiped(size_t node);

 private:
  Violation* violation_;
  // To whom a member has promised an epoch.
  std::map<std::pair<size_t, uint32_t>, MemberId> promises_;
};

// A finished barrier is at or after all that was committed when it was asked.
class BarriersLinearizable {
 public:
  explicit BarriersLinearizable(Violation* violation)
      : violation_(violation) {}
  void OnAsked(uint64_t id, Zxid last_committed) {
    asked_[id] = last_committed;
  }
  // `delivered`: by the member that asked.
  void OnDone(size_t node, uint64_t id, Zxid zxid, Zxid delivered);
  void OnFailed(uint64_t id) { asked_.erase(id); }

 private:
  Violation* violation_;
  std::map<uint64_t, Zxid> asked_;
};

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_ZAB_CHECKERS_H_
