// GroupMember: one consumer's life in a group (Kafka's classic protocol). Pure:
// answers and the time go in, requests and events come out.
//
//   idle -> joining -> [assigning, when leader] -> syncing -> stable
//              ^                                     |          |
//              +------------- releasing <------------+----------+
//
// Releasing: the application still has to let go of partitions (an event that it
// confirms with OnReleased); then the member joins. Heartbeats go on in every
// state in which the coordinator knows the member and is not itself waiting for a
// join. A member that is thrown out loses its partitions (event kLost) and joins
// anew.
//
// Eager (KIP-54 and before): a member releases everything before it joins.
// Cooperative (KIP-429), when all its assignors can: it joins with what it has,
// says so, and releases after the sync what the new assignment lacks; that leads
// to a second rebalance, in which those partitions are given out.
//
// With an instance id (KIP-345) the coordinator keeps the member's place while it
// restarts: it never says that it leaves.
#ifndef SILLOK_CLIENT_INTERNAL_GROUP_MEMBER_H_
#define SILLOK_CLIENT_INTERNAL_GROUP_MEMBER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/error.h"
#include "base/ids.h"
#include "client/internal/assignor.h"
#include "client/internal/consumer_protocol.h"
#include "proto/broker.pb.h"

namespace sillok::client {

struct GroupMemberOptions {
  std::string group_id;
  std::string instance_id;
  std::string client_id;
  std::string rack;
  int64_t session_timeout_ms = 45'000;
  int64_t heartbeat_interval_ms = 3'000;
  int64_t max_poll_interval_ms = 300'000;  // the rebalance timeout too
  int64_t retry_backoff_ms = 100;
  std::vector<std::string> assignors = {"range", "cooperative-sticky"};
};

// Bugs for tests of the tests.
struct GroupMemberFaults {
  bool join_before_release = false;     // eager: joins while it still owns
  bool claim_nothing = false;           // cooperative: owned partitions untold
  bool no_second_join = false;          // keeps quiet after a partial release
  bool take_before_release = false;     // joins again before the release
  bool keep_when_thrown_out = false;    // no kLost
};

class GroupMember {
 public:
  // A request to make now. Its answer comes back with the same `round`; one of
  // another round is ignored.
  struct Step {
    enum Kind {
      kFindCoordinator,
      kJoin,
      kSync,
      kHeartbeat,
      kLeave,           // no answer wanted
      kPartitionCounts  // of `topics`: OnPartitionCounts
    };
    Kind kind = kFindCoordinator;
    uint64_t round = 0;
    v1::JoinGroupRequest join;
    v1::SyncGroupRequest sync;
    v1::HeartbeatRequest heartbeat;
    v1::LeaveGroupRequest leave;
    std::set<std::string> topics;
  };
  // What the application has to be told, in order: always what changes. Each
  // kRevoked and kLost is answered with OnReleased.
  struct Event {
    enum Kind { kAssigned, kRevoked, kLost };
    Kind kind = kAssigned;
    std::vector<TopicPartition> partitions;
  };

  explicit GroupMember(const GroupMemberOptions& options,
                       const GroupMemberFaults& faults = {});

  // --- inputs
  void Subscribe(std::vector<std::string> topics, int64_t now_ms);
  // The same without being a call of the application (a pattern matches other
  // topics now).
  void ChangeTopics(std::vector<std::string> topics, int64_t now_ms);
  // Leaves; partitions are simply dropped. Static members stay in the group until
  // their session ends.
  void Unsubscribe();
  void OnPoll(int64_t now_ms);
  // The application has handled the oldest kRevoked or kLost event.
  void OnReleased(int64_t now_ms);
  // Joins again if the group is stable.
  void EnforceRebalance(const std::string& reason);
  void OnCoordinator(ErrorCode code, int64_t now_ms);
  // `code` is the transport's or the answer's.
  void OnJoin(uint64_t round, ErrorCode code,
              const v1::JoinGroupResponse& response, int64_t now_ms);
  void OnSync(uint64_t round, ErrorCode code,
              const v1::SyncGroupResponse& response, int64_t now_ms);
  void OnHeartbeat(uint64_t round, ErrorCode code, int64_t now_ms);
  // What an offset commit was told about the membership.
  void OnCommit(ErrorCode code, int64_t now_ms);
  // Partitions of every topic of the group that exists. Needed while assigning;
  // a stable leader joins again when they have changed.
  void OnPartitionCounts(const std::map<std::string, int>& counts,
                         int64_t now_ms);

  // --- outputs
  // The next request due; ask until there is none.
  std::optional<Step> Next(int64_t now_ms);
  std::optional<Event> TakeEvent();
  // Something that somebody should know: for the log, and as the trouble that is
  // being dealt with.
  std::optional<absl::Status> TakeTrouble();
  // When Next may have something without a new input.
  int64_t NextMs() const;
  // Set when the membership cannot go on; Subscribe clears it.
  const absl::Status& failure() const { return failure_; }

  bool subscribed() const { return state_ != kIdle; }
  bool stable() const { return state_ == kStable; }
  bool is_leader() const { return !group_topics_.empty(); }
  bool cooperative() const { return cooperative_; }
  const std::set<std::string>& group_topics() const { return group_topics_; }
  const std::string& member_id() const { return member_id_; }
  // -1 while the member has none that is good for a commit.
  int32_t generation() const { return generation_; }
  uint64_t rebalances() const { return rebalances_; }

 private:
  enum State {
    kIdle,
    kReleasing,
    kJoining,
    kAssigning,
    kSyncing,
    kStable,
    kExpelled,  // poll came too late; the next one joins again
    kFailed,
  };

  bool IsStatic() const { return !options_.instance_id.empty(); }
  bool IsMember() const { return generation_ >= 0 && state_ != kJoining; }
  // Starts over: releases what has to be, then joins.
  void Rejoin(const std::string& reason);
  // What has to go before a join.
  std::vector<TopicPartition> ToReleaseBeforeJoin() const;
  // Takes `going` from what is owned and tells; kReleasing as long as anything is
  // not confirmed, else `then`.
  void Release(Event::Kind kind, std::vector<TopicPartition> going, State then);
  void ForgetRound();
  // The coordinator forgot this member.
  void ThrownOut(bool keep_member_id, ErrorCode code);
  void Backoff(int64_t now_ms) {
    not_before_ms_ = now_ms + options_.retry_backoff_ms;
  }
  // Handles what every answer may say; true when it did.
  bool OnCommonError(ErrorCode code, int64_t now_ms);
  void Fail(ErrorCode code);
  void Trouble(ErrorCode code, const std::string& what);
  void TakeLead(const v1::JoinGroupResponse& response);
  // `assigned` is sorted.
  void TakeAssignment(std::vector<TopicPartition> assigned);
  void CheckPollInterval(int64_t now_ms);
  bool MayBeat(int64_t now_ms) const;
  Step MakeHeartbeat(int64_t now_ms);
  Step MakeJoin() const;
  Step MakeSync() const;
  std::string MakeMetadata(const std::string& assignor) const;
  SubscribedMember ReadMember(const v1::JoinedMember& joined) const;

  const GroupMemberOptions options_;
  const GroupMemberFaults faults_;
  const bool cooperative_;
  State state_ = kIdle;
  std::vector<std::string> topics_;  // sorted
  std::string member_id_;
  int32_t generation_ = -1;
  std::string protocol_;
  std::string join_reason_;
  // What the application has, once it has handled the events; sorted.
  std::vector<TopicPartition> owned_;
  std::deque<Event> events_;
  int unconfirmed_ = 0;  // kRevoked and kLost events without OnReleased
  // The last assignment by `sticky`, told when joining.
  std::optional<StickyUserData> last_sticky_;
  std::deque<absl::Status> troubles_;
  absl::Status failure_;

  // Of the leader, between join and sync, and kept to notice changes.
  std::vector<SubscribedMember> members_;
  std::set<std::string> group_topics_;
  std::optional<std::map<std::string, int>> counts_;
  GroupAssignment to_give_;

  uint64_t round_ = 1;
  bool coordinator_known_ = false;
  bool finding_ = false;
  bool request_out_ = false;  // join, sync or the question for counts
  bool heartbeat_out_ = false;
  // A static member whose application does not poll: no heartbeats, so that the
  // session ends if it stays so.
  bool silent_ = false;
  std::optional<Step> leave_;
  int64_t not_before_ms_ = 0;
  int64_t next_heartbeat_ms_ = 0;
  int64_t last_heard_ms_ = 0;
  int64_t last_poll_ms_ = 0;
  uint64_t rebalances_ = 0;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_GROUP_MEMBER_H_
