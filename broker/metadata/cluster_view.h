// What a broker knows of the cluster: one immutable picture, replaced whole.
//
// Metadata answers, request routing and configuration read a ClusterView that
// nobody changes any more; the next ClusterUpdate makes a new one that shares
// all it did not touch. Pure: no thread, no clock.
#ifndef SILLOK_BROKER_METADATA_CLUSTER_VIEW_H_
#define SILLOK_BROKER_METADATA_CLUSTER_VIEW_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.h"
#include "proto/cluster.pb.h"

namespace sillok {

// Where one of a broker's doors is found (advertised.listeners).
struct ListenerEndpoint {
  std::string listener;           // GRPC, PLAINTEXT, or the operator's name
  std::string security_protocol;  // GRPC, PLAINTEXT
  std::string host;
  int32_t port = 0;
  friend bool operator==(const ListenerEndpoint&,
                         const ListenerEndpoint&) = default;
};

struct BrokerInfo {
  BrokerId id;
  std::string host;
  int32_t port = 0;        // gRPC
  int32_t kafka_port = 0;  // of the first Kafka listener; 0 = none
  std::string rack;
  std::vector<ListenerEndpoint> endpoints;  // all, as registered
  // Null when the broker has no listener of that name.
  const ListenerEndpoint* FindEndpoint(std::string_view listener) const;
  friend bool operator==(const BrokerInfo&, const BrokerInfo&) = default;
};

struct PartitionInfo {
  int32_t partition = 0;
  BrokerId leader = kNoBroker;
  LeaderEpoch leader_epoch;
  PartitionEpoch partition_epoch;  // version of the state znode
  std::vector<BrokerId> isr;
  std::vector<BrokerId> replicas;  // the first is preferred
  // This broker's replica was created by the update that told of it, so an empty
  // log is right.
  bool is_new = false;
};

struct TopicInfo {
  std::string name;
  std::string id;  // 22 characters, base64url of 16 bytes
  bool internal = false;  // __consumer_offsets, __transaction_state
  // What was set for the topic itself; see topic_config.h for the rest.
  std::shared_ptr<const std::map<std::string, std::string>> configs;
  // By partition number. Null where the number is not known (yet).
  std::vector<std::shared_ptr<const PartitionInfo>> partitions;

  // Null when there is no such partition.
  const PartitionInfo* FindPartition(int32_t partition) const;
};

// Immutable; may be read from any thread. Pointers it gives out live as long as
// the view does.
class ClusterView {
 public:
  // Before the first snapshot: no broker, no topic, no controller.
  static std::shared_ptr<const ClusterView> Empty();

  // The picture after `update`, which must not be stale as a whole (see
  // ClusterViewHolder); a snapshot replaces everything, a delta only what it
  // names. Partitions whose leader epoch or partition epoch is older than the
  // one known of the same topic id are left as they are. Costs what has changed
  // plus 1/256 of the topics for each changed topic. `accepted`, when not null,
  // gets the update without what was dropped.
  static std::shared_ptr<const ClusterView> Apply(
      const std::shared_ptr<const ClusterView>& base,
      const v1::ClusterUpdate& update, v1::ClusterUpdate* accepted);

  const std::string& cluster_id() const { return cluster_id_; }
  BrokerId controller_id() const { return controller_id_; }  // kNoBroker: none
  ControllerEpoch controller_epoch() const { return controller_epoch_; }
  // Alive, by id.
  const std::map<BrokerId, BrokerInfo>& brokers() const { return *brokers_; }
  const BrokerInfo* FindBroker(BrokerId id) const;

  std::shared_ptr<const TopicInfo> FindTopic(std::string_view name) const;
  std::shared_ptr<const TopicInfo> FindTopicById(std::string_view id) const;
  // Null when the topic or the partition is not known. Valid while the view is.
  const PartitionInfo* FindPartition(std::string_view topic,
                                     int32_t partition) const;
  // In no order.
  void ForEachTopic(const std::function<void(const TopicInfo&)>& visit) const;
  size_t topic_count() const { return topic_count_; }

 private:
  static constexpr size_t kShards = 256;
  struct ViewHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  using Shard = std::unordered_map<std::string,
                                   std::shared_ptr<const TopicInfo>, ViewHash,
                                   std::equal_to<>>;
  using Shards = std::array<std::shared_ptr<const Shard>, kShards>;
  class Builder;

  static size_t ShardOf(std::string_view key) { return ViewHash()(key) % kShards; }

  std::string cluster_id_;
  BrokerId controller_id_ = kNoBroker;
  ControllerEpoch controller_epoch_{-1};
  std::shared_ptr<const std::map<BrokerId, BrokerInfo>> brokers_;
  Shards by_name_;
  Shards by_id_;
  size_t topic_count_ = 0;
};

// True for the topics that brokers keep for themselves.
bool IsInternalTopic(std::string_view name);

}  // namespace sillok

#endif  // SILLOK_BROKER_METADATA_CLUSTER_VIEW_H_
