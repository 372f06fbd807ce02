// The part of Decisions that creates and deletes topics.
#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "base/status_macros.h"
#include "broker/controller/decisions.h"
#include "broker/controller/refusals.h"
#include "broker/metadata/topic_config.h"
#include "broker/metadata/topic_name.h"
#include "fmt/core.h"
#include "fmt/ranges.h"

namespace sillok {
namespace {

std::string NewTopicId(const Decisions::Random& random) {
  std::array<uint8_t, 16> bytes;
  for (size_t half = 0; half < 2; ++half) {
    uint64_t word = random();
    for (size_t i = 0; i < 8; ++i) bytes[half * 8 + i] = word >> (8 * i);
  }
  // A random UUID (RFC 4122, version 4), as Kafka's are.
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return EncodeUuid(bytes);
}

}  // namespace

// ---- creation

absl::Status Decisions::CheckNewTopic(const v1::NewTopic& wanted) const {
  const std::string& name = wanted.name();
  RETURN_IF_ERROR(ValidateTopicName(name));
  if (const TopicEntry* known = state_->FindTopic(name); known != nullptr) {
    return Refuse(ErrorCode::TOPIC_ALREADY_EXISTS,
                  known->deleting
                      ? fmt::format("Topic '{}' is marked for deletion.", name)
                      : fmt::format("Topic '{}' already exists.", name));
  }
  if (std::vector<std::string> others = state_->Colliding(name);
      !others.empty()) {
    return Refuse(ErrorCode::INVALID_TOPIC_EXCEPTION,
                  fmt::format("Topic '{}' collides with existing topics: {}",
                              name, fmt::join(others, ", ")));
  }
  return ValidateTopicConfig({wanted.configs().begin(),
                              wanted.configs().end()});
}

absl::Status Decisions::CheckAssignments(
    const google::protobuf::RepeatedPtrField<v1::ReplicaAssignment>& wanted,
    int32_t first, size_t factor,
    std::vector<std::vector<int32_t>>* replicas) const {
  constexpr ErrorCode kCode = ErrorCode::INVALID_REPLICA_ASSIGNMENT;
  std::map<int32_t, std::vector<int32_t>> by_number;
  for (const v1::ReplicaAssignment& a : wanted) {
    auto [it, inserted] = by_number.try_emplace(
        a.partition(), a.broker_ids().begin(), a.broker_ids().end());
    if (!inserted) {
      return Refuse(kCode, fmt::format("Partition {} is assigned twice.",
                                       a.partition()));
    }
  }
  for (const auto& [number, ids] : by_number) {
    if (number != first + static_cast<int32_t>(replicas->size())) {
      return Refuse(
          kCode, first == 0 ? "partitions should be a consecutive 0-based "
                              "integer sequence"
                            : fmt::format("The new partitions should be a "
                                          "consecutive sequence from {}.",
                                          first));
    }
    const std::set<int32_t> unique(ids.begin(), ids.end());
    if (ids.empty()) {
      return Refuse(kCode, fmt::format("Partition {} has no replica.", number));
    }
    if (unique.size() != ids.size()) {
      return Refuse(kCode,
                    fmt::format("Duplicate brokers not allowed in replica "
                                "assignment: {} for partition id {}.",
                                fmt::join(ids, ", "), number));
    }
    if (factor == 0) factor = ids.size();
    if (ids.size() != factor) {
      return Refuse(kCode,
                    fmt::format("All partitions should have the same number of "
                                "replicas: partition {} has {}, partition 0 "
                                "has {}.",
                                number, ids.size(), factor));
    }
    for (int32_t id : ids) {
      if (state_->IsAlive(id)) continue;
      return Refuse(kCode,
                    fmt::format("The manual partition assignment includes "
                                "broker {}, but no such broker is registered.",
                                id));
    }
    replicas->push_back(ids);
  }
  return absl::OkStatus();
}

std::vector<PlacementBroker> Decisions::PlaceableBrokers() const {
  std::vector<PlacementBroker> brokers;
  for (const auto& [id, broker] : state_->brokers) {
    if (state_->CanLead(id)) brokers.push_back({id, broker.address.rack()});
  }
  return brokers;
}

absl::Status Decisions::PlaceTopic(
    const v1::NewTopic& wanted, const Random& random,
    std::vector<std::vector<int32_t>>* replicas) const {
  if (!wanted.assignments().empty()) {
    if (wanted.partitions() > 0 || wanted.replication_factor() > 0) {
      return Refuse(ErrorCode::INVALID_REQUEST,
                    "Both numPartitions or replicationFactor and "
                    "replicasAssignments were set. Both cannot be used at the "
                    "same time.");
    }
    return CheckAssignments(wanted.assignments(), 0, 0, replicas);
  }
  auto or_default = [](int32_t value, int32_t fallback) {
    return value == 0 || value == -1 ? fallback : value;
  };
  const int32_t partitions =
      or_default(wanted.partitions(), options_.num_partitions);
  const int32_t factor = or_default(wanted.replication_factor(),
                                    options_.default_replication_factor);
  if (partitions <= 0) {
    return Refuse(ErrorCode::INVALID_PARTITIONS,
                  "Number of partitions must be larger than 0.");
  }
  if (partitions > options_.max_partitions_per_topic) {
    return Refuse(ErrorCode::INVALID_PARTITIONS,
                  fmt::format("Number of partitions {} is larger than {}.",
                              partitions, options_.max_partitions_per_topic));
  }
  if (factor <= 0) {
    return Refuse(ErrorCode::INVALID_REPLICATION_FACTOR,
                  "Replication factor must be larger than 0.");
  }
  const std::vector<PlacementBroker> brokers = PlaceableBrokers();
  if (static_cast<size_t>(factor) > brokers.size()) {
    return Refuse(
        ErrorCode::INVALID_REPLICATION_FACTOR,
        fmt::format("Replication factor: {} larger than available brokers: {}.",
                    factor, brokers.size()));
  }
  // Two statements: the order of a call's arguments is the compiler's.
  const uint64_t start = random();
  const uint64_t shift = random();
  *replicas = PlaceReplicas(brokers, partitions, factor, start, shift);
  return absl::OkStatus();
}

void Decisions::CreateOne(const v1::NewTopic& wanted, bool validate_only,
                          const Random& random, v1::TopicResult* result) {
  result->set_name(wanted.name());
  std::vector<std::vector<int32_t>> replicas;
  absl::Status status = CheckNewTopic(wanted);
  if (status.ok()) status = PlaceTopic(wanted, random, &replicas);
  if (!status.ok()) return FillResult(status, result);
  result->set_partitions(static_cast<int32_t>(replicas.size()));
  result->set_replication_factor(static_cast<int32_t>(replicas.front().size()));
  if (validate_only) return;

  TopicEntry topic;
  topic.name = wanted.name();
  topic.id = NewTopicId(random);
  topic.configs = {wanted.configs().begin(), wanted.configs().end()};
  topic.has_config_node = true;
  result->set_topic_id(topic.id);
  TopicZnode znode{.topic_id = topic.id, .partitions = {}};
  for (size_t i = 0; i < replicas.size(); ++i) {
    znode.partitions[static_cast<int32_t>(i)] = replicas[i];
    PartitionEntry& partition = topic.partitions.emplace_back();
    partition.number = static_cast<int32_t>(i);
    partition.replicas = std::move(replicas[i]);
  }
  // The config first: whoever sees the topic finds its config.
  const std::string config_path = znode_path::TopicConfig(topic.name);
  if (state_->orphan_configs.count(topic.name) != 0) {
    SetData(config_path, EncodeConfig(topic.configs), -1);
  } else {
    Create(config_path, EncodeConfig(topic.configs));
  }
  Create(znode_path::Topic(topic.name), EncodeTopic(znode));
  TopicEntry* added = state_->AddTopic(std::move(topic));
  effects_.topics[added->name].configs = true;
  BringTopicOnline(added);
}

v1::CreateTopicsResponse Decisions::CreateTopics(
    const v1::CreateTopicsRequest& request, const Random& random) {
  std::map<std::string, int> count;
  for (const v1::NewTopic& wanted : request.topics()) ++count[wanted.name()];
  v1::CreateTopicsResponse response;
  for (const v1::NewTopic& wanted : request.topics()) {
    v1::TopicResult* result = response.add_topics();
    if (count[wanted.name()] > 1) {
      result->set_name(wanted.name());
      FillResult(Refuse(ErrorCode::INVALID_REQUEST,
                    fmt::format("The request names topic '{}' more than once.",
                                wanted.name())),
             result);
      continue;
    }
    CreateOne(wanted, request.validate_only(), random, result);
  }
  return response;
}

// ---- deletion

void Decisions::StartDeletion(TopicEntry* topic) {
  state_->MarkDeleting(topic);
  topic->told_version = 0;
  topic->undeleted.clear();
  for (const PartitionEntry& partition : topic->partitions) {
    for (int32_t id : partition.replicas) {
      topic->undeleted[id].insert(partition.number);
    }
  }
  if (!topic->has_marker) {
    Create(znode_path::DeleteTopic(topic->name), "");
    EndGroup();
    topic->has_marker = true;
  }
  v1::DeletedTopic& told = effects_.topics_deleted.emplace_back();
  told.set_name(topic->name);
  told.set_topic_id(topic->id);
  effects_.topics.erase(topic->name);
}

v1::DeleteTopicsResponse Decisions::DeleteTopics(
    const v1::DeleteTopicsRequest& request) {
  v1::DeleteTopicsResponse response;
  for (const std::string& name : request.names()) {
    v1::TopicResult* result = response.add_topics();
    result->set_name(name);
    TopicEntry* topic = state_->FindTopic(name);
    if (!options_.delete_topic_enable) {
      FillResult(Refuse(ErrorCode::TOPIC_DELETION_DISABLED,
                    "Topic deletion is disabled (delete.topic.enable=false)."),
             result);
    } else if (topic == nullptr) {
      FillResult(Refuse(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                    fmt::format("Topic '{}' does not exist.", name)),
             result);
    } else {
      result->set_topic_id(topic->id);
      if (!topic->deleting) StartDeletion(topic);
    }
  }
  return response;
}

void Decisions::OnDeleteMarker(const std::string& name) {
  TopicEntry* topic = state_->FindTopic(name);
  if (topic == nullptr || !options_.delete_topic_enable) {
    Delete(znode_path::DeleteTopic(name));
    EndGroup();
    return;
  }
  topic->has_marker = true;
  if (!topic->deleting) StartDeletion(topic);
}

void Decisions::OnDeletionTold(const std::vector<v1::DeletedTopic>& topics,
                               uint64_t version) {
  for (const v1::DeletedTopic& told : topics) {
    TopicEntry* topic = state_->FindTopicById(told.topic_id());
    if (topic != nullptr && topic->deleting) topic->told_version = version;
  }
  FinishDeletions();  // of topics whose brokers are all down
}

void Decisions::OnApplied(int32_t broker, uint64_t version) {
  for (const std::string& name : state_->deleting()) {
    TopicEntry* topic = state_->FindTopic(name);
    if (topic->told_version != 0 && version >= topic->told_version) {
      topic->undeleted.erase(broker);
    }
  }
  std::vector<std::string> told;
  for (const auto& [id, leftover] : state_->leftovers) {
    if (leftover.pending.count(broker) != 0) told.push_back(id);
  }
  // A broker with leftovers was away when they were deleted, so the snapshot
  // its stream began with has named them.
  for (const std::string& id : told) ConfirmLeftover(id, broker, nullptr);
  FinishDeletions();
}

void Decisions::OnReplicasDeleted(
    int32_t broker,
    const google::protobuf::RepeatedPtrField<v1::DeletedReplica>& deleted) {
  for (const v1::DeletedReplica& replica : deleted) {
    TopicEntry* topic = state_->FindTopicById(replica.topic_id());
    if (topic == nullptr) {
      const std::set<int32_t> one{replica.partition()};
      ConfirmLeftover(replica.topic_id(), broker, &one);
      continue;
    }
    auto it = topic->undeleted.find(broker);
    if (!topic->deleting || it == topic->undeleted.end()) continue;
    it->second.erase(replica.partition());
    if (it->second.empty()) topic->undeleted.erase(it);
  }
  FinishDeletions();
}

// `partitions` null: all that the broker has.
void Decisions::ConfirmLeftover(const std::string& topic_id, int32_t broker,
                                const std::set<int32_t>* partitions) {
  auto it = state_->leftovers.find(topic_id);
  if (it == state_->leftovers.end()) return;
  auto pending = it->second.pending.find(broker);
  if (pending == it->second.pending.end()) return;
  if (partitions == nullptr) {
    pending->second.clear();
  } else {
    for (int32_t number : *partitions) pending->second.erase(number);
  }
  if (!pending->second.empty()) return;  // written when all are gone
  it->second.pending.erase(pending);
  const std::string path = znode_path::DeletedReplicas(topic_id);
  if (it->second.pending.empty()) {
    Delete(path);
    state_->leftovers.erase(it);
  } else {
    SetData(path,
            EncodeDeletedReplicas({it->second.topic, it->second.pending}), -1);
  }
  EndGroup();
}

void Decisions::FinishDeletions() {
  std::vector<std::string> ready;
  for (const std::string& name : state_->deleting()) {
    const TopicEntry* topic = state_->FindTopic(name);
    const bool waiting = std::any_of(
        topic->undeleted.begin(), topic->undeleted.end(),
        [&](const auto& entry) { return state_->IsAlive(entry.first); });
    if (!waiting) ready.push_back(name);
  }
  for (const std::string& name : ready) FinishDeletion(state_->FindTopic(name));
}

// Children before parents and the marker last, so that a deletion cut short is
// found again. Replicas on brokers that are down are noted first.
void Decisions::FinishDeletion(TopicEntry* topic) {
  if (!topic->undeleted.empty()) {
    LeftoverReplicas leftover{topic->name, topic->undeleted};
    const std::string path = znode_path::DeletedReplicas(topic->id);
    const std::string data =
        EncodeDeletedReplicas({leftover.topic, leftover.pending});
    if (state_->leftovers.count(topic->id) != 0) {
      SetData(path, data, -1);  // of a deletion that was cut short
    } else {
      Create(path, data);
    }
    state_->leftovers[topic->id] = std::move(leftover);
  }
  for (const PartitionEntry& partition : topic->partitions) {
    if (partition.has_state) {
      Delete(znode_path::PartitionState(topic->name, partition.number));
    }
    if (partition.has_node) {
      Delete(znode_path::Partition(topic->name, partition.number));
    }
  }
  if (topic->has_partitions_node) {
    Delete(znode_path::TopicPartitions(topic->name));
  }
  if (topic->has_config_node) Delete(znode_path::TopicConfig(topic->name));
  Delete(znode_path::Topic(topic->name));
  if (topic->has_marker) Delete(znode_path::DeleteTopic(topic->name));
  EndGroup();
  state_->RemoveTopic(std::string(topic->name));
}

}  // namespace sillok
