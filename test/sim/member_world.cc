#include "test/sim/member_world.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "test/sim/member_world_internal.h"

namespace sillok::sim {

using coord::Member;
using coord::MemberOutput;
using zab::Role;

void MemberReached::Add(const MemberReached& o) {
  events += o.events;
  commits += o.commits;
  crashes += o.crashes;
  leaders += o.leaders;
  truncations += o.truncations;
  snapshots += o.snapshots;
  transfers += o.transfers;
  link_resets += o.link_resets;
  digests_compared += o.digests_compared;
  reconfigurations += o.reconfigurations;
  removed += o.removed;
  starts_refused += o.starts_refused;
  wiped += o.wiped;
  joined += o.joined;
  stranded += o.stranded;
  virtual_ms += o.virtual_ms;
  clients.acknowledged += o.clients.acknowledged;
  clients.refused += o.clients.refused;
  clients.unknown += o.clients.unknown;
  clients.reads += o.clients.reads;
  clients.syncs += o.clients.syncs;
  clients.events += o.clients.events;
  clients.sessions += o.clients.sessions;
  clients.reattached += o.clients.reattached;
  clients.expired += o.clients.expired;
  clients.turned_away += o.clients.turned_away;
  clients.reconfigured += o.clients.reconfigured;
  clients.reconfigs_refused += o.clients.reconfigs_refused;
}

std::string MemberReached::ToString() const {
  std::ostringstream out;
  out << "events " << events << ", commits " << commits << ", leaders "
      << leaders << ", crashes " << crashes << ", truncations " << truncations
      << ", snapshots " << snapshots << ", transfers " << transfers
      << ", link resets " << link_resets << ", digests compared "
      << digests_compared << "; members changed " << reconfigurations
      << ", removed " << removed << ", starts refused " << starts_refused
      << ", joined " << joined << ", wiped " << wiped << ", stranded "
      << stranded << "; clients: acknowledged "
      << clients.acknowledged << ", refused " << clients.refused
      << ", unknown " << clients.unknown << ", reads " << clients.reads
      << ", syncs " << clients.syncs << ", watch events " << clients.events
      << ", sessions " << clients.sessions << " (" << clients.reattached
      << " attached again, " << clients.expired << " expired, "
      << clients.turned_away << " turned away), reconfigurations "
      << clients.reconfigured << " done " << clients.reconfigs_refused
      << " refused";
  return out.str();
}

MemberWorld::MemberWorld(MemberWorldOptions options)
    : options_(std::move(options)), random_(options_.seed) {
  Draw();
  BeMerciful();
  const size_t members = swarm_.nodes + swarm_.observers;
  nodes_ = std::vector<Node>(members + swarm_.spares);
  links_ = std::vector<Link>(nodes_.size() * nodes_.size());
  zab::Membership first;
  for (size_t i = 0; i < members; ++i) {
    first.members.push_back(
        {IdOf(i), i < swarm_.nodes, AddressOf(IdOf(i), kFirstPort)});
  }
  images_.push_back(&nothing_);
  for (size_t i = 0; i < nodes_.size(); ++i) {
    nodes_[i].wall_offset_ms = random_.Range(-20000, 20000, kSkew, i);
    nodes_[i].file = FileOf(first);
    nodes_[i].gone = i >= members;
    images_.push_back(&nodes_[i].disk.image());
  }
  reference_.AddFile(TxnOf(nodes_[0].file));
  memberships_.Begin(std::move(first));
  contacts_ = std::make_unique<Contacts>(nodes_.size(), IdOf(0).value());
  for (size_t c = 0; c < swarm_.clients; ++c) {
    clients_.emplace_back().core = std::make_unique<MemberClient>(
        static_cast<int>(c), &reference_, &violation_, &reached_.clients);
  }
  network_ = std::make_unique<Network>(swarm_.network, nodes_.size(), &random_,
                                       kNetwork);
}

MemberWorld::~MemberWorld() = default;

void MemberWorld::Draw() {
  uint64_t n = 0;
  auto one_in = [&](int64_t k) {
    return random_.Range(1, k, kSwarm, ++n) == 1;
  };
  auto pick = [&](int64_t low, int64_t high) {
    return static_cast<double>(random_.Range(low, high, kSwarm, ++n));
  };
  swarm_.nodes = one_in(4) ? 5 : 3;
  if (options_.nodes != 0) swarm_.nodes = options_.nodes;
  if (one_in(5)) swarm_.observers = 1;
  swarm_.clients = static_cast<size_t>(pick(1, 3));
  swarm_.session_tick_ms = static_cast<int64_t>(pick(100, 600));
  swarm_.network.delay_mean_us = static_cast<int64_t>(pick(100, 3000));
  swarm_.network.in_order = !one_in(4);
  if (one_in(2)) swarm_.network.loss = pick(1, 60) / 1000;
  if (one_in(3)) swarm_.network.duplication = pick(1, 30) / 1000;
  if (one_in(3)) swarm_.network.slow = pick(1, 30) / 1000;
  if (!one_in(4)) swarm_.crash_mean_us = pick(2, 12) * kSecond;
  if (one_in(3)) swarm_.pause_mean_us = pick(2, 10) * kSecond;
  if (!one_in(3)) swarm_.cut_mean_us = pick(2, 10) * kSecond;
  if (one_in(2)) swarm_.trim_mean_us = pick(200, 3000) * 1000;
  if (one_in(5)) swarm_.resign_mean_us = pick(3, 12) * kSecond;
  if (one_in(3)) swarm_.transfer_mean_us = pick(1, 10) * kSecond;
  if (one_in(3)) swarm_.crash_on_persist = pick(1, 10) / 1000;
  if (one_in(3)) swarm_.slow_sync = pick(1, 50) / 1000;
  if (one_in(4)) swarm_.lazy = pick(10, 50) / 100;
  if (one_in(2)) swarm_.slow_stream = pick(5, 50) / 100;
  if (one_in(2)) swarm_.nap = pick(1, 5) / 100;
  swarm_.ask_mean_us = pick(100, 700) * 1000;
  swarm_.peer_lost_hints = one_in(2);
  swarm_.small_windows = one_in(3);
  if (one_in(2)) {
    swarm_.reconfigure_mean_us = pick(2, 10) * kSecond;
    swarm_.spares = static_cast<size_t>(pick(1, 2));
  }
}

void MemberWorld::BeMerciful() {
  const Mercy& mercy = options_.mercy;
  swarm_.BeMerciful(mercy);
  if (mercy.Spares("slow streams")) swarm_.slow_stream = 0;
  if (mercy.Spares("client naps")) swarm_.nap = 0;
  if (mercy.Spares("five voters")) swarm_.nodes = std::min<size_t>(swarm_.nodes, 3);
  if (mercy.Spares("third client")) {
    swarm_.clients = std::min<size_t>(swarm_.clients, 2);
  }
  if (mercy.Spares("second client")) swarm_.clients = 1;
}

double MemberWorld::MeanOf(Kind kind) const {
  switch (kind) {
    case Kind::kCrash: return swarm_.crash_mean_us;
    case Kind::kPause: return swarm_.pause_mean_us;
    case Kind::kCut: return swarm_.cut_mean_us;
    case Kind::kTrim: return swarm_.trim_mean_us;
    case Kind::kResign: return swarm_.resign_mean_us;
    case Kind::kTransfer: return swarm_.transfer_mean_us;
    case Kind::kReconfigure: return swarm_.reconfigure_mean_us;
    default: return 0;
  }
}

void MemberWorld::Plan(Kind kind, double mean_us) {
  if (mean_us <= 0) return;
  int64_t delay = random_.Exponential(
      mean_us, kWhen, static_cast<uint64_t>(kind),
      ordinals_[static_cast<size_t>(kind)]);
  events_.After(delay, Event{kind});
}

MemberResult MemberWorld::Run() {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    events_.After(random_.Range(0, 300000, kHow, i),
                  Event{Kind::kStart, static_cast<uint8_t>(i)});
  }
  for (size_t c = 0; c < clients_.size(); ++c) {
    events_.After(random_.Range(0, 500000, kHow, 100 + c),
                  Event{Kind::kClientStep, static_cast<uint8_t>(c)});
  }
  for (Kind kind : {Kind::kCrash, Kind::kPause, Kind::kCut, Kind::kTrim,
                    Kind::kResign, Kind::kTransfer, Kind::kReconfigure}) {
    Plan(kind, MeanOf(kind));
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
    if (!memberships_.last().Find(IdOf(i)) || nodes_[i].core == nullptr ||
        !nodes_[i].core->serving()) {
      continue;
    }
    kept_.CheckWhole(i, nodes_[i].disk.image(), committed_);
  }
  reached_.virtual_ms = events_.now() / 1000;
  return {violation_.invariant(), violation_.text(), reached_,
          trace_hash_,            fired_,            events_.now()};
}

void MemberWorld::EndFaults() {
  faults_over_ = true;
  network_->HealAll();
  network_->set_options(NetworkOptions{});
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].core == nullptr && !nodes_[i].gone) Start(i);
  }
  for (Client& client : clients_) {
    client.acknowledged_before = client.core->acknowledged();
  }
  events_.After(kSecond, Event{Kind::kCheckLiveness});
  Trace("---- faults end");
}

void MemberWorld::Handle(const Event& event) {
  const uint64_t ordinal = ++ordinals_[static_cast<size_t>(event.kind)];
  switch (event.kind) {
    case Kind::kStart:
      if (nodes_[event.node].core == nullptr && !nodes_[event.node].gone) {
        Start(event.node);
      }
      return;
    case Kind::kClientStep:
      StepClient(event.node);
      return;
    case Kind::kToClient:
      ArriveAtClient(std::get<ToClient>(packets_.Take(event.number)));
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

void MemberWorld::HandleFault(const Event& event, uint64_t ordinal) {
  Plan(event.kind, MeanOf(event.kind));
  const uint64_t fault = FaultId(static_cast<uint64_t>(event.kind), ordinal);
  if (options_.mercy.Spares(fault)) return;
  fired_.push_back(fault);
  const uint64_t random =
      random_.Draw(kHow, static_cast<uint64_t>(event.kind), ordinal);
  const size_t node = random % nodes_.size();
  switch (event.kind) {
    case Kind::kCrash: return CrashSome(random);
    case Kind::kPause: return Pause(random);
    case Kind::kCut:
      Trace("network ",
            CutSome(network_.get(), nodes_.size(), Leader(), random));
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

void MemberWorld::HandleForNode(const Event& event) {
  Node& node = nodes_[event.node];
  const bool current = node.core != nullptr &&
                       (event.incarnation == 0 ||
                        event.incarnation == node.incarnation);
  if (current && node.paused_until > events_.now()) {
    events_.At(node.paused_until, event);
    return;
  }
  if (event.kind == Kind::kPacket) {
    return Deliver(event, packets_.Take(event.number));
  }
  if (event.kind == Kind::kToMember) {
    ToMember packet = std::get<ToMember>(packets_.Take(event.number));
    if (current) ArriveAtMember(event.node, std::move(packet));
    return;
  }
  if (event.kind == Kind::kSnapshotArrives && !current) {
    packets_.Take(event.number);
    return;
  }
  if (!current) return;
  switch (event.kind) {
    case Kind::kTick:
      node.core->Tick(TimeOf(event.node));
      events_.After(swarm_.tick_us, event);
      return Drive(event.node);
    case Kind::kSyncEnd:
      return EndSync(event.node);
    case Kind::kSnapshotArrives:
      return SnapshotArrives(event);
    case Kind::kSnapshotSent:
    case Kind::kSnapshotFailed:
      node.core->OnSnapshotSent(IdOf(event.other), event.number,
                                event.zxid,
                                event.kind == Kind::kSnapshotSent);
      return Drive(event.node);
    case Kind::kTreeLoaded:
      return LoadTree(event.node);
    case Kind::kPeerLost:
      node.core->OnPeerLost(IdOf(event.other));
      return Drive(event.node);
    case Kind::kLinkReset:
      return ResetLink(event);
    case Kind::kDisconnect:
      node.core->OnDisconnect(ConnectionId(event.number), TimeOf(event.node));
      return Drive(event.node);
    default:
      return;
  }
}

// ---- Nodes

coord::Now MemberWorld::TimeOf(size_t i) const {
  const int64_t ms = events_.now() / 1000;
  return {ms + static_cast<int64_t>(i) * 1'000'003,
          1'700'000'000'000 + ms + nodes_[i].wall_offset_ms};
}

void MemberWorld::Start(size_t i) {
  Node& node = nodes_[i];
  const MemberImage& image = node.disk.image();
  auto tree = image.LoadTree();
  if (!tree.ok()) {
    violation_.Report("recovery", "member ", IdOf(i), " cannot load its tree: ",
                      tree.status().ToString());
    return;
  }
  if (!MayStart(i, **tree)) return;
  node.incarnation = static_cast<uint32_t>(++incarnations_);
  node.applied = node.started_at = image.applied();
  node.asked = image;
  node.staged.reset();
  node.led_epoch = 0;
  coord::MemberOptions options;
  zab::Options& zab = options.zab;
  zab.self = IdOf(i);
  options.ensemble = node.file;
  options.super_digest = kSuperDigest;
  zab.seed = random_.Draw(kSeed, i, node.incarnation);
  zab.faults = options_.zab_faults;
  if (swarm_.small_windows) {
    zab.max_append_bytes = 150;
    zab.window_bytes = 600;
    zab.cache_bytes = 200;
    zab.max_committed_bytes = 150;
    zab.max_uncommitted_entries = 8;
  }
  options.faults = options_.faults;
  options.tick_ms = swarm_.session_tick_ms;
  options.min_session_timeout_ms = 2 * swarm_.session_tick_ms;
  options.max_session_timeout_ms = 20 * swarm_.session_tick_ms;
  options.first_ticket = incarnations_ << 32;
  options.first_session_id = (i << 56) + (incarnations_ << 20);
  options.new_password = [n = incarnations_ * 1000]() mutable {
    return "password" + std::to_string(++n);
  };
  Trace(IdOf(i), " starts: epochs ", image.hard_state().accepted_epoch, "/",
        image.hard_state().current_epoch, ", log ", image.TrimmedTo(), " to ",
        image.LastZxid(), ", applied ", image.applied());
  for (size_t peer = 0; peer < nodes_.size(); ++peer) {
    LinkOf(i, peer).broken = false;
  }
  node.core = std::make_unique<Member>(options, image.hard_state(),
                                       *std::move(tree), &image);
  events_.After(swarm_.tick_us / static_cast<int64_t>(1 + i),
                Event{Kind::kTick, static_cast<uint8_t>(i), 0,
                      node.incarnation});
  CheckConfig(i);
  Drive(i);
}

// Its process ends, whatever is on its way to the disk.
void MemberWorld::Halt(size_t i) {
  Node& node = nodes_[i];
  node.core.reset();
  node.paused_until = 0;
  const zab::HardState before = node.disk.image().hard_state();
  node.disk.Crash(random_.Draw(kSurvives, i, node.incarnation));
  epochs_.OnStored(i, before, node.disk.image());
  for (size_t peer = 0; peer < nodes_.size(); ++peer) {
    if (peer == i) continue;
    BreakLink(i, peer);
    BreakLink(peer, i);
    if (!swarm_.peer_lost_hints || nodes_[peer].core == nullptr) continue;
    events_.After(1000, Event{Kind::kPeerLost, static_cast<uint8_t>(peer),
                              static_cast<uint8_t>(i),
                              nodes_[peer].incarnation});
  }
  for (const Client& client : clients_) {
    if (client.stream == 0 || streams_[client.stream].node != i) continue;
    SendToClient({ConnectionId(client.stream), std::nullopt,
                  coord::StreamEnd::kUnavailable});
  }
}

void MemberWorld::Crash(size_t i) {
  Node& node = nodes_[i];
  if (node.core == nullptr) return;
  ++reached_.crashes;
  Halt(i);
  Trace(IdOf(i), " crashes; left with log to ", node.disk.image().LastZxid());
  CheckKept();
  events_.After(DownTime(random_, i, node.incarnation),
                Event{Kind::kStart, static_cast<uint8_t>(i)});
}

void MemberWorld::CrashSome(uint64_t random) {
  uint64_t how = (random >> 20) % 10;
  if (how == 0) {  // The lights go out.
    for (size_t i = 0; i < nodes_.size(); ++i) Crash(i);
    return;
  }
  std::optional<size_t> leader = Leader();
  Crash(how < 5 && leader ? *leader : random % nodes_.size());
}

void MemberWorld::Pause(uint64_t random) {
  std::optional<size_t> leader = Leader();
  size_t i =
      (random >> 20) % 2 == 0 && leader ? *leader : random % nodes_.size();
  // A pause is not made longer: what has waited for its end keeps its order.
  if (nodes_[i].paused_until > events_.now()) return;
  nodes_[i].paused_until =
      std::min(options_.safety_seconds * kSecond,
               events_.now() + PauseTime(random_, i, random));
  Trace(IdOf(i), " pauses until ", nodes_[i].paused_until / 1000, " ms");
}

void MemberWorld::Trim(size_t i) {
  Node& node = nodes_[i];
  if (node.core == nullptr) return;
  MemberWrite write;
  write.zab.kind = ZabWrite::Kind::kTrim;
  write.zab.zxid = node.disk.image().applied();
  node.disk.Queue(std::move(write));
  BeginSync(i);
}

void MemberWorld::Resign(size_t i) {
  if (nodes_[i].core == nullptr) return;
  Trace(IdOf(i), " resigns");
  nodes_[i].core->Resign(TimeOf(i));
  Drive(i);
  Crash(i);
}

// Deposed leaders are asked, too.
void MemberWorld::Transfer(uint64_t random) {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    if (node.core == nullptr || node.paused_until > events_.now()) continue;
    std::optional<MemberId> to;
    if (random % 2 == 0) {
      to = IdOf((random >> 8) % nodes_.size());
    }
    if (node.core->TransferLeadership(to, TimeOf(i)) !=
        zab::TransferStart::kStarted) {
      continue;
    }
    ++reached_.transfers;
    Trace(IdOf(i), " is to hand over");
    Drive(i);
  }
}

std::optional<size_t> MemberWorld::Leader() const {
  std::optional<size_t> found;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].core == nullptr) continue;
    zab::RoleState role = nodes_[i].core->zab().role();
    if (role.role != Role::kLeading || !role.serving) continue;
    if (!found || role.epoch > nodes_[*found].core->zab().role().epoch) {
      found = i;
    }
  }
  return found;
}

// ---- The end

std::string MemberWorld::DescribeNodes() const {
  std::ostringstream out;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].core == nullptr) {
      out << "\n  " << IdOf(i) << " does not run";
      continue;
    }
    const Member& core = *nodes_[i].core;
    zab::RoleState role = core.zab().role();
    out << "\n  " << IdOf(i) << ' ' << zab::ToString(role.role) << " leader "
        << role.leader << " epoch " << role.epoch
        << (core.serving() ? ", serving" : "") << ", applied "
        << core.tree().applied() << ", logged " << core.zab().last_logged()
        << ", committed anywhere " << committed() << ", "
        << MembersTxn(core.zab().membership().members) << " as of "
        << core.zab().membership().version;
  }
  for (size_t c = 0; c < clients_.size(); ++c) {
    const MemberClient& core = *clients_[c].core;
    out << "\n  client " << c << " state "
        << static_cast<int>(core.state()) << " stream " << clients_[c].stream
        << " at member "
        << IdOf(streams_[clients_[c].stream].node)
        << ", acknowledged " << core.acknowledged() << " ("
        << clients_[c].acknowledged_before << " before)";
  }
  return out.str();
}

// All members serve and show the same, those whom the ensemble goes by, and every
// client has got something done.
void MemberWorld::CheckLiveness() {
  const std::optional<size_t> leader = Leader();
  if (!leader || committed_.empty()) return;
  const zab::Zab& zab = nodes_[*leader].core->zab();
  const zab::Membership members = zab.membership();
  bool all = !zab.pending_membership();
  for (const zab::EnsembleMember& member : members.members) {
    const size_t i = NodeOf(member.id);
    if (nodes_[i].core == nullptr) return Join(i);
    if (contacts_->IsStranded(i, *leader, members)) {
      ++reached_.stranded;
      continue;
    }
    const Member& core = *nodes_[i].core;
    all = all && core.serving() && nodes_[i].applied == committed() &&
          core.tree().ensemble().version == members.version;
  }
  for (const Client& client : clients_) {
    all = all && client.core->acknowledged() > client.acknowledged_before;
  }
  done_ = all;
}

}  // namespace sillok::sim
