// The part of Decisions that changes topics that are there: more partitions,
// other configs. Configs of brokers, too.
#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "broker/controller/decisions.h"
#include "broker/controller/refusals.h"
#include "broker/metadata/config_changes.h"
#include "fmt/core.h"

namespace sillok {

// ---- more partitions

absl::Status Decisions::PlaceMore(
    const v1::MorePartitions& wanted, const TopicEntry& topic,
    std::vector<std::vector<int32_t>>* replicas) const {
  const int32_t existing = static_cast<int32_t>(topic.partitions.size());
  const int32_t more = wanted.total_count() - existing;
  const std::vector<int32_t>& first = topic.partitions.front().replicas;
  if (more <= 0) {
    return Refuse(
        ErrorCode::INVALID_PARTITIONS,
        more == 0
            ? fmt::format("Topic already has {} partitions.", existing)
            : fmt::format("Topic currently has {} partitions, which is higher "
                          "than the requested {}.",
                          existing, wanted.total_count()));
  }
  if (wanted.total_count() > options_.max_partitions_per_topic) {
    return Refuse(ErrorCode::INVALID_PARTITIONS,
                  fmt::format("Number of partitions {} is larger than {}.",
                              wanted.total_count(),
                              options_.max_partitions_per_topic));
  }
  if (!wanted.assignments().empty()) {
    if (wanted.assignments_size() != more) {
      return Refuse(
          ErrorCode::INVALID_REPLICA_ASSIGNMENT,
          fmt::format("Increasing the number of partitions by {} but {} "
                      "assignments provided.",
                      more, wanted.assignments_size()));
    }
    return CheckAssignments(wanted.assignments(), existing, first.size(),
                            replicas);
  }
  const std::vector<PlacementBroker> brokers = PlaceableBrokers();
  if (first.size() > brokers.size()) {
    return Refuse(
        ErrorCode::INVALID_REPLICATION_FACTOR,
        fmt::format("Replication factor: {} larger than available brokers: {}.",
                    first.size(), brokers.size()));
  }
  *replicas = PlaceMoreReplicas(brokers, first, existing, more);
  return absl::OkStatus();
}

void Decisions::GrowOne(const v1::MorePartitions& wanted, bool validate_only,
                        v1::TopicResult* result) {
  TopicEntry* topic = state_->FindTopic(wanted.name());
  if (topic == nullptr) {
    return FillResult(
        Refuse(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
               fmt::format("The topic '{}' does not exist.", wanted.name())),
        result);
  }
  if (topic->deleting) {
    return FillResult(Refuse(ErrorCode::INVALID_TOPIC_EXCEPTION,
                             fmt::format("The topic '{}' is queued for deletion.",
                                         wanted.name())),
                      result);
  }
  std::vector<std::vector<int32_t>> replicas;
  absl::Status status = PlaceMore(wanted, *topic, &replicas);
  if (!status.ok()) return FillResult(status, result);
  result->set_topic_id(topic->id);
  result->set_partitions(wanted.total_count());
  result->set_replication_factor(static_cast<int32_t>(replicas.front().size()));
  if (validate_only) return;

  for (std::vector<int32_t>& list : replicas) {
    PartitionEntry& partition = topic->partitions.emplace_back();
    partition.number = static_cast<int32_t>(topic->partitions.size()) - 1;
    partition.replicas = std::move(list);
  }
  TopicZnode znode{.topic_id = topic->id, .partitions = {}};
  for (const PartitionEntry& partition : topic->partitions) {
    znode.partitions[partition.number] = partition.replicas;
  }
  // First the assignment: a controller that finds partitions without a state
  // gives them one.
  SetData(znode_path::Topic(topic->name), EncodeTopic(znode), topic->version++);
  BringTopicOnline(topic);
}

v1::CreatePartitionsResponse Decisions::CreatePartitions(
    const v1::CreatePartitionsRequest& request) {
  std::map<std::string, int> count;
  for (const v1::MorePartitions& topic : request.topics()) {
    ++count[topic.name()];
  }
  v1::CreatePartitionsResponse response;
  for (const v1::MorePartitions& wanted : request.topics()) {
    v1::TopicResult* result = response.add_topics();
    result->set_name(wanted.name());
    if (count[wanted.name()] > 1) {
      FillResult(
          Refuse(ErrorCode::INVALID_REQUEST,
                 fmt::format("The request names topic '{}' more than once.",
                             wanted.name())),
          result);
      continue;
    }
    GrowOne(wanted, request.validate_only(), result);
  }
  return response;
}

// ---- configs

absl::Status Decisions::AlterTopicConfig(
    const v1::ConfigResourceChanges& changes, bool validate_only) {
  const std::string& name = changes.resource().name();
  TopicEntry* topic = state_->FindTopic(name);
  if (topic == nullptr || topic->deleting) {
    return Refuse(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                  fmt::format("The topic '{}' does not exist.", name));
  }
  ASSIGN_OR_RETURN(ConfigMap after, ChangeTopicConfig(topic->configs, changes));
  if (validate_only || after == topic->configs) return absl::OkStatus();
  topic->configs = std::move(after);
  const std::string path = znode_path::TopicConfig(name);
  if (topic->has_config_node) {
    SetData(path, EncodeConfig(topic->configs), -1);
  } else {
    Create(path, EncodeConfig(topic->configs));
    topic->has_config_node = true;
  }
  EndGroup();
  effects_.topics[name].configs = true;
  BringTopicOnline(topic);  // an unclean election may be allowed now
  return absl::OkStatus();
}

absl::Status Decisions::AlterBrokerConfig(
    const v1::ConfigResourceChanges& changes, bool validate_only) {
  std::string name = changes.resource().name();
  if (name.empty()) name = znode_path::kAllBrokers;
  auto known = state_->broker_configs.find(name);
  const bool has_node = known != state_->broker_configs.end();
  const bool alive =
      std::any_of(state_->brokers.begin(), state_->brokers.end(),
                  [&](const auto& b) { return std::to_string(b.first) == name; });
  if (name != znode_path::kAllBrokers && !alive && !has_node) {
    return Refuse(ErrorCode::INVALID_REQUEST,
                  fmt::format("Unexpected broker id '{}': no such broker is "
                              "registered; an empty name stands for all.",
                              name));
  }
  const ConfigMap before = has_node ? known->second : ConfigMap();
  ASSIGN_OR_RETURN(ConfigMap after, ChangeBrokerConfig(before, changes));
  if (validate_only || after == before) return absl::OkStatus();
  if (has_node) {
    SetData(znode_path::BrokerConfig(name), EncodeConfig(after), -1);
  } else {
    Create(znode_path::BrokerConfig(name), EncodeConfig(after));
  }
  EndGroup();
  state_->broker_configs[name] = std::move(after);
  for (auto& [topic_name, topic] : state_->topics) BringTopicOnline(&topic);
  return absl::OkStatus();
}

v1::AlterConfigsResponse Decisions::AlterConfigs(
    const v1::AlterConfigsRequest& request) {
  using Key = std::pair<int, std::string>;
  auto key_of = [](const v1::ConfigResource& resource) {
    return Key(resource.type(), resource.name());
  };
  std::map<Key, int> count;
  for (const auto& changes : request.resources()) {
    ++count[key_of(changes.resource())];
  }
  v1::AlterConfigsResponse response;
  for (const v1::ConfigResourceChanges& changes : request.resources()) {
    const v1::ConfigResource& resource = changes.resource();
    v1::AlteredConfig* result = response.add_results();
    *result->mutable_resource() = resource;
    absl::Status status;
    if (count[key_of(resource)] > 1) {
      status = Refuse(ErrorCode::INVALID_REQUEST,
                      fmt::format("The request names resource '{}' more than "
                                  "once.",
                                  resource.name()));
    } else if (resource.type() == v1::TOPIC) {
      status = AlterTopicConfig(changes, request.validate_only());
    } else if (resource.type() == v1::BROKER) {
      status = AlterBrokerConfig(changes, request.validate_only());
    } else {
      status = Refuse(
          ErrorCode::INVALID_REQUEST,
          fmt::format("The configuration of resource type {} (name '{}') cannot "
                      "be changed; allowed: 2 (topic), 4 (broker).",
                      static_cast<int>(resource.type()), resource.name()));
    }
    if (!status.ok()) FillResult(status, result);
  }
  return response;
}

}  // namespace sillok
