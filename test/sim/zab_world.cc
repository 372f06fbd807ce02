#include "test/sim/zab_world.h"

#include <algorithm>
#include <sstream>
#include <utility>

namespace sillok::sim {

using zab::Entry;
using zab::Message;
using zab::MessageKind;
using zab::Output;
using zab::Persist;
using zab::Role;

namespace {

// Kinds of random choices; those of the network follow from 100.
enum Choice : uint64_t {
  kSwarm = 1, kWhen, kHow, kSyncTime, kLazy, kAfterPersist, kSurvives,
  kPauseTime, kDownTime, kSnapshotTime, kBatch, kHint, kSeed, kWipe,
  kNetwork = 100,
};

constexpr int64_t kSecond = 1000000;

}  // namespace

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

template <typename... Parts>
void ZabWorld::Trace(const Parts&... parts) {
  if (!options_.trace) return;
  std::ostringstream out;
  int64_t ms = events_.now() / 1000;
  out << ms / 1000 << '.' << std::to_string(1000 + ms % 1000).substr(1) << ' ';
  (out << ... << parts);
  options_.trace(out.str());
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
  if (mercy.Spares("loss")) swarm_.network.loss = 0;
  if (mercy.Spares("duplication")) swarm_.network.duplication = 0;
  if (mercy.Spares("slow messages")) swarm_.network.slow = 0;
  if (mercy.Spares("reordering")) swarm_.network.in_order = true;
  if (mercy.Spares("crashes")) swarm_.crash_mean_us = 0;
  if (mercy.Spares("pauses")) swarm_.pause_mean_us = 0;
  if (mercy.Spares("cuts")) swarm_.cut_mean_us = 0;
  if (mercy.Spares("trims")) swarm_.trim_mean_us = 0;
  if (mercy.Spares("resignations")) swarm_.resign_mean_us = 0;
  if (mercy.Spares("transfers")) swarm_.transfer_mean_us = 0;
  if (mercy.Spares("crashes on persist")) swarm_.crash_on_persist = 0;
  if (mercy.Spares("slow syncs")) swarm_.slow_sync = 0;
  if (mercy.Spares("batching")) swarm_.lazy = 0;
  if (mercy.Spares("hints")) swarm_.peer_lost_hints = false;
  if (mercy.Spares("small windows")) swarm_.small_windows = false;
  if (mercy.Spares("observers")) swarm_.observers = 0;
  if (mercy.Spares("reconfigurations")) swarm_.reconfigure_mean_us = 0;
  if (mercy.Spares("short counters")) swarm_.short_counters = false;
}

void ZabWorld::Plan(Kind kind, double mean_us) {
  if (mean_us <= 0) return;
  int64_t delay = random_.Exponential(
      mean_us, kWhen, static_cast<uint64_t>(kind),
      ordinals_[static_cast<size_t>(kind)]);
  events_.After(delay, Event{kind});
}

void ZabWorld::PlanFaults() {
  Plan(Kind::kCrash, swarm_.crash_mean_us);
  Plan(Kind::kPause, swarm_.pause_mean_us);
  Plan(Kind::kCut, swarm_.cut_mean_us);
  Plan(Kind::kTrim, swarm_.trim_mean_us);
  Plan(Kind::kResign, swarm_.resign_mean_us);
  Plan(Kind::kTransfer, swarm_.transfer_mean_us);
  Plan(Kind::kReconfigure, swarm_.reconfigure_mean_us);
  Plan(Kind::kPropose, swarm_.propose_mean_us);
  Plan(Kind::kBarrier, swarm_.barrier_mean_us);
}

ZabResult ZabWorld::Run() {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    events_.After(random_.Range(0, 300000, kHow, i),
                  Event{Kind::kStart, static_cast<uint8_t>(i)});
  }
  PlanFaults();
  const int64_t safety_end = options_.safety_seconds * kSecond;
  const int64_t end = safety_end + options_.liveness_seconds * kSecond;
  while (!violation_.found() && !done_) {
    if (!faults_over_ && events_.next_time() >= safety_end) {
      faults_over_ = true;
      network_->HealAll();
      network_->set_options(NetworkOptions{});
      for (size_t i = 0; i < nodes_.size(); ++i) {
        if (nodes_[i].core == nullptr && !nodes_[i].gone) Start(i);
        nodes_[i].paused_until = 0;
      }
      events_.At(safety_end + kSecond, Event{Kind::kCheckLiveness});
      Trace("---- faults end");
    }
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
      Plan(event.kind, swarm_.propose_mean_us);
      return;
    case Kind::kBarrier:
      AskBarriers();
      Plan(event.kind, swarm_.barrier_mean_us);
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
      break;
    default:
      HandleForNode(event);
      return;
  }
  if (faults_over_) return;
  const uint64_t fault = FaultId(static_cast<uint64_t>(event.kind), ordinal);
  const bool spared = options_.mercy.Spares(fault);
  if (!spared) fired_.push_back(fault);
  const uint64_t random =
      random_.Draw(kHow, static_cast<uint64_t>(event.kind), ordinal);
  const size_t node = random % nodes_.size();
  switch (event.kind) {
    case Kind::kCrash:
      if (!spared) CrashSome(random);
      Plan(event.kind, swarm_.crash_mean_us);
      return;
    case Kind::kPause:
      if (!spared) Pause(random);
      Plan(event.kind, swarm_.pause_mean_us);
      return;
    case Kind::kCut:
      if (!spared) CutSome(random);
      Plan(event.kind, swarm_.cut_mean_us);
      return;
    case Kind::kTrim:
      if (nodes_[node].core && !spared) {
        ZabWrite write;
        write.kind = ZabWrite::Kind::kTrim;
        write.zxid = images_[node]->applied();
        nodes_[node].disk.Queue(std::move(write));
        BeginSync(node);
      }
      Plan(event.kind, swarm_.trim_mean_us);
      return;
    case Kind::kResign:
      if (nodes_[node].core && !spared) {
        Trace(node, " resigns");
        nodes_[node].core->Resign();
        Drive(node);
        Crash(node);
      }
      Plan(event.kind, swarm_.resign_mean_us);
      return;
    case Kind::kTransfer:
      if (!spared) Transfer(random);
      Plan(event.kind, swarm_.transfer_mean_us);
      return;
    case Kind::kReconfigure:
      if (!spared) Reconfigure(random);
      Plan(event.kind, swarm_.reconfigure_mean_us);
      return;
    default:
      return;
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
    message = std::move(in_flight_[event.number]);
    free_slots_.push_back(event.number);
    if (network_->IsCut(event.other, event.node)) return;
  }
  if (!current) return;
  // The other side's shell does not know us, or ours not it.
  if (event.kind == Kind::kMessage &&
      ((node.contacts >> event.other) & 1) == 0) {
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
  int64_t down = random_.Exponential(kSecond, kDownTime, i, node.incarnation);
  if (random_.Chance(0.1, kDownTime, 300 + i, node.incarnation)) down *= 5;
  if (random_.Chance(0.3, kDownTime, 100 + i, node.incarnation)) {
    down = random_.Range(1000, 50000, kDownTime, 200 + i, node.incarnation);
  }
  events_.After(down, Event{Kind::kStart, static_cast<uint8_t>(i)});
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
      events_.now() +
      random_.Exponential(kSecond, kPauseTime, i, static_cast<uint64_t>(random % 65536));
  Trace(i, " pauses until ", nodes_[i].paused_until / 1000, " ms");
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

zab::Membership ZabWorld::NextMembership(const zab::Membership& now,
                                         uint64_t random) const {
  zab::Membership next = now;
  std::vector<zab::EnsembleMember>& members = next.members;
  auto id_of = [](size_t i) { return MemberId(static_cast<int32_t>(i)); };
  const size_t node = (random >> 8) % nodes_.size();
  auto known = std::find_if(
      members.begin(), members.end(),
      [&](const zab::EnsembleMember& m) { return m.id == id_of(node); });
  switch ((random >> 20) % 6) {
    case 0:  // One comes or goes.
    case 1:
      if (known == members.end()) {
        members.push_back({id_of(node), (random >> 30) % 2 == 0, ""});
      } else {
        members.erase(known);
      }
      break;
    case 2:  // One changes what it is.
      if (known != members.end()) known->votes = !known->votes;
      break;
    case 3:  // Voters and observers change places.
      for (zab::EnsembleMember& member : members) member.votes = !member.votes;
      break;
    case 4:  // Everybody comes.
      for (size_t i = 0; i < nodes_.size(); ++i) {
        if (!now.Find(id_of(i))) members.push_back({id_of(i), false, ""});
      }
      break;
    default:  // Anything.
      members.clear();
      for (size_t i = 0; i < nodes_.size(); ++i) {
        const uint64_t draw = (random >> (30 + 3 * i)) % 8;
        if (draw < 5) members.push_back({id_of(i), draw != 0, ""});
      }
  }
  std::sort(members.begin(), members.end(),
            [](const auto& a, const auto& b) { return a.id < b.id; });
  return next;
}

// Deposed leaders are asked, too.
void ZabWorld::Reconfigure(uint64_t random) {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    Node& node = nodes_[i];
    if (node.core == nullptr || node.paused_until > events_.now() ||
        node.core->role().role != Role::kLeading) {
      continue;
    }
    const zab::Membership next =
        NextMembership(node.core->membership(), Mix(random + i));
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

void ZabWorld::CutSome(uint64_t random) {
  const size_t n = nodes_.size();
  if (n == 1) return;
  uint64_t how = (random >> 20) % 4;
  if (how == 0) {  // One direction of one link.
    size_t from = random % n, to = (from + 1 + (random >> 30) % (n - 1)) % n;
    network_->Cut(from, to);
    Trace("network cuts ", from, "->", to);
  } else {  // In two; often one alone, often the leader.
    std::optional<size_t> leader = ServingLeader();
    uint64_t side = how == 1 ? random >> 40 : uint64_t{1} << (random % n);
    if (how == 2 && leader) side = uint64_t{1} << *leader;
    for (size_t from = 0; from < n; ++from) {
      for (size_t to = 0; to < n; ++to) {
        if (((side >> from) & 1) != ((side >> to) & 1)) network_->Cut(from, to);
      }
    }
    Trace("network splits, one side ", side & ((uint64_t{1} << n) - 1));
  }
  events_.After(random_.Exponential(1.5 * kSecond, kPauseTime, 50,
                                    random % 65536),
                Event{Kind::kHeal});
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
  if (out.contacts) {
    node.contacts = 0;
    for (const zab::EnsembleMember& member : *out.contacts) {
      node.contacts |= uint64_t{1} << member.id.value();
    }
  }
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
  if (((nodes_[i].contacts >> to) & 1) == 0) return;
  Network::Fate fate = network_->Send(i, to, events_.now());
  for (int copy = 0; copy < fate.copies; ++copy) {
    uint32_t slot;
    if (free_slots_.empty()) {
      slot = static_cast<uint32_t>(in_flight_.size());
      in_flight_.emplace_back();
    } else {
      slot = free_slots_.back();
      free_slots_.pop_back();
    }
    in_flight_[slot] =
        copy + 1 == fate.copies ? std::move(message) : message;
    events_.At(fate.arrival[copy],
               Event{Kind::kMessage, static_cast<uint8_t>(to),
                     static_cast<uint8_t>(i), 0, slot, Zxid()});
  }
}

void ZabWorld::BeginSync(size_t i) {
  Node& node = nodes_[i];
  if (!node.disk.BeginSync()) return;
  int64_t took = 100 + random_.Exponential(1000, kSyncTime, i, ++draws_);
  if (!faults_over_ && random_.Chance(swarm_.slow_sync, kSyncTime, 100 + i,
                                      draws_)) {
    took = random_.Range(20000, 1500000, kSyncTime, 200 + i, draws_);
  }
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
  int64_t took = random_.Exponential(300000, kSnapshotTime, i, ++draws_);
  uint8_t to = static_cast<uint8_t>(request.to.value());
  Trace(i, " streams snapshot ", node.delivered, " to ", +to);
  // The sender may notice that it has failed, or believe that it has not.
  bool lost =
      !faults_over_ && random_.Chance(0.1, kSnapshotTime, 100 + i, draws_);
  bool noticed = lost && random_.Chance(0.5, kSnapshotTime, 200 + i, draws_);
  if (!lost) {
    events_.After(took, Event{Kind::kSnapshotArrives, to,
                              static_cast<uint8_t>(i), nodes_[to].incarnation,
                              request.epoch, node.delivered});
  }
  events_.After(took,
                Event{noticed ? Kind::kSnapshotFailed : Kind::kSnapshotSent,
                      static_cast<uint8_t>(i), to, node.incarnation,
                      request.epoch, node.delivered});
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
    if (IsStranded(i, *leader, members)) {
      ++reached_.stranded;
      continue;
    }
    all = all && nodes_[i].delivered >= probe_ &&
          nodes_[i].core->role().serving && images_[i]->Holds(probe_);
  }
  done_ = all && !node.core->pending_membership();
}

// While it was away all it knows have left, and all whom those know.
bool ZabWorld::IsStranded(size_t i, size_t leader,
                          const zab::Membership& members) const {
  uint64_t found = uint64_t{1} << leader;
  for (size_t round = 0; round < members.members.size(); ++round) {
    for (const zab::EnsembleMember& member : members.members) {
      const size_t id = static_cast<size_t>(member.id.value());
      if (nodes_[id].contacts & found) found |= uint64_t{1} << id;
    }
  }
  return ((found >> i) & 1) == 0;
}

}  // namespace sillok::sim
