// Which leader epoch began at which offset: a partition log's history of
// leaders, by which replicas find where they part ways (KIP-101, KIP-279).
#ifndef SILLOK_BROKER_LOG_LEADER_EPOCHS_H_
#define SILLOK_BROKER_LOG_LEADER_EPOCHS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ids.h"

namespace sillok {

struct EpochEntry {
  LeaderEpoch epoch;
  Offset start_offset;
  friend bool operator==(const EpochEntry&, const EpochEntry&) = default;
};

// Answer of EndOffsetForEpoch; epoch -1 and offset -1 when undefined.
struct EpochEndOffset {
  LeaderEpoch epoch = kNoLeaderEpoch;
  Offset end_offset = kNoOffset;
  friend bool operator==(const EpochEndOffset&,
                         const EpochEndOffset&) = default;
};

// Pure. Invariant: epochs and start offsets both rise from entry to entry
// (start offsets may stay equal only transiently never: an epoch without a
// record is replaced by the next one at the same offset).
class LeaderEpochs {
 public:
  const std::vector<EpochEntry>& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }
  std::optional<EpochEntry> latest() const;

  // Records of `epoch` begin at `start`. True when that changed anything: an
  // epoch that is known, or older than the latest, changes nothing unless
  // `start` is at or below an entry's start; entries that contradict the new
  // one are dropped.
  bool Assign(LeaderEpoch epoch, Offset start);
  // Forgets epochs that began at or after `end`. True when that dropped any.
  bool TruncateFromEnd(Offset end);
  // Forgets what lies wholly below `start`; the epoch `start` belongs to stays
  // and begins there. True on change.
  bool TruncateFromStart(Offset start);
  void Clear() { entries_.clear(); }

  // Where `epoch` ends in a log that ends at `log_end`, by Kafka's rule: the
  // latest epoch ends at log_end; an epoch above it is undefined; below the
  // first known one it is {epoch, start of the first}; else the largest known
  // epoch <= `epoch` and the start of the one after it.
  EpochEndOffset EndOffsetFor(LeaderEpoch epoch, Offset log_end) const;
  // The epoch the record at `offset` was written in; empty when unknown.
  std::optional<LeaderEpoch> EpochOf(Offset offset) const;

  // The text of `leader-epoch-checkpoint`.
  std::string Encode() const;
  static absl::StatusOr<LeaderEpochs> Decode(std::string_view text);

 private:
  std::vector<EpochEntry> entries_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_LEADER_EPOCHS_H_
