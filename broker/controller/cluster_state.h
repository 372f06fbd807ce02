// The controller's model of the cluster: what stands in the znodes, and with
// the round under way what will stand there. Plain data; the rules that change
// it are in decisions.h. Pure.
#ifndef SILLOK_BROKER_CONTROLLER_CLUSTER_STATE_H_
#define SILLOK_BROKER_CONTROLLER_CLUSTER_STATE_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/metadata/znodes.h"
#include "proto/cluster.pb.h"

namespace sillok {

struct LiveBroker {
  v1::BrokerAddress address;
  int64_t epoch = 0;  // czxid of /brokers/ids/N
  // Asked to hand its leaderships over: leads and joins no more.
  bool shutting_down = false;
};

struct PartitionEntry {
  int32_t number = 0;
  std::vector<int32_t> replicas;  // the first is preferred
  // The znodes .../partitions/N and .../partitions/N/state exist. Without a
  // state the partition has never had a leader.
  bool has_node = false;
  bool has_state = false;
  int32_t leader = -1;
  int32_t leader_epoch = 0;
  int32_t version = 0;  // of the state znode = partition epoch
  // Never empty once there is a state. The leader, when there is one, is in it.
  std::vector<int32_t> isr;
  // Incarnations (broker id, epoch) whose empty replica is right, since this
  // controller created the partition while they were alive.
  std::vector<std::pair<int32_t, int64_t>> new_on;

  bool IsReplica(int32_t broker) const;
  bool InSync(int32_t broker) const;
  bool IsNewOn(int32_t broker, int64_t epoch) const;
};

struct TopicEntry {
  std::string name;
  std::string id;
  std::map<std::string, std::string> configs;
  int32_t version = 0;  // of the znode /brokers/topics/T
  bool has_config_node = false;
  bool has_partitions_node = false;
  std::vector<PartitionEntry> partitions;  // by number

  // Marked for deletion: no longer part of what brokers are told.
  bool deleting = false;
  bool has_marker = false;  // /admin/delete_topics/T exists
  // The version of the update that told of the deletion; a broker that has
  // carried it out has no replica any more.
  uint64_t told_version = 0;
  std::map<int32_t, std::set<int32_t>> undeleted;  // broker -> partitions

  PartitionEntry* Find(int32_t number);
  const PartitionEntry* Find(int32_t number) const;
};

// Replicas of a deleted topic on brokers that were down: they are told when they
// come back.
struct LeftoverReplicas {
  std::string topic;
  std::map<int32_t, std::set<int32_t>> pending;  // broker -> partitions
};

class ClusterState {
 public:
  int32_t controller_id = -1;
  int32_t controller_epoch = 0;
  // Version of /controller_epoch after our election: every write checks it.
  int32_t controller_epoch_version = 0;
  std::string cluster_id;

  std::map<int32_t, LiveBroker> brokers;  // alive
  std::map<std::string, TopicEntry> topics;
  // Config znodes that have no topic (left by others).
  std::set<std::string> orphan_configs;
  // /config/brokers: what was set for brokers while they run, by id or
  // kAllBrokers. An entry stands for a znode.
  std::map<std::string, std::map<std::string, std::string>> broker_configs;
  std::map<std::string, LeftoverReplicas> leftovers;  // by topic id
  // Markers in /admin/delete_topics of topics that do not exist.
  std::set<std::string> orphan_markers;

  // For `topics[name]` and the index by id.
  TopicEntry* AddTopic(TopicEntry topic);
  void RemoveTopic(const std::string& name);
  TopicEntry* FindTopic(std::string_view name);
  TopicEntry* FindTopicById(std::string_view id);
  bool IsAlive(int32_t broker) const { return brokers.count(broker) != 0; }
  // Alive, and not about to stop.
  bool CanLead(int32_t broker) const;
  const std::set<std::string>& deleting() const { return deleting_; }
  // Takes the topic out of what brokers are told.
  void MarkDeleting(TopicEntry* topic);
  // Names whose CollisionKey is that of `name`.
  std::vector<std::string> Colliding(std::string_view name) const;

 private:
  std::unordered_map<std::string, std::string> name_by_id_;
  std::set<std::string> deleting_;
  std::map<std::string, std::set<std::string>> by_collision_key_;
};

// The partition as brokers are told of it; is_new is left false.
void FillPartitionState(const PartitionEntry& partition,
                        v1::PartitionState* state);
// All that `broker` must know at the start of its stream.
v1::ClusterUpdate MakeSnapshot(const ClusterState& state, int32_t broker);

}  // namespace sillok

#endif  // SILLOK_BROKER_CONTROLLER_CLUSTER_STATE_H_
