#include "client/internal/cluster_metadata.h"

#include <set>

namespace sillok::client {

void ClusterMetadata::Update(const v1::MetadataResponse& response,
                             bool all_topics) {
  brokers_.clear();
  for (const v1::BrokerAddress& broker : response.brokers()) {
    brokers_[broker.broker_id()] = {
        broker.host() + ":" + std::to_string(broker.port()), broker.host(),
        broker.port()};
  }
  controller_id_ = response.controller_id();
  cluster_id_ = response.cluster_id();
  if (all_topics) {
    std::set<std::string> named;
    for (const v1::TopicMetadata& answer : response.topics()) {
      named.insert(answer.name());
    }
    for (auto& [name, topic] : topics_) {
      if (named.count(name) != 0) continue;
      topic.error = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    }
  }
  for (const v1::TopicMetadata& answer : response.topics()) {
    Topic& topic = topics_[answer.name()];
    topic.error = FromProto(answer.error_code());
    topic.error_message = answer.error_message();
    if (topic.error != ErrorCode::NONE) continue;
    bool renewed = topic.topic_id != answer.topic_id();
    topic.topic_id = answer.topic_id();
    topic.internal = answer.internal();
    if (renewed) topic.partitions.clear();
    for (const v1::PartitionMetadata& part : answer.partitions()) {
      if (part.partition() < 0 || part.partition() >= 1'000'000) continue;
      auto number = static_cast<size_t>(part.partition());
      if (number >= topic.partitions.size()) topic.partitions.resize(number + 1);
      PartitionLeader& leader = topic.partitions[number];
      if (part.leader_epoch() < leader.epoch) continue;
      leader = {part.leader_id(), part.leader_epoch()};
    }
  }
}

const ClusterMetadata::Broker* ClusterMetadata::FindBroker(int32_t id) const {
  auto found = brokers_.find(id);
  return found == brokers_.end() ? nullptr : &found->second;
}

const ClusterMetadata::Topic* ClusterMetadata::FindTopic(
    const std::string& name) const {
  auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : &found->second;
}

PartitionLeader ClusterMetadata::Leader(const TopicPartition& partition) const {
  const Topic* topic = FindTopic(partition.topic);
  if (topic == nullptr || partition.partition < 0 ||
      static_cast<size_t>(partition.partition) >= topic->partitions.size()) {
    return {};
  }
  return topic->partitions[static_cast<size_t>(partition.partition)];
}

}  // namespace sillok::client
