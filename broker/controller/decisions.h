// What the controller decides: events in, znode writes and news out. Pure.
//
// Each call changes the ClusterState as if its writes were done, and adds them
// to the effects of the round. The shell writes the round; when it is committed
// the news may go to the brokers and the answers to those who asked. When a
// write fails, state and effects are thrown away and read anew: so the state is
// either what the znodes say, or what they say after the round.
//
// The rules (docs/architecture.md, Kafka's ZooKeeper-mode controller):
// - A leader is taken from the in-sync set, in the order of the replica list,
//   among live brokers; one that is about to stop only when there is no other.
//   Each change of leader, also to none, raises the leader epoch.
// - The in-sync set is never emptied: when no member is left alive the partition
//   has no leader and keeps its set, and the first member back leads alone; the
//   others join again by fetching.
// - unclean.leader.election.enable: then, and only then, any live replica.
// - A broker that comes back with another epoch was away: it is handled as one
//   that failed and started, so it is out of every in-sync set that has another
//   live member (its disk or its page cache may have gone, KIP-903). After a
//   change of controller the same is told from zxids: a member whose
//   registration is younger than the last write of the partition's state.
// - A changed in-sync set alone raises the partition epoch, not the leader epoch.
#ifndef SILLOK_BROKER_CONTROLLER_DECISIONS_H_
#define SILLOK_BROKER_CONTROLLER_DECISIONS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "broker/controller/cluster_state.h"
#include "broker/controller/placement.h"
#include "proto/cluster.pb.h"
#include "proto/coordinator.pb.h"

namespace sillok {

// What a round has to write and to tell.
struct Effects {
  // In order. The operations up to each of `group_ends` from the one before
  // belong together and go into one multi when they fit; cut in two, the first
  // part alone is a state from which loading goes on.
  std::vector<v1::WriteOp> ops;
  std::vector<size_t> group_ends;
  size_t partition_writes = 0;

  struct TopicNews {
    bool configs = false;
    std::set<int32_t> partitions;
    std::set<int32_t> created;  // those that got their first state
  };
  std::map<std::string, TopicNews> topics;
  std::set<int32_t> brokers;  // new, changed or gone: what the state says
  std::vector<v1::DeletedTopic> topics_deleted;

  bool NothingToWrite() const { return ops.empty(); }
  bool NothingToTell() const {
    return topics.empty() && brokers.empty() && topics_deleted.empty();
  }
};

// The delta for the brokers after the round of `effects`; sequence and broker
// epoch are for the stream to fill in. is_new is set where a partition got its
// first state in this round (not for each broker, see PartitionEntry::IsNewOn).
v1::ClusterUpdate MakeDelta(const ClusterState& state, const Effects& effects);

// The writes of a round as multis of about `max_bytes`, each guarded by a check
// of /controller_epoch.
std::vector<v1::CoordRequest> PackMultis(const ClusterState& state,
                                         const Effects& effects,
                                         size_t max_bytes);

struct DecisionOptions {
  int32_t num_partitions = 1;
  int32_t default_replication_factor = 1;
  bool unclean_leader_election_enable = false;
  bool delete_topic_enable = true;
  // Above this a topic is refused with INVALID_PARTITIONS.
  int32_t max_partitions_per_topic = 100'000;
};

class Decisions {
 public:
  using Random = std::function<uint64_t()>;

  // `state` must outlive it and be changed by nobody else.
  Decisions(DecisionOptions options, ClusterState* state)
      : options_(options), state_(state) {}

  // After loading, before anything else. `mzxids` has, per partition with a
  // state, the zxid of its last write (see the rules above); topics without an
  // entry are skipped.
  void OnLoaded(
      const std::map<std::string, std::map<int32_t, uint64_t>>& mzxids);

  // /brokers/ids now holds these. Tells the state's brokers apart from them by
  // id and epoch.
  void OnBrokers(const std::map<int32_t, LiveBroker>& now);
  // The same, but where a broker is gone from the in-sync set of a leader that
  // stays, that is left to ShrinkInSyncSets: so new leaders need not wait for the
  // writes of partitions that have one. When InSyncSetsPending() then, nothing
  // else may be decided before ShrinkInSyncSets. (A controller that ends between
  // the two leaves what OnLoaded mends.)
  void OnBrokersLeadersFirst(const std::map<int32_t, LiveBroker>& now);
  bool InSyncSetsPending() const { return !leaving_.empty(); }
  void ShrinkInSyncSets();

  // Somebody else created the topic's znodes: its partitions get a state.
  void OnTopicFound(TopicEntry topic);

  v1::AlterPartitionResponse AlterPartition(
      const v1::AlterPartitionRequest& request);
  v1::ControlledShutdownResponse ControlledShutdown(
      const v1::ControlledShutdownRequest& request);
  // Preferred leaders take over where more than `percentage` of the partitions
  // that a broker should lead are led by others.
  void RebalanceLeaders(int32_t percentage);

  // Answers as they are to be given once the round is committed. Topics that
  // were created have code NONE.
  v1::CreateTopicsResponse CreateTopics(const v1::CreateTopicsRequest& request,
                                        const Random& random);
  // NONE: the topic has its new partitions, and their leaders are elected.
  v1::CreatePartitionsResponse CreatePartitions(
      const v1::CreatePartitionsRequest& request);
  v1::ElectLeadersResponse ElectLeaders(const v1::ElectLeadersRequest& request);
  v1::AlterConfigsResponse AlterConfigs(const v1::AlterConfigsRequest& request);
  // NONE: marked for deletion; done when the topic is out of the state.
  v1::DeleteTopicsResponse DeleteTopics(const v1::DeleteTopicsRequest& request);
  // A marker that somebody else put into /admin/delete_topics.
  void OnDeleteMarker(const std::string& topic);
  // The update of `version` told of the deletion of these topics.
  void OnDeletionTold(const std::vector<v1::DeletedTopic>& topics,
                      uint64_t version);
  // A broker has carried out the updates up to `version`.
  void OnApplied(int32_t broker, uint64_t version);
  void OnReplicasDeleted(
      int32_t broker,
      const google::protobuf::RepeatedPtrField<v1::DeletedReplica>& deleted);

  Effects TakeEffects();

 private:
  using Away = std::set<int32_t>;

  bool UncleanAllowed(const TopicEntry& topic) const;
  // The leader that takes over when `away` are gone, or -1.
  int32_t CleanLeader(const PartitionEntry& partition, const Away& away) const;
  int32_t AnyLeader(const PartitionEntry& partition) const;
  void WithoutBrokers(TopicEntry* topic, PartitionEntry* partition,
                      const Away& away);
  // Elects when there is no leader, creates the first state when there is none.
  void TryBringOnline(TopicEntry* topic, PartitionEntry* partition);
  void BringTopicOnline(TopicEntry* topic);
  bool HandOver(PartitionEntry* partition, int32_t from);

  v1::AlteredPartition AlterOne(const v1::AlterPartitionRequest& request,
                                const v1::AlterPartition& wanted);
  v1::ErrorCode CheckIsr(const PartitionEntry& partition,
                           const v1::AlterPartition& wanted, int32_t leader);

  bool HandOverTo(TopicEntry* topic, PartitionEntry* partition, int32_t to);
  v1::ErrorCode ElectOne(v1::ElectionType type, TopicEntry* topic,
                         PartitionEntry* partition);
  void Elect(v1::ElectionType type, const std::string& topic,
             int32_t partition, v1::PartitionElection* result);
  void ElectAll(v1::ElectionType type, v1::ElectLeadersResponse* response);

  absl::Status PlaceMore(const v1::MorePartitions& wanted,
                         const TopicEntry& topic,
                         std::vector<std::vector<int32_t>>* replicas) const;
  void GrowOne(const v1::MorePartitions& wanted, bool validate_only,
               v1::TopicResult* result);
  std::vector<PlacementBroker> PlaceableBrokers() const;

  absl::Status AlterTopicConfig(const v1::ConfigResourceChanges& changes,
                                bool validate_only);
  absl::Status AlterBrokerConfig(const v1::ConfigResourceChanges& changes,
                                 bool validate_only);

  void CreateOne(const v1::NewTopic& wanted, bool validate_only,
                 const Random& random, v1::TopicResult* result);
  absl::Status PlaceTopic(const v1::NewTopic& wanted, const Random& random,
                          std::vector<std::vector<int32_t>>* replicas) const;
  // The lists of partitions `first`, first + 1, ..., each with `factor` replicas
  // (0 = as many as the first one has).
  absl::Status CheckAssignments(
      const google::protobuf::RepeatedPtrField<v1::ReplicaAssignment>& wanted,
      int32_t first, size_t factor,
      std::vector<std::vector<int32_t>>* replicas) const;
  absl::Status CheckNewTopic(const v1::NewTopic& wanted) const;
  void StartDeletion(TopicEntry* topic);
  void FinishDeletions();
  void FinishDeletion(TopicEntry* topic);
  void ConfirmLeftover(const std::string& topic_id, int32_t broker,
                       const std::set<int32_t>* partitions);

  // Writes of one group; EndGroup closes it.
  void Create(std::string path, std::string data);
  void Delete(std::string path);
  void SetData(std::string path, std::string data, int32_t version);
  void EndGroup();
  // Writes the state of `partition`, which was changed, and tells of it.
  void WriteState(const TopicEntry& topic, PartitionEntry* partition);
  void CreateFirstState(TopicEntry* topic, PartitionEntry* partition);

  const DecisionOptions options_;
  ClusterState* const state_;
  Effects effects_;
  Away leaving_;  // of ShrinkInSyncSets
};

}  // namespace sillok

#endif  // SILLOK_BROKER_CONTROLLER_DECISIONS_H_
