#include "test/sim/zab_checkers.h"

#include <algorithm>

namespace sillok::sim {

using zab::Entry;
using zab::Message;
using zab::MessageKind;

void OneLeaderPerEpoch::OnServingLeader(size_t node, uint32_t epoch) {
  auto [known, is_new] = leaders_.emplace(epoch, node);
  if (!is_new && known->second != node) {
    violation_->Report("one leader per epoch", "epoch ", epoch,
                       " is led by member ", known->second, " and by member ",
                       node);
  }
}

bool PrefixAgreement::OnDelivered(size_t node, size_t index,
                                  const Entry& entry) {
  if (index < committed_.size()) {
    const Entry& known = committed_[index];
    if (known.zxid != entry.zxid || *known.txn != *entry.txn) {
      violation_->Report("prefix agreement", "member ", node, " delivers ",
                         entry.zxid, " (", *entry.txn, ") as number ", index,
                         ", another one ", known.zxid, " (", *known.txn, ")");
    }
    return false;
  }
  if (index > committed_.size()) {
    violation_->Report("prefix agreement", "member ", node,
                       " skips entries before ", entry.zxid);
    return false;
  }
  committed_.push_back(entry);
  return true;
}

size_t PrefixAgreement::IndexAfter(size_t node, Zxid zxid) {
  auto above = std::upper_bound(
      committed_.begin(), committed_.end(), zxid,
      [](Zxid wanted, const Entry& entry) { return wanted < entry.zxid; });
  Zxid known = above == committed_.begin() ? Zxid() : std::prev(above)->zxid;
  if (known != zxid) {
    violation_->Report("prefix agreement", "member ", node,
                       " has applied up to ", zxid,
                       ", which nobody has delivered");
  }
  return static_cast<size_t>(above - committed_.begin());
}

size_t PrefixAgreement::OnSnapshotInstalled(size_t node, Zxid zxid) {
  return IndexAfter(node, zxid);
}

std::string MembersTxn(const std::vector<zab::EnsembleMember>& members) {
  std::ostringstream out;
  out << "members";
  for (const zab::EnsembleMember& member : members) {
    out << ' ' << member.id << (member.votes ? "" : "o");
  }
  return out.str();
}

std::optional<std::vector<zab::EnsembleMember>> MembersOf(
    std::string_view txn) {
  constexpr std::string_view kMark = "members";
  if (txn.substr(0, kMark.size()) != kMark) return std::nullopt;
  std::vector<zab::EnsembleMember> members;
  std::istringstream words{std::string(txn.substr(kMark.size()))};
  for (std::string word; words >> word;) {
    members.push_back({MemberId(std::stoi(word)), word.back() != 'o', ""});
  }
  return members;
}

void MembershipsAgree::OnFirstDelivered(const Entry& entry) {
  last_ = entry.zxid;
  if (entry.txn->empty()) {
    sealed_ = true;
  } else if (auto members = members_of_(*entry.txn)) {
    committed_.push_back({entry.zxid, *std::move(members)});
    sealed_ = false;
  }
  while (!early_.empty() && early_.begin()->first <= last_) {
    Check(early_.begin()->second.first, early_.begin()->second.second);
    early_.erase(early_.begin());
  }
}

void MembershipsAgree::OnInForce(size_t node,
                                 const zab::Membership& membership) {
  if (membership.version <= last_) return Check(node, membership);
  auto [said, is_new] =
      early_.emplace(membership.version, std::pair(node, membership));
  if (!is_new && said->second.second != membership) {
    violation_->Report("memberships", "members ", said->second.first, " and ",
                       node, " know different members as of ",
                       membership.version);
  }
}

void MembershipsAgree::Check(size_t node, const zab::Membership& membership) {
  const zab::Membership& known = At(membership.version);
  if (known.version == membership.version &&
      (known.members == membership.members || known.version == Zxid())) {
    return;
  }
  violation_->Report("memberships", "member ", node, " goes by the members as of ",
                     membership.version, " (",
                     MembersTxn(membership.members),
                     "), which are not those committed (",
                     MembersTxn(known.members), " as of ", known.version, ")");
}

const zab::Membership& MembershipsAgree::At(Zxid zxid) const {
  size_t i = committed_.size() - 1;
  while (i > 0 && committed_[i].version > zxid) --i;
  return committed_[i];
}

bool MembershipsAgree::HasBeenWithout(MemberId id, Zxid zxid) const {
  const Zxid since = At(zxid).version;
  return std::any_of(committed_.begin(), committed_.end(),
                     [&](const zab::Membership& membership) {
                       return membership.version >= since &&
                              !membership.Find(id);
                     }) ||
         std::any_of(early_.begin(), early_.end(), [&](const auto& said) {
           return !said.second.second.Find(id);
         });
}

void CommittedKept::Check(const std::vector<const ZabImage*>& images,
                          const zab::Membership& members,
                          Zxid last_committed) {
  size_t holders = 0, voters = 0;
  for (const zab::EnsembleMember& member : members.members) {
    if (!member.votes) continue;
    ++voters;
    holders +=
        images[static_cast<size_t>(member.id.value())]->Holds(last_committed);
  }
  if (holders < voters / 2 + 1) {
    violation_->Report("committed is kept", "only ", holders, " of ", voters,
                       " voters have committed entry ", last_committed,
                       " on stable storage");
  }
}

void CommittedKept::CheckWhole(size_t node, const ZabImage& image,
                               const std::vector<Entry>& committed) {
  Zxid before = image.TrimmedTo();
  for (const Entry& entry : image.log()) {
    if (!zab::IsSuccessor(before, entry.zxid)) {
      violation_->Report("committed is kept", "the log of member ", node,
                         " goes from ", before, " to ", entry.zxid);
      return;
    }
    before = entry.zxid;
  }
  auto mine = image.log().begin();
  for (const Entry& entry : committed) {
    if (entry.zxid <= image.TrimmedTo()) continue;
    if (mine == image.log().end()) return;  // Behind; that is allowed.
    if (mine->zxid != entry.zxid || *mine->txn != *entry.txn) {
      violation_->Report("committed is kept", "the log of member ", node,
                         " has ", mine->zxid, " where ", entry.zxid,
                         " is committed");
      return;
    }
    ++mine;
  }
}

void PrimaryOrder::OnProposed(size_t node, Zxid zxid, const std::string& txn,
                              Zxid predecessor, Zxid last_committed) {
  if (!proposed_.emplace(zxid, txn).second) {
    violation_->Report("primary order", "member ", node, " proposes ", zxid,
                       ", which has been proposed before");
  }
  if (zxid.counter() != 1) return;
  starts_[zxid.epoch()] = predecessor;
  // A deposed leader may propose on: what is committed then is of later epochs.
  if (last_committed.epoch() < zxid.epoch() && last_committed > predecessor) {
    violation_->Report("primary order", "member ", node, " proposes ", zxid,
                       " on top of ", predecessor, " but ", last_committed,
                       " is committed");
  }
}

void PrimaryOrder::OnFirstDelivered(const Entry& entry) {
  auto proposal = proposed_.find(entry.zxid);
  const bool seal = proposal == proposed_.end() && entry.txn->empty();
  if (!seal &&
      (proposal == proposed_.end() || proposal->second != *entry.txn)) {
    violation_->Report("primary order", "delivered ", entry.zxid,
                       " is not what was proposed");
  }
  if (!zab::IsSuccessor(last_, entry.zxid)) {
    violation_->Report("primary order", "delivered ", entry.zxid, " after ",
                       last_);
  }
  for (auto later = starts_.upper_bound(entry.zxid.epoch());
       later != starts_.end(); ++later) {
    if (entry.zxid <= later->second) continue;
    violation_->Report("primary order", "delivered ", entry.zxid,
                       ", but the leader of epoch ", later->first,
                       " had begun without it");
  }
  last_ = entry.zxid;
}

void EpochsDurable::OnStored(size_t node, const zab::HardState& before,
                             const ZabImage& image) {
  const zab::HardState& after = image.hard_state();
  if (after.accepted_epoch < before.accepted_epoch ||
      after.current_epoch < before.current_epoch ||
      after.current_epoch > after.accepted_epoch) {
    violation_->Report("epochs grow", "member ", node, " goes from epochs ",
                       before.accepted_epoch, "/", before.current_epoch,
                       " to ", after.accepted_epoch, "/",
                       after.current_epoch);
  }
}

void EpochsDurable::OnSend(size_t node, const Message& m,
                           const ZabImage& image) {
  const zab::HardState& hard = image.hard_state();
  bool kept = true;
  switch (m.kind) {
    case MessageKind::kNewEpoch:
      kept = hard.accepted_epoch >= m.epoch;
      break;
    case MessageKind::kAckEpoch: {
      kept = hard.accepted_epoch >= m.epoch && image.Holds(m.zxid);
      if (!m.promised) break;
      auto [known, is_new] = promises_.emplace(std::pair(node, m.epoch), m.to);
      if (!is_new && known->second != m.to) {
        violation_->Report("one promise per epoch", "member ", node,
                           " promises epoch ", m.epoch, " to ",
                           known->second, " and to ", m.to);
      }
      break;
    }
    case MessageKind::kAckNewLeader:
      kept = hard.current_epoch >= m.epoch;
      break;
    case MessageKind::kAck:
    case MessageKind::kPong:
      kept = m.rejected || image.Holds(m.zxid);
      break;
    default:
      break;
  }
  if (!kept) {
    violation_->Report("durable before said", "member ", node, " says ",
                       zab::DebugString(m),
                       " before it is on stable storage");
  }
}

void EpochsDurable::OnWiped(size_t node) {
  promises_.erase(promises_.lower_bound({node, 0}),
                  promises_.lower_bound({node + 1, 0}));
}

void BarriersLinearizable::OnDone(size_t node, uint64_t id, Zxid zxid,
                                  Zxid delivered) {
  auto asked = asked_.find(id);
  if (asked == asked_.end()) {
    violation_->Report("barriers", "member ", node, " finishes barrier ", id,
                       " which is not open");
    return;
  }
  if (zxid < asked->second || delivered < zxid) {
    violation_->Report("barriers", "barrier ", id, " of member ", node,
                       " is done at ", zxid, " (delivered ", delivered, ") but ",
                       asked->second, " was committed when it was asked");
  }
  asked_.erase(asked);
}

}  // namespace sillok::sim
