#include "broker/kafka/leader_hints.h"

#include <algorithm>

#include "base/error.h"
#include "broker/kafka/text.h"
#include "broker/metadata/cluster_view.h"

namespace sillok::kafka_door {

std::optional<LeaderHints::Leader> LeaderHints::Find(int16_t error_code,
                                                     const std::string& topic,
                                                     int32_t partition) {
  if (error_code != Number(ErrorCode::NOT_LEADER_OR_FOLLOWER) &&
      error_code != Number(ErrorCode::FENCED_LEADER_EPOCH)) {
    return std::nullopt;
  }
  if (view_ == nullptr) view_ = context_.cluster->Get();
  const PartitionInfo* info = view_->FindPartition(topic, partition);
  if (info == nullptr) return std::nullopt;
  const BrokerInfo* broker = view_->FindBroker(info->leader);
  const ListenerEndpoint* endpoint =
      broker == nullptr ? nullptr : broker->FindEndpoint(listener_);
  if (endpoint == nullptr) return std::nullopt;
  const int32_t id = info->leader.value();
  if (std::none_of(nodes_.begin(), nodes_.end(),
                   [id](const Node& node) { return node.id == id; })) {
    nodes_.push_back({id, endpoint->host, endpoint->port, broker->rack});
  }
  return Leader{id, info->leader_epoch.value()};
}

}  // namespace sillok::kafka_door
