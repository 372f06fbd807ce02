// A replicated partition in memory: one log, at most one leader at a time, and
// the test decides what is replicated and who survives.
#ifndef SILLOK_TEST_BROKER_JOURNAL_FAKE_REPLICATED_LOG_H_
#define SILLOK_TEST_BROKER_JOURNAL_FAKE_REPLICATED_LOG_H_

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "broker/journal/journal_partition.h"
#include "proto/record/record_batch.h"

namespace sillok {

// Thread-safe. Callbacks run inside the call that caused them, without a lock.
class FakeReplicatedLog
    : public std::enable_shared_from_this<FakeReplicatedLog> {
 public:
  // Replicates every append at once (the default) or only on Replicate().
  void set_replicates_by_itself(bool by_itself) {
    std::lock_guard<std::mutex> lock(mutex_);
    replicates_by_itself_ = by_itself;
  }
  // The next append answers `error`; with `appended` the batch is in the log.
  void FailNextAppend(ErrorCode error, bool appended) {
    std::lock_guard<std::mutex> lock(mutex_);
    next_error_ = error;
    next_error_appends_ = appended;
  }
  // The next read answers `error`.
  void FailNextRead(ErrorCode error) {
    std::lock_guard<std::mutex> lock(mutex_);
    next_read_error_ = error;
  }

  // A new leadership. What is above the high watermark survives, unless
  // `truncate` says that the new leader did not have it. The high watermark
  // that the new leader knows may trail by `lag` records.
  std::shared_ptr<JournalPartition> Elect(bool truncate = false,
                                          int64_t lag = 0) {
    std::vector<std::function<void()>> calls;
    std::shared_ptr<JournalPartition> leader;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      EndLeadership(&calls);
      ++epoch_;
      if (truncate) {
        while (!batches_.empty() && batches_.back().last >= high_watermark_) {
          batches_.pop_back();
        }
        end_ = batches_.empty() ? start_ : batches_.back().last + 1;
      }
      high_watermark_ = std::max(start_, high_watermark_ - lag);
      leader = std::make_shared<Leader>(shared_from_this(), epoch_);
    }
    for (auto& call : calls) call();
    return leader;
  }
  // The leadership is over, as its holder finds out by its calls.
  void Depose() {
    std::vector<std::function<void()>> calls;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      EndLeadership(&calls);
      ++epoch_;
    }
    for (auto& call : calls) call();
  }
  LeaderEpoch epoch() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return LeaderEpoch(epoch_);
  }

  // Everything, or `records` more, is on all in-sync replicas.
  void Replicate(int64_t records = 1 << 30) {
    std::vector<std::function<void()>> calls;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      high_watermark_ = std::min(end_, high_watermark_ + records);
      TakeReached(&calls);
    }
    for (auto& call : calls) call();
  }
  // Drops the records below `offset`, as compaction or deletion may.
  void AdvanceStart(int64_t offset) {
    std::lock_guard<std::mutex> lock(mutex_);
    start_ = offset;
    while (!batches_.empty() && batches_.front().last < offset) {
      batches_.erase(batches_.begin());
    }
  }
  // Puts a batch (offsets are filled in) at the end, committed.
  void Preload(std::string batch) {
    std::lock_guard<std::mutex> lock(mutex_);
    Add(std::move(batch));
    high_watermark_ = end_;
  }
  void FlipByteOfLastBatch(size_t from_end) {
    std::lock_guard<std::mutex> lock(mutex_);
    std::string& bytes = batches_.back().bytes;
    bytes[bytes.size() - from_end] ^= 1;
  }

  int64_t end() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return end_;
  }
  int64_t high_watermark() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return high_watermark_;
  }
  int reads() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return reads_;
  }

 private:
  struct Batch {
    int64_t base;
    int64_t last;
    std::string bytes;
  };
  struct Waiter {
    int64_t offset;
    std::function<void(bool)> done;
  };

  class Leader final : public JournalPartition {
   public:
    Leader(std::shared_ptr<FakeReplicatedLog> log, int epoch)
        : log_(std::move(log)), epoch_(epoch) {}
    void Append(Bytes batch,
                std::function<void(JournalAppendOutcome)> done) override {
      log_->Append(epoch_, std::move(batch), std::move(done));
    }
    JournalReadOutcome Read(Offset from, int32_t max_bytes) override {
      return log_->Read(epoch_, from, max_bytes);
    }
    void AwaitHighWatermark(Offset offset,
                            std::function<void(bool)> done) override {
      log_->Await(epoch_, offset, std::move(done));
    }

   private:
    const std::shared_ptr<FakeReplicatedLog> log_;
    const int epoch_;
  };

  Batch& Add(std::string bytes) {
    record::BatchHeader header = record::ParseBatchHeader(bytes.data());
    record::PokeOffsetAndEpoch(bytes.data(), Offset(end_),
                               LeaderEpoch(epoch_));
    const int64_t last = end_ + header.last_offset_delta;
    batches_.push_back({end_, last, std::move(bytes)});
    end_ = last + 1;
    return batches_.back();
  }

  void Append(int epoch, Bytes batch,
              std::function<void(JournalAppendOutcome)> done) {
    std::vector<std::function<void()>> calls;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      JournalAppendOutcome outcome;
      if (epoch != epoch_) {
        outcome.error = ErrorCode::NOT_LEADER_OR_FOLLOWER;
      } else {
        outcome.error = std::exchange(next_error_, ErrorCode::NONE);
      }
      const bool adds = outcome.error == ErrorCode::NONE ||
                        (epoch == epoch_ && next_error_appends_);
      if (adds) {
        const Batch& added = Add(batch.ToString());
        outcome.base_offset = Offset(added.base);
        outcome.last_offset = Offset(added.last);
      }
      if (outcome.error != ErrorCode::NONE) {
        calls.push_back([outcome, done = std::move(done)] { done(outcome); });
      } else {
        waiters_.push_back(
            {outcome.last_offset.value(),
             [outcome, done = std::move(done)](bool reached) mutable {
               if (!reached) outcome.error = ErrorCode::NOT_LEADER_OR_FOLLOWER;
               done(outcome);
             }});
      }
      if (replicates_by_itself_) high_watermark_ = end_;
      TakeReached(&calls);
    }
    for (auto& call : calls) call();
  }

  JournalReadOutcome Read(int epoch, Offset from, int32_t max_bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    ++reads_;
    JournalReadOutcome outcome;
    outcome.log_start_offset = Offset(start_);
    outcome.high_watermark = Offset(high_watermark_);
    outcome.log_end_offset = Offset(end_);
    outcome.error = std::exchange(next_read_error_, ErrorCode::NONE);
    if (epoch != epoch_) outcome.error = ErrorCode::NOT_LEADER_OR_FOLLOWER;
    if (outcome.error != ErrorCode::NONE) return outcome;
    if (from.value() < start_ || from.value() > end_) {
      outcome.error = ErrorCode::OFFSET_OUT_OF_RANGE;
      return outcome;
    }
    for (const Batch& batch : batches_) {
      if (batch.last < from.value()) continue;
      if (batch.last >= high_watermark_) break;
      if (!outcome.batches.empty() &&
          outcome.batches.size() + batch.bytes.size() >
              static_cast<size_t>(max_bytes)) {
        break;
      }
      outcome.batches.Append(Bytes::FromString(batch.bytes));
    }
    return outcome;
  }

  void Await(int epoch, Offset offset, std::function<void(bool)> done) {
    bool ended = false;
    std::vector<std::function<void()>> calls;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      ended = epoch != epoch_;
      if (!ended) {
        waiters_.push_back({offset.value(), std::move(done)});
        TakeReached(&calls);
      }
    }
    if (ended) done(false);
    for (auto& call : calls) call();
  }

  void EndLeadership(std::vector<std::function<void()>>* calls) {
    for (Waiter& waiter : waiters_) {
      calls->push_back([done = std::move(waiter.done)] { done(false); });
    }
    waiters_.clear();
  }
  void TakeReached(std::vector<std::function<void()>>* calls) {
    auto reached = std::stable_partition(
        waiters_.begin(), waiters_.end(),
        [&](const Waiter& w) { return w.offset >= high_watermark_; });
    for (auto it = reached; it != waiters_.end(); ++it) {
      calls->push_back([done = std::move(it->done)] { done(true); });
    }
    waiters_.erase(reached, waiters_.end());
  }

  mutable std::mutex mutex_;
  int epoch_ = 0;
  int64_t start_ = 0;
  int64_t end_ = 0;
  int64_t high_watermark_ = 0;
  bool replicates_by_itself_ = true;
  ErrorCode next_error_ = ErrorCode::NONE;
  bool next_error_appends_ = false;
  ErrorCode next_read_error_ = ErrorCode::NONE;
  int reads_ = 0;
  std::vector<Batch> batches_;
  std::vector<Waiter> waiters_;
};

}  // namespace sillok

#endif  // SILLOK_TEST_BROKER_JOURNAL_FAKE_REPLICATED_LOG_H_
