#include "coordinator/zab/memberships.h"

#include <optional>
#include <utility>

namespace sillok::zab {
namespace {

std::vector<MemberId> VotersOf(const Membership& membership) {
  std::vector<MemberId> voters;
  for (const EnsembleMember& member : membership.members) {
    if (member.votes) voters.push_back(member.id);
  }
  return voters;
}

Membership Sorted(Membership membership) {
  std::sort(membership.members.begin(), membership.members.end(),
            [](const EnsembleMember& a, const EnsembleMember& b) {
              return a.id < b.id;
            });
  return membership;
}

Membership FirstOf(const Options& options) {
  if (!options.membership.members.empty()) return options.membership;
  Membership first;
  for (MemberId id : options.voters) first.members.push_back({id, true, ""});
  for (MemberId id : options.observers) {
    if (!first.Find(id)) first.members.push_back({id, false, ""});
  }
  return first;
}

}  // namespace

Memberships::Step::Step(Membership of)
    : membership(Sorted(std::move(of))), voters(VotersOf(membership)) {}

Memberships::Memberships(const Options& options, Zxid applied)
    : membership_of_(options.membership_of),
      faults_(options.faults),
      commit_(applied) {
  steps_.emplace_back(FirstOf(options));
  Update();
}

void Memberships::OnAppended(const Entry& entry) {
  if (!membership_of_ || entry.txn == nullptr) return;
  Step& newest = steps_.back();
  if (entry.txn->empty()) {
    if (newest.seal != Zxid()) return;
    newest.seal = entry.zxid;
    return Update();
  }
  auto members = membership_of_(*entry.txn);
  if (!members) return;
  steps_.emplace_back(Membership{entry.zxid, *std::move(members)});
  Update();
}

// A leader proposes a seal only when it knows that the change before it is
// committed, and another change only when it knows that of the seal.
Zxid Memberships::proven() const {
  if (steps_.size() < 2) return Zxid();
  const Step& newest = steps_.back();
  if (newest.seal != Zxid()) return newest.membership.version;
  const Step& before = steps_[steps_.size() - 2];
  return std::max(before.membership.version, before.seal);
}

void Memberships::OnTruncated(Zxid end) {
  if (!membership_of_ || faults_.keep_pending) return;
  bool changed = false;
  while (steps_.size() > 1 && steps_.back().membership.version > end) {
    steps_.pop_back();
    changed = true;
  }
  if (steps_.back().seal > end) {
    steps_.back().seal = Zxid();
    changed = true;
  }
  if (changed) Update();
}

void Memberships::OnInstalled(Zxid zxid, Membership membership) {
  commit_ = zxid;
  if (!membership_of_) return;
  if (membership.members.empty() || faults_.snapshot_without_membership) {
    membership = active();
  }
  steps_.clear();
  steps_.emplace_back(std::move(membership));
  Update();
}

void Memberships::OnCommitted(Zxid commit) {
  commit_ = commit;
  // One alone is in force whatever is committed.
  if (steps_.size() > 1) Update();
}

void Memberships::Update() {
  ++changes_;
  active_ = 0;
  while (active_ + 1 < steps_.size() &&
         steps_[active_ + 1].membership.version <= commit_) {
    ++active_;
  }
  const Zxid seal = steps_[active_].seal;
  const bool settled = seal != Zxid() && seal <= commit_;
  const size_t kept_from = settled || active_ == 0 ? active_ : active_ - 1;
  steps_.erase(steps_.begin(),
               steps_.begin() + static_cast<std::ptrdiff_t>(kept_from));
  active_ -= kept_from;

  end_quorum_ = steps_.size();
  first_quorum_ = end_quorum_ - 1;
  if (pending() && !faults_.only_new_quorum) --first_quorum_;

  contacts_.clear();
  std::vector<MemberId> voters, observers;
  for (size_t i = steps_.size(); i-- > 0;) {
    for (const EnsembleMember& member : steps_[i].membership.members) {
      if (!Contains(member.id)) contacts_.push_back(member);
      if (member.votes && i + 2 >= steps_.size()) voters.push_back(member.id);
    }
  }
  std::sort(contacts_.begin(), contacts_.end(),
            [](const EnsembleMember& a, const EnsembleMember& b) {
              return a.id < b.id;
            });
  voters_ = MemberSet(std::move(voters));
  for (const EnsembleMember& member : contacts_) {
    if (!voters_.Contains(member.id)) observers.push_back(member.id);
  }
  observers_ = MemberSet(std::move(observers));
}

bool Memberships::Contains(MemberId id) const {
  return std::any_of(
      contacts_.begin(), contacts_.end(),
      [&](const EnsembleMember& member) { return member.id == id; });
}

bool Memberships::Counts(MemberId id) const {
  for (size_t i = first_quorum_; i < end_quorum_; ++i) {
    if (steps_[i].voters.Contains(id)) return true;
  }
  return false;
}

void Memberships::AddTo(Fingerprint* print) const {
  if (!can_change()) return;
  print->Add(commit_, active_);
  for (const Step& step : steps_) {
    print->Add(step.membership.version, step.seal);
    for (const EnsembleMember& member : step.membership.members) {
      print->Add(member.id, member.votes);
    }
  }
}

}  // namespace sillok::zab
