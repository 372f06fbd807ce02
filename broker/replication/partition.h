// The only door to a replica: everything that reads, writes, waits on or
// changes the role of one partition's log on this broker goes through here.
//
// A Partition owns its PartitionLog and a Strand. What changes state runs on the
// strand; reads take the last published picture (role, high watermark, log
// view) without it. The decisions are in the pure cores leader_state and
// follower_state; this class carries them out.
//
// Offsets: log start <= last stable offset <= high watermark <= log end. The
// high watermark (HW) is the end of what is known to be on every in-sync
// replica: all that consumers may see.
#ifndef SILLOK_BROKER_REPLICATION_PARTITION_H_
#define SILLOK_BROKER_REPLICATION_PARTITION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/strand.h"
#include "base/timer.h"
#include "broker/log/partition_log.h"
#include "broker/replication/fetch_planner.h"
#include "broker/replication/offset_waiters.h"
#include "broker/replication/partition_state.h"
#include "broker/replication/replica_state.h"

namespace sillok {

// What a partition is set to do; may change while it runs (topic configs).
struct PartitionOptions {
  // min.insync.replicas
  int32_t min_insync_replicas = 1;
  // replica.lag.time.max.ms
  int64_t replica_lag_time_max_ms = 30'000;
  // flush.messages=1: nothing counts as replicated before it is on the disk
  // (fdatasync, many appends to one sync). Appends with acks=1 wait for the
  // leader's disk, acks=-1 for the disks of the whole ISR.
  bool acknowledge_after_flush = false;
};

struct AppendRequest {
  // One or more v2 batches as the producer built them; offsets and leader
  // epoch are filled in here.
  Bytes batch;
  // -1: all in-sync replicas, 1: this leader, 0: as 1, the caller does not look.
  int acks = -1;
  // How long acks=-1 may wait for replicas.
  int64_t timeout_ms = 30'000;
  // Unless -1, the append fails when the leader epoch is another one.
  LeaderEpoch expected_epoch = kNoLeaderEpoch;
  AppendOptions options;
};

struct AppendOutcome {
  ErrorCode error = ErrorCode::NONE;
  std::string error_message;
  // Of the first record and of the last. -1 when nothing was appended: then,
  // and only then, an error means that the records are surely not in the log.
  Offset base_offset = kNoOffset;
  Offset last_offset = kNoOffset;
  int64_t log_append_time_ms = -1;  // unless the topic stamps records itself
  Offset log_start_offset;
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  std::vector<RecordError> record_errors;

  bool appended() const { return base_offset != kNoOffset; }
};

// How far a reader may see.
enum class ReadBound {
  kLastStable,     // consumers, read_committed
  kHighWatermark,  // consumers, read_uncommitted
  kLogEnd,         // replicas
};

struct ReadRequest {
  Offset offset;
  int32_t max_bytes = 1 << 20;
  // Give the first batch whole even when it is larger than max_bytes (KIP-74).
  bool at_least_one_batch = true;
  ReadBound bound = ReadBound::kHighWatermark;
  // File ranges for sendfile instead of the bytes themselves.
  bool as_ranges = false;
  // KIP-320; -1 = not checked. Replicas must give it.
  LeaderEpoch expected_epoch = kNoLeaderEpoch;

  // Only set for replicas (bound kLogEnd): the read then also tells the leader
  // how far this follower has come.
  BrokerId replica = kNoBroker;
  BrokerEpoch replica_epoch{-1};
  // Epoch of the last record it has, -1 = its log is empty (KIP-595).
  LeaderEpoch last_fetched_epoch = kNoLeaderEpoch;
  Offset replica_log_start;
};

struct ReadOutcome {
  ErrorCode error = ErrorCode::NONE;
  std::string error_message;
  // Whole batches, in one of the two forms; the first may begin before the
  // offset asked for. Empty, without an error, when the offset is at the bound.
  Bytes batches;
  std::vector<FileRange> ranges;
  int64_t size_bytes = 0;
  // For kLastStable: what a consumer has to leave out of these batches.
  std::vector<AbortedTransaction> aborted;
  Offset high_watermark = kNoOffset;
  Offset last_stable_offset = kNoOffset;
  Offset log_start_offset = kNoOffset;
  Offset log_end_offset = kNoOffset;
  // Replicas: where their log leaves ours; no data then.
  std::optional<EpochEndOffset> diverging;
};

struct ListOffsetRequest {
  static constexpr int64_t kLatest = -1;
  static constexpr int64_t kEarliest = -2;
  static constexpr int64_t kMaxTimestamp = -3;
  int64_t timestamp_ms = kLatest;  // or one of the three above
  // kLastStable, kHighWatermark, or kLogEnd (replicas and tools).
  ReadBound bound = ReadBound::kHighWatermark;
  LeaderEpoch expected_epoch = kNoLeaderEpoch;
};

struct ListOffsetOutcome {
  ErrorCode error = ErrorCode::NONE;
  std::string error_message;
  Offset offset = kNoOffset;  // -1 = no such record
  int64_t timestamp_ms = -1;
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
};

// For describe commands and metrics; one consistent picture.
struct PartitionStats {
  ReplicaRole role = ReplicaRole::kOffline;
  PartitionAssignment assignment;
  Offset log_start_offset;
  Offset last_stable_offset;
  Offset high_watermark;
  Offset log_end_offset;
  int64_t size_bytes = 0;
  bool under_replicated = false;  // leaders: |ISR| < |replicas|
  bool under_min_isr = false;     // leaders: |ISR| < min.insync.replicas
};

// One batch of fetched records for a follower, as the leader answered.
struct ReplicaFetchResult {
  ErrorCode error = ErrorCode::NONE;
  LeaderEpoch leader_epoch;  // under which it was asked
  Offset fetch_offset;       // from where it was asked
  LeaderEpoch last_fetched_epoch = kNoLeaderEpoch;  // told with the question
  Bytes batches;
  Offset leader_high_watermark = kNoOffset;
  Offset leader_log_start = kNoOffset;
  std::optional<EpochEndOffset> diverging;
};

// Thread-safe. Held by shared_ptr; callbacks keep it alive. Callbacks given to
// it run on its strand, or on the caller's thread before the call returns: they
// must be short, may call back into the partition, and are called exactly once.
class Partition : public std::enable_shared_from_this<Partition> {
 public:
  // What a partition needs around it; everything outlives it.
  struct Environment {
    BrokerId self;
    Executor* executor = nullptr;     // the strand's threads
    Executor* io_executor = nullptr;  // for fdatasync
    Timer* timer = nullptr;
    const Clock* clock = nullptr;
    // A leader wants another ISR. `partition` gets OnAlterIsrResult once, when
    // the controller has answered. Called on the strand. Never null.
    std::function<void(std::shared_ptr<Partition> partition, AlterIsr wanted)>
        alter_isr;
    // Role or leader epoch changed. On the strand, when reads see the new role
    // already and before anything is appended under it. May be null.
    std::function<void(const std::shared_ptr<Partition>& partition,
                       ReplicaRole role, LeaderEpoch leader_epoch)>
        on_role_change;
    // The log refuses to write from now on; the replica is offline. May be null.
    std::function<void(const TopicPartition& partition,
                       const absl::Status& status)>
        on_log_failed;
    // A write to the log failed and was taken back (a full disk), after one that
    // did not; or, with an empty `why`, one worked again. On the strand. May be
    // null.
    std::function<void(const TopicPartition& partition,
                       const std::string& why)>
        on_write_trouble;
  };

  // `log` is this partition's until Stop is done, and outlives that.
  // `high_watermark` is the checkpointed one (it is bounded by what the log
  // has). Starts offline.
  static std::shared_ptr<Partition> Create(TopicPartition id,
                                           std::string topic_id,
                                           PartitionLog* log,
                                           Offset high_watermark,
                                           PartitionOptions options,
                                           const Environment& environment);
  ~Partition();
  Partition(const Partition&) = delete;
  Partition& operator=(const Partition&) = delete;

  const TopicPartition& id() const { return id_; }
  const std::string& topic_id() const { return topic_id_; }

  // Appends as the leader. Answers
  //   NOT_LEADER_OR_FOLLOWER; FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH;
  //   INVALID_REQUIRED_ACKS; NOT_ENOUGH_REPLICAS (acks=-1, ISR too small);
  //   what the log refuses (CORRUPT_MESSAGE, MESSAGE_TOO_LARGE,
  //   OUT_OF_ORDER_SEQUENCE_NUMBER, KAFKA_STORAGE_ERROR, ...): not appended;
  //   NOT_ENOUGH_REPLICAS_AFTER_APPEND, REQUEST_TIMED_OUT or
  //   NOT_LEADER_OR_FOLLOWER with `appended()`: in this log, fate unknown.
  // `done` is called when the outcome stands. `appended`, when given, is called
  // once before it, on the strand and in log order, as soon as the batch is in
  // the local log (not when it was refused).
  void Append(AppendRequest request, std::function<void(AppendOutcome)> done,
              std::function<void(const AppendOutcome&)> appended = nullptr);

  // Reads what is there now, on the caller's thread; never waits. Errors:
  // NOT_LEADER_OR_FOLLOWER, FENCED/UNKNOWN_LEADER_EPOCH, OFFSET_OUT_OF_RANGE,
  // CORRUPT_MESSAGE/KAFKA_STORAGE_ERROR from the disk. The offsets in the
  // outcome are from one picture: the bound that was applied is among them.
  ReadOutcome Read(const ReadRequest& request);

  // Calls `wake` once: when `bound` is greater than `offset`, at
  // `deadline_ms` (Clock::MonotonicMs), or when the role or leader epoch
  // changes; at once when one of these is so already (not leading counts as
  // kRoleChanged). For long polls and for whoever waits for replication
  // (bound kHighWatermark, offset = last offset written). Returns an id for
  // CancelWait.
  using WaitId = uint64_t;
  WaitId WaitFor(ReadBound bound, Offset offset, int64_t deadline_ms,
                 std::function<void(WakeReason)> wake);
  // Drops a wait whose answer is not wanted any more; `wake` is then not called,
  // unless it was already on its way.
  void CancelWait(WaitId id);

  // Leader only. kLatest gives the bound itself; OFFSET_NOT_AVAILABLE while a
  // new leader does not know yet how far its predecessor let consumers read
  // (KIP-207), so that "the end" never goes back.
  ListOffsetOutcome ListOffset(const ListOffsetRequest& request);

  // Leader only: the largest epoch <= `epoch` that it knows and where that ended
  // (OffsetsForLeaderEpoch).
  struct EpochEndOutcome {
    ErrorCode error = ErrorCode::NONE;
    EpochEndOffset end;  // epoch -1: not known
  };
  EpochEndOutcome EndOffsetForEpoch(LeaderEpoch expected_epoch,
                                    LeaderEpoch epoch);

  // Raises the log start offset. Leader only; OFFSET_OUT_OF_RANGE above the HW.
  // `done` runs when the ISR has done it too, with the offset from which on
  // everybody has records; REQUEST_TIMED_OUT or NOT_LEADER_OR_FOLLOWER: the
  // leader alone is known to have. With timeout_ms <= 0 the leader is enough.
  void DeleteRecordsBefore(
      Offset offset, int64_t timeout_ms,
      std::function<void(ErrorCode, Offset low_watermark)> done);

  // The published picture.
  PartitionStats stats() const;
  ReplicaRole role() const;
  LeaderEpoch leader_epoch() const;
  Offset high_watermark() const;
  bool IsLeader() const { return role() == ReplicaRole::kLeader; }

  // ---- for PartitionTable, the fetcher and the ISR reporter

  // Takes on the role that `state` gives this broker. Idempotent; a state with
  // an older leader epoch, or the same and an older partition epoch, is dropped.
  // `applied` is called on the strand afterwards, in any case.
  void ApplyState(const PartitionAssignment& state,
                  std::function<void()> applied = nullptr);
  void SetOptions(const PartitionOptions& options);
  void SetLogOptions(const LogOptions& options);
  // Ends its part for good: waiters get kRoleChanged, everything else answers
  // NOT_LEADER_OR_FOLLOWER. `done` runs when nothing uses the log any more.
  void Stop(std::function<void()> done);

  // Followers: carries out a fetch answer (append, truncate, HW), then tells
  // the next position. With acknowledge_after_flush the position counts only
  // what is on the disk, so `next` may come after an fdatasync.
  void OnFetched(ReplicaFetchResult result,
                 std::function<void(FetchPosition)> next);
  // Followers: where to begin, as of now.
  void NextFetch(std::function<void(FetchPosition)> next);

  // The controller's answer to alter_isr; `state` is in force when error is
  // NONE. REQUEST_TIMED_OUT: no answer came and none will.
  void OnAlterIsrResult(ErrorCode error, const PartitionAssignment& state);

  // Due work, posted by the table's ticks; each is cheap when there is none.
  void CheckIsr();     // shrink by time
  void RunRetention(); // delete and roll segments by age and size
  void FlushLog();     // everything to the disk, on the I/O executor
  // The next write that fails is told (on_write_trouble) as if it were the
  // first.
  void ForgetWriteTrouble();
  // True (once) when the HW has moved since the last call: for checkpoints.
  bool TakeHighWatermarkDirty();
  // CheckIsr may have work: post it within a second or so.
  bool NeedsIsrCheck() const;

  class Impl;  // partition_impl.h

 private:
  Partition(TopicPartition id, std::string topic_id);

  const TopicPartition id_;
  const std::string topic_id_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_REPLICATION_PARTITION_H_
