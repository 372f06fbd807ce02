// What moves in a simulated ensemble: outputs of members, storage, messages,
// clients.
#include <algorithm>
#include <utility>

#include "coordinator/tree/row_format.h"
#include "test/sim/member_world.h"
#include "test/sim/member_world_internal.h"

namespace sillok::sim {

using coord::MemberOutput;
using zab::Entry;
using zab::MessageKind;
using zab::Role;

// ---- Outputs

void MemberWorld::Drive(size_t i, bool may_wait) {
  Node& node = nodes_[i];
  // A shell may take several inputs before it looks at the output.
  if (may_wait && random_.Chance(swarm_.lazy, kLazy, i, ++draws_)) return;
  if (node.core == nullptr || violation_.found()) return;
  CarryOut(i, node.core->TakeOutput(TimeOf(i)));
}

void MemberWorld::CarryOut(size_t i, MemberOutput out) {
  Node& node = nodes_[i];
  if (!out.fatal.empty()) {
    violation_.Report("core stops", "member ", IdOf(i), ": ", out.fatal);
    return;
  }
  const bool persists = !out.persist.empty();
  for (zab::Persist& persist : out.persist) Persist(i, std::move(persist));
  for (zab::Message& message : out.zab_messages) {
    SendZab(i, std::move(message));
  }
  for (auto& [to, batch] : out.forwards) {
    SendForward(i, to, {out.epoch, 0, std::move(batch)});
  }
  for (auto& [to, batch] : out.forward_replies) {
    SendForward(i, to, {out.epoch, 0, std::move(batch)});
  }
  if (out.contacts) SetContacts(i, *std::move(out.contacts));
  if (out.membership) memberships_.OnInForce(i, *out.membership);
  OnApplied(i);
  if (out.membership && node.core->tree().applied() == node.applied) {
    CheckConfig(i);
  }
  if (out.rows) {
    MemberWrite write;
    write.zab.kind = ZabWrite::Kind::kApplied;
    write.zab.zxid = out.rows->applied;
    write.rows = *std::move(out.rows);
    node.disk.Queue(std::move(write));
    BeginSync(i);
  }
  for (coord::ClientAction& action : out.clients) {
    SendToClient(std::move(action));
  }
  for (const zab::SnapshotSend& request : out.snapshots) {
    SendSnapshot(i, request);
  }
  if (out.role) OnRole(i);
  if (out.transfer) {
    Trace(IdOf(i), out.transfer->ok ? " has handed over to "
                              : " could not hand over; leader ",
          out.transfer->leader);
  }
  if (out.removed) return Leave(i);
  if (!persists) return;
  BeginSync(i);
  if (!faults_over_ &&
      random_.Chance(swarm_.crash_on_persist, kAfterPersist, i, ++draws_)) {
    Crash(i);
  }
}

void MemberWorld::Persist(size_t i, zab::Persist persist) {
  Node& node = nodes_[i];
  MemberWrite write;
  if (persist.truncate_after) {
    ++reached_.truncations;
    Trace(IdOf(i), " truncates after ", *persist.truncate_after);
  }
  if (persist.install_snapshot) {
    ++reached_.snapshots;
    Trace(IdOf(i), " installs snapshot ", *persist.install_snapshot);
    if (node.staged == nullptr ||
        node.staged->zxid != *persist.install_snapshot) {
      violation_.Report("snapshots", "member ", IdOf(i), " installs ",
                        *persist.install_snapshot, ", which is not staged");
      return;
    }
    write.staged = std::move(node.staged);
  }
  write.zab.persist = std::move(persist);
  node.asked.Apply(write.zab);
  node.disk.Queue(std::move(write));
}

void MemberWorld::OnRole(size_t i) {
  Node& node = nodes_[i];
  const zab::RoleState role = node.core->zab().role();
  Trace(IdOf(i), " is ", zab::ToString(role.role), " leader ", role.leader,
        " epoch ", role.epoch,
        node.core->serving() ? ", serves clients" : "");
  if (role.role != Role::kLeading || !role.serving ||
      role.epoch == node.led_epoch) {
    return;
  }
  node.led_epoch = role.epoch;
  ++reached_.leaders;
  one_leader_.OnServingLeader(i, role.epoch);
}

// The member's tree has come further: along the one history, to the one state.
void MemberWorld::OnApplied(size_t i) {
  Node& node = nodes_[i];
  const Zxid applied = node.core->tree().applied();
  if (applied == node.applied || applied < node.asked.TrimmedTo()) return;
  const std::vector<Entry> entries = node.asked.Read(node.applied, 1 << 30);
  auto known = std::upper_bound(
      committed_.begin(), committed_.end(), node.applied,
      [](Zxid zxid, const Entry& entry) { return zxid < entry.zxid; });
  size_t at = static_cast<size_t>(known - committed_.begin());
  bool news = false, changed = false;
  for (const Entry& entry : entries) {
    if (entry.zxid > applied) break;
    if (at < committed_.size()) {
      if (committed_[at].zxid != entry.zxid ||
          *committed_[at].txn != *entry.txn) {
        violation_.Report("prefix agreement", "member ", IdOf(i), " applies ",
                          entry.zxid, " where another one has applied ",
                          committed_[at].zxid);
        return;
      }
    } else {
      news = true;
      committed_.push_back(entry);
      ++reached_.commits;
      Trace(IdOf(i), " applies ", entry.zxid, " first");
      v1::Txn txn;
      txn.ParseFromString(*entry.txn);
      reference_.Apply(entry.zxid, txn);
      memberships_.OnFirstDelivered(entry);
      reached_.reconfigurations += txn.has_reconfig();
      wipes_ = wipes_ || entry.txn->empty();
    }
    changed = changed || memberships_.At(entry.zxid).version == entry.zxid;
    ++at;
  }
  if (at == 0 || committed_[at - 1].zxid != applied) {
    violation_.Report("prefix agreement", "member ", IdOf(i), " has applied ",
                      applied, ", which is not in its log");
    return;
  }
  node.applied = applied;
  if (changed) CheckConfig(i);
  auto [digest, is_new] =
      digests_.emplace(applied, node.core->tree().digest());
  if (!is_new) {
    ++reached_.digests_compared;
    if (digest->second != node.core->tree().digest()) {
      violation_.Report("digests agree", "member ", IdOf(i), " has another tree at ",
                        applied);
    }
  }
  if (!news) return;
  CheckKept();
  absl::Status whole = node.core->tree().CheckInvariants();
  if (!whole.ok()) {
    violation_.Report("tree", "member ", IdOf(i), " at ", applied, ": ",
                      whole.ToString());
  }
}

void MemberWorld::CheckKept() {
  if (committed_.empty()) return;
  kept_.Check(images_, memberships_.last(), committed());
  // Until then the members before could be asked.
  if (memberships_.last().version == committed() && memberships_.before()) {
    kept_.Check(images_, *memberships_.before(), committed());
  }
}

// ---- Storage

void MemberWorld::BeginSync(size_t i) {
  Node& node = nodes_[i];
  if (!node.disk.BeginSync()) return;
  const int64_t took =
      SyncTime(random_, faults_over_ ? 0 : swarm_.slow_sync, i, ++draws_);
  events_.After(took, Event{Kind::kSyncEnd, static_cast<uint8_t>(i), 0,
                            node.incarnation});
}

void MemberWorld::EndSync(size_t i) {
  Node& node = nodes_[i];
  uint64_t token = 0;
  bool takes_away = false, installed = false;
  const zab::HardState before = node.disk.image().hard_state();
  node.disk.EndSync([&](const MemberWrite& write) {
    const zab::Persist& persist = write.zab.persist;
    token = std::max(token, persist.token);
    installed = installed || persist.install_snapshot;
    takes_away = takes_away || persist.truncate_after || installed;
  });
  epochs_.OnStored(i, before, node.disk.image());
  if (takes_away) CheckKept();
  BeginSync(i);
  if (installed) {
    events_.After(random_.Exponential(5000, kLoadTime, i, ++draws_),
                  Event{Kind::kTreeLoaded, static_cast<uint8_t>(i), 0,
                        node.incarnation});
  }
  if (token == 0) return;
  node.core->OnPersisted(token);
  Drive(i);
}

void MemberWorld::LoadTree(size_t i) {
  Node& node = nodes_[i];
  auto tree = node.disk.image().LoadTree();
  if (!tree.ok()) {
    violation_.Report("recovery", "member ", IdOf(i), " cannot load a snapshot: ",
                      tree.status().ToString());
    return;
  }
  node.applied = (*tree)->applied();
  auto digest = digests_.find(node.applied);
  if (digest != digests_.end() && digest->second != (*tree)->digest()) {
    violation_.Report("digests agree", "member ", IdOf(i),
                      " has loaded another tree at ", node.applied);
  }
  node.core->OnTreeLoaded(*std::move(tree), TimeOf(i));
  Drive(i);
  if (node.core != nullptr) CheckConfig(i);
}

void MemberWorld::SendSnapshot(size_t i, const zab::SnapshotSend& request) {
  Node& node = nodes_[i];
  const SnapshotFate fate =
      DrawSnapshotFate(random_, faults_over_, i, ++draws_);
  const size_t to = NodeOf(request.to);
  auto rows = node.disk.image().Snapshot();
  const Zxid zxid = rows->zxid;
  Trace(IdOf(i), " streams snapshot ", zxid, " to ", request.to);
  if (!fate.lost) {
    events_.After(
        fate.took_us,
        Event{Kind::kSnapshotArrives, static_cast<uint8_t>(to),
              static_cast<uint8_t>(i), nodes_[to].incarnation,
              packets_.Keep(Image{request.epoch, std::move(rows)})});
  }
  events_.After(fate.took_us, Event{fate.noticed ? Kind::kSnapshotFailed
                                                 : Kind::kSnapshotSent,
                                    static_cast<uint8_t>(i),
                                    static_cast<uint8_t>(to),
                                    node.incarnation, request.epoch, zxid});
}

void MemberWorld::SnapshotArrives(const Event& event) {
  Image image = std::get<Image>(packets_.Take(event.number));
  if (network_->IsCut(event.other, event.node)) return;
  Node& node = nodes_[event.node];
  const Zxid zxid = image.rows->zxid;
  node.staged = std::move(image.rows);
  const auto members = node.staged->rows.find(EnsembleKey());
  node.core->OnSnapshotReceived(
      IdOf(event.other), image.epoch, zxid,
      members == node.staged->rows.end() ? "" : members->second);
  Drive(event.node);
}

// ---- Between members

void MemberWorld::SendZab(size_t i, zab::Message message) {
  epochs_.OnSend(i, message, nodes_[i].disk.image());
  const size_t to = NodeOf(message.to);
  if (!contacts_->Knows(i, to)) return;
  Network::Fate fate = network_->Send(i, to, events_.now());
  for (int copy = 0; copy < fate.copies; ++copy) {
    uint32_t slot = copy + 1 == fate.copies ? packets_.Keep(std::move(message))
                                            : packets_.Keep(message);
    events_.At(fate.arrival[copy],
               Event{Kind::kPacket, static_cast<uint8_t>(to),
                     static_cast<uint8_t>(i), 0, slot});
  }
}

void MemberWorld::SendForward(size_t i, MemberId to_id, Forward forward) {
  if (to_id.value() < 0) return;
  const size_t to = NodeOf(to_id);
  if (!contacts_->Knows(i, to)) return;
  Link& link = LinkOf(i, to);
  if (link.broken) return;
  if (network_->IsCut(i, to)) return BreakLink(i, to);
  forward.stream = link.stream;
  int64_t took = 20 + random_.Exponential(
                          static_cast<double>(swarm_.network.delay_mean_us),
                          kLinkTime, i * 16 + to, ++draws_);
  link.last_arrival = std::max(link.last_arrival, events_.now() + took);
  events_.At(link.last_arrival,
             Event{Kind::kPacket, static_cast<uint8_t>(to),
                   static_cast<uint8_t>(i), 0, packets_.Keep(std::move(forward))});
}

void MemberWorld::Deliver(const Event& event, Packet packet) {
  Node& node = nodes_[event.node];
  const bool cut = network_->IsCut(event.other, event.node);
  const bool known = contacts_->Knows(event.node, event.other);
  if (auto* message = std::get_if<zab::Message>(&packet)) {
    if (cut || node.core == nullptr || !known) return;
    if (options_.trace && message->kind != MessageKind::kPing &&
        message->kind != MessageKind::kPong) {
      Trace("    ", zab::DebugString(*message));
    }
    node.core->OnZabMessage(std::move(*message), TimeOf(event.node));
    return Drive(event.node, true);
  }
  Forward& forward = std::get<Forward>(packet);
  if (forward.stream != LinkOf(event.other, event.node).stream) return;
  if (cut || node.core == nullptr || !known) {
    return BreakLink(event.other, event.node);
  }
  const MemberId from = IdOf(event.other);
  if (auto* batch = std::get_if<v1::ForwardBatch>(&forward.batch)) {
    node.core->OnForward(from, forward.epoch, std::move(*batch),
                         TimeOf(event.node));
  } else {
    node.core->OnForwardReply(
        from, forward.epoch,
        std::move(std::get<v1::ForwardReplyBatch>(forward.batch)),
        TimeOf(event.node));
  }
  Drive(event.node, true);
}

// What is on its way is lost; both ends hear of it, the receiver first.
void MemberWorld::BreakLink(size_t from, size_t to) {
  Link& link = LinkOf(from, to);
  if (link.broken) return;
  link.broken = true;
  ++link.stream;
  int64_t noticed =
      random_.Exponential(30000, kBreakTime, from * 16 + to, ++draws_);
  events_.After(noticed,
                Event{Kind::kLinkReset, static_cast<uint8_t>(to),
                      static_cast<uint8_t>(from), nodes_[to].incarnation, 0});
  events_.After(noticed + 1,
                Event{Kind::kLinkReset, static_cast<uint8_t>(from),
                      static_cast<uint8_t>(to), nodes_[from].incarnation, 1});
}

void MemberWorld::ResetLink(const Event& event) {
  ++reached_.link_resets;
  if (event.number == 1) LinkOf(event.node, event.other).broken = false;
  nodes_[event.node].core->OnLinkReset(IdOf(event.other));
  Drive(event.node);
}

// ---- Clients

void MemberWorld::StepClient(size_t c) {
  Client& client = clients_[c];
  MemberClient& core = *client.core;
  const int64_t now_ms = events_.now() / 1000;
  const uint64_t ordinal = ++draws_;
  const uint64_t random = random_.Draw(kClient, c, ordinal);
  int64_t next = random_.Exponential(swarm_.ask_mean_us, kClient, 100 + c,
                                     ordinal);
  switch (core.state()) {
    case MemberClient::State::kAway:
      OpenStream(c);
      next = std::min<int64_t>(next, 100000);
      break;
    case MemberClient::State::kConnecting:
      if (now_ms - core.heard_ms() > 1000) CloseStream(c);
      next = std::min<int64_t>(next, 200000);
      break;
    case MemberClient::State::kOpen:
      if (now_ms - core.heard_ms() > core.timeout_ms() * 2 / 3 &&
          (core.outstanding() > 0 || client.sent_ms > core.heard_ms())) {
        Trace("client ", c, " hears nothing");
        CloseStream(c);
      } else if (!faults_over_ && random % 64 == 0) {
        CloseStream(c);
      } else if (core.outstanding() < 5) {
        SendToMember(c, core.Ask(random >> 8, committed()));
        Trace("client ", c, " asks ", core.DescribeLast());
      } else {
        SendToMember(c, core.Ping());
      }
      next = std::min(next, core.timeout_ms() * 1000 / 3);
      break;
  }
  if (!faults_over_ && random_.Chance(swarm_.nap, kClient, 200 + c, ordinal)) {
    next += random_.Range(kSecond / 2, 6 * kSecond, kClient, 300 + c, ordinal);
    Trace("client ", c, " naps");
  }
  events_.After(next, Event{Kind::kClientStep, static_cast<uint8_t>(c)});
}

void MemberWorld::OpenStream(size_t c) {
  const uint64_t ordinal = ++draws_;
  const size_t i = random_.Draw(kStreamTime, c, ordinal) % nodes_.size();
  if (nodes_[i].core == nullptr) return;  // refused
  Client& client = clients_[c];
  client.stream = static_cast<uint32_t>(streams_.size());
  Stream& stream = streams_.emplace_back();
  stream.client = static_cast<uint8_t>(c);
  stream.node = static_cast<uint8_t>(i);
  stream.incarnation = nodes_[i].incarnation;
  stream.slow = !faults_over_ &&
                random_.Chance(swarm_.slow_stream, kStreamTime, 100 + c,
                               ordinal);
  Trace("client ", c, " connects to ", IdOf(i));
  SendToMember(c, client.core->Connect(
                      random_.Range(2, 12, kStreamTime, 200 + c, ordinal) *
                          swarm_.session_tick_ms,
                      events_.now() / 1000));
}

void MemberWorld::CloseStream(size_t c) {
  Client& client = clients_[c];
  client.core->Leave();
  Stream& stream = streams_[client.stream];
  events_.At(std::max(stream.last_up, events_.now() + 100),
             Event{Kind::kDisconnect, stream.node, 0, stream.incarnation,
                   client.stream});
  client.stream = 0;
}

void MemberWorld::SendToMember(size_t c, v1::SessionRequest message) {
  Client& client = clients_[c];
  client.sent_ms = events_.now() / 1000;
  Stream& stream = streams_[client.stream];
  int64_t took = 50 + random_.Exponential(stream.slow ? 200000 : 500,
                                          kStreamTime, 300 + c, ++draws_);
  stream.last_up = std::max(stream.last_up, events_.now() + took);
  events_.At(stream.last_up,
             Event{Kind::kToMember, stream.node, stream.client,
                   stream.incarnation,
                   packets_.Keep(ToMember{client.stream, std::move(message)})});
}

void MemberWorld::ArriveAtMember(size_t i, ToMember packet) {
  coord::Member& core = *nodes_[i].core;
  ConnectionId id(packet.stream);
  if (!std::exchange(streams_[packet.stream].open, true)) {
    core.OnConnection(id, "127.0.0.1", TimeOf(i));
  }
  core.OnRequest(id, std::move(packet.message), TimeOf(i));
  Drive(i, true);
}

void MemberWorld::SendToClient(coord::ClientAction action) {
  const uint32_t number = static_cast<uint32_t>(action.connection.value());
  Stream& stream = streams_[number];
  int64_t took =
      50 + random_.Exponential(500, kStreamTime, 400 + stream.client, ++draws_);
  stream.last_down = std::max(stream.last_down, events_.now() + took);
  events_.At(stream.last_down,
             Event{Kind::kToClient, stream.client, stream.node, 0,
                   packets_.Keep(ToClient{number, std::move(action.message),
                                 action.end})});
}

void MemberWorld::ArriveAtClient(ToClient packet) {
  const size_t c = streams_[packet.stream].client;
  Client& client = clients_[c];
  if (client.stream != packet.stream) return;
  if (packet.message) {
    if (options_.trace) {
      Trace("client ", c, " hears ", packet.message->ShortDebugString());
    }
    if (!client.core->OnMessage(*packet.message, events_.now() / 1000)) {
      CloseStream(c);
    }
    return;
  }
  Trace("client ", c, " is cut off, reason ", static_cast<int>(packet.end));
  client.core->OnEnd(packet.end);
  client.stream = 0;
}

}  // namespace sillok::sim
