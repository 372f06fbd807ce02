// What ZAB members say to one another.
#ifndef SILLOK_COORDINATOR_ZAB_MESSAGE_H_
#define SILLOK_COORDINATOR_ZAB_MESSAGE_H_

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "coordinator/zab/entry.h"
#include "coordinator/zab/membership.h"

namespace sillok::zab {

enum class Role : uint8_t { kLooking, kFollowing, kLeading };

// Who a member wants as leader, and how recent that leader's history is.
// Ordered by recency; the member id only breaks ties.
struct Vote {
  // The epoch of the candidate's history, see History::recency().
  uint32_t epoch = 0;
  Zxid last;
  MemberId leader{-1};

  friend auto operator<=>(const Vote&, const Vote&) = default;
};

enum class MessageKind : uint8_t {
  // Election. Between any two members, in any role.
  kNotification,  // sender's role, round and vote; epoch if not looking
  // Discovery.
  kFollowerInfo,  // follower: I elected you; accepted_epoch
  kNewEpoch,      // leader: promise me `epoch` (ZooKeeper's LEADERINFO)
  kAckEpoch,      // follower: current_epoch, zxid = last logged, promised
  // Synchronisation and broadcast.
  kAppend,     // leader: zxid = predecessor, entries, commit
  kAck,        // follower: zxid = durable, hint = received; or rejected
  kNewLeader,  // leader: zxid = end of the history my epoch starts from
  kAckNewLeader,  // follower: that history is durable, and so is current_epoch
  kPing,          // leader: zxid = last sent to you, commit, sequence
  kPong,          // follower: sequence, zxid = durable, hint = received
  // A leader that shuts down: look for another one at once.
  kGoodbye,
  // A leader that has all its proposals committed: vote.leader leads from now
  // on; whoever that is begins at once, the others greet it.
  kHandOver,
  // A leader to a member that has been taken out of the ensemble.
  kRemoved,
};

const char* ToString(Role role);
const char* ToString(MessageKind kind);

// A flat record: which fields count depends on `kind`, as said above. Messages
// may be lost, doubled and overtake one another; the core copes.
struct Message {
  MessageKind kind = MessageKind::kNotification;
  MemberId from{-1};
  MemberId to{-1};
  // The leader's epoch this message belongs to. 0 in kFollowerInfo and in
  // notifications of looking members: none is known yet.
  uint32_t epoch = 0;

  // kNotification.
  Role role = Role::kLooking;
  uint64_t round = 0;
  Vote vote;
  // kNotification, to a member that seems not to know it: the membership in
  // force, so that it finds the others. It counts by its own history alone.
  std::shared_ptr<const Membership> membership;

  // kFollowerInfo, kAckEpoch.
  uint32_t accepted_epoch = 0;
  uint32_t current_epoch = 0;
  // kAckEpoch: the sender had not promised this epoch to anyone before, so it
  // counts for the leader's quorum. Without it the sender may be synchronised
  // but says nothing about who else might own the epoch.
  bool promised = false;

  // See the kinds above.
  Zxid zxid;
  // Leader: all up to here is committed. A follower commits no further than
  // the end of what the message proves to be the same in both histories.
  Zxid commit;
  // kAppend, kPing: the leader has a quorum for its epoch and serves.
  bool established = false;
  // kPong: the sender has taken NEWLEADER. A restarted follower has to be told
  // again, whatever it had acknowledged before.
  bool joined = false;
  // kPing, echoed by kPong: names the heartbeat round.
  uint64_t sequence = 0;

  // kAck, kPong: up to `zxid` the follower's history is the leader's and on
  // stable storage, up to `hint` it is the leader's and being written.
  // kAck rejected: `zxid` of the refused message is not in the sender's history;
  // hint is the last one it has at or before it (or where its log starts).
  bool rejected = false;
  Zxid hint;

  std::vector<Entry> entries;
};

// One line, for traces and golden files.
std::string DebugString(const Message& message);

}  // namespace sillok::zab

#endif  // SILLOK_COORDINATOR_ZAB_MESSAGE_H_
