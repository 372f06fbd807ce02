#include "coordinator/zab/leader.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sillok::zab {

Leader::Leader(Local* local) : local_(local) {
  FollowMemberships();
  MaybeChooseEpoch();
}

template <typename Has>
bool Leader::HasQuorum(bool self, Has has) const {
  return local_->memberships.IsQuorum([&](MemberId id) {
    if (id == local_->options.self) return self;
    auto found = members_.find(id);
    return found != members_.end() && has(found->second);
  });
}

template <typename T, typename At>
T Leader::ReachedByQuorum(T self, At at) const {
  const Memberships& memberships = local_->memberships;
  const MemberId me = local_->options.self;
  // The planted bug: we stand in for one of those who count.
  const bool intrude = local_->options.faults.removed_leader_counts &&
                       !memberships.Counts(me);
  bool intruded = false;
  return memberships.ReachedByQuorum([&](MemberId id) -> T {
    if (id == me) return self;
    auto found = members_.find(id);
    T reached = found == members_.end() ? T() : at(found->second);
    if (intrude && !intruded && reached < self) {
      intruded = true;
      return self;
    }
    return reached;
  });
}

void Leader::Step(const Message& m) {
  if (phase_ == Phase::kGathering || m.epoch != epoch_) return;
  auto found = members_.find(m.from);
  if (found == members_.end()) return;
  Progress& p = found->second;
  p.silent_ticks = 0;
  p.lost = false;
  dirty_ = true;
  if (m.kind == MessageKind::kAckEpoch) {
    OnAckEpoch(m.from, p, m);
    return;
  }
  // Anything else answers what only the synchronising leader sends.
  if (phase_ < Phase::kSync || p.state == Progress::State::kUnknown) return;
  switch (m.kind) {
    case MessageKind::kAck:
      OnAck(p, m);
      return;
    case MessageKind::kAckNewLeader:
      p.in_epoch = true;
      p.owes_new_leader_ack = false;
      phase_ticks_ = 0;
      MaybeEstablish();
      MaybeCommit();
      return;
    case MessageKind::kPong:
      OnAcknowledged(p, m.zxid, m.hint);
      p.pong = std::max(p.pong, m.sequence);
      if (!m.joined && !p.owes_new_leader_ack) {
        // An old ACKNEWLEADER came late and made us think it knew.
        p.owes_new_leader_ack = true;
        p.new_leader_ticks = -1;
      }
      FinishBarriers();
      return;
    default:
      return;
  }
}

// ---- Discovery

void Leader::OnFollowerInfo(const Message& m) {
  auto found = members_.find(m.from);
  if (found == members_.end()) return;
  Progress& p = found->second;
  if (p.leaving_ticks >= 0 && m.accepted_epoch > epoch_) return;
  dirty_ = true;
  local_->epoch_heard = std::max(local_->epoch_heard, m.accepted_epoch);
  if (phase_ != Phase::kGathering && m.accepted_epoch > epoch_) {
    // It can never follow this epoch. A new one, above its promise, takes it
    // in; without that the ensemble would stay a member short.
    given_up_ = true;
    return;
  }
  // The question for its promise waits for our own to be durable.
  const bool asked = phase_ == Phase::kPromises && p.accepted_epoch &&
                     !local_->history.IsDurable(promise_token_);
  p.accepted_epoch = m.accepted_epoch;
  p.silent_ticks = 0;
  p.lost = false;
  if (asked) return;
  if (phase_ == Phase::kGathering) {
    MaybeChooseEpoch();
  } else if (p.voter || phase_ >= Phase::kSync) {
    SendNewEpoch(m.from);
  }
}

void Leader::MaybeChooseEpoch() {
  HardState hard = local_->history.hard_state();
  uint32_t highest = std::max(hard.accepted_epoch, local_->epoch_heard);
  if (!HasQuorum(true, [](const Progress& p) {
        return p.accepted_epoch.has_value();
      })) {
    return;
  }
  if (highest >= Zxid::kMaxEpoch) {
    local_->fatal = "the last epoch a zxid can hold is used up";
    return;
  }
  epoch_ = highest + 1;
  phase_ = Phase::kPromises;
  hard.accepted_epoch = epoch_;
  local_->history.SetHardState(hard);
  promise_token_ = local_->history.newest_token();
  // An observer is asked once the epoch is ours: it shall never hold a promise
  // above what the voters can come to.
  for (const auto& [member, p] : members_) {
    if (p.voter && p.accepted_epoch) SendNewEpoch(member);
  }
}

void Leader::SendNewEpoch(MemberId to) {
  Message m;
  m.kind = MessageKind::kNewEpoch;
  m.epoch = epoch_;
  local_->outbox.SendAfter(promise_token_, to, std::move(m));
}

void Leader::OnAckEpoch(MemberId from, Progress& p, const Message& m) {
  p.last_logged = m.zxid;
  if (phase_ >= Phase::kSync) {
    StartProgress(p, m.zxid);
    return;
  }
  if (!m.promised || !local_->memberships.Counts(from)) return;
  p.promised = true;
  uint32_t recency = std::max(m.current_epoch, m.zxid.epoch());
  const History& ours = local_->history;
  // This, not the election, is what makes sure that nothing committed is lost.
  if (std::pair(recency, m.zxid) > std::pair(ours.recency(), ours.last()) &&
      !local_->options.faults.vote_by_id_only) {
    given_up_ = true;
    return;
  }
  MaybeStartSync();
}

void Leader::MaybeStartSync() {
  if (phase_ != Phase::kPromises ||
      !local_->history.IsDurable(promise_token_)) {
    return;
  }
  if (!HasQuorum(true, [](const Progress& p) { return p.promised; })) return;
  phase_ = Phase::kSync;
  phase_ticks_ = 0;
  history_end_ = local_->history.last();
  HardState hard = local_->history.hard_state();
  hard.current_epoch = epoch_;
  local_->history.SetHardState(hard);
  current_epoch_token_ = local_->history.newest_token();
  for (auto& [member, p] : members_) {
    p.silent_ticks = 0;
    ping_wanted_ = true;
    if (p.last_logged) StartProgress(p, *p.last_logged);
    if (!p.voter && p.accepted_epoch) SendNewEpoch(member);
  }
  MaybeEstablish();
}

// ---- Synchronisation

// DIFF, TRUNC or SNAP. What the follower had logged when it promised is durable
// there, so a common point of the histories counts as acknowledged.
void Leader::StartProgress(Progress& p, Zxid last_logged) {
  p.in_flight.clear();
  p.in_flight_bytes = 0;
  p.stalled_ticks = 0;
  p.probe_ticks = -1;
  p.owes_new_leader_ack = true;
  p.new_leader_ticks = -1;
  p.commit_told = Zxid();
  dirty_ = true;
  std::optional<Zxid> common = CommonUpTo(last_logged);
  if (!common) {
    SendSnapshot(p);
    return;
  }
  p.sent = *common;
  if (common == last_logged || common->epoch() == last_logged.epoch()) {
    // Whoever has an entry of an epoch has all before it of that epoch.
    p.state = Progress::State::kReplicate;
    p.match = std::max(p.match, *common);
    p.received = *common;
  } else {
    p.state = Progress::State::kProbe;
    p.received = Zxid();
  }
}

// Who has nothing may have been a voter once, on another disk. It must not go
// through the memberships of that time again: it gets a snapshot.
std::optional<Zxid> Leader::CommonUpTo(Zxid zxid) const {
  if (zxid == Zxid() && local_->memberships.settled_one().version != Zxid()) {
    return std::nullopt;
  }
  return local_->history.LastAtOrBefore(zxid);
}

void Leader::Resume(Progress& p, Zxid hint) {
  p.in_flight.clear();
  p.in_flight_bytes = 0;
  p.probe_ticks = -1;
  std::optional<Zxid> common = CommonUpTo(hint);
  if (!common) {
    SendSnapshot(p);
    return;
  }
  p.state = Progress::State::kProbe;
  p.sent = *common;
  p.received = std::min(p.received, *common);
}

void Leader::OnAck(Progress& p, const Message& m) {
  if (m.rejected) {
    OnRejected(p, m);
  } else {
    OnAcknowledged(p, m.zxid, m.hint);
  }
}

void Leader::OnRejected(Progress& p, const Message& m) {
  // One refusal is enough: those of the appends that were sent behind a lost
  // one say nothing new.
  bool news = p.state == Progress::State::kReplicate
                  ? m.zxid > p.match
                  : p.state == Progress::State::kProbe && m.zxid == p.sent;
  if (news) Resume(p, m.hint);
}

void Leader::OnAcknowledged(Progress& p, Zxid durable, Zxid received) {
  if (durable > p.match || received > p.received) {
    p.stalled_ticks = 0;
    phase_ticks_ = 0;
  }
  p.match = std::max(p.match, durable);
  p.received = std::max(p.received, received);
  while (!p.in_flight.empty() && p.in_flight.front().last <= p.match) {
    p.in_flight_bytes -= p.in_flight.front().bytes;
    p.in_flight.pop_front();
  }
  if (p.state == Progress::State::kProbe && received >= p.sent) {
    p.state = Progress::State::kReplicate;
    p.sent = received;
    p.stalled_ticks = 0;
  } else if (p.state == Progress::State::kSnapshot &&
             CommonUpTo(received) == received &&
             received >= local_->history.trimmed_to()) {
    p.state = Progress::State::kReplicate;
    p.sent = received;
  }
  MaybeCommit();
}

void Leader::OnSnapshotSent(MemberId to, uint32_t epoch, Zxid, bool ok) {
  auto found = members_.find(to);
  if (found == members_.end() || epoch != epoch_) return;
  Progress& p = found->second;
  if (p.state != Progress::State::kSnapshot) return;
  p.snapshot_ticks = 0;
  phase_ticks_ = 0;
  // A failed one is tried again like one that was never acknowledged.
  if (!ok) {
    p.snapshot_ticks = std::max(
        0, local_->options.sync_ticks - local_->options.resend_ticks);
  }
}

void Leader::MaybeEstablish() {
  if (phase_ != Phase::kSync) return;
  if (!HasQuorum(local_->history.IsDurable(current_epoch_token_),
                 [](const Progress& p) { return p.in_epoch; }) &&
      !local_->options.faults.serve_before_quorum) {
    return;
  }
  phase_ = Phase::kBroadcast;
  local_->RaiseCommit(history_end_);
  FollowMemberships();
  MaybeSeal();
  ping_wanted_ = true;  // Followers serve when they hear of it.
  dirty_ = true;
}

size_t Leader::in_epoch_count() const {
  if (phase_ < Phase::kSync) return 0;
  const Memberships& memberships = local_->memberships;
  size_t count = memberships.Counts(local_->options.self) &&
                 local_->history.IsDurable(current_epoch_token_);
  for (const auto& [member, p] : members_) {
    count += p.in_epoch && memberships.Counts(member);
  }
  return count;
}

// It has been sent all there was for it when we last sent anything: else its
// window would be full.
bool Leader::UpToDate(const Progress& p) const {
  return p.in_epoch && p.leaving_ticks < 0 && !p.lost &&
         p.state == Progress::State::kReplicate &&
         p.in_flight_bytes < local_->options.window_bytes &&
         p.silent_ticks <= local_->options.silence_ticks / 2;
}

std::vector<MemberId> Leader::synced_members() const {
  if (!serving()) return {};
  std::vector<MemberId> synced;
  if (local_->memberships.Contains(local_->options.self)) {
    synced.push_back(local_->options.self);
  }
  for (const auto& [member, p] : members_) {
    if (UpToDate(p)) synced.push_back(member);
  }
  std::sort(synced.begin(), synced.end());
  return synced;
}

// ---- Broadcast

std::optional<Zxid> Leader::Propose(std::string txn) {
  const Options& options = local_->options;
  const Memberships& memberships = local_->memberships;
  if (!serving() || given_up_ || successor_) return std::nullopt;
  if (memberships.can_change()) {
    if (txn.empty()) return std::nullopt;
    auto next = options.membership_of(txn);
    if (next && CheckReconfig(*next) != ReconfigCheck::kOk) {
      return std::nullopt;
    }
  }
  if (uncommitted_.size() >= options.max_uncommitted_entries ||
      uncommitted_bytes_ >= options.max_uncommitted_bytes) {
    return std::nullopt;
  }
  Zxid last = local_->history.last();
  if (last.counter() == Zxid::kMaxCounter) {
    given_up_ = true;
    return std::nullopt;
  }
  if (last.epoch() == epoch_ &&
      last.counter() >= options.counter_limit &&
      TransferTo(std::nullopt) == TransferStart::kStarted) {
    return std::nullopt;
  }
  const Zxid zxid = AppendOwn(std::move(txn));
  FollowMemberships();
  if (options.faults.seal_before_commit && memberships.pending() &&
      memberships.newest().version == zxid) {
    AppendOwn("");
  }
  return zxid;
}

Zxid Leader::AppendOwn(std::string txn) {
  const Zxid last = local_->history.last();
  const Zxid zxid = last.epoch() == epoch_ ? last.Next() : Zxid(epoch_, 1);
  uncommitted_bytes_ += txn.size();
  uncommitted_.push_back({zxid, txn.size()});
  local_->Append(MakeEntry(zxid, std::move(txn)));
  dirty_ = true;
  return zxid;
}

void Leader::OnDurable() {
  dirty_ = true;
  MaybeStartSync();
  MaybeEstablish();
  MaybeCommit();
}

void Leader::MaybeCommit() {
  if (phase_ != Phase::kBroadcast) return;
  // A change of the members that gets committed changes who has to have what is
  // behind it.
  for (;;) {
    const bool self = local_->history.IsDurable(current_epoch_token_);
    Zxid reached = ReachedByQuorum(
        self ? local_->history.durable() : Zxid(),
        [](const Progress& p) { return p.in_epoch ? p.match : Zxid(); });
    if (local_->options.faults.commit_without_quorum) {
      reached = local_->history.durable();
    }
    if (reached <= local_->commit) return;
    local_->RaiseCommit(reached);
    while (!uncommitted_.empty() && uncommitted_.front().zxid <= reached) {
      uncommitted_bytes_ -= uncommitted_.front().bytes;
      uncommitted_.pop_front();
    }
    dirty_ = true;
    if (seen_changes_ == local_->memberships.changes()) return;
    FollowMemberships();
    MaybeSeal();
    MaybeLeave();
  }
}

bool Leader::ReadBarrier(uint64_t id) {
  if (!serving() || given_up_) return false;
  // Only a round begun after the question proves that nobody else led when it
  // was asked.
  barriers_.push_back({id, heartbeat_round_ + 1, local_->commit});
  ping_wanted_ = true;
  dirty_ = true;
  return true;
}

void Leader::FinishBarriers() {
  if (barriers_.empty()) return;
  uint64_t answered = ReachedByQuorum(
      heartbeat_round_, [](const Progress& p) { return p.pong; });
  if (local_->options.faults.barrier_without_round) answered = ~uint64_t{0};
  while (!barriers_.empty() && barriers_.front().round <= answered) {
    finished_barriers_.push_back(
        {barriers_.front().id, true, barriers_.front().zxid});
    barriers_.pop_front();
  }
}

std::vector<BarrierResult> Leader::TakeBarriers(Zxid delivered) {
  std::vector<BarrierResult> done;
  while (!finished_barriers_.empty() &&
         finished_barriers_.front().zxid <= delivered) {
    done.push_back(finished_barriers_.front());
    finished_barriers_.pop_front();
  }
  return done;
}

std::vector<BarrierResult> Leader::FailBarriers() {
  std::vector<BarrierResult> failed;
  for (const BarrierResult& barrier : finished_barriers_) {
    failed.push_back({barrier.id, false, Zxid()});
  }
  finished_barriers_.clear();
  for (const Barrier& barrier : barriers_) {
    failed.push_back({barrier.id, false, Zxid()});
  }
  barriers_.clear();
  return failed;
}

// ---- Hand-over

bool Leader::IsFit(MemberId id, const Progress& p) const {
  const Memberships& memberships = local_->memberships;
  return memberships.active().Votes(id) && memberships.newest().Votes(id) &&
         p.in_epoch && !p.lost &&
         p.silent_ticks <= local_->options.silence_ticks / 2;
}

TransferStart Leader::TransferTo(std::optional<MemberId> to) {
  if (!serving() || given_up_) return TransferStart::kNotLeading;
  if (successor_) return TransferStart::kBusy;
  const Progress* best = nullptr;
  for (const auto& [member, p] : members_) {
    if (!IsFit(member, p) || (to && *to != member)) continue;
    if (best != nullptr && p.match <= best->match) continue;
    best = &p;
    successor_ = member;
  }
  if (best == nullptr) return TransferStart::kUnfit;
  transfer_ticks_ = 0;
  dirty_ = true;
  return TransferStart::kStarted;
}

// The successor could begin earlier, too: discovery keeps histories safe. But
// then it might have to give up for want of an entry that we have.
void Leader::MaybeHandOver() {
  if (!successor_ || handed_over_) return;
  const Zxid last = local_->history.last();
  if (members_.at(*successor_).match < last || local_->delivered < last) {
    return;
  }
  handed_over_ = true;
  Message m;
  m.kind = MessageKind::kHandOver;
  m.epoch = epoch_;
  m.vote.leader = *successor_;
  local_->outbox.Send(*successor_, m);  // First, so that it is there first.
  for (const auto& [member, p] : members_) {
    if (member == *successor_ || p.state == Progress::State::kUnknown) continue;
    if (p.leaving_ticks >= 0) {
      SendRemoved(member);
    } else {
      local_->outbox.Send(member, m);
    }
  }
}

// ---- Membership

void Leader::FollowMemberships() {
  const Memberships& memberships = local_->memberships;
  if (seen_changes_ == memberships.changes()) return;
  seen_changes_ = memberships.changes();
  dirty_ = true;
  for (const EnsembleMember& member : memberships.contacts()) {
    if (member.id == local_->options.self) continue;
    Progress& p = members_[member.id];
    // It comes back, perhaps with an empty disk.
    if (p.leaving_ticks >= 0) p = Progress();
    p.voter = memberships.Votes(member.id);
  }
  for (auto& [member, p] : members_) {
    if (memberships.Contains(member) || p.leaving_ticks >= 0) continue;
    p.voter = false;
    p.leaving_ticks = 0;
    ping_wanted_ = true;
  }
}

// Proves to whoever reads the log that the change before it is committed.
void Leader::MaybeSeal() {
  if (!established() || given_up_ || successor_ ||
      !local_->memberships.wants_seal() ||
      local_->history.last().counter() == Zxid::kMaxCounter) {
    return;
  }
  AppendOwn("");
}

void Leader::MaybeLeave() {
  const Memberships& memberships = local_->memberships;
  if (successor_ || !serving() || !memberships.settled() ||
      memberships.active().Votes(local_->options.self)) {
    return;
  }
  TransferTo(std::nullopt);
}

void Leader::OnPeerLost(MemberId member) {
  auto found = members_.find(member);
  if (found != members_.end()) found->second.lost = true;
}

// Those who have left hear of it a few times, then no more.
void Leader::ForgetLeft() {
  for (auto it = members_.begin(); it != members_.end();) {
    int& ticks = it->second.leaving_ticks;
    const bool over = ticks >= 0 && ++ticks > local_->options.silence_ticks;
    it = over ? members_.erase(it) : std::next(it);
  }
}

void Leader::SendRemoved(MemberId to) {
  Message m;
  m.kind = MessageKind::kRemoved;
  m.epoch = epoch_;
  local_->outbox.Send(to, std::move(m));
}

ReconfigCheck Leader::CheckReconfig(
    const std::vector<EnsembleMember>& next) const {
  if (!serving() || given_up_) return ReconfigCheck::kNotLeading;
  std::vector<MemberId> ids;
  for (const EnsembleMember& member : next) {
    if (member.votes) ids.push_back(member.id);
  }
  const VoterSet voters(std::move(ids));
  if (voters.size() == 0) return ReconfigCheck::kNoVoters;
  if (successor_ || (!local_->memberships.settled() &&
                     !local_->options.faults.reconfig_while_pending)) {
    return ReconfigCheck::kBusy;
  }
  size_t ready = voters.Contains(local_->options.self) ? 1 : 0;
  for (const auto& [member, p] : members_) {
    ready += voters.Contains(member) && UpToDate(p);
  }
  return voters.IsQuorum(ready) ? ReconfigCheck::kOk
                                : ReconfigCheck::kNoQuorum;
}

// ---- Sending

void Leader::Flush() {
  dirty_ = false;
  if (phase_ < Phase::kSync) return;
  ReleaseSnapshots();
  if (ping_wanted_) SendPings();
  for (auto& [member, p] : members_) Replicate(member, p);
  MaybeHandOver();
}

Zxid Leader::EndFor(const Progress& p) const {
  const Zxid last = local_->history.last();
  return p.voter ? last : std::min(last, local_->commit);
}

std::vector<Entry> Leader::ReadFor(const Progress& p) const {
  std::vector<Entry> entries =
      local_->history.Read(p.sent, local_->options.max_append_bytes);
  const Zxid end = EndFor(p);
  while (!entries.empty() && entries.back().zxid > end) entries.pop_back();
  return entries;
}

void Leader::Replicate(MemberId to, Progress& p) {
  if (p.state == Progress::State::kProbe) SendProbe(to, p);
  if (p.state == Progress::State::kReplicate) SendEntries(to, p);
}

void Leader::SendProbe(MemberId to, Progress& p) {
  if (p.probe_ticks >= 0) return;
  p.probe_ticks = 0;
  if (p.sent < local_->history.trimmed_to()) {
    SendSnapshot(p);
    return;
  }
  SendAppend(to, p, ReadFor(p));
}

void Leader::SendEntries(MemberId to, Progress& p) {
  const Zxid end = EndFor(p);
  while (p.sent < end && p.in_flight_bytes < local_->options.window_bytes) {
    std::vector<Entry> entries = ReadFor(p);
    if (entries.empty()) {  // Trimmed away under a slow follower.
      SendSnapshot(p);
      return;
    }
    Progress::InFlight flight{entries.back().zxid, 0};
    for (const Entry& entry : entries) flight.bytes += entry.size_bytes();
    p.in_flight.push_back(flight);
    p.in_flight_bytes += flight.bytes;
    SendAppend(to, p, std::move(entries));
    p.sent = flight.last;
  }
  if (p.owes_new_leader_ack && p.new_leader_ticks < 0 &&
      p.sent >= history_end_ && (p.voter || established())) {
    SendNewLeader(to, p);
  }
  if (p.commit_told < local_->commit && p.commit_told < p.sent &&
      established()) {
    SendAppend(to, p, {});
  }
}

void Leader::SendAppend(MemberId to, Progress& p, std::vector<Entry> entries) {
  Message m;
  m.kind = MessageKind::kAppend;
  m.epoch = epoch_;
  m.zxid = p.sent;
  m.commit = local_->commit;
  m.established = established();
  Zxid end = entries.empty() ? p.sent : entries.back().zxid;
  p.commit_told = std::min(end, local_->commit);
  m.entries = std::move(entries);
  local_->outbox.Send(to, std::move(m));
}

void Leader::SendNewLeader(MemberId to, Progress& p) {
  p.new_leader_ticks = 0;
  Message m;
  m.kind = MessageKind::kNewLeader;
  m.epoch = epoch_;
  m.zxid = history_end_;
  m.commit = local_->commit;
  m.established = established();
  local_->outbox.Send(to, std::move(m));
}

void Leader::SendSnapshot(Progress& p) {
  p.state = Progress::State::kSnapshot;
  p.snapshot_ticks = -1;
  p.snapshot_held = snapshots_held_ = true;
  dirty_ = true;
  ReleaseSnapshots();
}

// A snapshot tells its receiver who the members are: not those of a time before
// it came.
void Leader::ReleaseSnapshots() {
  if (!snapshots_held_ ||
      local_->delivered < local_->memberships.settled_one().version) {
    return;
  }
  snapshots_held_ = false;
  for (auto& [member, p] : members_) {
    if (p.state == Progress::State::kSnapshot && p.snapshot_held) {
      snapshots_.push_back({member, epoch_});
    }
    p.snapshot_held = false;
  }
}

void Leader::SendPings() {
  ping_wanted_ = false;
  heartbeat_ticks_ = 0;
  ++heartbeat_round_;
  for (auto& [member, p] : members_) {
    if (p.state == Progress::State::kUnknown) continue;
    // First the commit, so that it may know why.
    if (p.leaving_ticks > 0) SendRemoved(member);
    Message m;
    m.kind = MessageKind::kPing;
    m.epoch = epoch_;
    m.sequence = heartbeat_round_;
    m.zxid = p.state == Progress::State::kReplicate ? p.sent : p.match;
    m.commit = local_->commit;
    m.established = established();
    local_->outbox.Send(member, std::move(m));
  }
  FinishBarriers();  // A single voter is its own quorum.
}

void Leader::SayGoodbye() {
  if (phase_ == Phase::kGathering) return;
  for (const auto& [member, p] : members_) {
    Message m;
    m.kind = MessageKind::kGoodbye;
    m.epoch = epoch_;
    local_->outbox.Send(member, std::move(m));
  }
}

// Leaves out what is not read any more:
//  - the promises, and who has greeted, once synchronisation has begun (but for
//    those who do not vote); before that only whether there was a greeting, as
//    its epoch is part of `epoch_heard`;
//  - how long the phase lasts, in broadcast; of a hand-over, without one;
//  - ticks that count in another state of Progress, and are set when that
//    begins; of silence, beyond what is waited for;
//  - whose connection has ended, in a settled ensemble: it is for hand-overs;
//  - heartbeats, but by how much a barrier waits for answers to later ones than
//    have come: one asked for now waits for one that was never sent.
void Leader::AddTo(Fingerprint* print) const {
  const History& history = local_->history;
  const int longest_silence = local_->options.silence_ticks + 1;
  print->Add(phase_, Fingerprint::Epoch{epoch_}, history.TokenDistance(promise_token_),
             history.TokenDistance(current_epoch_token_), history_end_,
             serving(), uncommitted_.size(), ping_wanted_,
             successor_.value_or(MemberId(-1)), handed_over_,
             successor_ ? transfer_ticks_ : 0, dirty_, given_up_,
             established() ? 0 : phase_ticks_, heartbeat_ticks_);
  for (const auto& [member, p] : members_) {
    const bool syncs = phase_ >= Phase::kSync;
    const bool replicates = p.state == Progress::State::kReplicate ||
                            p.state == Progress::State::kSnapshot;
    print->Add(member, p.voter, p.leaving_ticks, p.state,
               (!syncs || !p.voter) && p.accepted_epoch,
               !syncs && p.promised,
               syncs ? Zxid() : p.last_logged.value_or(Zxid()),
               !syncs && p.last_logged, p.match, p.received, p.sent,
               replicates ? p.stalled_ticks : p.probe_ticks,
               p.in_flight.size(), p.in_epoch, p.owes_new_leader_ack,
               p.owes_new_leader_ack ? p.new_leader_ticks : 0, p.commit_told,
               std::min(p.silent_ticks, longest_silence),
               p.lost && !print->settled());
    if (p.state == Progress::State::kSnapshot) {
      print->Add(p.snapshot_ticks, p.snapshot_held);
    }
    if (!barriers_.empty()) print->Add(heartbeat_round_ - p.pong);
  }
  for (const Barrier& barrier : barriers_) {
    print->Add(barrier.id, heartbeat_round_ - barrier.round, barrier.zxid);
  }
  print->Add(finished_barriers_.size(), snapshots_.size());
}

// ---- Time

void Leader::Tick() {
  const Options& options = local_->options;
  ++phase_ticks_;
  if (phase_ < Phase::kSync) {
    given_up_ = given_up_ || phase_ticks_ > options.discovery_ticks;
    return;
  }
  for (auto& [member, p] : members_) TickProgress(p);
  if (!HearsQuorum() ||
      (phase_ == Phase::kSync && phase_ticks_ > options.sync_ticks)) {
    given_up_ = true;
    return;
  }
  if (successor_ && (++transfer_ticks_ > options.transfer_ticks ||
                     !IsFit(*successor_, members_.at(*successor_)))) {
    successor_.reset();
    MaybeSeal();
  }
  ForgetLeft();
  MaybeLeave();
  if (++heartbeat_ticks_ >= options.heartbeat_ticks) {
    ping_wanted_ = true;
    dirty_ = true;
  }
}

void Leader::TickProgress(Progress& p) {
  const Options& options = local_->options;
  ++p.silent_ticks;
  if (p.new_leader_ticks >= 0 && p.owes_new_leader_ack &&
      ++p.new_leader_ticks > options.resend_ticks) {
    p.new_leader_ticks = -1;
    dirty_ = true;
  }
  switch (p.state) {
    case Progress::State::kUnknown:
      return;
    case Progress::State::kProbe:
      if (p.probe_ticks >= 0 && ++p.probe_ticks > options.resend_ticks) {
        p.probe_ticks = -1;
        dirty_ = true;
      }
      return;
    case Progress::State::kReplicate:
      if (p.received >= p.sent) {
        p.stalled_ticks = 0;
      } else if (++p.stalled_ticks > options.resend_ticks) {
        // Begin again behind what it has; duplicates do no harm.
        p.state = Progress::State::kProbe;
        p.sent = std::max(p.match, p.received);
        p.in_flight.clear();
        p.in_flight_bytes = 0;
        p.probe_ticks = -1;
        dirty_ = true;
      }
      return;
    case Progress::State::kSnapshot:
      if (p.snapshot_ticks < 0) {
        phase_ticks_ = 0;
      } else if (++p.snapshot_ticks > options.sync_ticks) {
        p.state = Progress::State::kProbe;
        p.sent = local_->history.last();
        p.probe_ticks = -1;
        dirty_ = true;
      }
      return;
  }
}

bool Leader::HearsQuorum() const {
  return HasQuorum(true, [&](const Progress& p) {
    return p.state != Progress::State::kUnknown &&
           p.silent_ticks <= local_->options.silence_ticks;
  });
}

}  // namespace sillok::zab
