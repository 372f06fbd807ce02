// A partition log in memory for the replication simulator: it keeps the rules
// of broker/log (append, truncate, leader epochs) without bytes or files.
#ifndef SILLOK_TEST_SIM_REPLICATION_LOG_H_
#define SILLOK_TEST_SIM_REPLICATION_LOG_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "broker/log/leader_epochs.h"
#include "broker/replication/follower_state.h"

namespace sillok::sim {

struct SimRecord {
  LeaderEpoch epoch;
  uint64_t value = 0;
  friend bool operator==(const SimRecord&, const SimRecord&) = default;
};

class SimLog {
 public:
  Offset start() const { return start_; }
  Offset end() const { return base_ + static_cast<int64_t>(records_.size()); }
  Offset durable_end() const { return std::min(durable_end_, end()); }
  uint64_t truncations() const { return truncations_; }
  const LeaderEpochs& epochs() const { return epochs_; }

  bool Has(Offset offset) const { return offset >= base_ && offset < end(); }
  const SimRecord& At(Offset offset) const {
    return records_[static_cast<size_t>(offset - base_)];
  }
  LogPosition Position() const {
    LogPosition position{start_, end(), kNoLeaderEpoch};
    if (end() > start_) position.last_epoch = At(end() - 1).epoch;
    return position;
  }
  EpochEndOffset EndForEpoch(LeaderEpoch epoch) const {
    return epochs_.EndOffsetFor(epoch, end());
  }

  void AssignEpoch(LeaderEpoch epoch) { epochs_.Assign(epoch, end()); }
  void Append(const SimRecord& record) {
    epochs_.Assign(record.epoch, end());
    records_.push_back(record);
  }
  void TruncateTo(Offset offset) {
    ++truncations_;
    offset = std::max(offset, base_);
    if (offset < end()) {
      records_.resize(static_cast<size_t>(offset - base_));
    }
    epochs_.TruncateFromEnd(end());
    durable_end_ = std::min(durable_end_, end());
    start_ = std::min(start_, end());
  }
  void RestartAt(Offset offset) {
    ++truncations_;
    records_.clear();
    epochs_.Clear();
    base_ = start_ = durable_end_ = offset;
  }
  void AdvanceStart(Offset offset) {
    start_ = std::max(start_, std::min(offset, end()));
    epochs_.TruncateFromStart(start_);
  }
  void MarkDurable(Offset end) { durable_end_ = std::max(durable_end_, end); }

  // Power loss: `kept` of the records that were not on the disk survive.
  void LosePageCache(int64_t kept) {
    const Offset survived = std::min(end(), durable_end() + kept);
    TruncateTo(std::max(survived, start_));
    durable_end_ = end();
  }

 private:
  Offset base_;  // of records_[0]; start_ may be above
  Offset start_;
  Offset durable_end_;
  std::vector<SimRecord> records_;
  LeaderEpochs epochs_;
  uint64_t truncations_ = 0;
};

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_REPLICATION_LOG_H_
