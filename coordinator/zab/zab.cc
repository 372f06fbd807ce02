#include "coordinator/zab/zab.h"

#include <utility>

#include "coordinator/zab/election.h"
#include "coordinator/zab/fingerprint.h"
#include "coordinator/zab/follower.h"
#include "coordinator/zab/history.h"
#include "coordinator/zab/leader.h"
#include "coordinator/zab/local.h"

namespace sillok::zab {

// Takes inputs to the role that is on and changes roles. There is exactly one:
// looking (neither follower_ nor leader_), following or leading.
class Zab::Impl {
 public:
  Impl(Options options, HardState hard_state, Zxid applied,
       const LogView* log)
      : local_(std::move(options), hard_state, applied, log),
        election_(&local_),
        told_membership_(local_.memberships.active().version) {
    if (!Halted()) Look();
  }
  Impl(const Impl& other, const LogView* log);

  void Step(Message m);
  void Tick();
  std::optional<Zxid> Propose(std::string txn);
  void OnPersisted(uint64_t token);
  bool ReadBarrier(uint64_t id);
  TransferStart TransferTo(std::optional<MemberId> to);
  bool transferring() const { return leader_ && leader_->transferring(); }
  ReconfigCheck CheckReconfig(const std::vector<EnsembleMember>& next) const;
  void OnSnapshotReceived(MemberId from, uint32_t epoch, Zxid zxid,
                          Membership membership);
  void OnSnapshotSent(MemberId to, uint32_t epoch, Zxid zxid, bool ok);
  void OnPeerLost(MemberId member);
  void Resign();
  bool HasOutput() const;
  Output TakeOutput();

  RoleState role() const;
  uint64_t fingerprint(const std::vector<uint32_t>* settled) const;
  const Local& local() const { return local_; }
  const Election& election() const { return election_; }
  size_t synced_voters() const {
    return leader_ ? leader_->in_epoch_count() : 0;
  }
  std::vector<MemberId> synced_members() const {
    return leader_ ? leader_->synced_members() : std::vector<MemberId>();
  }

 private:
  bool Halted() const {
    return retired_ || !local_.fatal.empty() ||
           !local_.history.violation().empty();
  }
  void OnNotification(const Message& m);
  void Enter(std::optional<MemberId> elected);
  void Succeed(MemberId leader);
  void Look();
  void EndRole();
  // The present role may have found that it is over.
  void Settle();
  uint32_t established_epoch() const;
  void TakeCommitted(Output* out);
  void TellMembership(Output* out);
  void ForgetDeparted();
  void AcceptStale(const Message& m);

  Local local_;
  Election election_;
  std::unique_ptr<Follower> follower_;
  std::unique_ptr<Leader> leader_;
  RoleState told_role_;
  Zxid told_membership_;
  std::vector<EnsembleMember> told_contacts_;
  // Of Memberships::changes().
  uint64_t told_changes_ = 0;
  // There are other contacts for other reasons.
  bool contacts_change_ = false;
  bool fatal_told_ = false;
  bool retired_ = false;
  bool discard_snapshot_ = false;
  std::vector<BarrierResult> failed_barriers_;
};

void Zab::Impl::Step(Message m) {
  if (Halted() || m.to != local_.options.self || m.from == m.to ||
      !local_.IsMember(m.from)) {
    return;
  }
  election_.OnHeard(m.from);
  if (local_.options.faults.accept_stale_epoch) AcceptStale(m);
  switch (m.kind) {
    case MessageKind::kNotification:
      OnNotification(m);
      break;
    case MessageKind::kFollowerInfo:
      if (leader_) {
        leader_->OnFollowerInfo(m);
      } else {
        election_.Notify(m.from, role().role, 0);
      }
      break;
    case MessageKind::kAckEpoch:
    case MessageKind::kAck:
    case MessageKind::kAckNewLeader:
    case MessageKind::kPong:
      if (leader_) leader_->Step(m);
      break;
    case MessageKind::kNewEpoch:
    case MessageKind::kAppend:
    case MessageKind::kNewLeader:
    case MessageKind::kPing:
      if (follower_ && m.from == follower_->leader()) {
        follower_->Step(std::move(m));
      }
      break;
    case MessageKind::kGoodbye:
      if (follower_ && m.from == follower_->leader()) {
        MemberId leader = m.from;
        follower_->Step(std::move(m));
        if (follower_->given_up()) election_.OnLost(leader, false);
      }
      break;
    case MessageKind::kHandOver:
      if (follower_ && m.from == follower_->leader() &&
          m.epoch == follower_->epoch() && follower_->in_broadcast() &&
          m.vote.leader != m.from && local_.IsMember(m.vote.leader)) {
        Succeed(m.vote.leader);
      }
      break;
    case MessageKind::kRemoved:
      if (follower_ && m.from == follower_->leader() &&
          m.epoch == follower_->epoch()) {
        local_.removed = true;
      }
      break;
  }
  Settle();
}

void Zab::Impl::OnNotification(const Message& m) {
  contacts_change_ |= local_.HearOf(m.membership);
  // It may have got its vote by a change that we do not know yet.
  const bool from_voter = local_.memberships.Votes(m.from) ||
                          m.role == Role::kLeading || local_.observing();
  if (!follower_ && !leader_) {
    if (local_.new_here()) {
      Enter(election_.Hear(m));
    } else if (from_voter) {
      Enter(election_.Step(m));
    }
    return;
  }
  if (follower_ && m.from == follower_->leader()) {
    follower_->OnLeaderNotification(m);
    if (follower_->given_up()) {
      Look();
      if (m.role == Role::kLooking && !local_.new_here()) {
        Enter(election_.Step(m));
      }
      return;
    }
  }
  if (m.role == Role::kLooking && follower_ && follower_->suspects_leader() &&
      local_.memberships.Votes(m.from)) {
    election_.OnLost(follower_->leader(), false);
    Look();
    Enter(election_.Step(m));
  } else if (m.role == Role::kLooking) {
    election_.Answer(m, role().role, established_epoch());
  } else if (from_voter &&
             m.epoch > local_.history.hard_state().accepted_epoch &&
             !(follower_ && follower_->leader() == m.vote.leader)) {
    // Somebody leads with a quorum in a later epoch: ours is over.
    Look();
  }
}

uint32_t Zab::Impl::established_epoch() const {
  if (leader_ && leader_->established()) return leader_->epoch();
  if (follower_ && follower_->in_broadcast()) return follower_->epoch();
  return 0;
}

void Zab::Impl::Enter(std::optional<MemberId> elected) {
  if (!elected) return;
  if (*elected != local_.options.self) {
    follower_ =
        std::make_unique<Follower>(&local_, *elected, election_.round());
    return;
  }
  leader_ = std::make_unique<Leader>(&local_);
  for (const MemberSet* members :
       {&local_.memberships.voters(), &local_.memberships.observers()}) {
    for (MemberId member : members->members()) {
      if (member != local_.options.self) {
        election_.Notify(member, Role::kLeading, 0);
      }
    }
  }
}

// The leader has named its successor.
void Zab::Impl::Succeed(MemberId leader) {
  EndRole();
  election_.Appoint(leader);
  Enter(leader);
}

void Zab::Impl::Look() {
  EndRole();
  election_.Begin();
  if (local_.memberships.voters().size() == 1) Enter(election_.Tick());
}

// Everything of the old role goes: its held messages, its barriers, what it knew
// of others. What it has asked to be persisted stays asked for.
void Zab::Impl::EndRole() {
  local_.outbox.DropHeld();
  if (leader_ && local_.memberships.settled() &&
      !local_.memberships.Contains(local_.options.self)) {
    local_.removed = true;
  }
  if (leader_) {
    for (const BarrierResult& failed : leader_->FailBarriers()) {
      failed_barriers_.push_back(failed);
    }
  }
  leader_.reset();
  follower_.reset();
}

void Zab::Impl::Settle() {
  if (Halted()) return;
  if ((leader_ && leader_->given_up()) ||
      (follower_ && follower_->given_up())) {
    Look();
  }
}

void Zab::Impl::Tick() {
  if (Halted()) return;
  if (!local_.departed.empty()) ForgetDeparted();
  if (leader_) {
    leader_->Tick();
  } else if (follower_) {
    follower_->Tick();
    // Nor shall the election wait for its vote.
    if (follower_->given_up()) election_.OnLost(follower_->leader(), false);
  } else {
    Enter(election_.Tick());
  }
  Settle();
}

std::optional<Zxid> Zab::Impl::Propose(std::string txn) {
  if (!leader_ || Halted()) return std::nullopt;
  std::optional<Zxid> zxid = leader_->Propose(std::move(txn));
  Settle();
  return zxid;
}

void Zab::Impl::OnPersisted(uint64_t token) {
  if (Halted()) return;
  local_.history.OnPersisted(token);
  local_.outbox.Release();
  if (leader_) leader_->OnDurable();
  if (follower_) follower_->OnDurable();
  Settle();
}

bool Zab::Impl::ReadBarrier(uint64_t id) {
  return leader_ && !Halted() && leader_->ReadBarrier(id);
}

TransferStart Zab::Impl::TransferTo(std::optional<MemberId> to) {
  if (!leader_ || Halted()) return TransferStart::kNotLeading;
  return leader_->TransferTo(to);
}

ReconfigCheck Zab::Impl::CheckReconfig(
    const std::vector<EnsembleMember>& next) const {
  if (!leader_ || Halted()) return ReconfigCheck::kNotLeading;
  return leader_->CheckReconfig(next);
}

void Zab::Impl::OnSnapshotReceived(MemberId from, uint32_t epoch, Zxid zxid,
                                   Membership membership) {
  bool wanted =
      follower_ && !Halted() && from == follower_->leader() &&
      follower_->OnSnapshotReceived(epoch, zxid, std::move(membership));
  discard_snapshot_ = discard_snapshot_ || !wanted;
}

void Zab::Impl::OnSnapshotSent(MemberId to, uint32_t epoch, Zxid zxid,
                               bool ok) {
  if (leader_) leader_->OnSnapshotSent(to, epoch, zxid, ok);
}

void Zab::Impl::OnPeerLost(MemberId member) {
  if (Halted() || member == local_.options.self) return;
  const bool looking = !follower_ && !leader_;
  if (leader_) leader_->OnPeerLost(member);
  Enter(election_.OnLost(member, looking));
  if (follower_ && follower_->leader() == member) Look();
}

void Zab::Impl::Resign() {
  if (Halted()) return;
  if (leader_) {
    leader_->SayGoodbye();
    failed_barriers_ = leader_->FailBarriers();
  }
  local_.outbox.DropHeld();
  leader_.reset();
  follower_.reset();
  retired_ = true;
}

bool Zab::Impl::HasOutput() const {
  if (!local_.fatal.empty() || !local_.history.violation().empty()) {
    return !fatal_told_;
  }
  return local_.history.HasPersists() || local_.outbox.HasReady() ||
         local_.delivered < local_.deliverable() || discard_snapshot_ ||
         told_changes_ != local_.memberships.changes() || contacts_change_ ||
         (local_.removed && !retired_) ||
         !failed_barriers_.empty() || role() != told_role_ ||
         (leader_ && (leader_->WantsFlush() || leader_->HasResults()));
}

Output Zab::Impl::TakeOutput() {
  Output out;
  if (leader_) leader_->Flush();
  if (leader_ && leader_->handed_over_to()) {
    Succeed(*leader_->handed_over_to());
  }
  if (!local_.fatal.empty() || !local_.history.violation().empty()) {
    fatal_told_ = true;
    out.fatal =
        local_.fatal.empty() ? local_.history.violation() : local_.fatal;
    return out;
  }
  out.persist = local_.history.TakePersists();
  out.send = local_.outbox.TakeReady();
  TakeCommitted(&out);
  if (leader_ && !out.committed.empty()) leader_->OnDelivered();
  out.barriers = std::exchange(failed_barriers_, {});
  if (leader_) {
    for (const BarrierResult& done : leader_->TakeBarriers(local_.delivered)) {
      out.barriers.push_back(done);
    }
    out.snapshots = leader_->TakeSnapshots();
  }
  out.discard_snapshot = std::exchange(discard_snapshot_, false);
  if (RoleState now = role(); now != told_role_) {
    told_role_ = now;
    out.role = now;
  }
  TellMembership(&out);
  return out;
}

void Zab::Impl::ForgetDeparted() {
  std::erase_if(local_.departed, [&](Local::Departed& gone) {
    contacts_change_ = true;
    return ++gone.ticks > 2 * local_.options.silence_ticks;
  });
}

void Zab::Impl::TellMembership(Output* out) {
  const Memberships& memberships = local_.memberships;
  if (told_changes_ != memberships.changes()) {
    std::erase_if(local_.departed, [&](const Local::Departed& gone) {
      return memberships.Contains(gone.member.id);
    });
    for (const EnsembleMember& member : told_contacts_) {
      if (!local_.IsMember(member.id)) local_.departed.push_back({member, 0});
    }
  }
  if (told_changes_ != memberships.changes() || contacts_change_) {
    told_changes_ = memberships.changes();
    contacts_change_ = false;
    if (local_.newer_membership &&
        local_.newer_membership->version <= memberships.newest().version) {
      local_.newer_membership.reset();
    }
    std::vector<EnsembleMember> contacts = local_.Contacts();
    if (contacts != told_contacts_) {
      told_contacts_ = contacts;
      out->contacts = std::move(contacts);
    }
    if (memberships.active().version != told_membership_) {
      told_membership_ = memberships.active().version;
      out->membership = memberships.active();
    }
  }
  if (local_.removed && !retired_) {
    out->removed = true;
    leader_.reset();
    follower_.reset();
    retired_ = true;
  }
}

void Zab::Impl::TakeCommitted(Output* out) {
  const Zxid end = local_.deliverable();
  if (local_.delivered >= end) return;
  out->committed = local_.history.Read(local_.delivered,
                                       local_.options.max_committed_bytes);
  while (!out->committed.empty() &&
         out->committed.back().zxid > end) {
    out->committed.pop_back();
  }
  if (out->committed.empty()) {
    local_.fatal = "the log ends before what is committed";
    return;
  }
  local_.delivered = out->committed.back().zxid;
  local_.history.Release(local_.delivered);
}

RoleState Zab::Impl::role() const {
  RoleState state;
  if (leader_) {
    state = {Role::kLeading, local_.options.self, leader_->epoch(),
             leader_->serving()};
  } else if (follower_) {
    state = {Role::kFollowing, follower_->leader(), follower_->epoch(),
             follower_->serving()};
  }
  return state;
}

uint64_t Zab::Impl::fingerprint(const std::vector<uint32_t>* settled) const {
  class Fingerprint print(settled);
  local_.AddTo(&print);
  election_.AddTo(&print, !follower_ && !leader_);
  print.Add(told_role_.role, told_role_.leader,
            Fingerprint::Epoch{told_role_.epoch}, told_role_.serving,
            fatal_told_, retired_, discard_snapshot_, failed_barriers_.size(),
            follower_ != nullptr, leader_ != nullptr);
  if (follower_) follower_->AddTo(&print);
  if (leader_) leader_->AddTo(&print);
  return print.value();
}

// The planted bug `accept_stale_epoch`.
void Zab::Impl::AcceptStale(const Message& m) {
  History& history = local_.history;
  if (m.kind != MessageKind::kAppend || m.entries.empty() ||
      m.epoch >= history.hard_state().accepted_epoch ||
      m.zxid != history.last()) {
    return;
  }
  for (const Entry& entry : m.entries) local_.Append(entry);
  Message ack;
  ack.kind = MessageKind::kAck;
  ack.epoch = m.epoch;
  ack.zxid = ack.hint = history.last();
  local_.outbox.SendAfter(history.newest_token(), m.from, std::move(ack));
}

Zab::Impl::Impl(const Impl& other, const LogView* log)
    : local_(other.local_, log),
      election_(other.election_),
      told_role_(other.told_role_),
      told_membership_(other.told_membership_),
      told_contacts_(other.told_contacts_),
      told_changes_(other.told_changes_),
      contacts_change_(other.contacts_change_),
      fatal_told_(other.fatal_told_),
      retired_(other.retired_),
      discard_snapshot_(other.discard_snapshot_),
      failed_barriers_(other.failed_barriers_) {
  election_.Rebind(&local_);
  if (other.follower_) {
    follower_ = std::make_unique<Follower>(*other.follower_);
    follower_->Rebind(&local_);
  }
  if (other.leader_) {
    leader_ = std::make_unique<Leader>(*other.leader_);
    leader_->Rebind(&local_);
  }
}

Zab::Zab(Options options, HardState hard_state, Zxid applied,
         const LogView* log)
    : impl_(std::make_unique<Impl>(std::move(options), hard_state, applied,
                                   log)) {}
Zab::Zab(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Zab::~Zab() = default;

std::unique_ptr<Zab> Zab::Clone(const LogView* log) const {
  return std::unique_ptr<Zab>(
      new Zab(std::make_unique<Impl>(*impl_, log)));
}

void Zab::Step(Message message) { impl_->Step(std::move(message)); }
void Zab::Tick() { impl_->Tick(); }
std::optional<Zxid> Zab::Propose(std::string txn) {
  return impl_->Propose(std::move(txn));
}
void Zab::OnPersisted(uint64_t token) { impl_->OnPersisted(token); }
bool Zab::ReadBarrier(uint64_t id) { return impl_->ReadBarrier(id); }
TransferStart Zab::TransferTo(std::optional<MemberId> to) {
  return impl_->TransferTo(to);
}
bool Zab::transferring() const { return impl_->transferring(); }
ReconfigCheck Zab::CheckReconfig(
    const std::vector<EnsembleMember>& next) const {
  return impl_->CheckReconfig(next);
}
void Zab::OnSnapshotReceived(MemberId from, uint32_t epoch, Zxid zxid,
                             Membership membership) {
  impl_->OnSnapshotReceived(from, epoch, zxid, std::move(membership));
}
void Zab::OnSnapshotSent(MemberId to, uint32_t epoch, Zxid zxid, bool ok) {
  impl_->OnSnapshotSent(to, epoch, zxid, ok);
}
void Zab::OnPeerLost(MemberId member) { impl_->OnPeerLost(member); }
void Zab::Resign() { impl_->Resign(); }
bool Zab::HasOutput() const { return impl_->HasOutput(); }
Output Zab::TakeOutput() { return impl_->TakeOutput(); }

uint64_t Zab::Fingerprint(const std::vector<uint32_t>* settled) const {
  return impl_->fingerprint(settled);
}

RoleState Zab::role() const { return impl_->role(); }
HardState Zab::hard_state() const {
  return impl_->local().history.hard_state();
}
Zxid Zab::last_logged() const { return impl_->local().history.last(); }
Zxid Zab::durable() const { return impl_->local().history.durable(); }
Zxid Zab::committed() const { return impl_->local().commit; }
size_t Zab::synced_voters() const { return impl_->synced_voters(); }
std::vector<MemberId> Zab::synced_members() const {
  return impl_->synced_members();
}
Membership Zab::membership() const {
  return impl_->local().memberships.active();
}
std::optional<Membership> Zab::pending_membership() const {
  const Memberships& memberships = impl_->local().memberships;
  if (!memberships.pending()) return std::nullopt;
  return memberships.newest();
}
uint64_t Zab::elections() const { return impl_->election().rounds_begun(); }

}  // namespace sillok::zab
