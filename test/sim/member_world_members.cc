// How the members of a simulated ensemble change: what the administrator asks, who
// is started, who is told to go, and what all of that has to agree with.
#include <algorithm>
#include <utility>

#include "test/sim/member_world.h"
#include "test/sim/member_world_internal.h"

namespace sillok::sim {

// ---- What the administrator asks

std::string AddressOf(MemberId id, int port) {
  return "m" + std::to_string(id.value()) + ":" + std::to_string(port);
}

std::vector<v1::EnsembleMember> FileOf(const zab::Membership& membership) {
  std::vector<v1::EnsembleMember> file;
  for (const zab::EnsembleMember& member : membership.members) {
    v1::EnsembleMember& line = file.emplace_back();
    line.set_id(member.id.value());
    line.set_observer(!member.votes);
    line.set_peer_address(member.where);
  }
  return file;
}

v1::ReconfigTxn TxnOf(const std::vector<v1::EnsembleMember>& members) {
  v1::ReconfigTxn txn;
  for (const v1::EnsembleMember& member : members) {
    *txn.add_members() = member;
  }
  return txn;
}

namespace {

std::string LineOf(const zab::EnsembleMember& member, int port) {
  return "server." + std::to_string(member.id.value()) + "=" +
         AddressOf(member.id, port) +
         (member.votes ? ":participant" : ":observer");
}

}  // namespace

// Through whatever client has a session, as an administrator would.
void MemberWorld::Reconfigure(uint64_t random) {
  const size_t c = (random >> 5) % clients_.size();
  Client& client = clients_[c];
  if (client.core->state() != MemberClient::State::kOpen) return;
  const zab::Membership next = NextMembership(
      memberships_.last(), IdOf(0).value(), nodes_.size(), Mix(random));
  for (const zab::EnsembleMember& member : next.members) {
    Join(NodeOf(member.id));
  }
  const int port = kFirstPort + ++reconfigs_asked_;
  bool marked = false;
  v1::ReconfigOp change = ChangeTo(next, port, Mix(random + 1), &marked);
  if (auto rights = client.core->TakeRights()) SendToMember(c, *rights);
  SendToMember(c, client.core->Reconfigure(
                      std::move(change), marked ? ReconfigMark(port) : "",
                      committed()));
  Trace("client ", c, " asks ", client.core->DescribeLast());
}

// All of them, or the difference; based on one version, or on any. Who is named
// gets the port.
v1::ReconfigOp MemberWorld::ChangeTo(const zab::Membership& next, int port,
                                     uint64_t random, bool* marked) const {
  const zab::Membership& now = memberships_.last();
  v1::ReconfigOp change;
  change.set_from_version(
      random % 3 == 0 ? static_cast<int64_t>(now.version.value()) : -1);
  if ((random >> 8) % 2 == 0) {
    for (const zab::EnsembleMember& member : next.members) {
      change.add_new_members(LineOf(member, port));
    }
  } else {
    for (const zab::EnsembleMember& member : next.members) {
      const zab::EnsembleMember* before = now.Find(member.id);
      if (before != nullptr && before->votes == member.votes) continue;
      change.add_joining(LineOf(member, port));
    }
    for (const zab::EnsembleMember& member : now.members) {
      if (!next.Find(member.id)) change.add_leaving(member.id.value());
    }
  }
  *marked = change.new_members_size() + change.joining_size() > 0;
  return change;
}

// ---- Who comes, and who goes

// Its operator gives it a file that names the ensemble as it is, and the member
// itself as an observer.
void MemberWorld::Join(size_t i) {
  Node& node = nodes_[i];
  if (node.core != nullptr || !node.gone) return;
  node.gone = false;
  node.joining = true;
  ++reached_.joined;
  zab::Membership file = memberships_.last();
  const MemberId id = IdOf(i);
  std::erase_if(file.members, [&](const auto& m) { return m.id == id; });
  file.members.push_back({id, false, AddressOf(id, kFirstPort)});
  std::sort(file.members.begin(), file.members.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  node.file = FileOf(file);
  reference_.AddFile(TxnOf(node.file));
  Start(i);
}

// The member says that it was removed, and ends. Its supervisor may not have
// heard of that and start it again.
void MemberWorld::Leave(size_t i) {
  Node& node = nodes_[i];
  ++reached_.removed;
  Trace(IdOf(i), " says that it was removed");
  if (!memberships_.HasBeenWithout(IdOf(i), node.started_at)) {
    violation_.Report("removed members go", "member ", IdOf(i),
                      " says that it was removed, but all memberships since ",
                      node.started_at, " have it");
  }
  Halt(i);
  CheckKept();
  node.gone = !random_.Chance(0.5, kReturn, i, node.incarnation);
  if (node.gone) return;
  events_.After(DownTime(random_, i, node.incarnation),
                Event{Kind::kStart, static_cast<uint8_t>(i)});
}

// A removed machine is not needed any more once something behind the change has
// come through that says that it is committed: the operator takes it away.
void MemberWorld::WipeSome() {
  if (!memberships_.sealed() || memberships_.size() < 2) return;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    if (memberships_.last().Find(IdOf(i))) {
      node.joining = false;
      continue;
    }
    if ((node.core != nullptr && node.joining) ||
        node.disk.image().hard_state() == zab::HardState() ||
        !random_.Chance(0.5, kWipe, i, ++draws_)) {
      continue;
    }
    ++reached_.wiped;
    Trace(IdOf(i), " is taken away");
    Halt(i);
    node.gone = true;
    node.disk = {};
    epochs_.OnWiped(i);
  }
}

// What the shell does at the start, and what it should come to.
bool MemberWorld::MayStart(size_t i, const ZnodeTree& tree) {
  Node& node = nodes_[i];
  const MemberId id = IdOf(i);
  const zab::Membership& stored = memberships_.At(tree.applied());
  const bool observes = std::any_of(
      node.file.begin(), node.file.end(), [&](const v1::EnsembleMember& m) {
        return m.id() == id.value() && m.observer();
      });
  const bool out = stored.version != Zxid() && !stored.Find(id) && !observes;
  const bool starts =
      options_.faults.start_though_removed ||
      coord::CheckMember(id, node.file, tree.ensemble()).ok();
  if (starts == out) {
    violation_.Report("removed members stay out", "member ", id,
                      starts ? " starts" : " may not start", " as of ",
                      tree.applied(), ", when the members were ",
                      MembersTxn(stored.members));
  }
  if (starts) return true;
  ++reached_.starts_refused;
  Trace(id, " may not start: it was removed");
  node.gone = true;
  return false;
}

// As the transport does it: who is let go is not heard any more, and whose
// address has changed is dialled anew.
void MemberWorld::SetContacts(size_t i,
                              std::vector<zab::EnsembleMember> contacts) {
  Node& node = nodes_[i];
  contacts_->Set(i, contacts);
  for (const zab::EnsembleMember& before : node.contacts) {
    if (before.id == IdOf(i)) continue;
    auto now = std::find_if(
        contacts.begin(), contacts.end(),
        [&](const zab::EnsembleMember& m) { return m.id == before.id; });
    const bool stays = now != contacts.end();
    if (stays && now->where == before.where) continue;
    BreakLink(i, NodeOf(before.id));
    if (!stays) BreakLink(NodeOf(before.id), i);
  }
  node.contacts = std::move(contacts);
}

// ---- What must agree

// /zookeeper/config shows the members as of what is applied; the member acts by
// those, or by newer ones that are not settled yet.
void MemberWorld::CheckConfig(size_t i) {
  const Node& node = nodes_[i];
  const zab::Membership shown =
      coord::ToMembership(node.core->tree().ensemble());
  const zab::Membership& known = memberships_.At(node.applied);
  const bool changed = known.version != Zxid();
  if (shown.version != known.version ||
      shown.members != (changed ? known.members
                                : coord::ToZabMembers(node.file))) {
    violation_.Report("shown as it acts", "member ", IdOf(i), " shows at ",
                      node.applied, " the members as of ", shown.version,
                      " (", MembersTxn(shown.members),
                      "), not those as of ", known.version, " (",
                      MembersTxn(known.members), ")");
  }
  const zab::Membership acting = node.core->zab().membership();
  if (acting.version < shown.version ||
      (acting.version == shown.version && acting.members != shown.members)) {
    violation_.Report("shown as it acts", "member ", IdOf(i),
                      " shows the members as of ", shown.version,
                      " and goes by those as of ", acting.version, " (",
                      MembersTxn(acting.members), ")");
  }
}

}  // namespace sillok::sim
