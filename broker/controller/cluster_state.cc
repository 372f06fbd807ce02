#include "broker/controller/cluster_state.h"

#include <algorithm>

#include "broker/metadata/topic_name.h"

namespace sillok {
namespace {

bool Contains(const std::vector<int32_t>& list, int32_t value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

}  // namespace

bool PartitionEntry::IsReplica(int32_t broker) const {
  return Contains(replicas, broker);
}

bool PartitionEntry::InSync(int32_t broker) const {
  return Contains(isr, broker);
}

bool PartitionEntry::IsNewOn(int32_t broker, int64_t epoch) const {
  return std::find(new_on.begin(), new_on.end(),
                   std::make_pair(broker, epoch)) != new_on.end();
}

PartitionEntry* TopicEntry::Find(int32_t number) {
  return const_cast<PartitionEntry*>(
      static_cast<const TopicEntry*>(this)->Find(number));
}

const PartitionEntry* TopicEntry::Find(int32_t number) const {
  // Numbers are nearly always 0, 1, 2, ...
  if (number >= 0 && static_cast<size_t>(number) < partitions.size() &&
      partitions[number].number == number) {
    return &partitions[number];
  }
  auto it = std::lower_bound(
      partitions.begin(), partitions.end(), number,
      [](const PartitionEntry& p, int32_t n) { return p.number < n; });
  return it != partitions.end() && it->number == number ? &*it : nullptr;
}

TopicEntry* ClusterState::AddTopic(TopicEntry topic) {
  const std::string name = topic.name;
  name_by_id_[topic.id] = name;
  by_collision_key_[CollisionKey(name)].insert(name);
  orphan_configs.erase(name);
  if (topic.deleting) deleting_.insert(name);
  return &topics.insert_or_assign(name, std::move(topic)).first->second;
}

void ClusterState::RemoveTopic(const std::string& name) {
  auto it = topics.find(name);
  if (it == topics.end()) return;
  name_by_id_.erase(it->second.id);
  deleting_.erase(name);
  auto key = by_collision_key_.find(CollisionKey(name));
  key->second.erase(name);
  if (key->second.empty()) by_collision_key_.erase(key);
  topics.erase(it);
}

TopicEntry* ClusterState::FindTopic(std::string_view name) {
  auto it = topics.find(std::string(name));
  return it == topics.end() ? nullptr : &it->second;
}

TopicEntry* ClusterState::FindTopicById(std::string_view id) {
  auto it = name_by_id_.find(std::string(id));
  return it == name_by_id_.end() ? nullptr : FindTopic(it->second);
}

bool ClusterState::CanLead(int32_t broker) const {
  auto it = brokers.find(broker);
  return it != brokers.end() && !it->second.shutting_down;
}

void ClusterState::MarkDeleting(TopicEntry* topic) {
  topic->deleting = true;
  deleting_.insert(topic->name);
}

std::vector<std::string> ClusterState::Colliding(std::string_view name) const {
  auto it = by_collision_key_.find(CollisionKey(name));
  if (it == by_collision_key_.end()) return {};
  return {it->second.begin(), it->second.end()};
}

void FillPartitionState(const PartitionEntry& partition,
                        v1::PartitionState* state) {
  state->set_partition(partition.number);
  state->set_leader(partition.leader);
  state->set_leader_epoch(partition.leader_epoch);
  state->set_partition_epoch(partition.version);
  state->mutable_isr()->Assign(partition.isr.begin(), partition.isr.end());
  state->mutable_replicas()->Assign(partition.replicas.begin(),
                                    partition.replicas.end());
}

namespace {

void AddTopicState(const TopicEntry& topic, int32_t broker, int64_t epoch,
                   v1::ClusterUpdate* update) {
  v1::TopicState* state = update->add_topics();
  state->set_name(topic.name);
  state->set_topic_id(topic.id);
  state->set_configs_changed(true);
  state->mutable_configs()->insert(topic.configs.begin(), topic.configs.end());
  for (const PartitionEntry& partition : topic.partitions) {
    if (!partition.has_state) continue;
    v1::PartitionState* told = state->add_partitions();
    FillPartitionState(partition, told);
    told->set_is_new(partition.IsNewOn(broker, epoch));
  }
}

}  // namespace

v1::ClusterUpdate MakeSnapshot(const ClusterState& state, int32_t broker) {
  v1::ClusterUpdate update;
  auto self = state.brokers.find(broker);
  const int64_t epoch = self == state.brokers.end() ? -1 : self->second.epoch;
  update.set_controller_id(state.controller_id);
  update.set_controller_epoch(state.controller_epoch);
  update.set_broker_epoch(epoch);
  update.set_snapshot(true);
  update.set_cluster_id(state.cluster_id);
  for (const auto& [id, live] : state.brokers) {
    *update.add_brokers() = live.address;
  }
  for (const auto& [name, topic] : state.topics) {
    if (!topic.deleting) {
      AddTopicState(topic, broker, epoch, &update);
    } else if (topic.undeleted.count(broker) != 0) {
      v1::DeletedTopic* deleted = update.add_topics_deleted();
      deleted->set_name(name);
      deleted->set_topic_id(topic.id);
    }
  }
  for (const auto& [id, leftover] : state.leftovers) {
    if (leftover.pending.count(broker) == 0) continue;
    v1::DeletedTopic* deleted = update.add_topics_deleted();
    deleted->set_name(leftover.topic);
    deleted->set_topic_id(id);
  }
  return update;
}

}  // namespace sillok
