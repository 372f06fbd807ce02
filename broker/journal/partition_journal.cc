#include "broker/journal/partition_journal.h"

#include <utility>

namespace sillok {
namespace {

// The journal has deadlines of its own for its replies and waits for the fate
// of its records as long as the leadership lasts; this only bounds one wait.
constexpr int64_t kOneWaitMs = 60 * 60 * 1000;

class PartitionJournal final
    : public JournalPartition,
      public std::enable_shared_from_this<PartitionJournal> {
 public:
  PartitionJournal(std::shared_ptr<Partition> partition, LeaderEpoch epoch,
                   const Clock* clock)
      : partition_(std::move(partition)), epoch_(epoch), clock_(clock) {}

  void Append(Bytes batch,
              std::function<void(JournalAppendOutcome)> done) override {
    AppendRequest request;
    request.batch = std::move(batch);
    request.acks = -1;
    request.timeout_ms = kOneWaitMs;
    request.expected_epoch = epoch_;
    request.options.origin = AppendOptions::Origin::kCoordinator;
    partition_->Append(
        std::move(request), [done = std::move(done)](AppendOutcome outcome) {
          done({outcome.error, std::move(outcome.error_message),
                outcome.base_offset, outcome.last_offset});
        });
  }

  JournalReadOutcome Read(Offset from, int32_t max_bytes) override {
    ReadRequest request;
    request.offset = from;
    request.max_bytes = max_bytes;
    request.bound = ReadBound::kHighWatermark;
    request.expected_epoch = epoch_;
    ReadOutcome read = partition_->Read(request);
    JournalReadOutcome outcome;
    outcome.error = read.error;
    outcome.error_message = std::move(read.error_message);
    outcome.batches = std::move(read.batches);
    outcome.log_start_offset = read.log_start_offset;
    outcome.high_watermark = read.high_watermark;
    outcome.log_end_offset = read.log_end_offset;
    return outcome;
  }

  void AwaitHighWatermark(Offset offset,
                          std::function<void(bool reached)> done) override {
    if (partition_->leader_epoch() != epoch_) return done(false);
    partition_->WaitFor(
        ReadBound::kHighWatermark, offset,
        clock_->MonotonicMs() + kOneWaitMs,
        [self = shared_from_this(), offset,
         done = std::move(done)](WakeReason reason) mutable {
          if (reason == WakeReason::kDeadline) {
            self->AwaitHighWatermark(offset, std::move(done));
            return;
          }
          done(reason == WakeReason::kReached &&
               self->partition_->leader_epoch() == self->epoch_);
        });
  }

 private:
  const std::shared_ptr<Partition> partition_;
  const LeaderEpoch epoch_;
  const Clock* const clock_;
};

}  // namespace

std::shared_ptr<JournalPartition> MakeJournalPartition(
    std::shared_ptr<Partition> partition, LeaderEpoch epoch,
    const Clock* clock) {
  return std::make_shared<PartitionJournal>(std::move(partition), epoch,
                                            clock);
}

}  // namespace sillok
