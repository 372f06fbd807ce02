#include "broker/replication/partition_table.h"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "broker/replication/partition_table_impl.h"
#include "glog/logging.h"

namespace sillok {

// ---- ReplicaIndex

std::shared_ptr<Partition> ReplicaIndex::Find(std::string_view topic,
                                              int32_t partition) const {
  const Key key(topic, partition);
  const Shard& shard = shards_[Hash()(key) % kShards];
  std::shared_lock lock(shard.mutex);
  const auto found = shard.replicas.find(key);
  return found == shard.replicas.end() ? nullptr : found->second;
}

std::vector<std::shared_ptr<Partition>> ReplicaIndex::All() const {
  std::vector<std::shared_ptr<Partition>> all;
  for (const Shard& shard : shards_) {
    std::shared_lock lock(shard.mutex);
    for (const auto& [id, partition] : shard.replicas) all.push_back(partition);
  }
  return all;
}

void ReplicaIndex::Insert(std::shared_ptr<Partition> partition) {
  const TopicPartition& id = partition->id();
  Shard& shard = shards_[Hash()(id) % kShards];
  std::unique_lock lock(shard.mutex);
  shard.replicas[id] = std::move(partition);
}

void ReplicaIndex::Erase(const TopicPartition& id) {
  Shard& shard = shards_[Hash()(id) % kShards];
  std::shared_ptr<Partition> gone;  // destroyed after the lock
  std::unique_lock lock(shard.mutex);
  const auto found = shard.replicas.find(id);
  if (found == shard.replicas.end()) return;
  gone = std::move(found->second);
  shard.replicas.erase(found);
  lock.unlock();
}

// ---- the door

PartitionTable::PartitionTable(PartitionTableOptions options,
                               Environment environment)
    : timer_(environment.timer),
      executor_(std::make_unique<Executor>("partitions",
                                           options.strand_threads)),
      io_executor_(
          std::make_unique<Executor>("log-io", options.io_threads)),
      impl_(std::make_shared<Impl>(options, std::move(environment),
                                   executor_.get(), io_executor_.get())) {}

PartitionTable::~PartitionTable() {
  std::mutex mutex;
  std::condition_variable wake;
  int left = 1;
  const auto finish = [&] {
    std::lock_guard lock(mutex);
    --left;
    wake.notify_all();
  };
  const auto await = [&] {
    std::unique_lock lock(mutex);
    wake.wait(lock, [&] { return left == 0; });
    left = 1;
  };
  Stop(finish);
  await();
  // The timer has one thread: when this has run, no earlier callback is still
  // about to post to the executors.
  timer_->After(0, finish);
  await();
}

void PartitionTable::AddRoleListener(RoleListener listener) {
  impl_->AddRoleListener(std::move(listener));
}

void PartitionTable::Start() {
  impl_->strand().Post([impl = impl_] { impl->Start(); });
}

std::shared_ptr<Partition> PartitionTable::Find(std::string_view topic,
                                                int32_t partition) const {
  return impl_->index().Find(topic, partition);
}

std::vector<std::shared_ptr<Partition>> PartitionTable::All() const {
  return impl_->index().All();
}

void PartitionTable::SetBrokerEpoch(BrokerEpoch epoch) {
  impl_->strand().Post([impl = impl_, epoch] { impl->SetBrokerEpoch(epoch); });
}

void PartitionTable::Apply(v1::ClusterUpdate update,
                           std::function<void()> done) {
  impl_->strand().Post([impl = impl_, update = std::move(update),
                        done = std::move(done)]() mutable {
    impl->Apply(update, std::move(done));
  });
}

void PartitionTable::RefreshSettings() {
  impl_->strand().Post([impl = impl_] { impl->RefreshSettings(); });
}

void PartitionTable::Stop(std::function<void()> done) {
  impl_->strand().Post([impl = impl_, done = std::move(done)]() mutable {
    impl->Stop(std::move(done));
  });
}

std::map<TopicPartition, Offset> PartitionTable::HighWatermarks() const {
  return impl_->HighWatermarks();
}

PartitionTable::Stats PartitionTable::stats() const { return impl_->stats(); }

// ---- life, ticks and figures

using Impl = PartitionTable::Impl;

Impl::Impl(PartitionTableOptions options, Environment environment,
           Executor* executor, Executor* io_executor)
    : options_(options),
      environment_(std::move(environment)),
      executor_(executor),
      io_executor_(io_executor),
      strand_(executor) {
  IsrReporterOptions reporter;
  reporter.broker_id = options_.broker_id;
  reporter_ = IsrReporter::Create(reporter, executor_, environment_.timer,
                                  environment_.isr_channel);
}

void Impl::Start() {
  if (std::exchange(started_, true) || stopping_) return;
  Every(std::min<int64_t>(1'000, options_.replica_lag_time_max_ms / 2 + 1),
        &Impl::CheckIsrs);
  Every(options_.high_watermark_checkpoint_interval_ms,
        &Impl::CheckpointHighWatermarks);
  Every(options_.retention_check_interval_ms, &Impl::RunRetention);
  Every(options_.recovery_checkpoint_interval_ms, &Impl::CheckpointRecovery);
}

void Impl::Every(int64_t interval_ms, void (Impl::*work)()) {
  auto id = std::make_shared<Timer::Id>(Timer::kNone);
  *id = environment_.timer->After(
      interval_ms, [weak = weak_from_this(), id, interval_ms, work] {
        const std::shared_ptr<Impl> self = weak.lock();
        if (self == nullptr) return;
        self->strand_.Post([self, id, interval_ms, work] {
          self->timers_.erase(*id);
          if (self->stopping_) return;
          (self.get()->*work)();
          self->Every(interval_ms, work);
        });
      });
  timers_.insert(*id);
}

void Impl::SetBrokerEpoch(BrokerEpoch epoch) {
  broker_epoch_ = epoch;
  reporter_->SetBrokerEpoch(epoch);
  for (const auto& [source, fetcher] : fetchers_) {
    fetcher->SetBrokerEpoch(epoch);
  }
}

void Impl::Stop(std::function<void()> done) {
  const bool first = !std::exchange(stopping_, true);
  if (first) {
    for (Timer::Id id : std::exchange(timers_, {})) {
      environment_.timer->Cancel(id);
    }
    reporter_->Stop();
    for (const auto& [source, fetcher] : fetchers_) fetcher->Stop();
    fetchers_.clear();
  }
  // Replicas on their way out count too.
  auto left = std::make_shared<Countdown>(
      [self = shared_from_this(), done = std::move(done)]() mutable {
        self->strand_.Post([self, done = std::move(done)] {
          // Behind everything that the last Close posted to the I/O threads.
          self->io_executor_->Post(done);
        });
      });
  for (auto& [id, closing] : closing_) {
    closing.after.push_back([left] {});
  }
  for (const std::shared_ptr<Partition>& partition : index_.All()) {
    const TopicPartition id = partition->id();
    {
      std::lock_guard lock(last_mutex_);
      last_high_watermarks_[id] = partition->high_watermark();
    }
    Close(id, [left] {});
  }
}

std::map<TopicPartition, Offset> Impl::HighWatermarks() const {
  std::map<TopicPartition, Offset> all;
  {
    std::lock_guard lock(last_mutex_);
    all = last_high_watermarks_;
  }
  for (const std::shared_ptr<Partition>& partition : index_.All()) {
    all[partition->id()] = partition->high_watermark();
  }
  return all;
}

PartitionTable::Stats Impl::stats() const {
  Stats stats;
  stats.offline = broken_count_;
  for (const std::shared_ptr<Partition>& partition : index_.All()) {
    const PartitionStats one = partition->stats();
    ++stats.replicas;
    if (one.role == ReplicaRole::kLeader) ++stats.leaders;
    if (one.role == ReplicaRole::kOffline) ++stats.offline;
    if (one.under_replicated) ++stats.under_replicated;
    if (one.under_min_isr) ++stats.under_min_isr;
  }
  return stats;
}

void Impl::CheckIsrs() {
  for (const std::shared_ptr<Partition>& partition : index_.All()) {
    if (partition->NeedsIsrCheck()) partition->CheckIsr();
  }
}

void Impl::RunRetention() {
  for (const std::shared_ptr<Partition>& partition : index_.All()) {
    partition->RunRetention();
  }
}

void Impl::CheckpointHighWatermarks() {
  // The disk is slow: the next round takes what this one would have.
  if (checkpointing_.exchange(true)) return;
  std::map<TopicPartition, Offset> moved;
  for (const std::shared_ptr<Partition>& partition : index_.All()) {
    if (partition->TakeHighWatermarkDirty()) {
      moved[partition->id()] = partition->high_watermark();
    }
  }
  if (moved.empty()) {
    checkpointing_ = false;
    return;
  }
  io_executor_->Post([self = shared_from_this(), moved = std::move(moved)] {
    const absl::Status status =
        self->environment_.logs->WriteHighWatermarks(moved);
    LOG_IF(ERROR, !status.ok())
        << "high watermarks not written status=" << status;
    self->checkpointing_ = false;
  });
}

void Impl::CheckpointRecovery() {
  if (checkpointing_.exchange(true)) return;
  io_executor_->Post(
      [self = shared_from_this(), all = HighWatermarks()] {
        const absl::Status status =
            self->environment_.logs->WriteCheckpoints(all);
        LOG_IF(ERROR, !status.ok())
            << "recovery points not written status=" << status;
        self->checkpointing_ = false;
      });
}

}  // namespace sillok
