#include "coordinator/zab/election.h"

#include <memory>
#include <utility>

namespace sillok::zab {

void Election::Begin() {
  ++rounds_begun_;
  own_ = Vote{local_->history.recency(), local_->history.last(),
              local_->options.self};
  // Others may count it as a voter already, but it will not lead.
  if (local_->observing() && local_->memberships.can_change()) own_ = Vote{};
  vote_ = own_;
  heard_.clear();
  StartRound(round_ + 1);
  NotifyAll();
}

void Election::StartRound(uint64_t round) {
  round_ = round;
  votes_.clear();
  votes_[local_->options.self] = vote_;
  leaving_.clear();
  settled_ticks_ = -1;
}

bool Election::IsBetter(const Vote& a, const Vote& b) const {
  if (local_->options.faults.vote_by_id_only) return a.leader > b.leader;
  if (a.epoch == b.epoch && a.last == b.last && Leaves(a) != Leaves(b)) {
    return Leaves(b);
  }
  return a > b;
}

// Who leaves by a change that is not settled may be needed for what it alone has.
// Those who know that it is settled do not hear it any more, so among equals it is
// not the one to elect. Equal histories name equal members: all who have this one
// agree.
bool Election::Leaves(const Vote& vote) const {
  if (leaving_.count(vote.leader) != 0) return true;
  return vote.epoch == own_.epoch && vote.last == own_.last &&
         !local_->memberships.newest().Votes(vote.leader);
}

// Whom we vote for votes for one with an equal history and a lower id: it knows
// that it is about to leave, and we do not.
void Election::NoteLeaving(const Message& n) {
  if (n.role == Role::kLooking && n.round == round_ &&
      n.from == vote_.leader && n.vote.epoch == vote_.epoch &&
      n.vote.last == vote_.last && n.vote.leader < vote_.leader) {
    leaving_.insert(n.from);
  }
}

void Election::Appoint(MemberId leader) {
  vote_ = Vote{local_->history.recency(), local_->history.last(), leader};
  votes_.clear();
  settled_ticks_ = -1;
}

std::optional<MemberId> Election::Step(const Message& n) {
  if (n.role == Role::kLeading) {
    // From the leader itself, so it either has a quorum or soon gives up.
    vote_ = n.vote;
    vote_.leader = n.from;
    // An observer has no rounds of its own: so it sees when its leader begins
    // another.
    if (local_->observing()) round_ = n.round;
    return n.from;
  }
  if (local_->observing()) {
    Echo(n);
    return std::nullopt;
  }
  NoteLeaving(n);
  if (n.role == Role::kLooking && n.round > round_) {
    vote_ = IsBetter(n.vote, own_) ? n.vote : own_;
    StartRound(n.round);
    NotifyAll();
  } else if (n.round < round_) {
    if (n.role == Role::kLooking) Answer(n, Role::kLooking, 0);
    return std::nullopt;
  } else if (n.round > round_) {
    return std::nullopt;
  } else if (IsBetter(n.vote, vote_)) {
    vote_ = n.vote;
    votes_[local_->options.self] = vote_;
    settled_ticks_ = -1;
    NotifyAll();
  } else if (n.role == Role::kLooking && IsBetter(vote_, n.vote)) {
    // It began to look after we told everybody.
    Answer(n, Role::kLooking, 0);
  }
  auto [known, is_new] = votes_.emplace(n.from, n.vote);
  // Within a round votes only get better; an overtaken one is no news.
  if (!is_new && IsBetter(n.vote, known->second)) known->second = n.vote;
  return Decide();
}

std::optional<MemberId> Election::Hear(const Message& n) {
  if (n.role == Role::kLooking || n.epoch == 0) {
    heard_.erase(n.from);
    return std::nullopt;
  }
  const MemberId leader = n.role == Role::kLeading ? n.from : n.vote.leader;
  heard_[n.from] = {leader, n.epoch};
  const auto& known = local_->newer_membership;
  const Membership& members =
      known != nullptr ? *known : local_->memberships.newest();
  std::vector<MemberId> ids;
  size_t agreeing = 0;
  for (const EnsembleMember& member : members.members) {
    if (!member.votes) continue;
    ids.push_back(member.id);
    auto said = heard_.find(member.id);
    agreeing +=
        said != heard_.end() && said->second == std::pair(leader, n.epoch);
  }
  if (!VoterSet(std::move(ids)).IsQuorum(agreeing)) return std::nullopt;
  local_->epoch_floor = n.epoch;
  Appoint(leader);
  round_ = n.round;
  return leader;
}

// The sender may know of a membership in which we vote, and need our vote to
// lead; we have nobody to prefer.
void Election::Echo(const Message& n) {
  if (n.role != Role::kLooking || n.vote.leader == Vote().leader ||
      !local_->memberships.can_change()) {
    return;
  }
  // Once in a tick, so that two who have nobody to prefer do not go on for ever.
  auto [known, is_new] = echoed_.emplace(n.from, n.vote);
  if (!is_new && known->second == n.vote) return;
  known->second = n.vote;
  Message m;
  m.kind = MessageKind::kNotification;
  m.round = n.round;
  m.vote = n.vote;
  local_->outbox.Send(n.from, std::move(m));
}

std::optional<MemberId> Election::Tick() {
  echoed_.clear();
  if (++ticks_since_notify_ >= local_->options.notify_ticks) NotifyAll();
  if (settled_ticks_ >= 0) ++settled_ticks_;
  return Decide();
}

std::optional<MemberId> Election::OnLost(MemberId member, bool looking) {
  lost_.insert(member);
  return looking ? Decide() : std::nullopt;
}

bool Election::HeardFromAll() const {
  for (MemberId member : local_->memberships.voters().members()) {
    if (votes_.count(member) == 0 && lost_.count(member) == 0) return false;
  }
  return true;
}

std::optional<MemberId> Election::Decide() {
  if (local_->observing()) return std::nullopt;
  auto agrees = [&](MemberId member) {
    auto known = votes_.find(member);
    return known != votes_.end() && known->second == vote_;
  };
  if (!local_->memberships.IsQuorum(agrees)) {
    settled_ticks_ = -1;
    return std::nullopt;
  }
  if (settled_ticks_ < 0) settled_ticks_ = 0;
  if (HeardFromAll() || settled_ticks_ >= local_->options.settle_ticks) {
    return vote_.leader;
  }
  return std::nullopt;
}

Message Election::Notification(Role role, uint32_t epoch) const {
  Message m;
  m.kind = MessageKind::kNotification;
  m.epoch = epoch;
  m.role = role;
  m.round = round_;
  m.vote = vote_;
  return m;
}

void Election::Notify(MemberId to, Role role, uint32_t epoch) {
  local_->outbox.Send(to, Notification(role, epoch));
}

void Election::Answer(const Message& question, Role role, uint32_t epoch) {
  Message m = Notification(role, epoch);
  const Membership& newest = local_->memberships.newest();
  if (question.vote.last < newest.version) {
    m.membership = std::make_shared<const Membership>(newest);
  }
  local_->outbox.Send(question.from, std::move(m));
}

void Election::AddTo(Fingerprint* print, bool looking) const {
  if (print->settled()) return;
  auto add = [&](const Vote& vote) {
    print->Add(vote.epoch, vote.last, vote.leader);
  };
  print->Add(round_, lost_.size());
  add(vote_);
  for (MemberId member : lost_) print->Add(member);
  // The rest is of the election under way; Begin and Appoint make it anew.
  if (!looking) return;
  print->Add(ticks_since_notify_, settled_ticks_, votes_.size(),
             leaving_.size());
  add(own_);
  for (MemberId member : leaving_) print->Add(member);
  for (const auto& [member, vote] : votes_) {
    print->Add(member);
    add(vote);
  }
}

void Election::NotifyAll() {
  ticks_since_notify_ = 0;
  const Memberships& memberships = local_->memberships;
  // Whoever knows too little asks everybody.
  if (local_->newer_membership != nullptr ||
      (local_->observing() && memberships.can_change())) {
    for (MemberId member : local_->Others()) Notify(member, Role::kLooking, 0);
    return;
  }
  for (MemberId member : memberships.voters().members()) {
    if (member != local_->options.self) Notify(member, Role::kLooking, 0);
  }
  if (local_->observing()) return;
  for (MemberId member : memberships.observers().members()) {
    Notify(member, Role::kLooking, 0);
  }
}

}  // namespace sillok::zab
