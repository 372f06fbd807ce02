// How the members of the simulated ensemble change: what leaders are asked, who is
// started anew, who leaves and is taken away.
#include <string>
#include <utility>

#include "test/sim/zab_world.h"

namespace sillok::sim {

using zab::Role;

// Deposed leaders are asked, too.
void ZabWorld::Reconfigure(uint64_t random) {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    if (node.core == nullptr || node.paused_until > events_.now() ||
        node.core->role().role != Role::kLeading) {
      continue;
    }
    const zab::Membership next =
        NextMembership(node.core->membership(), 0, nodes_.size(),
                       Mix(random + i));
    for (const zab::EnsembleMember& member : next.members) {
      Join(static_cast<size_t>(member.id.value()));
    }
    const std::string txn = MembersTxn(next.members);
    Zxid predecessor = node.core->last_logged();
    std::optional<Zxid> zxid = node.core->Propose(txn);
    if (!zxid) {
      ++reached_.reconfigurations_refused;
      continue;
    }
    ++reached_.reconfigurations_lost;
    Trace(i, " proposes ", *zxid, ": ", txn);
    order_.OnProposed(i, *zxid, txn, predecessor, agreement_.last());
    Drive(i);
  }
}

// Its operator gives it a file that names the ensemble as it is.
void ZabWorld::Join(size_t i) {
  Node& node = nodes_[i];
  if (!node.gone) return;
  node.gone = false;
  const MemberId id(static_cast<int32_t>(i));
  node.file = memberships_.last();
  node.file.version = Zxid();
  if (!node.file.Find(id)) node.file.members.push_back({id, false, ""});
  if (node.core == nullptr) Start(i);
}

void ZabWorld::Leave(size_t i) {
  Node& node = nodes_[i];
  ++reached_.removed;
  Trace(i, " has been removed");
  reached_.elections += node.core->elections();
  node.core.reset();
  node.gone = true;
  node.disk.Crash(random_.Draw(kSurvives, i, node.incarnation));
}

// A removed machine is not needed any more once something behind the change
// has come through that says that it is committed.
void ZabWorld::WipeSome() {
  if (!memberships_.sealed() || memberships_.size() < 2) return;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    const MemberId id(static_cast<int32_t>(i));
    if (memberships_.last().Find(id) ||
        images_[i]->hard_state() == zab::HardState() ||
        !random_.Chance(0.5, kWipe, i, ++draws_)) {
      continue;
    }
    // It may be on its way back in.
    if (node.core != nullptr && node.file.Find(id) &&
        !node.file.Votes(id)) {
      continue;
    }
    ++reached_.wiped;
    Trace(i, " is taken away");
    if (node.core) reached_.elections += node.core->elections();
    node.core.reset();
    node.gone = true;
    node.disk = {};
    epochs_.OnWiped(i);
  }
}

}  // namespace sillok::sim
