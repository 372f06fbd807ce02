#include "coordinator/zab/peer_codec.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace sillok::zab {
namespace {

using Wire = v1::PeerMessage;

v1::PeerNotification::Role ToProto(Role role) {
  switch (role) {
    case Role::kLooking: return v1::PeerNotification::LOOKING;
    case Role::kFollowing: return v1::PeerNotification::FOLLOWING;
    case Role::kLeading: return v1::PeerNotification::LEADING;
  }
  return v1::PeerNotification::LOOKING;
}

void NotificationToProto(const Message& m, v1::PeerNotification* out) {
  out->set_role(ToProto(m.role));
  out->set_round(m.round);
  out->set_vote_leader(m.vote.leader.value());
  out->set_vote_epoch(m.vote.epoch);
  out->set_vote_zxid(m.vote.last.value());
  if (m.membership == nullptr) return;
  out->set_members_zxid(m.membership->version.value());
  for (const EnsembleMember& member : m.membership->members) {
    v1::PeerMember* row = out->add_members();
    row->set_id(member.id.value());
    row->set_observer(!member.votes);
    row->set_peer_address(member.where);
  }
}

void AppendToProto(const Message& m, v1::PeerAppend* out) {
  out->set_previous_zxid(m.zxid.value());
  out->set_commit_zxid(m.commit.value());
  out->set_established(m.established);
  out->mutable_entries()->Reserve(static_cast<int>(m.entries.size()));
  for (const Entry& entry : m.entries) {
    v1::PeerLogEntry* row = out->add_entries();
    row->set_zxid(entry.zxid.value());
    row->set_txn(*entry.txn);
  }
}

bool NotificationFromProto(const v1::PeerNotification& in, Message* m) {
  m->kind = MessageKind::kNotification;
  switch (in.role()) {
    case v1::PeerNotification::LOOKING: m->role = Role::kLooking; break;
    case v1::PeerNotification::FOLLOWING: m->role = Role::kFollowing; break;
    case v1::PeerNotification::LEADING: m->role = Role::kLeading; break;
    default: return false;
  }
  m->round = in.round();
  m->vote = Vote{in.vote_epoch(), Zxid(in.vote_zxid()),
                 MemberId(in.vote_leader())};
  if (in.members().empty()) return true;
  auto membership = std::make_shared<Membership>();
  membership->version = Zxid(in.members_zxid());
  for (const v1::PeerMember& row : in.members()) {
    membership->members.push_back(
        {MemberId(row.id()), !row.observer(), row.peer_address()});
  }
  m->membership = std::move(membership);
  return true;
}

void AppendFromProto(v1::PeerAppend* in, Message* m) {
  m->kind = MessageKind::kAppend;
  m->zxid = Zxid(in->previous_zxid());
  m->commit = Zxid(in->commit_zxid());
  m->established = in->established();
  m->entries.reserve(in->entries_size());
  for (v1::PeerLogEntry& row : *in->mutable_entries()) {
    m->entries.push_back(
        MakeEntry(Zxid(row.zxid()), std::move(*row.mutable_txn())));
  }
}

// The bodies of a line or two.
bool SmallBodyFromProto(const Wire& wire, Message* m) {
  switch (wire.body_case()) {
    case Wire::kFollowerInfo:
      m->kind = MessageKind::kFollowerInfo;
      m->accepted_epoch = wire.follower_info().accepted_epoch();
      return true;
    case Wire::kNewEpoch:
      m->kind = MessageKind::kNewEpoch;
      return true;
    case Wire::kAckEpoch:
      m->kind = MessageKind::kAckEpoch;
      m->current_epoch = wire.ack_epoch().current_epoch();
      m->zxid = Zxid(wire.ack_epoch().last_zxid());
      m->promised = wire.ack_epoch().promised();
      return true;
    case Wire::kAppendAck:
      m->kind = MessageKind::kAck;
      m->zxid = Zxid(wire.append_ack().zxid());
      m->rejected = wire.append_ack().rejected();
      m->hint = Zxid(wire.append_ack().hint_zxid());
      return true;
    case Wire::kNewLeader:
      m->kind = MessageKind::kNewLeader;
      m->zxid = Zxid(wire.new_leader().history_end_zxid());
      m->commit = Zxid(wire.new_leader().commit_zxid());
      m->established = wire.new_leader().established();
      return true;
    case Wire::kAckNewLeader:
      m->kind = MessageKind::kAckNewLeader;
      return true;
    case Wire::kPing:
      m->kind = MessageKind::kPing;
      m->sequence = wire.ping().round();
      m->zxid = Zxid(wire.ping().previous_zxid());
      m->commit = Zxid(wire.ping().commit_zxid());
      m->established = wire.ping().established();
      return true;
    case Wire::kPong:
      m->kind = MessageKind::kPong;
      m->sequence = wire.pong().round();
      m->zxid = Zxid(wire.pong().durable_zxid());
      m->hint = Zxid(wire.pong().received_zxid());
      m->joined = wire.pong().joined();
      return true;
    case Wire::kGoodbye:
      m->kind = MessageKind::kGoodbye;
      return true;
    case Wire::kHandOver:
      m->kind = MessageKind::kHandOver;
      m->vote.leader = MemberId(wire.hand_over().leader());
      return true;
    case Wire::kRemoved:
      m->kind = MessageKind::kRemoved;
      return true;
    default:
      return false;
  }
}

}  // namespace

Wire ToProto(const Message& m) {
  Wire wire;
  wire.set_from(m.from.value());
  wire.set_to(m.to.value());
  wire.set_epoch(m.epoch);
  switch (m.kind) {
    case MessageKind::kNotification:
      NotificationToProto(m, wire.mutable_notification());
      break;
    case MessageKind::kFollowerInfo:
      wire.mutable_follower_info()->set_accepted_epoch(m.accepted_epoch);
      break;
    case MessageKind::kNewEpoch:
      wire.mutable_new_epoch();
      break;
    case MessageKind::kAckEpoch:
      wire.mutable_ack_epoch()->set_current_epoch(m.current_epoch);
      wire.mutable_ack_epoch()->set_last_zxid(m.zxid.value());
      wire.mutable_ack_epoch()->set_promised(m.promised);
      break;
    case MessageKind::kAppend:
      AppendToProto(m, wire.mutable_append());
      break;
    case MessageKind::kAck:
      wire.mutable_append_ack()->set_zxid(m.zxid.value());
      wire.mutable_append_ack()->set_rejected(m.rejected);
      wire.mutable_append_ack()->set_hint_zxid(m.hint.value());
      break;
    case MessageKind::kNewLeader:
      wire.mutable_new_leader()->set_history_end_zxid(m.zxid.value());
      wire.mutable_new_leader()->set_commit_zxid(m.commit.value());
      wire.mutable_new_leader()->set_established(m.established);
      break;
    case MessageKind::kAckNewLeader:
      wire.mutable_ack_new_leader();
      break;
    case MessageKind::kPing:
      wire.mutable_ping()->set_round(m.sequence);
      wire.mutable_ping()->set_previous_zxid(m.zxid.value());
      wire.mutable_ping()->set_commit_zxid(m.commit.value());
      wire.mutable_ping()->set_established(m.established);
      break;
    case MessageKind::kPong:
      wire.mutable_pong()->set_round(m.sequence);
      wire.mutable_pong()->set_durable_zxid(m.zxid.value());
      wire.mutable_pong()->set_received_zxid(m.hint.value());
      wire.mutable_pong()->set_joined(m.joined);
      break;
    case MessageKind::kGoodbye:
      wire.mutable_goodbye();
      break;
    case MessageKind::kHandOver:
      wire.mutable_hand_over()->set_leader(m.vote.leader.value());
      break;
    case MessageKind::kRemoved:
      wire.mutable_removed();
      break;
  }
  return wire;
}

absl::StatusOr<Message> FromProto(Wire&& wire) {
  Message m;
  m.from = MemberId(wire.from());
  m.to = MemberId(wire.to());
  m.epoch = wire.epoch();
  bool known = true;
  if (wire.body_case() == Wire::kNotification) {
    known = NotificationFromProto(wire.notification(), &m);
  } else if (wire.body_case() == Wire::kAppend) {
    AppendFromProto(wire.mutable_append(), &m);
  } else {
    known = SmallBodyFromProto(wire, &m);
  }
  if (!known) {
    return absl::InvalidArgumentError("not a ZAB message, body " +
                                      std::to_string(wire.body_case()));
  }
  if (m.epoch > Zxid::kMaxEpoch || m.accepted_epoch > Zxid::kMaxEpoch) {
    return absl::InvalidArgumentError("epoch out of range: " +
                                      std::to_string(m.epoch));
  }
  return m;
}

}  // namespace sillok::zab
