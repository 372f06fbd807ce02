// The inside of PartitionTable.
#ifndef SILLOK_BROKER_REPLICATION_PARTITION_TABLE_IMPL_H_
#define SILLOK_BROKER_REPLICATION_PARTITION_TABLE_IMPL_H_

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/replication/isr_reporter.h"
#include "broker/replication/partition_table.h"
#include "broker/replication/replica_fetcher.h"

namespace sillok {

// Name -> replica, for readers on any thread.
class ReplicaIndex {
 public:
  std::shared_ptr<Partition> Find(std::string_view topic,
                                  int32_t partition) const;
  std::vector<std::shared_ptr<Partition>> All() const;
  void Insert(std::shared_ptr<Partition> partition);
  void Erase(const TopicPartition& id);

 private:
  using Key = std::pair<std::string_view, int32_t>;
  struct Hash {
    using is_transparent = void;
    size_t operator()(const Key& key) const {
      return std::hash<std::string_view>()(key.first) * 31 +
             static_cast<size_t>(key.second);
    }
    size_t operator()(const TopicPartition& id) const {
      return (*this)(Key(id.topic, id.partition));
    }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const TopicPartition& a, const TopicPartition& b) const {
      return a == b;
    }
    bool operator()(const Key& a, const TopicPartition& b) const {
      return a.second == b.partition && a.first == b.topic;
    }
    bool operator()(const TopicPartition& a, const Key& b) const {
      return (*this)(b, a);
    }
  };
  struct Shard {
    mutable std::shared_mutex mutex;  // a leaf
    std::unordered_map<TopicPartition, std::shared_ptr<Partition>, Hash, Equal>
        replicas;
  };
  static constexpr size_t kShards = 64;

  std::array<Shard, kShards> shards_;
};

// Counts work that was handed out; runs `done` when all of it has come back.
class Countdown {
 public:
  explicit Countdown(std::function<void()> done) : done_(std::move(done)) {}
  ~Countdown() {
    if (done_) done_();
  }
  Countdown(const Countdown&) = delete;
  Countdown& operator=(const Countdown&) = delete;

 private:
  std::function<void()> done_;
};

class PartitionTable::Impl
    : public std::enable_shared_from_this<PartitionTable::Impl> {
 public:
  Impl(PartitionTableOptions options, Environment environment,
       Executor* executor, Executor* io_executor);

  const ReplicaIndex& index() const { return index_; }
  Strand& strand() { return strand_; }
  void AddRoleListener(RoleListener listener) {
    listeners_.push_back(std::move(listener));
  }
  std::map<TopicPartition, Offset> HighWatermarks() const;
  PartitionTable::Stats stats() const;

  // Everything below runs on the strand.
  void Start();
  void SetBrokerEpoch(BrokerEpoch epoch);
  void Apply(const v1::ClusterUpdate& update, std::function<void()> done);
  void RefreshSettings();
  void Stop(std::function<void()> done);

 private:
  using Held = std::shared_ptr<Countdown>;  // kept until a piece is done
  struct Topic {
    std::string id;
    std::map<std::string, std::string> configs;
    TopicSettings settings;
    std::set<int32_t> assigned;  // partitions that have a replica here
  };
  struct Address {
    std::string host;
    int port = 0;
  };
  // A replica on its way out; what comes for its name meanwhile runs after.
  struct Closing {
    std::vector<Task> after;
  };

  void ApplyBrokers(const v1::ClusterUpdate& update);
  void ApplySnapshotGaps(const v1::ClusterUpdate& update);
  void ApplyTopic(const v1::TopicState& state, const Held& held);
  void ApplyDeletedTopic(const v1::DeletedTopic& deleted);
  void ApplyPartition(const std::string& topic,
                      const v1::PartitionState& state, const Held& held);
  void ApplyConfigs(const std::string& name, Topic* topic);

  // The replica, opened or created; null when that failed.
  std::shared_ptr<Partition> Ensure(const TopicPartition& id,
                                    const Topic& topic,
                                    const PartitionAssignment& state);
  std::shared_ptr<Partition> Open(const TopicPartition& id,
                                  const Topic& topic,
                                  const PartitionAssignment& state);
  // A damaged log is removed when the leader has it all. False: it has to stay.
  bool RepairDamaged(const TopicPartition& id,
                     const PartitionAssignment& state);
  // Stops the replica, if there is one, then runs `then` on the strand.
  void Close(const TopicPartition& id, Task then);
  // Closes it and removes its files; reports when `report` is not empty.
  void Delete(const TopicPartition& id, const std::string& topic_id,
              bool report);
  // Runs `task` now, or when the name is free of a closing replica.
  void WhenFree(const TopicPartition& id, Task task);

  PartitionOptions OptionsOf(const Topic& topic) const;
  Partition::Environment MakePartitionEnvironment();
  void OnRoleChange(const std::shared_ptr<Partition>& partition,
                    ReplicaRole role, LeaderEpoch leader_epoch);
  void UpdateFollowing(const std::shared_ptr<Partition>& partition);
  std::shared_ptr<ReplicaFetcher> FetcherOf(BrokerId source);

  // Calls `work` on the strand every `interval_ms` until stopped.
  void Every(int64_t interval_ms, void (Impl::*work)());
  void CheckIsrs();
  void RunRetention();
  void CheckpointHighWatermarks();
  void CheckpointRecovery();

  const PartitionTableOptions options_;
  const Environment environment_;
  Executor* const executor_;
  Executor* const io_executor_;
  Strand strand_;
  std::vector<RoleListener> listeners_;  // fixed at Start
  ReplicaIndex index_;
  std::shared_ptr<IsrReporter> reporter_;

  // On the strand.
  std::map<std::string, Topic> topics_;
  std::map<BrokerId, Address> addresses_;
  std::map<BrokerId, std::shared_ptr<ReplicaFetcher>> fetchers_;
  std::map<TopicPartition, BrokerId> following_;
  std::map<TopicPartition, Closing> closing_;
  std::set<TopicPartition> broken_;  // could not be opened
  BrokerEpoch broker_epoch_{-1};
  bool started_ = false;
  bool stopping_ = false;
  std::set<Timer::Id> timers_;

  std::atomic<int> broken_count_{0};
  std::atomic<bool> checkpointing_{false};
  mutable std::mutex last_mutex_;  // a leaf: last_high_watermarks_
  std::map<TopicPartition, Offset> last_high_watermarks_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_REPLICATION_PARTITION_TABLE_IMPL_H_
