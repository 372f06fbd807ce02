// The replicas on this broker: finds them, starts and stops them as the
// controller's updates say, and runs what they need from time to time.
#ifndef SILLOK_BROKER_REPLICATION_PARTITION_TABLE_H_
#define SILLOK_BROKER_REPLICATION_PARTITION_TABLE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/strand.h"
#include "base/timer.h"
#include "broker/log/log_directory.h"
#include "broker/replication/isr_channel.h"
#include "broker/replication/fetch_channel.h"
#include "broker/replication/partition.h"
#include "proto/cluster.pb.h"

namespace sillok {

// What the configs of a topic (over the broker's defaults) mean for a replica.
struct TopicSettings {
  LogOptions log;
  int32_t min_insync_replicas = 1;     // min.insync.replicas
  // flush.messages=1: see PartitionOptions. A larger flush.messages and
  // flush.ms (both in `log`) flush in the background.
  bool acknowledge_after_flush = false;
};

struct PartitionTableOptions {
  BrokerId broker_id;  // broker.id
  // replica.lag.time.max.ms
  int64_t replica_lag_time_max_ms = 30'000;
  // replica.high.watermark.checkpoint.interval.ms
  int64_t high_watermark_checkpoint_interval_ms = 5'000;
  // log.retention.check.interval.ms
  int64_t retention_check_interval_ms = 300'000;
  // log.flush.offset.checkpoint.interval.ms: rolled segments are flushed and
  // recovery points written.
  int64_t recovery_checkpoint_interval_ms = 60'000;
  // replica.fetch.wait.max.ms
  int32_t replica_fetch_wait_max_ms = 500;
  // replica.fetch.max.bytes, of one partition
  int32_t replica_fetch_max_bytes = 1 << 20;
  // replica.fetch.response.max.bytes
  int32_t replica_fetch_response_max_bytes = 10 << 20;
  // replica.fetch.backoff.ms
  int64_t replica_fetch_backoff_ms = 1'000;
  // Threads for strands and for disk syncs (num.io.threads / background.threads).
  int strand_threads = 2;
  int io_threads = 2;
};

// Thread-safe. Find costs a shared lock on one of many shards; everything else
// runs on a strand of its own.
class PartitionTable {
 public:
  struct Environment {
    LogDirectory* logs = nullptr;
    Timer* timer = nullptr;
    const Clock* clock = nullptr;
    IsrChannel* isr_channel = nullptr;
    FetchChannelFactory* fetch_channels = nullptr;
    // Settings of a topic from its configs (those set for the topic alone).
    // Called on the table's strand. Never null.
    std::function<TopicSettings(
        const std::string& topic,
        const std::map<std::string, std::string>& configs)>
        settings;
    // A replica's log does not write any more; the replica is offline until the
    // process starts again. May be null.
    std::function<void(const TopicPartition& partition,
                       const absl::Status& status)>
        on_log_failed;
    // Writes of a replica's log fail and are taken back (a full disk); with an
    // empty `why` they work again. Once for each change. May be null.
    std::function<void(const TopicPartition& partition,
                       const std::string& why)>
        on_write_trouble;
    // Deletions that were carried out, for the next BrokerReport. May be null.
    std::function<void(const v1::DeletedReplica& deleted)> on_deleted;
  };
  // Role or leader epoch of a replica changed. On the partition's strand,
  // before it answers anything under the new role.
  using RoleListener = std::function<void(
      const std::shared_ptr<Partition>& partition, ReplicaRole role,
      LeaderEpoch leader_epoch)>;

  // Everything in `environment` outlives the table. Nothing runs before Start.
  PartitionTable(PartitionTableOptions options, Environment environment);
  // Stops everything (see Stop), waiting for the disk but not for the network.
  // Nobody may use its partitions any more.
  ~PartitionTable();
  PartitionTable(const PartitionTable&) = delete;
  PartitionTable& operator=(const PartitionTable&) = delete;

  // Before Start.
  void AddRoleListener(RoleListener listener);
  void Start();

  // Null when this broker has no such replica. A partition that was found stays
  // usable: after its deletion it answers NOT_LEADER_OR_FOLLOWER.
  std::shared_ptr<Partition> Find(std::string_view topic,
                                  int32_t partition) const;
  std::vector<std::shared_ptr<Partition>> All() const;

  // The epoch of this broker's registration; goes out with fetches and ISR
  // changes.
  void SetBrokerEpoch(BrokerEpoch epoch);
  // Carries out what an update says of the replicas here; the caller has dropped
  // what is stale as a whole (ClusterViewHolder's `accepted`). Calls come in
  // order. `done` runs when new roles are taken on and the order to delete has
  // been given (files go later, see on_deleted). A log that cannot be opened is
  // left out with an ERROR in the log and tried again with its next state.
  // Replicas that a snapshot does not know are stopped and kept aside.
  void Apply(v1::ClusterUpdate update, std::function<void()> done);

  // What `settings` says has changed: every topic here is given its own anew.
  void RefreshSettings();

  // Stops taking part: fetchers end, every replica lets go of its log; then
  // `done`, after which the caller may close the LogDirectory (CloseCleanly
  // with HighWatermarks()). Find gives null from now on.
  void Stop(std::function<void()> done);
  // Of every replica there is, or was when Stop was called.
  std::map<TopicPartition, Offset> HighWatermarks() const;

  struct Stats {
    int replicas = 0;
    int leaders = 0;
    int under_replicated = 0;
    int under_min_isr = 0;
    int offline = 0;  // its log could not be opened, or failed
  };
  Stats stats() const;

  class Impl;  // partition_table_impl.h

 private:
  Timer* const timer_;
  // Outlive what runs on them: everything of impl_.
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<Executor> io_executor_;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_REPLICATION_PARTITION_TABLE_H_
