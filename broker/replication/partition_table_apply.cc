// How a ClusterUpdate becomes replicas: started, changed, stopped, deleted.
#include <algorithm>
#include <utility>

#include "broker/replication/partition_table_impl.h"
#include "glog/logging.h"

namespace sillok {

using Impl = PartitionTable::Impl;

namespace {

PartitionAssignment AssignmentOf(const v1::PartitionState& state) {
  PartitionAssignment assignment;
  assignment.leader = BrokerId(state.leader());
  assignment.leader_epoch = LeaderEpoch(state.leader_epoch());
  assignment.partition_epoch = PartitionEpoch(state.partition_epoch());
  for (int32_t id : state.isr()) assignment.isr.emplace_back(id);
  for (int32_t id : state.replicas()) assignment.replicas.emplace_back(id);
  assignment.is_new = state.is_new();
  return assignment;
}

bool Contains(const std::vector<BrokerId>& ids, BrokerId id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

}  // namespace

void Impl::Apply(const v1::ClusterUpdate& update, std::function<void()> done) {
  if (stopping_) {
    if (done) done();
    return;
  }
  const Held held = std::make_shared<Countdown>(std::move(done));
  ApplyBrokers(update);
  for (const v1::DeletedTopic& deleted : update.topics_deleted()) {
    ApplyDeletedTopic(deleted);
  }
  if (update.snapshot()) ApplySnapshotGaps(update);
  for (const v1::TopicState& topic : update.topics()) ApplyTopic(topic, held);
}

void Impl::ApplyBrokers(const v1::ClusterUpdate& update) {
  for (const v1::BrokerAddress& broker : update.brokers()) {
    const BrokerId id(broker.broker_id());
    addresses_[id] = {broker.host(), broker.port()};
    if (const auto found = fetchers_.find(id); found != fetchers_.end()) {
      found->second->SetAddress(broker.host(), broker.port());
    }
  }
}

void Impl::ApplySnapshotGaps(const v1::ClusterUpdate& update) {
  std::set<std::string> ids;
  for (const v1::TopicState& topic : update.topics()) {
    ids.insert(topic.topic_id());
  }
  for (auto it = topics_.begin(); it != topics_.end();) {
    if (ids.count(it->second.id) != 0) {
      ++it;
      continue;
    }
    for (int32_t partition : it->second.assigned) {
      const TopicPartition id{it->first, partition};
      LOG(WARNING) << "replica unknown to the controller, kept aside partition="
                   << id << " topic_id=" << it->second.id;
      Close(id, [] {});
    }
    it = topics_.erase(it);
  }
}

void Impl::ApplyDeletedTopic(const v1::DeletedTopic& deleted) {
  std::set<int32_t> partitions;
  const auto known = topics_.find(deleted.name());
  if (known != topics_.end() && known->second.id == deleted.topic_id()) {
    partitions = known->second.assigned;
    topics_.erase(known);
  }
  // Also what an earlier life of this process left behind.
  for (PartitionLog* log : environment_.logs->logs()) {
    const TopicPartition& id = log->partition();
    if (id.topic == deleted.name() &&
        environment_.logs->TopicId(id) == deleted.topic_id()) {
      partitions.insert(id.partition);
    }
  }
  for (const LogDirectory::FailedLog& failed :
       environment_.logs->failed_logs()) {
    if (failed.partition.topic == deleted.name() &&
        environment_.logs->TopicId(failed.partition) == deleted.topic_id()) {
      partitions.insert(failed.partition.partition);
    }
  }
  for (int32_t partition : partitions) {
    Delete({deleted.name(), partition}, deleted.topic_id(), /*report=*/true);
  }
}

void Impl::ApplyTopic(const v1::TopicState& state, const Held& held) {
  const auto [found, added] = topics_.try_emplace(state.name());
  Topic& topic = found->second;
  if (!added && topic.id != state.topic_id()) {
    // Deleted and made anew while we did not listen.
    for (int32_t partition : topic.assigned) {
      Delete({state.name(), partition}, topic.id, /*report=*/true);
    }
    topic = Topic();
  }
  const bool fresh = topic.id.empty();
  topic.id = state.topic_id();
  if (fresh || state.configs_changed()) {
    if (state.configs_changed()) {
      topic.configs = {state.configs().begin(), state.configs().end()};
    }
    ApplyConfigs(state.name(), &topic);
  }
  for (const v1::PartitionState& partition : state.partitions()) {
    ApplyPartition(state.name(), partition, held);
  }
}

void Impl::ApplyConfigs(const std::string& name, Topic* topic) {
  topic->settings = environment_.settings(name, topic->configs);
  for (int32_t number : topic->assigned) {
    const std::shared_ptr<Partition> partition = index_.Find(name, number);
    if (partition == nullptr) continue;
    partition->SetOptions(OptionsOf(*topic));
    partition->SetLogOptions(topic->settings.log);
  }
}

void Impl::RefreshSettings() {
  for (auto& [name, topic] : topics_) ApplyConfigs(name, &topic);
}

void Impl::ApplyPartition(const std::string& name,
                          const v1::PartitionState& state, const Held& held) {
  const TopicPartition id{name, state.partition()};
  const PartitionAssignment assignment = AssignmentOf(state);
  Topic& topic = topics_.at(name);
  if (!Contains(assignment.replicas, options_.broker_id)) {
    // Moved to other brokers.
    if (topic.assigned.erase(id.partition) != 0) {
      Delete(id, topic.id, /*report=*/true);
    }
    return;
  }
  topic.assigned.insert(id.partition);
  WhenFree(id, [this, id, assignment, topic_id = topic.id, held] {
    const auto known = topics_.find(id.topic);
    // Overtaken by another deletion while it waited for the first.
    if (stopping_ || known == topics_.end() || known->second.id != topic_id) {
      return;
    }
    const std::shared_ptr<Partition> partition =
        Ensure(id, known->second, assignment);
    if (partition != nullptr) partition->ApplyState(assignment, [held] {});
  });
}

std::shared_ptr<Partition> Impl::Ensure(const TopicPartition& id,
                                        const Topic& topic,
                                        const PartitionAssignment& state) {
  std::shared_ptr<Partition> partition = index_.Find(id.topic, id.partition);
  if (partition != nullptr) return partition;
  partition = Open(id, topic, state);
  if (partition == nullptr) {
    broken_.insert(id);
  } else {
    broken_.erase(id);
    index_.Insert(partition);
  }
  broken_count_ = static_cast<int>(broken_.size());
  return partition;
}

std::shared_ptr<Partition> Impl::Open(const TopicPartition& id,
                                      const Topic& topic,
                                      const PartitionAssignment& state) {
  LogDirectory* logs = environment_.logs;
  const std::string found_id = logs->TopicId(id);
  if (!found_id.empty() && found_id != topic.id) {
    LOG(WARNING) << "folder of an earlier topic of this name removed partition="
                 << id << " topic_id=" << found_id;
    if (const absl::Status status = logs->DeleteLog(id); !status.ok()) {
      LOG(ERROR) << "cannot remove it partition=" << id
                 << " status=" << status;
      return nullptr;
    }
  }
  if (!RepairDamaged(id, state)) return nullptr;
  const bool exists = logs->FindLog(id) != nullptr;
  // A missing folder is not an empty log: leading with it would make all other
  // replicas throw away what they have.
  const bool first_epoch = state.leader_epoch <= LeaderEpoch(0) &&
                           state.partition_epoch <= PartitionEpoch(0);
  if (!exists && !state.is_new && !first_epoch &&
      state.leader == options_.broker_id) {
    LOG(ERROR) << "elected leader but the log is missing, refusing to lead "
               << "with an empty one partition=" << id
               << " leader_epoch=" << state.leader_epoch;
    return nullptr;
  }
  absl::StatusOr<PartitionLog*> log =
      logs->CreateLog(id, topic.settings.log, topic.id);
  if (!log.ok()) {
    LOG(ERROR) << "cannot open the log partition=" << id
               << " status=" << log.status();
    return nullptr;
  }
  (*log)->UpdateOptions(topic.settings.log);
  const auto& checkpoints = logs->initial_high_watermarks();
  const auto checkpoint = checkpoints.find(id);
  return Partition::Create(
      id, topic.id, *log,
      exists && checkpoint != checkpoints.end() ? checkpoint->second
                                                : Offset(0),
      OptionsOf(topic), MakePartitionEnvironment());
}

bool Impl::RepairDamaged(const TopicPartition& id,
                         const PartitionAssignment& state) {
  for (const LogDirectory::FailedLog& failed :
       environment_.logs->failed_logs()) {
    if (failed.partition != id) continue;
    // In the ISR it might be elected before it has everything again.
    if (state.leader == kNoBroker || state.leader == options_.broker_id ||
        Contains(state.isr, options_.broker_id)) {
      LOG(ERROR) << "the log is damaged and cannot be replaced while this "
                 << "replica leads or is in the ISR partition=" << id
                 << " status=" << failed.status;
      return false;
    }
    LOG(WARNING) << "the log is damaged, fetching it anew partition=" << id
                 << " leader=" << state.leader << " status=" << failed.status;
    const absl::Status status = environment_.logs->DeleteLog(id);
    LOG_IF(ERROR, !status.ok()) << "cannot remove it partition=" << id
                                << " status=" << status;
    return status.ok();
  }
  return true;
}

PartitionOptions Impl::OptionsOf(const Topic& topic) const {
  PartitionOptions options;
  options.min_insync_replicas = topic.settings.min_insync_replicas;
  options.acknowledge_after_flush = topic.settings.acknowledge_after_flush;
  options.replica_lag_time_max_ms = options_.replica_lag_time_max_ms;
  return options;
}

Partition::Environment Impl::MakePartitionEnvironment() {
  Partition::Environment environment;
  environment.self = options_.broker_id;
  environment.executor = executor_;
  environment.io_executor = io_executor_;
  environment.timer = environment_.timer;
  environment.clock = environment_.clock;
  environment.alter_isr = [reporter = reporter_](
                              std::shared_ptr<Partition> partition,
                              AlterIsr wanted) {
    reporter->Report(std::move(partition), std::move(wanted));
  };
  // The table outlives its partitions' roles (Stop waits for them), but a
  // partition may be held longer.
  environment.on_role_change =
      [weak = weak_from_this()](const std::shared_ptr<Partition>& partition,
                                ReplicaRole role, LeaderEpoch leader_epoch) {
        if (const std::shared_ptr<Impl> self = weak.lock()) {
          self->OnRoleChange(partition, role, leader_epoch);
        }
      };
  environment.on_log_failed = environment_.on_log_failed;
  environment.on_write_trouble = environment_.on_write_trouble;
  return environment;
}

void Impl::OnRoleChange(const std::shared_ptr<Partition>& partition,
                        ReplicaRole role, LeaderEpoch leader_epoch) {
  for (const RoleListener& listener : listeners_) {
    listener(partition, role, leader_epoch);
  }
  strand_.Post([self = shared_from_this(), partition] {
    self->UpdateFollowing(partition);
  });
}

void Impl::UpdateFollowing(const std::shared_ptr<Partition>& partition) {
  if (stopping_) return;
  const TopicPartition& id = partition->id();
  const PartitionStats now = partition->stats();
  const bool current = index_.Find(id.topic, id.partition) == partition;
  const BrokerId source = current && now.role == ReplicaRole::kFollower
                              ? now.assignment.leader
                              : kNoBroker;
  const auto before = following_.find(id);
  if (before != following_.end() && before->second != source) {
    FetcherOf(before->second)->Unfollow(id);
    following_.erase(before);
  }
  if (source == kNoBroker) return;
  following_[id] = source;
  FetcherOf(source)->Follow(partition);
}

std::shared_ptr<ReplicaFetcher> Impl::FetcherOf(BrokerId source) {
  std::shared_ptr<ReplicaFetcher>& fetcher = fetchers_[source];
  if (fetcher != nullptr) return fetcher;
  ReplicaFetcherOptions options;
  options.self = options_.broker_id;
  options.source = source;
  options.wait_max_ms = options_.replica_fetch_wait_max_ms;
  options.partition_max_bytes = options_.replica_fetch_max_bytes;
  options.response_max_bytes = options_.replica_fetch_response_max_bytes;
  options.planner.backoff_ms = options_.replica_fetch_backoff_ms;
  ReplicaFetcher::Environment environment;
  environment.executor = executor_;
  environment.timer = environment_.timer;
  environment.clock = environment_.clock;
  environment.channels = environment_.fetch_channels;
  fetcher = ReplicaFetcher::Create(options, environment);
  fetcher->SetBrokerEpoch(broker_epoch_);
  if (const auto address = addresses_.find(source);
      address != addresses_.end()) {
    fetcher->SetAddress(address->second.host, address->second.port);
  }
  return fetcher;
}

void Impl::WhenFree(const TopicPartition& id, Task task) {
  const auto closing = closing_.find(id);
  if (closing == closing_.end()) {
    task();
  } else {
    closing->second.after.push_back(std::move(task));
  }
}

void Impl::Close(const TopicPartition& id, Task then) {
  const std::shared_ptr<Partition> partition =
      index_.Find(id.topic, id.partition);
  if (partition == nullptr) {
    WhenFree(id, std::move(then));
    return;
  }
  if (const auto before = following_.find(id); before != following_.end()) {
    if (!stopping_) FetcherOf(before->second)->Unfollow(id);
    following_.erase(before);
  }
  index_.Erase(id);
  closing_[id].after.push_back(std::move(then));
  partition->Stop([self = shared_from_this(), id] {
    self->strand_.Post([self, id] {
      const std::vector<Task> tasks = std::move(self->closing_[id].after);
      self->closing_.erase(id);
      for (const Task& task : tasks) self->WhenFree(id, task);
    });
  });
}

void Impl::Delete(const TopicPartition& id, const std::string& topic_id,
                  bool report) {
  broken_.erase(id);
  broken_count_ = static_cast<int>(broken_.size());
  Close(id, [self = shared_from_this(), id, topic_id, report] {
    // A stop in the meantime leaves the files to the next start.
    if (self->stopping_) return;
    const std::string found_id = self->environment_.logs->TopicId(id);
    if (found_id.empty() || found_id == topic_id) {
      const absl::Status status = self->environment_.logs->DeleteLog(id);
      if (!status.ok() && !absl::IsNotFound(status)) {
        LOG(ERROR) << "cannot delete the log partition=" << id
                   << " status=" << status;
        return;
      }
      LOG(INFO) << "replica deleted partition=" << id
                << " topic_id=" << topic_id;
    }
    if (!report || !self->environment_.on_deleted) return;
    v1::DeletedReplica deleted;
    deleted.set_topic_id(topic_id);
    deleted.set_partition(id.partition);
    self->environment_.on_deleted(deleted);
  });
}

}  // namespace sillok
