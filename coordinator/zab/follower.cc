#include "coordinator/zab/follower.h"

#include <algorithm>
#include <sstream>
#include <utility>

namespace sillok::zab {

Follower::Follower(Local* local, MemberId leader, uint64_t round)
    : local_(local),
      leader_(leader),
      round_(round),
      silence_limit_(local->options.silence_ticks +
                     static_cast<int>(local->Random(
                         local->options.silence_ticks / 4))) {
  SendFollowerInfo();
}

void Follower::Step(Message m) {
  if (m.kind == MessageKind::kNewEpoch) {
    OnNewEpoch(m);
    return;
  }
  // In discovery nothing has been promised, so nothing may be taken.
  bool current = phase_ != Phase::kDiscovery && m.epoch == epoch_;
  if (local_->options.faults.accept_stale_epoch) {
    current = current || (phase_ != Phase::kDiscovery && m.epoch < epoch_);
  }
  if (!current) return;
  silent_ticks_ = 0;
  heard_leader_ = true;
  switch (m.kind) {
    case MessageKind::kAppend: OnAppend(m); return;
    case MessageKind::kNewLeader: OnNewLeader(m); return;
    case MessageKind::kPing: OnPing(m); return;
    case MessageKind::kGoodbye: given_up_ = true; return;
    default: return;
  }
}

void Follower::OnLeaderNotification(const Message& n) {
  if (n.role == Role::kLeading) {
    silent_ticks_ = 0;
    // Our greeting had come before it knew.
    if (phase_ == Phase::kDiscovery && greeting_lost_) SendFollowerInfo();
    greeting_lost_ = false;
    return;
  }
  // A later round means that it has given up; an equal one, that it has not yet
  // heard that it was elected.
  if (n.role == Role::kLooking && n.round <= round_) {
    if (phase_ == Phase::kDiscovery && n.round == round_) silent_ticks_ = 0;
    greeting_lost_ = true;
    return;
  }
  if (n.role == Role::kFollowing && phase_ != Phase::kDiscovery) return;
  given_up_ = true;
}

void Follower::Tick() {
  const Options& options = local_->options;
  ++ticks_;
  int limit = heard_leader_ || phase_ == Phase::kDiscovery
                  ? silence_limit_
                  : options.discovery_ticks;
  if (++silent_ticks_ > limit ||
      (!heard_leader_ && ticks_ > options.discovery_ticks)) {
    given_up_ = true;
    return;
  }
  if (phase_ == Phase::kDiscovery && ticks_ % options.notify_ticks == 0) {
    SendFollowerInfo();
  }
}

void Follower::SendFollowerInfo() {
  Message m;
  m.kind = MessageKind::kFollowerInfo;
  m.accepted_epoch = local_->history.hard_state().accepted_epoch;
  local_->outbox.Send(leader_, std::move(m));
}

void Follower::OnNewEpoch(const Message& m) {
  if (phase_ != Phase::kDiscovery) {
    // Our answer was lost, or the question came twice.
    if (m.epoch == epoch_) SendAckEpoch();
    return;
  }
  HardState hard = local_->history.hard_state();
  // Promised away to a later leader. This one learns it from our greeting.
  if (m.epoch < hard.accepted_epoch || m.epoch < local_->epoch_floor) return;
  silent_ticks_ = 0;
  epoch_ = m.epoch;
  phase_ = Phase::kSync;
  // If the promise is from an earlier life it may have been given to someone
  // else. We may still follow, since only one leader can have got a quorum of
  // promises, but we do not count towards one.
  promised_ = m.epoch > hard.accepted_epoch;
  if (local_->options.faults.promise_twice) promised_ = true;
  if (m.epoch > hard.accepted_epoch) {
    hard.accepted_epoch = m.epoch;
    local_->history.SetHardState(hard);
  }
  SendAckEpoch();
}

// Waits not only for the promise but for every entry logged before, so that the
// answer does not name a history that a crash would take back.
void Follower::SendAckEpoch() {
  Message m;
  m.kind = MessageKind::kAckEpoch;
  m.epoch = epoch_;
  m.current_epoch = local_->history.hard_state().current_epoch;
  m.zxid = local_->history.last();
  m.promised = promised_;
  if (local_->options.faults.promise_before_persist) {
    local_->outbox.Send(leader_, std::move(m));
    return;
  }
  local_->outbox.SendAfter(local_->history.newest_token(), leader_,
                           std::move(m));
}

void Follower::OnAppend(Message& m) {
  History& history = local_->history;
  const bool gaps_allowed = local_->options.faults.accept_gaps;
  if (local_->options.faults.current_epoch_before_history) {
    history.SetHardState({epoch_, epoch_});
  }
  if (!history.Contains(m.zxid) && !gaps_allowed) {
    Reject(m.zxid);
    return;
  }
  Zxid end = m.zxid;
  size_t known = 0;
  for (; known < m.entries.size(); ++known) {
    Zxid zxid = m.entries[known].zxid;
    // Not a piece of this leader's history, whoever made it up.
    if (!IsSuccessor(end, zxid) || zxid.epoch() > epoch_) return;
    if (!history.Contains(zxid)) break;
    end = zxid;
  }
  const bool appends = known < m.entries.size();
  if (appends && !Truncate(end)) return;
  for (; known < m.entries.size(); ++known) {
    Entry& entry = m.entries[known];
    if (!IsSuccessor(end, entry.zxid) || entry.zxid.epoch() > epoch_) break;
    end = entry.zxid;
    if (gaps_allowed && end <= history.last()) continue;
    local_->Append(std::move(entry));
  }
  bool news = end > verified_;
  Advance(end, m.commit, m.established);
  if (local_->options.faults.ack_before_persist) {
    SendAck();
  } else if (!appends && (news || !m.entries.empty())) {
    SendAck();  // Nothing to be written, so OnDurable will not answer.
  }
}

bool Follower::Truncate(Zxid zxid) {
  History& history = local_->history;
  if (zxid == history.last()) return true;
  if (local_->options.faults.skip_truncate) return true;
  // Having joined the epoch, we have nothing that the leader has not.
  if (zxid < local_->commit ||
      history.hard_state().current_epoch == epoch_) {
    std::ostringstream out;
    out << "leader " << leader_ << " of epoch " << epoch_
        << " has a history that leaves ours at " << zxid << "; ours ends at "
        << history.last() << ", epoch " << history.hard_state().current_epoch
        << ", committed up to " << local_->commit;
    local_->fatal = out.str();
    return false;
  }
  local_->TruncateAfter(zxid);
  return true;
}

void Follower::Advance(Zxid verified, Zxid commit, bool established) {
  verified_ = std::max(verified_, verified);
  local_->RaiseCommit(std::min(verified, commit));
  if (phase_ != Phase::kBroadcast || !established) return;
  if (!serve_at_) serve_at_ = commit;
}

void Follower::Reject(Zxid zxid) {
  Message m;
  m.kind = MessageKind::kAck;
  m.epoch = epoch_;
  m.rejected = true;
  m.zxid = zxid;
  m.hint = local_->history.LastAtOrBefore(zxid).value_or(
      local_->history.trimmed_to());
  local_->outbox.Send(leader_, std::move(m));
}

void Follower::OnNewLeader(const Message& m) {
  History& history = local_->history;
  // A member that rejoins may have applied and trimmed entries of this very
  // epoch already: it has passed the end of the history long ago.
  Zxid trimmed = history.trimmed_to();
  bool passed = m.zxid < trimmed && trimmed.epoch() == epoch_;
  if (!passed && !history.Contains(m.zxid)) {
    Reject(m.zxid);
    return;
  }
  // What follows the leader's history is either of its own epoch or a tail that
  // was never committed and now never will be.
  std::optional<Zxid> next = history.Next(m.zxid);
  if (next && next->epoch() != epoch_ && !Truncate(m.zxid)) return;
  HardState hard = history.hard_state();
  if (hard.current_epoch < epoch_) {
    // Behind all entries in the queue of Persists, so never durable before.
    hard.current_epoch = epoch_;
    history.SetHardState(hard);
  }
  if (phase_ == Phase::kSync) {
    phase_ = Phase::kBroadcast;
    current_epoch_token_ = history.newest_token();
  }
  Advance(m.zxid, m.commit, m.established);
  Message reply;
  reply.kind = MessageKind::kAckNewLeader;
  reply.epoch = epoch_;
  local_->outbox.SendAfter(current_epoch_token_, leader_, std::move(reply));
}

void Follower::OnPing(const Message& m) {
  if (local_->history.Contains(m.zxid)) {
    Advance(m.zxid, m.commit, m.established);
  } else {
    Reject(m.zxid);
  }
  Message reply;
  reply.kind = MessageKind::kPong;
  reply.epoch = m.epoch;
  reply.sequence = m.sequence;
  reply.zxid = acknowledged();
  reply.hint = verified_;
  reply.joined = phase_ == Phase::kBroadcast;
  local_->outbox.Send(leader_, std::move(reply));
}

Zxid Follower::acknowledged() const {
  if (local_->options.faults.ack_before_persist) return verified_;
  return std::min(verified_, local_->history.durable());
}

void Follower::SendAck() {
  Message m;
  m.kind = MessageKind::kAck;
  m.epoch = epoch_;
  m.zxid = last_ack_ = acknowledged();
  m.hint = verified_;
  local_->outbox.Send(leader_, std::move(m));
}

void Follower::OnDurable() {
  if (phase_ != Phase::kDiscovery && acknowledged() > last_ack_) SendAck();
}

bool Follower::OnSnapshotReceived(uint32_t epoch, Zxid zxid,
                                  Membership membership) {
  History& history = local_->history;
  if (phase_ == Phase::kDiscovery || epoch != epoch_ ||
      zxid.epoch() > epoch_) {
    return false;
  }
  // If we have come so far by entries meanwhile, installing would take back
  // what we have acknowledged.
  if ((zxid <= local_->commit || history.Contains(zxid)) &&
      !local_->options.faults.snapshot_over_newer) {
    return false;
  }
  local_->InstallSnapshot(zxid, std::move(membership));
  verified_ = zxid;
  return true;
}

// Leaves out what is not read any more:
//  - `promised_` goes to the leader, which asks about it until it synchronises;
//    in broadcast it does, and no other leader has this epoch;
//  - `serve_at_` once it is passed: `delivered` never falls;
//  - `ticks_` once the leader has been heard;
//  - `greeting_lost_` behind discovery.
void Follower::AddTo(Fingerprint* print) const {
  print->Add(leader_, print->settled() ? 0 : round_, phase_,
             Fingerprint::Epoch{epoch_}, given_up_, verified_, last_ack_,
             local_->history.TokenDistance(current_epoch_token_),
             serve_at_.has_value(), serving(), heard_leader_, silent_ticks_,
             silence_limit_);
  if (phase_ != Phase::kBroadcast) print->Add(promised_);
  if (serve_at_ && !serving()) print->Add(*serve_at_);
  if (!heard_leader_) print->Add(ticks_);
  if (phase_ == Phase::kDiscovery) print->Add(greeting_lost_);
}

}  // namespace sillok::zab
