#include "broker/api/partition_lookup.h"

#include "fmt/format.h"

namespace sillok::api {

PartitionLookup FindPartition(const BrokerContext& context,
                              const std::string& topic, int32_t partition) {
  PartitionLookup found;
  found.partition = context.partitions->Find(topic, partition);
  if (found.partition != nullptr) return found;
  std::shared_ptr<const ClusterView> view = context.cluster->Get();
  std::shared_ptr<const TopicInfo> info = view->FindTopic(topic);
  if (info == nullptr) {
    found.error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    found.message = fmt::format("there is no topic '{}'", topic);
  } else if (info->FindPartition(partition) == nullptr) {
    found.error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    found.message =
        fmt::format("topic '{}' has partitions 0 to {}, not {}", topic,
                    static_cast<int>(info->partitions.size()) - 1, partition);
  } else {
    found.error = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    found.message = fmt::format(
        "broker {} has no replica of {}-{}; its leader is broker {}",
        context.options.broker_id.value(), topic, partition,
        info->FindPartition(partition)->leader.value());
  }
  return found;
}

}  // namespace sillok::api
