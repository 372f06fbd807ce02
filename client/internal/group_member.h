// GroupMember: one consumer's life in a group (Kafka's classic protocol, eager
// rebalancing). Pure: answers and the time go in, requests and events come out.
//
//   idle -> joining -> [assigning, when leader] -> syncing -> stable
//              ^                                                |
//              +--------------- releasing <---------------------+
//
// Releasing: the application still has to let go of its partitions (an event that
// it confirms with OnReleased). Heartbeats go on in every state in which the
// coordinator knows the member and is not itself waiting for a join. A member
// that is thrown out loses its partitions (event kLost) and joins anew.
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
#include "proto/broker.pb.h"

namespace sillok::client {

struct GroupMemberOptions {
  std::string group_id;
  std::string instance_id;
  std::string client_id;
  int64_t session_timeout_ms = 45'000;
  int64_t heartbeat_interval_ms = 3'000;
  int64_t max_poll_interval_ms = 300'000;  // the rebalance timeout too
  int64_t retry_backoff_ms = 100;
  std::vector<std::string> assignors = {"range", "roundrobin"};
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
  // What the application has to be told, in order.
  struct Event {
    enum Kind { kAssigned, kRevoked, kLost };
    Kind kind = kAssigned;
    std::vector<TopicPartition> partitions;
  };

  explicit GroupMember(const GroupMemberOptions& options);

  // --- inputs
  void Subscribe(std::vector<std::string> topics, int64_t now_ms);
  // Leaves; partitions are simply dropped. Static members stay in the group until
  // their session ends.
  void Unsubscribe();
  void OnPoll(int64_t now_ms);
  // The application has handled the kRevoked or kLost event.
  void OnReleased(int64_t now_ms);
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
  // When Next may have something without a new input.
  int64_t NextMs() const;
  // Set when the membership cannot go on; Subscribe clears it.
  const absl::Status& failure() const { return failure_; }

  bool subscribed() const { return state_ != kIdle; }
  bool stable() const { return state_ == kStable; }
  bool is_leader() const { return !group_topics_.empty(); }
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

  bool IsMember() const { return generation_ >= 0 && state_ != kJoining; }
  // Starts over: releases what is owned, then joins.
  void Rejoin();
  // The coordinator forgot this member.
  void ThrownOut(bool keep_member_id);
  void Backoff(int64_t now_ms) { not_before_ms_ = now_ms + options_.retry_backoff_ms; }
  // Handles what every answer may say; true when it did.
  bool OnCommonError(ErrorCode code, int64_t now_ms);
  void Fail(ErrorCode code);
  void Release(Event::Kind kind);
  void CheckPollInterval(int64_t now_ms);
  Step MakeJoin() const;
  Step MakeSync() const;

  const GroupMemberOptions options_;
  State state_ = kIdle;
  std::vector<std::string> topics_;
  std::string member_id_;
  int32_t generation_ = -1;
  std::string protocol_;
  std::vector<TopicPartition> owned_;
  std::deque<Event> events_;
  absl::Status failure_;

  // Of the leader, between join and sync, and kept to notice changes.
  std::vector<SubscribedMember> members_;
  std::set<std::string> group_topics_;
  std::map<std::string, int> counts_;
  GroupAssignment to_give_;

  uint64_t round_ = 1;
  bool coordinator_known_ = false;
  bool finding_ = false;
  bool request_out_ = false;  // join, sync or the question for counts
  bool heartbeat_out_ = false;
  std::optional<Step> leave_;
  int64_t not_before_ms_ = 0;
  int64_t next_heartbeat_ms_ = 0;
  int64_t last_heard_ms_ = 0;
  int64_t last_poll_ms_ = 0;
  uint64_t rebalances_ = 0;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_GROUP_MEMBER_H_
