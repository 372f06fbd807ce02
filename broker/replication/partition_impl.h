// The inside of Partition: what its strand owns, and what it publishes.
#ifndef SILLOK_BROKER_REPLICATION_PARTITION_IMPL_H_
#define SILLOK_BROKER_REPLICATION_PARTITION_IMPL_H_

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/replication/partition.h"

namespace sillok {

// What readers see of a replica: one consistent picture, immutable.
struct PartitionPicture {
  ReplicaRole role = ReplicaRole::kOffline;
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  std::shared_ptr<const PartitionAssignment> assignment;
  Offset high_watermark;
  Offset last_stable_offset;
  // Leaders: what ListOffsets may call the end is known (KIP-207).
  bool high_watermark_known = false;
  bool enough_in_sync = true;
  std::shared_ptr<const LogView> log;

  Offset Bound(ReadBound bound) const {
    switch (bound) {
      case ReadBound::kLastStable: return last_stable_offset;
      case ReadBound::kHighWatermark: return high_watermark;
      case ReadBound::kLogEnd: return log->end_offset();
    }
    return high_watermark;
  }
};

class Partition::Impl {
 public:
  Impl(Partition* owner, PartitionLog* log, Offset high_watermark,
       PartitionOptions options, const Environment& environment);

  std::shared_ptr<const PartitionPicture> Picture() const;
  Strand& strand() { return strand_; }
  const Environment& environment() const { return environment_; }
  uint64_t NextWaitId() { return next_wait_id_++; }
  bool TakeHighWatermarkDirty() { return high_watermark_dirty_.exchange(false); }
  bool NeedsIsrCheck() const { return needs_isr_check_; }

  // Everything below runs on the strand.

  void Append(AppendRequest request, std::function<void(AppendOutcome)> done,
              std::function<void(const AppendOutcome&)> appended);
  void OnReplicaFetch(LeaderEpoch leader_epoch,
                      const LeaderState::ReplicaFetch& fetch);
  void WaitFor(uint64_t id, ReadBound bound, Offset offset,
               int64_t deadline_ms, OffsetWaiters::Wake wake);
  void CancelWait(uint64_t id);
  void DeleteRecordsBefore(Offset offset, int64_t timeout_ms,
                           std::function<void(ErrorCode, Offset)> done);

  void ApplyState(const PartitionAssignment& next);
  void SetOptions(const PartitionOptions& options);
  void SetLogOptions(const LogOptions& options);
  void Stop(std::function<void()> done);
  void OnFetched(ReplicaFetchResult result,
                 std::function<void(FetchPosition)> next);
  void NextFetch(std::function<void(FetchPosition)> next);
  void OnAlterIsrResult(ErrorCode error, const PartitionAssignment& state);
  void CheckIsr();
  void RunRetention();
  void FlushLog();
  void ForgetWriteTrouble() { write_trouble_ = false; }

 private:
  using Next = std::function<void(FetchPosition)>;

  int64_t Now() const { return environment_.clock->MonotonicMs(); }
  // What counts as replicated here: with acknowledge_after_flush, only what is
  // on the disk.
  Offset DurableEnd() const;
  Offset LowWatermark() const;  // kNoOffset unless leading
  LogPosition Position() const;
  LeaderOptions MakeLeaderOptions() const;

  ErrorCode CheckAppend(const AppendRequest& request) const;
  void AwaitAcknowledgement(const AppendRequest& request,
                            AppendOutcome outcome,
                            std::function<void(AppendOutcome)> done);
  // Carries out what the leader state decided, publishes and wakes.
  void AfterLeaderInput();
  void Publish();
  void WakeReached();
  void OnTenureChange(ReplicaState::Change change);
  void OnDeadline();
  void ArmTimer();

  FollowerStep::Action CarryOut(const FollowerStep& step,
                                const ReplicaFetchResult& result);
  FollowerStep::Action AppendFetched(const ReplicaFetchResult& result);
  void AnswerNext(bool delayed, Next next);
  FetchPosition CurrentPosition(bool delayed) const;

  // Starts an fdatasync unless one is running or nothing is new.
  void StartFlush();
  void OnFlushed(const absl::Status& status);
  void MaybeFlushInBackground();
  // The log does not write any more: out of service until the process restarts.
  void OnLogFailed(const absl::Status& status);
  // After an append to the log.
  void NoteWrite(ErrorCode error, const std::string& message);
  void MaybeFinishStop();

  std::shared_ptr<Partition> Self() { return owner_->shared_from_this(); }

  Partition* const owner_;
  PartitionLog* const log_;
  const Environment environment_;
  Strand strand_;

  // On the strand.
  PartitionOptions options_;
  ReplicaState state_;
  OffsetWaiters on_high_watermark_;
  OffsetWaiters on_last_stable_;
  OffsetWaiters on_log_end_;
  // Producers: acks=-1 on the HW, acks=1 on the disk.
  OffsetWaiters produced_;
  OffsetWaiters flushed_;
  // DeleteRecords, on the low watermark.
  OffsetWaiters cut_;
  // Followers whose next fetch waits for the disk.
  std::vector<std::pair<bool, Next>> next_after_flush_;
  Timer::Id timer_ = Timer::kNone;
  int64_t timer_due_ms_ = 0;
  bool flushing_ = false;
  Timer::Id flush_timer_ = Timer::kNone;
  bool stopping_ = false;
  bool log_failed_ = false;
  bool write_trouble_ = false;
  std::function<void()> stopped_;

  std::atomic<uint64_t> next_wait_id_{1};
  std::atomic<bool> high_watermark_dirty_{true};
  std::atomic<bool> needs_isr_check_{false};
  mutable std::mutex picture_mutex_;  // a leaf: held to copy the pointer
  std::shared_ptr<const PartitionPicture> picture_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_REPLICATION_PARTITION_IMPL_H_
