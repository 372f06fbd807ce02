// What must hold of a replicated partition, watched from outside: these classes
// know records, offsets and epochs, and nothing of how the protocol works.
#ifndef SILLOK_TEST_SIM_REPLICATION_CHECKERS_H_
#define SILLOK_TEST_SIM_REPLICATION_CHECKERS_H_

#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/ids.h"
#include "test/sim/replication_log.h"

namespace sillok::sim {

// An invariant is broken: `what()` says how.
class Broken : public std::runtime_error {
 public:
  Broken(const std::string& invariant, const std::string& text)
      : std::runtime_error(text), invariant(invariant) {}
  std::string invariant;
};

inline void Expect(bool holds, const char* invariant,
                   const std::string& text) {
  if (!holds) throw Broken(invariant, text);
}

// At most one broker ever leads in a leader epoch.
class OneLeaderPerEpoch {
 public:
  void OnLeading(LeaderEpoch epoch, int broker) {
    const auto [found, added] = leaders_.emplace(epoch.value(), broker);
    Expect(found->second == broker, "OneLeaderPerEpoch",
           "epoch " + std::to_string(epoch.value()) + " led by " +
               std::to_string(found->second) + " and " +
               std::to_string(broker));
  }

 private:
  std::map<int32_t, int> leaders_;
};

// Two logs with a record of the same offset and epoch agree on it and, by
// induction over the record before it, on everything below.
class LogMatching {
 public:
  // The record at `offset` was appended behind one of epoch `before`
  // (-1: the log is empty, nothing to compare).
  void OnAppended(Offset offset, const SimRecord& record, LeaderEpoch before) {
    const auto [found, added] = seen_.emplace(
        std::make_pair(offset.value(), record.epoch.value()),
        Seen{record.value, before});
    if (before != kNoLeaderEpoch && found->second.before == kNoLeaderEpoch) {
      found->second.before = before;
    }
    Expect(found->second.value == record.value, "LogMatching",
           "two records at offset " + std::to_string(offset.value()) +
               " of epoch " + std::to_string(record.epoch.value()));
    Expect(before == kNoLeaderEpoch || found->second.before == before,
           "LogMatching",
           "histories differ below offset " + std::to_string(offset.value()) +
               " of epoch " + std::to_string(record.epoch.value()) +
               ": epoch " + std::to_string(before.value()) + " there, " +
               std::to_string(found->second.before.value()) + " elsewhere");
  }

 private:
  struct Seen {
    uint64_t value;
    LeaderEpoch before;
  };
  std::map<std::pair<int64_t, int32_t>, Seen> seen_;
};

// What was once below a high watermark stays what it is, for ever: for later
// leaders, for consumers, and for those who were told that it is safe.
class Committed {
 public:
  void OnCommitted(Offset offset, const SimRecord& record) {
    const auto [found, added] = records_.emplace(offset, record);
    Expect(found->second == record, "CommittedNeverChanges",
           "offset " + std::to_string(offset.value()) + " was epoch " +
               std::to_string(found->second.epoch.value()) +
               " and is now epoch " + std::to_string(record.epoch.value()));
  }
  void OnRead(Offset offset, const SimRecord& record) {
    const auto found = records_.find(offset);
    Expect(found != records_.end(), "NoReadAboveHighWatermark",
           "offset " + std::to_string(offset.value()));
    Expect(found->second == record, "ReadIsCommitted",
           "offset " + std::to_string(offset.value()));
  }
  void OnAcknowledged(Offset offset, uint64_t value) {
    const auto found = records_.find(offset);
    Expect(found != records_.end() && found->second.value == value,
           "AcknowledgedIsCommitted",
           "offset " + std::to_string(offset.value()));
    ++acknowledged_;
  }
  // `log` is the log of a new leader, or of anybody at the end.
  void ExpectAllIn(const SimLog& log, const std::string& whose) const {
    for (auto it = records_.lower_bound(log.start()); it != records_.end();
         ++it) {
      Expect(log.Has(it->first) && log.At(it->first) == it->second,
             "CommittedNeverLost",
             "offset " + std::to_string(it->first.value()) + " of epoch " +
                 std::to_string(it->second.epoch.value()) +
                 " is missing in the log of " + whose);
    }
  }
  Offset end() const {
    return records_.empty() ? Offset(0) : records_.rbegin()->first + 1;
  }
  uint64_t acknowledged() const { return acknowledged_; }

 private:
  std::map<Offset, SimRecord> records_;
  uint64_t acknowledged_ = 0;
};

// In one tenure of one leader the high watermark never goes back.
class MonotonicHighWatermark {
 public:
  void OnHighWatermark(int broker, LeaderEpoch epoch, Offset hw, Offset end) {
    Offset& last = last_[{broker, epoch.value()}];
    Expect(hw >= last, "MonotonicHighWatermark",
           "broker " + std::to_string(broker) + " went from " +
               std::to_string(last.value()) + " to " +
               std::to_string(hw.value()));
    Expect(hw <= end, "HighWatermarkWithinLog", std::to_string(hw.value()));
    last = hw;
  }

 private:
  std::map<std::pair<int, int32_t>, Offset> last_;
};

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_REPLICATION_CHECKERS_H_
