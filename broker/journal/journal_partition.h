// The seam between a journal and the replicated partition it is written to.
#ifndef SILLOK_BROKER_JOURNAL_JOURNAL_PARTITION_H_
#define SILLOK_BROKER_JOURNAL_JOURNAL_PARTITION_H_

#include <cstdint>
#include <functional>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"

namespace sillok {

struct JournalAppendOutcome {
  ErrorCode error = ErrorCode::NONE;
  std::string error_message;
  // -1: the batch is surely not in the log. Set beside an error: it is in the
  // leader's log, and whether it stays is not known yet.
  Offset base_offset = kNoOffset;
  Offset last_offset = kNoOffset;

  bool appended() const { return base_offset != kNoOffset; }
};

// One picture of a leader's log.
struct JournalReadOutcome {
  ErrorCode error = ErrorCode::NONE;
  std::string error_message;
  Bytes batches;  // whole batches below the high watermark; may be empty
  Offset log_start_offset;
  Offset high_watermark;
  Offset log_end_offset;
};

// One leadership (leader epoch) of one partition: when the epoch ends, every
// call fails. Implemented over Partition (partition_journal.h) and by the
// tests' fake. Thread-safe. Callbacks come exactly once, on any thread, also
// before the call returns.
class JournalPartition {
 public:
  virtual ~JournalPartition() = default;

  // Appends one batch for all in-sync replicas. `done` with NONE: the high
  // watermark has passed it. Batches are appended in the order of the calls.
  virtual void Append(Bytes batch,
                      std::function<void(JournalAppendOutcome)> done) = 0;

  // Reads whole batches from `from` on, at least one when there is one below
  // the high watermark; the first may begin before `from`. May read the disk.
  virtual JournalReadOutcome Read(Offset from, int32_t max_bytes) = 0;

  // `done(true)` when the high watermark is greater than `offset`,
  // `done(false)` when the leadership ended before.
  virtual void AwaitHighWatermark(Offset offset,
                                  std::function<void(bool reached)> done) = 0;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_JOURNAL_JOURNAL_PARTITION_H_
