#include "test/sim/zab_world.h"

#include <algorithm>
#include <sstream>
#include <utility>

namespace sillok::sim {

using zab::Message;
using zab::MessageKind;
using zab::Role;

void ZabReached::Add(const ZabReached& o) {
  events += o.events;
  commits += o.commits;
  elections += o.elections;
  serving_leaders += o.serving_leaders;
  crashes += o.crashes;
  writes_lost += o.writes_lost;
  truncations += o.truncations;
  snapshots += o.snapshots;
  rejects += o.rejects;
  broken_promises_refused += o.broken_promises_refused;
  deposed_leaders += o.deposed_leaders;
  barriers_done += o.barriers_done;
  barriers_failed += o.barriers_failed;
  transfers += o.transfers;
  hand_overs += o.hand_overs;
  observers += o.observers;
  reconfigurations += o.reconfigurations;
  reconfigurations_refused += o.reconfigurations_refused;
  reconfigurations_lost += o.reconfigurations_lost;
  removed += o.removed;
  removed_leaders += o.removed_leaders;
  wiped += o.wiped;
  stranded += o.stranded;
}

std::string ZabReached::ToString() const {
  std::ostringstream out;
  out << "events " << events << ", commits " << commits << ", elections "
      << elections << ", serving leaders " << serving_leaders << ", crashes "
      << crashes << " (" << writes_lost << " lost writes), truncations "
      << truncations << ", snapshots " << snapshots << ", rejects " << rejects
      << ", second promises refused " << broken_promises_refused
      << ", proposals by deposed leaders " << deposed_leaders
      << ", barriers " << barriers_done << " done " << barriers_failed
      << " failed, transfers " << transfers << " (" << hand_overs
      << " handed over), observers " << observers << ", reconfigurations "
      << reconfigurations << " (" << reconfigurations_refused << " refused, "
      << reconfigurations_lost << " lost), removed " << removed << " ("
      << removed_leaders << " leaders), wiped " << wiped << ", stranded "
      << stranded;
  return out.str();
}

ZabWorld::ZabWorld(ZabWorldOptions options)
    : options_(std::move(options)), random_(options_.seed) {
  Draw();
  BeMerciful();
  const size_t members = swarm_.nodes + swarm_.observers;
  nodes_ = std::vector<Node>(members + swarm_.spares);
  reached_.observers = swarm_.observers;
  zab::Membership first;
  for (size_t i = 0; i < members; ++i) {
    first.members.push_back(
        {MemberId(static_cast<int32_t>(i)), i < swarm_.nodes, ""});
  }
  for (size_t i = 0; i < nodes_.size(); ++i) {
    images_.push_back(&nodes_[i].disk.image());
    nodes_[i].file = first;
    nodes_[i].gone = i >= members;
  }
  memberships_.Begin(std::move(first));
  contacts_ = std::make_unique<Contacts>(nodes_.size(), 0);
  network_ = std::make_unique<Network>(swarm_.network, nodes_.size(), &random_,
                                       kNetwork);
}

ZabWorld::~ZabWorld() = default;

void ZabWorld::Draw() {
  uint64_t n = 0;
  auto one_in = [&](int64_t k) {
    return random_.Range(1, k, kSwarm, ++n) == 1;
  };
  auto pick = [&](int64_t low, int64_t high) {
    return static_cast<double>(random_.Range(low, high, kSwarm, ++n));
  };
  swarm_.nodes = one_in(3) ? 5 : 3;
  if (options_.nodes != 0) swarm_.nodes = options_.nodes;
  swarm_.network.delay_mean_us = static_cast<int64_t>(pick(100, 3000));
  swarm_.network.in_order = !one_in(3);
  if (one_in(2)) swarm_.network.loss = pick(1, 80) / 1000;
  if (one_in(2)) swarm_.network.duplication = pick(1, 50) / 1000;
  if (one_in(3)) swarm_.network.slow = pick(1, 30) / 1000;
  if (!one_in(4)) swarm_.crash_mean_us = pick(1, 10) * kSecond;
  if (one_in(3)) swarm_.pause_mean_us = pick(2, 10) * kSecond;
  if (!one_in(3)) swarm_.cut_mean_us = pick(1, 8) * kSecond;
  if (one_in(2)) swarm_.trim_mean_us = pick(50, 1500) * 1000;
  if (one_in(5)) swarm_.resign_mean_us = pick(2, 10) * kSecond;
  if (one_in(2)) swarm_.crash_on_persist = pick(1, 20) / 1000;
  if (one_in(3)) swarm_.slow_sync = pick(1, 100) / 1000;
  if (one_in(3)) swarm_.lazy = pick(10, 50) / 100;
  swarm_.propose_mean_us = pick(20, 400) * 1000;
  swarm_.barrier_mean_us = pick(100, 1000) * 1000;
  swarm_.peer_lost_hints = one_in(2);
  swarm_.small_windows = one_in(2);
  if (one_in(3)) swarm_.transfer_mean_us = pick(1, 10) * kSecond;
  if (one_in(4)) swarm_.observers = 1;
  swarm_.short_counters = one_in(6);
  if (!one_in(3)) {
    swarm_.reconfigure_mean_us = pick(1, 8) * kSecond;
    swarm_.spares = static_cast<size_t>(pick(1, 3));
  }
}

void ZabWorld::BeMerciful() {
  const Mercy& mercy = options_.mercy;
  swarm_.BeMerciful(mercy);
  if (mercy.Spares("short counters")) swarm_.short_counters = false;
}

double ZabWorld::MeanOf(Kind kind) const {
  switch (kind) {
    case Kind::kCrash: return swarm_.crash_mean_us;
    case Kind::kPause: return swarm_.pause_mean_us;
    case Kind::kCut: return swarm_.cut_mean_us;
    case Kind::kTrim: return swarm_.trim_mean_us;
    case Kind::kResign: return swarm_.resign_mean_us;
    case Kind::kTransfer: return swarm_.transfer_mean_us;
    case Kind::kReconfigure: return swarm_.reconfigure_mean_us;
    case Kind::kPropose: return swarm_.propose_mean_us;
    case Kind::kBarrier: return swarm_.barrier_mean_us;
    default: return 0;
  }
}

void ZabWorld::Plan(Kind kind) {
  const double mean_us = MeanOf(kind);
  if (mean_us <= 0) return;
  int64_t delay = random_.Exponential(
      mean_us, kWhen, static_cast<uint64_t>(kind),
      ordinals_[static_cast<size_t>(kind)]);
  events_.After(delay, Event{kind});
}

ZabResult ZabWorld::Run() {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    events_.After(random_.Range(0, 300000, kHow, i),
                  Event{Kind::kStart, static_cast<uint8_t>(i)});
  }
  for (Kind kind : {Kind::kCrash, Kind::kPause, Kind::kCut, Kind::kTrim,
                    Kind::kResign, Kind::kTransfer, Kind::kReconfigure,
                    Kind::kPropose, Kind::kBarrier}) {
    Plan(kind);
  }
  const int64_t safety_end = options_.safety_seconds * kSecond;
  const int64_t end = safety_end + options_.liveness_seconds * kSecond;
  while (!violation_.found() && !done_) {
    if (!faults_over_ && events_.next_time() >= safety_end) EndFaults();
    if (events_.next_time() >= end) {
      violation_.Report("liveness", "no agreement ", options_.liveness_seconds,
                        " s after all faults have ended", DescribeNodes());
      break;
    }
    Event event = events_.Pop();
    ++reached_.events;
    trace_hash_ = Mix(trace_hash_ ^ static_cast<uint64_t>(events_.now()) ^
                      (static_cast<uint64_t>(event.kind) << 56) ^
                      (static_cast<uint64_t>(event.node) << 48));
    Handle(event);
    if (std::exchange(wipes_, false)) WipeSome();
  }
  for (size_t i = 0; i < nodes_.size(); ++i) {
    // Who has left, or not found its way back, may keep what it had.
    if (memberships_.last().Find(MemberId(static_cast<int32_t>(i))) &&
        (nodes_[i].core == nullptr || nodes_[i].core->role().serving)) {
      kept_.CheckWhole(i, *images_[i], agreement_.committed());
    }
    if (nodes_[i].core) reached_.elections += nodes_[i].core->elections();
  }
  return {violation_.invariant(), violation_.text(), reached_,
          trace_hash_,            fired_,            events_.now()};
}

void ZabWorld::EndFaults() {
  faults_over_ = true;
  network_->HealAll();
  network_->set_options(NetworkOptions{});
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].core == nullptr && !nodes_[i].gone) Start(i);
    nodes_[i].paused_until = 0;
  }
  events_.At((options_.safety_seconds + 1) * kSecond,
             Event{Kind::kCheckLiveness});
  Trace("---- faults end");
}

void ZabWorld::Handle(const Event& event) {
  const uint64_t ordinal = Next(event.kind);
  switch (event.kind) {
    case Kind::kStart:
      if (nodes_[event.node].core == nullptr && !nodes_[event.node].gone) {
        Start(event.node);
      }
      return;
    case Kind::kPropose:
      // With short counters a busy leader is one for a moment only.
      if (!faults_over_ || !swarm_.short_counters) ProposeSomewhere();
      Plan(event.kind);
      return;
    case Kind::kBarrier:
      AskBarriers();
      Plan(event.kind);
      return;
    case Kind::kHeal:
      Trace("network heals");
      network_->HealAll();
      return;
    case Kind::kCheckLiveness:
      CheckLiveness();
      if (!done_) events_.After(kSecond / 10, event);
      return;
    case Kind::kCrash:
    case Kind::kPause:
    case Kind::kCut:
    case Kind::kTrim:
    case Kind::kResign:
    case Kind::kTransfer:
    case Kind::kReconfigure:
      if (!faults_over_) HandleFault(event, ordinal);
      return;
    default:
      HandleForNode(event);
      return;
  }
}

void ZabWorld::HandleFault(const Event& event, uint64_t ordinal) {
  const uint64_t fault = FaultId(static_cast<uint64_t>(event.kind), ordinal);
  Plan(event.kind);
  if (options_.mercy.Spares(fault)) return;
  fired_.push_back(fault);
  const uint64_t random =
      random_.Draw(kHow, static_cast<uint64_t>(event.kind), ordinal);
  const size_t node = random % nodes_.size();
  switch (event.kind) {
    case Kind::kCrash: return CrashSome(random);
    case Kind::kPause: return Pause(random);
    case Kind::kCut:
      if (nodes_.size() == 1) return;
      Trace("network ",
            CutSome(network_.get(), nodes_.size(), ServingLeader(), random));
      events_.After(random_.Exponential(1.5 * kSecond, kPauseTime, 50,
                                        random % 65536),
                    Event{Kind::kHeal});
      return;
    case Kind::kTrim: return Trim(node);
    case Kind::kResign: return Resign(node);
    case Kind::kTransfer: return Transfer(random);
    case Kind::kReconfigure: return Reconfigure(random);
    default: return;
  }
}

void ZabWorld::HandleForNode(const Event& event) {
  Node& node = nodes_[event.node];
  const bool current = node.core != nullptr &&
                       (event.incarnation == 0 ||
                        event.incarnation == node.incarnation);
  if (current && node.paused_until > events_.now()) {
    events_.At(node.paused_until, event);
    return;
  }
  Message message;
  if (event.kind == Kind::kMessage) {
    message = in_flight_.Take(event.number);
    if (network_->IsCut(event.other, event.node)) return;
  }
  if (!current) return;
  // The other side's shell does not know us, or ours not it.
  if (event.kind == Kind::kMessage &&
      !contacts_->Knows(event.node, event.other)) {
    return;
  }
  switch (event.kind) {
    case Kind::kTick:
      node.core->Tick();
      events_.After(swarm_.tick_us, event);
      Drive(event.node);
      return;
    case Kind::kMessage:
      if (options_.trace && message.kind != MessageKind::kPing &&
          message.kind != MessageKind::kPong) {
        Trace("    ", zab::DebugString(message));
      }
      node.core->Step(std::move(message));
      Drive(event.node, true);
      return;
    case Kind::kSyncEnd:
      EndSync(event.node);
      return;
    case Kind::kSnapshotArrives:
      SnapshotArrives(event);
      return;
    case Kind::kSnapshotSent:
    case Kind::kSnapshotFailed:
      node.core->OnSnapshotSent(MemberId(event.other), event.number,
                                event.zxid,
                                event.kind == Kind::kSnapshotSent);
      Drive(event.node);
      return;
    case Kind::kPeerLost:
      node.core->OnPeerLost(MemberId(event.other));
      Drive(event.node);
      return;
    default:
      return;
  }
}

// ---- Nodes

void ZabWorld::Start(size_t i) {
  Node& node = nodes_[i];
  const ZabImage& image = node.disk.image();
  ++node.incarnation;
  node.role = {};
  node.delivered = image.applied();
  node.index = agreement_.IndexAfter(i, node.delivered);
  zab::Options options;
  options.self = MemberId(static_cast<int32_t>(i));
  const zab::Membership& stored = memberships_.At(image.applied());
  options.membership = stored.version == Zxid() ? node.file : stored;
  if (swarm_.reconfigure_mean_us > 0) options.membership_of = MembersOf;
  options.seed = random_.Draw(kSeed, i, node.incarnation);
  options.faults = options_.faults;
  if (swarm_.small_windows) {
    options.max_append_bytes = 40;
    options.window_bytes = 200;
    options.cache_bytes = 60;
    options.max_committed_bytes = 50;
    options.max_uncommitted_entries = 30;
  }
  if (swarm_.short_counters) options.counter_limit = 20;
  Trace(i, " starts: epochs ", image.hard_state().accepted_epoch, "/",
        image.hard_state().current_epoch, ", log ", image.TrimmedTo(), " to ",
        image.LastZxid(), ", applied ", image.applied());
  node.core = std::make_unique<zab::Zab>(options, image.hard_state(),
                                         image.applied(), &image);
  events_.After(swarm_.tick_us / static_cast<int64_t>(1 + i),
                Event{Kind::kTick, static_cast<uint8_t>(i), 0,
                      node.incarnation});
  Drive(i);
}

void ZabWorld::Crash(size_t i) {
  Node& node = nodes_[i];
  if (node.core == nullptr) return;
  ++reached_.crashes;
  reached_.elections += node.core->elections();
  node.core.reset();
  node.paused_until = 0;
  const zab::HardState before = images_[i]->hard_state();
  reached_.writes_lost += node.disk.queued();
  node.disk.Crash(random_.Draw(kSurvives, i, node.incarnation));
  epochs_.OnStored(i, before, *images_[i]);
  Trace(i, " crashes; left with log to ", images_[i]->LastZxid());
  CheckKept();
  events_.After(DownTime(random_, i, node.incarnation),
                Event{Kind::kStart, static_cast<uint8_t>(i)});
  if (!swarm_.peer_lost_hints) return;
  for (size_t peer = 0; peer < nodes_.size(); ++peer) {
    if (peer == i || nodes_[peer].core == nullptr) continue;
    events_.After(1000, Event{Kind::kPeerLost, static_cast<uint8_t>(peer),
                              static_cast<uint8_t>(i),
                              nodes_[peer].incarnation});
  }
}

void ZabWorld::CrashSome(uint64_t random) {
  uint64_t how = (random >> 20) % 10;
  if (how == 0) {  // The lights go out.
    for (size_t i = 0; i < nodes_.size(); ++i) Crash(i);
    return;
  }
  std::optional<size_t> leader = ServingLeader();
  Crash(how < 5 && leader ? *leader : random % nodes_.size());
}

void ZabWorld::Pause(uint64_t random) {
  std::optional<size_t> leader = ServingLeader();
  size_t i =
      (random >> 20) % 2 == 0 && leader ? *leader : random % nodes_.size();
  nodes_[i].paused_until =
      events_.now() + PauseTime(random_, i, random);
  Trace(i, " pauses until ", nodes_[i].paused_until / 1000, " ms");
}

void ZabWorld::Trim(size_t i) {
  if (nodes_[i].core == nullptr) return;
  ZabWrite write;
  write.kind = ZabWrite::Kind::kTrim;
  write.zxid = images_[i]->applied();
  nodes_[i].disk.Queue(std::move(write));
  BeginSync(i);
}

void ZabWorld::Resign(size_t i) {
  if (nodes_[i].core == nullptr) return;
  Trace(i, " resigns");
  nodes_[i].core->Resign();
  Drive(i);
  Crash(i);
}

// Deposed leaders are asked, too.
void ZabWorld::Transfer(uint64_t random) {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    if (node.core == nullptr || node.paused_until > events_.now()) continue;
    std::optional<MemberId> to;
    if (random % 2 == 0) {
      to = MemberId(static_cast<int32_t>((random >> 8) % nodes_.size()));
    }
    if (node.core->TransferTo(to) != zab::TransferStart::kStarted) continue;
    ++reached_.transfers;
    Trace(i, " is to hand over");
    Drive(i);
  }
}

std::optional<size_t> ZabWorld::ServingLeader() const {
  std::optional<size_t> found;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].core == nullptr) continue;
    zab::RoleState role = nodes_[i].core->role();
    if (role.role != Role::kLeading || !role.serving) continue;
    if (!found || role.epoch > nodes_[*found].core->role().epoch) found = i;
  }
  return found;
}

// ---- Liveness

std::string ZabWorld::DescribeNodes() const {
  std::ostringstream out;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].core == nullptr) {
      out << "\n  " << i << " does not run";
      continue;
    }
    zab::RoleState role = nodes_[i].core->role();
    out << "\n  " << i << ' ' << zab::ToString(role.role) << " leader "
        << role.leader << " epoch " << role.epoch
        << (role.serving ? ", serving" : "") << ", delivered "
        << nodes_[i].delivered << ", logged " << nodes_[i].core->last_logged()
        << ", stored " << images_[i]->LastZxid() << ", "
        << MembersTxn(nodes_[i].core->membership().members) << " as of "
        << nodes_[i].core->membership().version << ", waiting for " << probe_;
  }
  return out.str();
}

void ZabWorld::CheckLiveness() {
  std::optional<size_t> leader = ServingLeader();
  if (!leader) return;
  Node& node = nodes_[*leader];
  if (probe_.epoch() != node.core->role().epoch) {
    Zxid predecessor = node.core->last_logged();
    std::optional<Zxid> zxid = node.core->Propose("probe");
    if (!zxid) return;
    probe_ = *zxid;
    order_.OnProposed(*leader, probe_, "probe", predecessor,
                      agreement_.last());
    probe_barrier_ = ++barriers_;
    probe_barrier_done_ = false;
    barrier_checks_.OnAsked(probe_barrier_, agreement_.last());
    node.core->ReadBarrier(probe_barrier_);
    Drive(*leader);
    return;
  }
  bool all = probe_barrier_done_;
  const zab::Membership members = node.core->membership();
  for (const zab::EnsembleMember& member : members.members) {
    const size_t i = static_cast<size_t>(member.id.value());
    if (nodes_[i].core == nullptr) {
      Join(i);
      return;
    }
    if (contacts_->IsStranded(i, *leader, members)) {
      ++reached_.stranded;
      continue;
    }
    all = all && nodes_[i].delivered >= probe_ &&
          nodes_[i].core->role().serving && images_[i]->Holds(probe_);
  }
  done_ = all && !node.core->pending_membership();
}

}  // namespace sillok::sim
