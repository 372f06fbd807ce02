#include "broker/metadata/cluster_view.h"

#include <algorithm>
#include <utility>

namespace sillok {
namespace {

std::vector<BrokerId> Ids(
    const google::protobuf::RepeatedField<int32_t>& numbers) {
  std::vector<BrokerId> ids;
  ids.reserve(numbers.size());
  for (int32_t number : numbers) ids.push_back(BrokerId(number));
  return ids;
}

PartitionInfo FromState(const v1::PartitionState& state) {
  return {.partition = state.partition(),
          .leader = BrokerId(state.leader()),
          .leader_epoch = LeaderEpoch(state.leader_epoch()),
          .partition_epoch = PartitionEpoch(state.partition_epoch()),
          .isr = Ids(state.isr()),
          .replicas = Ids(state.replicas()),
          .is_new = state.is_new()};
}

BrokerInfo FromAddress(const v1::BrokerAddress& address) {
  BrokerInfo broker{.id = BrokerId(address.broker_id()),
                    .host = address.host(),
                    .port = address.port(),
                    .kafka_port = address.kafka_port(),
                    .rack = address.rack(),
                    .endpoints = {}};
  for (const v1::BrokerEndpoint& endpoint : address.endpoints()) {
    broker.endpoints.push_back({.listener = endpoint.listener(),
                                .security_protocol =
                                    endpoint.security_protocol(),
                                .host = endpoint.host(),
                                .port = endpoint.port()});
  }
  return broker;
}

bool IsOlder(const v1::PartitionState& state, const PartitionInfo& known) {
  return state.leader_epoch() < known.leader_epoch.value() ||
         state.partition_epoch() < known.partition_epoch.value();
}

// A partition number as large as this is no partition but damage.
constexpr int32_t kMaxPartitions = 1'000'000;

}  // namespace

bool IsInternalTopic(std::string_view name) {
  return name == "__consumer_offsets" || name == "__transaction_state";
}

const ListenerEndpoint* BrokerInfo::FindEndpoint(
    std::string_view listener) const {
  for (const ListenerEndpoint& endpoint : endpoints) {
    if (endpoint.listener == listener) return &endpoint;
  }
  return nullptr;
}

const PartitionInfo* TopicInfo::FindPartition(int32_t partition) const {
  if (partition < 0 || static_cast<size_t>(partition) >= partitions.size()) {
    return nullptr;
  }
  return partitions[partition].get();
}

// Makes the next view: copies a shard the first time it changes.
class ClusterView::Builder {
 public:
  explicit Builder(const ClusterView& base)
      : view_(std::make_shared<ClusterView>(base)) {}

  ClusterView* view() { return view_.get(); }
  std::shared_ptr<const ClusterView> Build() { return std::move(view_); }

  void Put(std::shared_ptr<const TopicInfo> topic) {
    Remove(topic->name);
    Own(&view_->by_id_, &own_id_, topic->id)[topic->id] = topic;
    Own(&view_->by_name_, &own_name_, topic->name)[topic->name] = topic;
    ++view_->topic_count_;
  }

  void Remove(const std::string& name) {
    std::shared_ptr<const TopicInfo> old = view_->FindTopic(name);
    if (old == nullptr) return;
    Own(&view_->by_id_, &own_id_, old->id).erase(old->id);
    Own(&view_->by_name_, &own_name_, name).erase(name);
    --view_->topic_count_;
  }

  void SetBrokers(std::map<BrokerId, BrokerInfo> brokers) {
    view_->brokers_ =
        std::make_shared<const std::map<BrokerId, BrokerInfo>>(
            std::move(brokers));
  }

  void ClearTopics() {
    view_->by_name_ = {};
    view_->by_id_ = {};
    own_name_ = {};
    own_id_ = {};
    view_->topic_count_ = 0;
  }

 private:
  using Owned = std::array<Shard*, kShards>;

  static Shard& Own(Shards* shards, Owned* owned, std::string_view key) {
    const size_t index = ShardOf(key);
    if ((*owned)[index] == nullptr) {
      const auto& old = (*shards)[index];
      auto copy = old ? std::make_shared<Shard>(*old)
                      : std::make_shared<Shard>();
      (*owned)[index] = copy.get();
      (*shards)[index] = std::move(copy);
    }
    return *(*owned)[index];
  }

  std::shared_ptr<ClusterView> view_;
  Owned own_name_{};
  Owned own_id_{};
};

namespace {

// What becomes of `known` (null: new, or another topic of that name) when
// `state` is told; what is accepted of it goes to `accepted`. `whole`: configs
// and partitions that are not named are gone.
std::shared_ptr<const TopicInfo> NextTopic(const TopicInfo* known,
                                           const v1::TopicState& state,
                                           bool whole,
                                           v1::TopicState* accepted) {
  auto topic = std::make_shared<TopicInfo>();
  if (known != nullptr && !whole) *topic = *known;
  topic->name = state.name();
  topic->id = state.topic_id();
  topic->internal = IsInternalTopic(state.name());
  if (state.configs_changed() || topic->configs == nullptr) {
    topic->configs = std::make_shared<const std::map<std::string, std::string>>(
        state.configs().begin(), state.configs().end());
  }
  accepted->set_name(state.name());
  accepted->set_topic_id(state.topic_id());
  accepted->set_configs_changed(state.configs_changed());
  *accepted->mutable_configs() = state.configs();
  for (const v1::PartitionState& partition : state.partitions()) {
    const int32_t number = partition.partition();
    if (number < 0 || number >= kMaxPartitions) continue;
    if (topic->partitions.size() <= static_cast<size_t>(number)) {
      topic->partitions.resize(number + 1);
    }
    if (known != nullptr && static_cast<size_t>(number) <
                                known->partitions.size()) {
      const auto& old = known->partitions[number];
      if (old != nullptr && IsOlder(partition, *old)) {
        topic->partitions[number] = old;
        continue;
      }
    }
    topic->partitions[number] =
        std::make_shared<const PartitionInfo>(FromState(partition));
    *accepted->add_partitions() = partition;
  }
  return topic;
}

}  // namespace

std::shared_ptr<const ClusterView> ClusterView::Empty() {
  auto view = std::make_shared<ClusterView>();
  view->brokers_ = std::make_shared<const std::map<BrokerId, BrokerInfo>>();
  return view;
}

std::shared_ptr<const ClusterView> ClusterView::Apply(
    const std::shared_ptr<const ClusterView>& base,
    const v1::ClusterUpdate& update, v1::ClusterUpdate* accepted) {
  v1::ClusterUpdate scratch;
  if (accepted == nullptr) accepted = &scratch;
  *accepted = v1::ClusterUpdate();
  accepted->set_controller_id(update.controller_id());
  accepted->set_controller_epoch(update.controller_epoch());
  accepted->set_broker_epoch(update.broker_epoch());
  accepted->set_sequence(update.sequence());
  accepted->set_snapshot(update.snapshot());
  accepted->set_cluster_id(update.cluster_id());
  *accepted->mutable_brokers() = update.brokers();
  *accepted->mutable_brokers_gone() = update.brokers_gone();
  *accepted->mutable_topics_deleted() = update.topics_deleted();

  Builder builder(*base);
  ClusterView* view = builder.view();
  view->controller_id_ = BrokerId(update.controller_id());
  view->controller_epoch_ = ControllerEpoch(update.controller_epoch());
  if (!update.cluster_id().empty()) view->cluster_id_ = update.cluster_id();
  if (update.snapshot() || !update.brokers().empty() ||
      !update.brokers_gone().empty()) {
    std::map<BrokerId, BrokerInfo> brokers;
    if (!update.snapshot()) brokers = base->brokers();
    for (int32_t gone : update.brokers_gone()) brokers.erase(BrokerId(gone));
    for (const v1::BrokerAddress& address : update.brokers()) {
      brokers[BrokerId(address.broker_id())] = FromAddress(address);
    }
    builder.SetBrokers(std::move(brokers));
  }
  if (update.snapshot()) builder.ClearTopics();
  // Deletions first: a topic may come back under its name in the same update.
  for (const v1::DeletedTopic& gone : update.topics_deleted()) {
    std::shared_ptr<const TopicInfo> known = view->FindTopic(gone.name());
    if (known != nullptr && known->id == gone.topic_id()) {
      builder.Remove(gone.name());
    }
  }
  for (const v1::TopicState& state : update.topics()) {
    std::shared_ptr<const TopicInfo> known = base->FindTopic(state.name());
    if (known != nullptr && known->id != state.topic_id()) known = nullptr;
    builder.Put(NextTopic(known.get(), state, update.snapshot(),
                          accepted->add_topics()));
  }
  return builder.Build();
}

const BrokerInfo* ClusterView::FindBroker(BrokerId id) const {
  auto it = brokers_->find(id);
  return it == brokers_->end() ? nullptr : &it->second;
}

std::shared_ptr<const TopicInfo> ClusterView::FindTopic(
    std::string_view name) const {
  const auto& shard = by_name_[ShardOf(name)];
  if (shard == nullptr) return nullptr;
  auto it = shard->find(name);
  return it == shard->end() ? nullptr : it->second;
}

std::shared_ptr<const TopicInfo> ClusterView::FindTopicById(
    std::string_view id) const {
  const auto& shard = by_id_[ShardOf(id)];
  if (shard == nullptr) return nullptr;
  auto it = shard->find(id);
  return it == shard->end() ? nullptr : it->second;
}

const PartitionInfo* ClusterView::FindPartition(std::string_view topic,
                                                int32_t partition) const {
  const auto& shard = by_name_[ShardOf(topic)];
  if (shard == nullptr) return nullptr;
  auto it = shard->find(topic);
  return it == shard->end() ? nullptr : it->second->FindPartition(partition);
}

void ClusterView::ForEachTopic(
    const std::function<void(const TopicInfo&)>& visit) const {
  for (const auto& shard : by_name_) {
    if (shard == nullptr) continue;
    for (const auto& [name, topic] : *shard) visit(*topic);
  }
}

}  // namespace sillok
