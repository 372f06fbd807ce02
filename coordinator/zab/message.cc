#include "coordinator/zab/message.h"

#include <sstream>

namespace sillok::zab {

const char* ToString(Role role) {
  switch (role) {
    case Role::kLooking: return "looking";
    case Role::kFollowing: return "following";
    case Role::kLeading: return "leading";
  }
  return "?";
}

const char* ToString(MessageKind kind) {
  switch (kind) {
    case MessageKind::kNotification: return "NOTIFICATION";
    case MessageKind::kFollowerInfo: return "FOLLOWERINFO";
    case MessageKind::kNewEpoch: return "NEWEPOCH";
    case MessageKind::kAckEpoch: return "ACKEPOCH";
    case MessageKind::kAppend: return "APPEND";
    case MessageKind::kAck: return "ACK";
    case MessageKind::kNewLeader: return "NEWLEADER";
    case MessageKind::kAckNewLeader: return "ACKNEWLEADER";
    case MessageKind::kPing: return "PING";
    case MessageKind::kPong: return "PONG";
    case MessageKind::kGoodbye: return "GOODBYE";
    case MessageKind::kHandOver: return "HANDOVER";
    case MessageKind::kRemoved: return "REMOVED";
  }
  return "?";
}

namespace {

void PrintEntries(const std::vector<Entry>& entries, std::ostream& out) {
  if (entries.empty()) {
    out << " no entries";
  } else if (entries.size() == 1) {
    out << " entry " << entries.front().zxid;
  } else {
    out << " entries " << entries.front().zxid << ".."
        << entries.back().zxid;
  }
}

void PrintBody(const Message& m, std::ostream& out) {
  switch (m.kind) {
    case MessageKind::kNotification:
      out << " round " << m.round << ' ' << ToString(m.role) << ", vote "
          << m.vote.leader << " at epoch " << m.vote.epoch << " zxid "
          << m.vote.last;
      if (m.membership) out << ", members as of " << m.membership->version;
      return;
    case MessageKind::kFollowerInfo:
      out << " accepted epoch " << m.accepted_epoch;
      return;
    case MessageKind::kAckEpoch:
      out << " current epoch " << m.current_epoch << " last " << m.zxid
          << (m.promised ? "" : ", no promise");
      return;
    case MessageKind::kAppend:
      out << " after " << m.zxid;
      PrintEntries(m.entries, out);
      out << " commit " << m.commit;
      return;
    case MessageKind::kAck:
      if (m.rejected) {
        out << " rejects " << m.zxid << " hint " << m.hint;
      } else {
        out << " durable " << m.zxid << " received " << m.hint;
      }
      return;
    case MessageKind::kNewLeader:
      out << " history end " << m.zxid;
      return;
    case MessageKind::kPing:
      out << ' ' << m.sequence << " sent " << m.zxid << " commit " << m.commit
          << (m.established ? "" : ", not established");
      return;
    case MessageKind::kPong:
      out << ' ' << m.sequence << " durable " << m.zxid << " received "
          << m.hint << (m.joined ? "" : ", not joined");
      return;
    case MessageKind::kHandOver:
      out << " to " << m.vote.leader;
      return;
    case MessageKind::kNewEpoch:
    case MessageKind::kAckNewLeader:
    case MessageKind::kGoodbye:
    case MessageKind::kRemoved:
      return;
  }
}

}  // namespace

std::string DebugString(const Message& m) {
  std::ostringstream out;
  out << m.from << "->" << m.to << ' ' << ToString(m.kind);
  if (m.epoch != 0) out << " e" << m.epoch;
  PrintBody(m, out);
  return out.str();
}

}  // namespace sillok::zab
