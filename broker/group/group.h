// One consumer group: who is in it, and how they come to agree on who reads what
// (Kafka's classic group protocol). docs/groups.md tells it step by step.
//
// A pure core: calls and the time go in; answers to parked calls and states to
// be written come out. What members say to each other (subscriptions and
// assignments) is opaque bytes.
//
//   Empty ---------> PreparingRebalance <--------- Stable
//     ^                |      ^   |                  ^
//     '----------------'      |   v                  |
//                        CompletingRebalance --------'
//   and Dead from everywhere: the coordinator has forgotten the group.
//
// Only two things about a group last: its last complete assignment (written when
// the leader's SyncGroup comes) and that it became empty. A rebalance under way
// does not: after a failover its members join again.
#ifndef SILLOK_BROKER_GROUP_GROUP_H_
#define SILLOK_BROKER_GROUP_GROUP_H_

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "broker/group/group_member.h"
#include "broker/group/group_options.h"
#include "broker/group/group_records.h"
#include "proto/broker.pb.h"

namespace sillok {

enum class GroupState {
  kEmpty,               // no members; may have committed offsets
  kPreparingRebalance,  // waits for all members to join (again)
  kCompletingRebalance,  // waits for the leader's assignments
  kStable,
  kDead,
};

// "Empty", "PreparingRebalance", ...: as Kafka's tools print them.
std::string_view GroupStateName(GroupState state);

// A state to be made durable; answered with Group::OnWritten(token, ...).
struct GroupWrite {
  uint64_t token = 0;
  GroupValue value;
};

// What an operator wants to read of a group: a rebalance begins, or a member is
// put out because it was not heard of.
struct GroupEvent {
  enum class Kind { kRebalance, kMemberPutOut };
  Kind kind = Kind::kRebalance;
  std::string_view why;       // "a member joins"
  std::string member_id;      // whose doing it is; "" = nobody's alone
  std::string instance_id;
  std::string client_reason;  // what the client says about it (KIP-800)
  int32_t generation = 0;     // the one that ends
  size_t members = 0;         // now
};

// What the group wants done. Answers are for calls parked before.
struct GroupOutput {
  std::vector<std::pair<CallId, v1::JoinGroupResponse>> joins;
  std::vector<std::pair<CallId, v1::SyncGroupResponse>> syncs;
  std::vector<GroupWrite> writes;
  std::vector<GroupEvent> events;
};

// A JoinGroup with what the door and the shell know beside it.
struct JoinInput {
  CallId call = 0;
  const v1::JoinGroupRequest* request = nullptr;
  std::string client_host;
  bool require_known_member_id = true;
  bool supports_skip_assignment = false;
  // The id to give when this is a new member; unique for ever.
  std::string new_member_id;
};

// Not thread-safe: belongs to one shard. After every call that takes a time,
// next_deadline_ms() says when OnTime is wanted.
class Group {
 public:
  // A new group, Empty. `options` outlives it.
  Group(std::string id, const GroupOptions* options, GroupTime time);
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  // Takes on what a replay found last: Stable with members, else Empty. Members
  // begin a fresh session.
  void Restore(const GroupValue& value, GroupTime time);

  // The request is checked for what needs no group (ids, session timeout). Is
  // answered through `out`, now or later.
  void Join(const JoinInput& input, GroupTime time, GroupOutput* out);
  void Sync(CallId call, const v1::SyncGroupRequest& request, GroupTime time,
            GroupOutput* out);
  ErrorCode Heartbeat(const v1::HeartbeatRequest& request, GroupTime time);
  ErrorCode Leave(const v1::LeavingMember& leaving, GroupTime time,
                  GroupOutput* out);
  // Whether offsets may be committed by whom the request says it is from. Also
  // counts as a sign of life.
  ErrorCode CheckCommit(const v1::OffsetCommitRequest& request,
                        GroupTime time);

  void OnTime(GroupTime time, GroupOutput* out);
  // Earliest time at which something may be due; may be early, never late.
  int64_t next_deadline_ms() const { return check_at_ms_; }
  // The fate of a GroupWrite: NONE, or why it is not known to be durable.
  void OnWritten(uint64_t token, ErrorCode error, GroupTime time,
                 GroupOutput* out);

  // Ids that were given out and did not join yet are unknown from now on.
  void ForgetPendingMembers() { pending_members_.clear(); }

  // The end of the group in this coordinator: Dead, and all parked calls get
  // `reason`.
  void Drop(ErrorCode reason, GroupOutput* out);

  const std::string& id() const { return id_; }
  GroupState state() const { return state_; }
  int32_t generation() const { return generation_; }
  const std::string& protocol_type() const { return protocol_type_; }
  const std::string& protocol_name() const { return protocol_name_; }
  const std::string& leader() const { return leader_; }
  const std::map<std::string, GroupMember>& members() const {
    return members_;
  }
  size_t pending_member_count() const { return pending_members_.size(); }
  // Unix time of the last change of state; -1 = unknown (an old record).
  int64_t state_timestamp_ms() const { return state_timestamp_ms_; }
  bool has_pending_write() const { return !pending_writes_.empty(); }

  v1::DescribedGroup Describe() const;

  // Counted since the group is in memory, for metrics.
  int64_t rebalances() const { return rebalances_; }
  int64_t sessions_expired() const { return sessions_expired_; }

 private:
  struct PendingWrite {
    enum class Kind { kAssignment, kEmpty, kStaticMember };
    Kind kind = Kind::kEmpty;
    int32_t generation = 0;
    std::map<std::string, std::string> assignment;  // kAssignment
    // kStaticMember: who took whose place, and how to undo it.
    std::string new_member_id;
    GroupMember old_member;
    std::string old_leader;
    CallId call = 0;
    bool supports_skip_assignment = false;
  };

  // Joining.
  bool HasRoomFor(const std::string& member_id) const;
  bool SupportsProtocols(const v1::JoinGroupRequest& request) const;
  void JoinAsNew(const JoinInput& input, GroupTime time, GroupOutput* out);
  void JoinAgain(const JoinInput& input, GroupTime time, GroupOutput* out);
  void AddMember(const JoinInput& input, const std::string& member_id,
                 GroupTime time, GroupOutput* out);
  void ReplaceStaticMember(const JoinInput& input,
                           const std::string& old_member_id, GroupTime time,
                           GroupOutput* out);
  void UpdateMember(GroupMember& member, const JoinInput& input,
                    GroupOutput* out);
  v1::JoinGroupResponse JoinedResponse(const std::string& member_id,
                                       bool with_members) const;
  static void Answer(const JoinInput& input, ErrorCode error,
                     GroupOutput* out);

  // Rebalancing. `cause` needs no generation and no members.
  void PrepareRebalance(GroupEvent cause, GroupTime time, GroupOutput* out);
  void MaybePrepareRebalance(GroupEvent cause, GroupTime time,
                             GroupOutput* out);
  static GroupEvent CauseOf(std::string_view why, const GroupMember& member,
                            std::string client_reason);
  void MaybeCompleteJoin(GroupTime time, GroupOutput* out);
  void OnJoinDeadline(GroupTime time, GroupOutput* out);
  void CompleteJoin(GroupTime time, GroupOutput* out);
  bool ElectLeaderAmongJoined();
  std::string SelectProtocol() const;
  void TransitionTo(GroupState state, GroupTime time);

  // Assigning.
  void StartAssignment(const v1::SyncGroupRequest& request, GroupTime time,
                       GroupOutput* out);
  void FinishAssignment(const PendingWrite& write, GroupTime time,
                        GroupOutput* out);
  void FailAssignment(ErrorCode error, GroupTime time, GroupOutput* out);
  void FinishStaticMember(const PendingWrite& write, ErrorCode error,
                          GroupTime time, GroupOutput* out);
  v1::SyncGroupResponse SyncedResponse(const GroupMember& member) const;
  bool AssignmentUnderWay() const;

  // Members.
  ErrorCode CheckMember(const std::string& member_id,
                        const std::string& instance_id) const;
  GroupMember* FindMember(const std::string& member_id);
  GroupMember* RenameMember(const std::string& from, const std::string& to);
  // All changes of these two go through here: they are counted.
  void SetProtocols(GroupMember& member, std::vector<MemberProtocol> protocols);
  void SetJoinCall(GroupMember& member, std::optional<CallId> call);
  // Takes it out and answers its parked calls; the caller sees to the rebalance.
  void TakeOut(const std::string& member_id, ErrorCode reason,
               GroupOutput* out);
  // As TakeOut, of members that were not heard of, and rebalances without them.
  void PutOut(const std::vector<std::string>& member_ids, std::string_view why,
              GroupTime time, GroupOutput* out);
  void RemovePending(const std::string& member_id, GroupTime time,
                     GroupOutput* out);
  void StartSession(GroupMember& member, GroupTime time);
  void ExpireSessions(GroupTime time, GroupOutput* out);
  void ExpirePendingSyncs(GroupTime time, GroupOutput* out);
  int32_t RebalanceTimeoutMs() const;

  void Write(PendingWrite write, GroupValue value, GroupOutput* out);
  GroupValue Value(
      const std::map<std::string, std::string>* assignment) const;
  void NoteDeadline(int64_t at_ms);
  void RecomputeDeadline();

  const std::string id_;
  const GroupOptions* const options_;

  GroupState state_ = GroupState::kEmpty;
  int64_t state_timestamp_ms_ = -1;
  int32_t generation_ = 0;
  std::string protocol_type_;  // "" = never had a member
  std::string protocol_name_;  // "" = none chosen
  std::string leader_;         // member id; "" = none
  std::map<std::string, GroupMember> members_;
  std::map<std::string, std::string> static_members_;  // instance id -> member
  size_t joined_ = 0;  // members with a parked join
  // How many members have a protocol of this name.
  std::map<std::string, size_t> supporters_;
  // Ids given out that did not join with them yet (KIP-394), until when.
  std::map<std::string, int64_t> pending_members_;

  // PreparingRebalance: when it ends at the latest.
  int64_t join_deadline_ms_ = kNoDeadlineMs;
  // The first rebalance of an empty group waits for more members in slices of
  // the initial delay while members keep coming, this much longer at most.
  bool initial_delay_ = false;
  int64_t initial_delay_left_ms_ = 0;
  bool joined_in_slice_ = false;
  // CompletingRebalance and Stable: members that have not synced by then go.
  int64_t sync_deadline_ms_ = kNoDeadlineMs;
  int64_t check_at_ms_ = kNoDeadlineMs;

  std::map<uint64_t, PendingWrite> pending_writes_;
  uint64_t next_token_ = 1;

  int64_t rebalances_ = 0;
  int64_t sessions_expired_ = 0;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_GROUP_GROUP_H_
