// What moves in the simulated ensemble: what leaders are given to do, outputs of
// cores, storage, messages.
#include <algorithm>
#include <string>
#include <utility>

#include "test/sim/zab_world.h"

namespace sillok::sim {

using zab::Entry;
using zab::Message;
using zab::MessageKind;
using zab::Output;
using zab::Persist;
using zab::Role;

// ---- Clients

// Everyone who believes to lead gets work: deposed leaders too.
void ZabWorld::ProposeSomewhere() {
  std::optional<size_t> newest = ServingLeader();
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    if (node.core == nullptr || node.paused_until > events_.now()) continue;
    int64_t batch = random_.Range(1, 4, kBatch, i, ++draws_);
    for (int64_t b = 0; b < batch; ++b) {
      Zxid predecessor = node.core->last_logged();
      std::string txn = "t" + std::to_string(++proposals_);
      std::optional<Zxid> zxid = node.core->Propose(txn);
      if (!zxid) break;
      Trace(i, " proposes ", *zxid);
      order_.OnProposed(i, *zxid, txn, predecessor, agreement_.last());
      if (newest != i) ++reached_.deposed_leaders;
    }
    Drive(i);
  }
}

void ZabWorld::AskBarriers() {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    if (node.core == nullptr || node.paused_until > events_.now()) continue;
    uint64_t id = ++barriers_;
    barrier_checks_.OnAsked(id, agreement_.last());
    if (!node.core->ReadBarrier(id)) barrier_checks_.OnFailed(id);
    Drive(i);
  }
}

// ---- The shell

void ZabWorld::Drive(size_t i, bool may_wait) {
  Node& node = nodes_[i];
  // A shell may take several inputs before it looks at the output.
  if (may_wait && random_.Chance(swarm_.lazy, kLazy, i, ++draws_)) return;
  while (node.core != nullptr && node.core->HasOutput() &&
         !violation_.found()) {
    CarryOut(i, node.core->TakeOutput());
  }
}

void ZabWorld::CarryOut(size_t i, Output out) {
  Node& node = nodes_[i];
  reached_.removed_leaders +=
      out.removed && node.role.role == Role::kLeading;
  if (!out.fatal.empty()) {
    violation_.Report("core stops", "member ", i, ": ", out.fatal);
    return;
  }
  const bool persists = !out.persist.empty();
  for (Persist& persist : out.persist) {
    if (persist.truncate_after) {
      ++reached_.truncations;
      Trace(i, " truncates after ", *persist.truncate_after);
    }
    if (persist.install_snapshot) {
      ++reached_.snapshots;
      Trace(i, " installs snapshot ", *persist.install_snapshot);
      node.delivered = *persist.install_snapshot;
      node.index = agreement_.OnSnapshotInstalled(i, node.delivered);
    }
    ZabWrite write;
    write.persist = std::move(persist);
    node.disk.Queue(std::move(write));
  }
  for (Message& message : out.send) Send(i, std::move(message));
  for (const Entry& entry : out.committed) Deliver(i, entry);
  for (const zab::BarrierResult& barrier : out.barriers) {
    if (!barrier.ok) {
      ++reached_.barriers_failed;
      barrier_checks_.OnFailed(barrier.id);
      continue;
    }
    ++reached_.barriers_done;
    if (barrier.id == probe_barrier_) probe_barrier_done_ = true;
    barrier_checks_.OnDone(i, barrier.id, barrier.zxid, node.delivered);
  }
  for (const zab::SnapshotSend& request : out.snapshots) {
    SendSnapshot(i, request);
  }
  if (out.membership) memberships_.OnInForce(i, *out.membership);
  if (out.contacts) contacts_->Set(i, *out.contacts);
  if (out.role) {
    node.role = *out.role;
    Trace(i, " is ", zab::ToString(out.role->role), " leader ",
          out.role->leader, " epoch ", out.role->epoch,
          out.role->serving ? ", serving" : "");
    if (out.role->role == Role::kLeading && out.role->serving) {
      ++reached_.serving_leaders;
      one_leader_.OnServingLeader(i, out.role->epoch);
    }
  }
  if (persists) BeginSync(i);
  if (persists && !faults_over_ &&
      random_.Chance(swarm_.crash_on_persist, kAfterPersist, i, ++draws_)) {
    Crash(i);
  }
  if (out.removed && node.core != nullptr) Leave(i);
}

void ZabWorld::Deliver(size_t i, const Entry& entry) {
  Node& node = nodes_[i];
  if (agreement_.OnDelivered(i, node.index, entry)) {
    ++reached_.commits;
    Trace(i, " delivers ", entry.zxid, " first");
    order_.OnFirstDelivered(entry);
    memberships_.OnFirstDelivered(entry);
    if (memberships_.last().version == entry.zxid) {
      ++reached_.reconfigurations;
      --reached_.reconfigurations_lost;
    }
    CheckKept();
    wipes_ = wipes_ || entry.txn->empty();
  }
  ++node.index;
  node.delivered = entry.zxid;
  ZabWrite write;
  write.kind = ZabWrite::Kind::kApplied;
  write.zxid = entry.zxid;
  node.disk.Queue(std::move(write));
  BeginSync(i);
}

void ZabWorld::Send(size_t i, Message message) {
  epochs_.OnSend(i, message, *images_[i]);
  if (message.kind == MessageKind::kAck) reached_.rejects += message.rejected;
  if (message.kind == MessageKind::kHandOver &&
      message.vote.leader == message.to) {
    ++reached_.hand_overs;
  }
  if (message.kind == MessageKind::kAckEpoch) {
    reached_.broken_promises_refused += !message.promised;
  }
  size_t to = static_cast<size_t>(message.to.value());
  if (!contacts_->Knows(i, to)) return;
  Network::Fate fate = network_->Send(i, to, events_.now());
  for (int copy = 0; copy < fate.copies; ++copy) {
    const uint32_t slot = in_flight_.Keep(
        copy + 1 == fate.copies ? std::move(message) : message);
    events_.At(fate.arrival[copy],
               Event{Kind::kMessage, static_cast<uint8_t>(to),
                     static_cast<uint8_t>(i), 0, slot, Zxid()});
  }
}

void ZabWorld::BeginSync(size_t i) {
  Node& node = nodes_[i];
  if (!node.disk.BeginSync()) return;
  const int64_t took =
      SyncTime(random_, faults_over_ ? 0 : swarm_.slow_sync, i, ++draws_);
  events_.After(took, Event{Kind::kSyncEnd, static_cast<uint8_t>(i), 0,
                            node.incarnation});
}

void ZabWorld::EndSync(size_t i) {
  Node& node = nodes_[i];
  uint64_t token = 0;
  bool takes_away = false;
  const zab::HardState before = images_[i]->hard_state();
  node.disk.EndSync([&](const ZabWrite& write) {
    token = std::max(token, write.persist.token);
    takes_away = takes_away || write.persist.truncate_after ||
                 write.persist.install_snapshot;
  });
  epochs_.OnStored(i, before, *images_[i]);
  if (takes_away) CheckKept();
  BeginSync(i);
  if (token == 0) return;
  node.core->OnPersisted(token);
  Drive(i);
}

void ZabWorld::SendSnapshot(size_t i, const zab::SnapshotSend& request) {
  Node& node = nodes_[i];
  const SnapshotFate fate =
      DrawSnapshotFate(random_, faults_over_, i, ++draws_);
  uint8_t to = static_cast<uint8_t>(request.to.value());
  Trace(i, " streams snapshot ", node.delivered, " to ", +to);
  if (!fate.lost) {
    events_.After(fate.took_us,
                  Event{Kind::kSnapshotArrives, to, static_cast<uint8_t>(i),
                        nodes_[to].incarnation, request.epoch,
                        node.delivered});
  }
  events_.After(fate.took_us, Event{fate.noticed ? Kind::kSnapshotFailed
                                                 : Kind::kSnapshotSent,
                                    static_cast<uint8_t>(i), to,
                                    node.incarnation, request.epoch,
                                    node.delivered});
}

void ZabWorld::SnapshotArrives(const Event& event) {
  if (network_->IsCut(event.other, event.node)) return;
  nodes_[event.node].core->OnSnapshotReceived(MemberId(event.other),
                                              event.number, event.zxid,
                                              memberships_.At(event.zxid));
  Drive(event.node);
}

void ZabWorld::CheckKept() {
  if (agreement_.committed().empty()) return;
  const Zxid last = agreement_.last();
  kept_.Check(images_, memberships_.last(), last);
  // Until then the members before could be asked.
  if (memberships_.last().version == last && memberships_.before()) {
    kept_.Check(images_, *memberships_.before(), last);
  }
}

}  // namespace sillok::sim
