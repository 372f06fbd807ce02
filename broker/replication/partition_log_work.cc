// The half of Partition that looks after its log: disk, age and size.
#include <algorithm>
#include <limits>
#include <utility>

#include "broker/replication/partition.h"
#include "broker/replication/partition_impl.h"
#include "glog/logging.h"

namespace sillok {

using Impl = Partition::Impl;

void Impl::StartFlush() {
  if (flushing_ || log_failed_ || stopping_) return;
  if (log_->recovery_point() >= log_->end_offset()) return;
  flushing_ = true;
  // What is appended while this runs goes with the next one.
  environment_.io_executor->Post([self = Self()] {
    const absl::Status status = self->impl_->log_->Flush();
    self->impl_->strand_.Dispatch(
        [self, status] { self->impl_->OnFlushed(status); });
  });
}

void Impl::OnFlushed(const absl::Status& status) {
  flushing_ = false;
  if (!status.ok()) OnLogFailed(status);
  if (LeaderState* leader = state_.leader()) {
    leader->OnLocalEnd(log_->end_offset(), DurableEnd(), Now());
    AfterLeaderInput();
  }
  for (auto& [delayed, next] : std::exchange(next_after_flush_, {})) {
    AnswerNext(delayed, std::move(next));
  }
  MaybeFinishStop();
}

void Impl::MaybeFlushInBackground() {
  const LogOptions& log = log_->options();
  if (options_.acknowledge_after_flush) return;  // flushes anyway
  if (log.flush_messages != std::numeric_limits<int64_t>::max() &&
      log_->end_offset() - log_->recovery_point() >= log.flush_messages) {
    StartFlush();
  }
  if (log.flush_ms != std::numeric_limits<int64_t>::max() &&
      flush_timer_ == Timer::kNone) {
    flush_timer_ = environment_.timer->After(
        log.flush_ms, [weak = owner_->weak_from_this()] {
          const std::shared_ptr<Partition> self = weak.lock();
          if (self == nullptr) return;
          self->impl_->strand_.Post([self] {
            self->impl_->flush_timer_ = Timer::kNone;
            self->impl_->StartFlush();
          });
        });
  }
}

void Impl::FlushLog() { StartFlush(); }

void Impl::RunRetention() {
  if (stopping_ || log_failed_) return;
  const int64_t now = environment_.clock->WallMs();
  if (const absl::Status status = log_->MaybeRoll(now); !status.ok()) {
    LOG(WARNING) << "segment not rolled partition=" << owner_->id()
                 << " status=" << status;
  }
  const auto deleted = log_->ApplyRetention(now, state_.high_watermark());
  if (!deleted.ok()) {
    LOG(WARNING) << "retention failed partition=" << owner_->id()
                 << " status=" << deleted.status();
  } else if (*deleted > 0) {
    LOG(INFO) << "segments deleted partition=" << owner_->id()
              << " count=" << *deleted
              << " log_start=" << log_->start_offset();
  }
  log_->ExpireProducers(now);
  if (const absl::Status failed = log_->failed(); !failed.ok()) {
    OnLogFailed(failed);
    return;
  }
  Publish();
}

void Impl::DeleteRecordsBefore(Offset offset, int64_t timeout_ms,
                               std::function<void(ErrorCode, Offset)> done) {
  if (state_.leader() == nullptr || stopping_) {
    done(ErrorCode::NOT_LEADER_OR_FOLLOWER, kNoOffset);
    return;
  }
  const Offset target = offset == kNoOffset ? state_.high_watermark() : offset;
  if (target < Offset(0) || target > state_.high_watermark()) {
    done(ErrorCode::OFFSET_OUT_OF_RANGE, log_->start_offset());
    return;
  }
  const absl::Status status = log_->AdvanceLogStart(target);
  Publish();
  if (!status.ok() || timeout_ms <= 0) {
    done(ErrorCodeOf(status), log_->start_offset());
    return;
  }
  // Followers learn of it by their next fetch, and tell by the one after.
  cut_.Add(next_wait_id_++, target - 1, Now() + timeout_ms,
           [this, done = std::move(done)](WakeReason reason) {
             switch (reason) {
               case WakeReason::kReached:
                 return done(ErrorCode::NONE, LowWatermark());
               case WakeReason::kDeadline:
                 return done(ErrorCode::REQUEST_TIMED_OUT, kNoOffset);
               case WakeReason::kRoleChanged:
                 return done(ErrorCode::NOT_LEADER_OR_FOLLOWER, kNoOffset);
             }
           });
  WakeReached();
  ArmTimer();
}

}  // namespace sillok
