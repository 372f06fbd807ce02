// Kafka's znodes: their paths and the JSON in them, both ways.
//
// Paths and fields are Kafka's (ZooKeeper mode, 3.9), so that people and tools
// find what they know; /admin/deleted_replicas alone is ours. Pure.
#ifndef SILLOK_BROKER_METADATA_ZNODES_H_
#define SILLOK_BROKER_METADATA_ZNODES_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sillok {

namespace znode_path {
inline constexpr char kController[] = "/controller";
inline constexpr char kControllerEpoch[] = "/controller_epoch";
inline constexpr char kBrokerIds[] = "/brokers/ids";
inline constexpr char kTopics[] = "/brokers/topics";
inline constexpr char kTopicConfigs[] = "/config/topics";
inline constexpr char kBrokerConfigs[] = "/config/brokers";
// The child of it that holds for all brokers.
inline constexpr char kAllBrokers[] = "<default>";
inline constexpr char kDeleteTopics[] = "/admin/delete_topics";
// Replicas of deleted topics on brokers that were down then: one child for each
// topic id. Ours, not Kafka's.
inline constexpr char kDeletedReplicas[] = "/admin/deleted_replicas";
inline constexpr char kClusterId[] = "/cluster/id";

std::string Broker(int32_t broker_id);
std::string Topic(std::string_view topic);
std::string TopicPartitions(std::string_view topic);
std::string Partition(std::string_view topic, int32_t partition);
std::string PartitionState(std::string_view topic, int32_t partition);
std::string TopicConfig(std::string_view topic);
// `broker` is an id or kAllBrokers.
std::string BrokerConfig(std::string_view broker);
std::string DeleteTopic(std::string_view topic);
std::string DeletedReplicas(std::string_view topic_id);
// The persistent znodes that stand before anything else, parents first.
const std::vector<std::string>& Base();
}  // namespace znode_path

struct BrokerEndpoint {
  std::string listener;           // PLAINTEXT, GRPC, ...
  // PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL; ours: GRPC
  std::string security_protocol;
  std::string host;
  int32_t port = 0;
  friend bool operator==(const BrokerEndpoint&,
                         const BrokerEndpoint&) = default;
};
inline constexpr char kGrpcListener[] = "GRPC";

// /brokers/ids/N
struct BrokerZnode {
  std::vector<BrokerEndpoint> endpoints;
  std::string rack;
  int64_t timestamp_ms = 0;
  // The gRPC endpoint, and the first that speaks Kafka; null when there is none.
  const BrokerEndpoint* Grpc() const;
  const BrokerEndpoint* Kafka() const;
};
std::string EncodeBroker(const BrokerZnode& broker);
absl::StatusOr<BrokerZnode> DecodeBroker(std::string_view json);

// /controller
std::string EncodeController(int32_t broker_id, int64_t timestamp_ms);
absl::StatusOr<int32_t> DecodeController(std::string_view json);

// /controller_epoch: a decimal number.
absl::StatusOr<int32_t> DecodeControllerEpoch(std::string_view text);

// /brokers/topics/T
struct TopicZnode {
  std::string topic_id;
  std::map<int32_t, std::vector<int32_t>> partitions;  // replicas of each
};
std::string EncodeTopic(const TopicZnode& topic);
absl::StatusOr<TopicZnode> DecodeTopic(std::string_view json);

// /brokers/topics/T/partitions/N/state
struct PartitionStateZnode {
  int32_t leader = -1;
  int32_t leader_epoch = 0;
  int32_t controller_epoch = 0;
  std::vector<int32_t> isr;
};
std::string EncodePartitionState(const PartitionStateZnode& state);
absl::StatusOr<PartitionStateZnode> DecodePartitionState(std::string_view json);

// /config/topics/T
std::string EncodeConfig(const std::map<std::string, std::string>& config);
absl::StatusOr<std::map<std::string, std::string>> DecodeConfig(
    std::string_view json);

// /cluster/id
std::string EncodeClusterId(std::string_view id);
absl::StatusOr<std::string> DecodeClusterId(std::string_view json);

// /admin/deleted_replicas/ID
struct DeletedReplicasZnode {
  std::string topic;
  std::map<int32_t, std::set<int32_t>> pending;  // broker -> partitions
};
std::string EncodeDeletedReplicas(const DeletedReplicasZnode& deleted);
absl::StatusOr<DeletedReplicasZnode> DecodeDeletedReplicas(
    std::string_view json);

// 16 random bytes as the 22 characters that Kafka prints (base64url, no pad).
std::string EncodeUuid(const std::array<uint8_t, 16>& bytes);
// Back; nothing when `text` is not such a text.
std::optional<std::array<uint8_t, 16>> DecodeUuid(std::string_view text);

}  // namespace sillok

#endif  // SILLOK_BROKER_METADATA_ZNODES_H_
