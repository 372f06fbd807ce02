// The group coordinator of a broker: consumer groups and their committed
// offsets, for the partitions of `__consumer_offsets` that this broker leads.
//
// A group belongs to the partition that its id hashes to, and whoever leads that
// partition coordinates it. Each partition led is a shard: a group table (all
// the decisions, a pure core), a journal (journaled_state.h) that keeps it in
// the partition, and a strand that owns both. This class finds the shard, posts
// to it, carries out what the table asks for, and runs one timer per shard.
#ifndef SILLOK_BROKER_GROUP_GROUP_COORDINATOR_H_
#define SILLOK_BROKER_GROUP_GROUP_COORDINATOR_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/strand.h"
#include "base/timer.h"
#include "broker/group/group_options.h"
#include "broker/journal/journal_partition.h"
#include "proto/broker.pb.h"

namespace sillok {

// What a door knows about who sends a JoinGroup, beside the request itself.
struct GroupCaller {
  std::string client_host;  // "/127.0.0.1", as Kafka writes it
  // A first join is answered MEMBER_ID_REQUIRED with an id to join again with
  // (KIP-394). False only for Kafka clients older than JoinGroup v4.
  bool require_known_member_id = true;
  // The client understands `skip_assignment` (KIP-814, JoinGroup v9).
  bool supports_skip_assignment = false;
};

// Thread-safe. Each call answers exactly once through `done`, on a strand's
// thread or on the caller's before the call returns; `done` must be short. Join
// answers when the rebalance is complete, Sync when the assignment is durable,
// Commit when the offsets are. No call fails by transport: all trouble is an
// error code in the answer.
class GroupCoordinator {
 public:
  struct Environment {
    Executor* executor = nullptr;  // the shards' strands
    Timer* timer = nullptr;
    const Clock* clock = nullptr;
    // Makes the random part of a member id; null = a random UUID.
    std::function<std::string()> make_uuid;
    // Whether offsets of a topic of this name may be committed; others are
    // answered UNKNOWN_TOPIC_OR_PARTITION. Any thread, cheap. Null = every
    // topic exists.
    std::function<bool(const std::string& topic)> topic_exists = nullptr;
  };
  template <typename Response>
  using Done = std::function<void(Response)>;

  // What `environment` points to outlives the coordinator and its callbacks.
  GroupCoordinator(const GroupOptions& options, const Environment& environment);
  // Stops.
  ~GroupCoordinator();
  GroupCoordinator(const GroupCoordinator&) = delete;
  GroupCoordinator& operator=(const GroupCoordinator&) = delete;

  void Join(v1::JoinGroupRequest request, GroupCaller caller,
            Done<v1::JoinGroupResponse> done);
  void Sync(v1::SyncGroupRequest request, Done<v1::SyncGroupResponse> done);
  void Heartbeat(v1::HeartbeatRequest request,
                 Done<v1::HeartbeatResponse> done);
  void Leave(v1::LeaveGroupRequest request, Done<v1::LeaveGroupResponse> done);
  // `retention_ms`: how long the one who commits wants the offsets kept, from
  // now and whatever the group does (OffsetCommit v2 to v4 of the Kafka
  // protocol); -1 = as the broker is configured.
  void Commit(v1::OffsetCommitRequest request,
              Done<v1::OffsetCommitResponse> done, int64_t retention_ms = -1);
  void FetchOffsets(v1::OffsetFetchRequest request,
                    Done<v1::OffsetFetchResponse> done);
  // The groups of all shards of this broker; with COORDINATOR_LOAD_IN_PROGRESS
  // when some shard is still loading and its groups are missing.
  void List(v1::ListGroupsRequest request, Done<v1::ListGroupsResponse> done);
  // A group that does not exist is answered as Dead, as Kafka does.
  void Describe(v1::DescribeGroupsRequest request,
                Done<v1::DescribeGroupsResponse> done);
  // Deletes groups that have no members, with their offsets: NON_EMPTY_GROUP or
  // GROUP_ID_NOT_FOUND else. Answered in the order asked, when the last one is
  // durable.
  void DeleteGroups(v1::DeleteGroupsRequest request,
                    Done<v1::DeleteGroupsResponse> done);
  // Deletes committed offsets. While a group of consumers has members, those of
  // topics that one of them subscribes to stay: GROUP_SUBSCRIBED_TO_TOPIC; other
  // groups with members are refused as a whole (NON_EMPTY_GROUP), and groups
  // that do not exist (GROUP_ID_NOT_FOUND). An error of the whole stands in
  // every partition too. An offset that was never committed counts as deleted.
  void DeleteOffsets(v1::OffsetDeleteRequest request,
                     Done<v1::OffsetDeleteResponse> done);

  // These topics are no more: the groups of this broker forget what they have
  // committed for them, so that a topic of the same name begins anew.
  void OnTopicsDeleted(std::vector<std::string> topics);

  // This broker leads partition `partition` of `__consumer_offsets` under
  // `epoch` (for a Partition: MakeJournalPartition in
  // broker/journal/partition_journal.h). Loads it; until then its groups are
  // answered COORDINATOR_LOAD_IN_PROGRESS. An epoch older than one seen before
  // is ignored.
  void OnLeadership(int32_t partition, LeaderEpoch epoch,
                    std::shared_ptr<JournalPartition> journal);
  // It does not lead it any more, as of `epoch` (the new leader's, or the last
  // one led).
  void OnResigned(int32_t partition, LeaderEpoch epoch);
  // How many partitions the topic really has, when it exists: group ids hash by
  // this. Before, options.offsets_topic_partitions counts.
  void SetPartitionCount(int32_t partitions);

  // The partition of `__consumer_offsets` that keeps the group.
  int32_t PartitionFor(std::string_view group_id) const;

  // Answers what is parked with NOT_COORDINATOR and takes no more. Waits for
  // the strands (so not from a callback): no timer is set afterwards.
  void Stop();

  // For metrics and tests; counted over all shards.
  struct Stats {
    int32_t shards_active = 0;
    int32_t shards_loading = 0;
    int64_t groups = 0;
    int64_t offsets = 0;
    int64_t rebalances = 0;       // completed, since the start
    int64_t commits = 0;          // offsets committed, since the start
    int64_t sessions_expired = 0;
  };
  // A recent picture, without waiting for the shards.
  Stats stats() const;

 private:
  class Shard;

  // Null: not led here, and never was.
  std::shared_ptr<Shard> FindShardOf(std::string_view group_id) const;
  std::vector<std::shared_ptr<Shard>> AllShards() const;

  const GroupOptions options_;
  Environment environment_;

  mutable std::shared_mutex mutex_;  // the three below; held for a look only
  std::map<int32_t, std::shared_ptr<Shard>> shards_;  // all ever led
  int32_t partition_count_;
  bool stopped_ = false;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_GROUP_GROUP_COORDINATOR_H_
