// The log as readers see it: an immutable snapshot, published by the appender.
//
// A view is taken from PartitionLog::view() and may be kept as long as one
// likes; every const member may be called from any thread, at the same time,
// and never waits for the appender. Segments deleted meanwhile stay readable
// through a view that has them.
#ifndef SILLOK_BROKER_LOG_LOG_VIEW_H_
#define SILLOK_BROKER_LOG_LOG_VIEW_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "broker/log/append_only_vector.h"
#include "broker/log/file_system.h"
#include "broker/log/leader_epochs.h"

namespace sillok {

class BatchScanner;
class Segment;

// Bytes that lie in a file: whole batches. `file` keeps them readable.
struct FileRange {
  std::shared_ptr<const File> file;
  int64_t position = 0;
  int64_t length = 0;
};

// A transaction that was aborted: consumers in read_committed leave out this
// producer's records from `first_offset` to its abort marker.
struct AbortedTransaction {
  ProducerId producer_id;
  Offset first_offset;
  Offset last_offset;  // the marker's
  Offset last_stable_offset;
  friend bool operator==(const AbortedTransaction&,
                         const AbortedTransaction&) = default;
};

// From a transaction's first record to its marker.
struct EndedSpan {
  Offset first_offset;
  Offset marker_offset;
};

struct ReadOptions {
  int64_t max_bytes = 1 << 20;
  // Only batches wholly below this offset: the high watermark or last stable
  // offset for consumers, anything >= the end for followers.
  Offset upper_bound{std::numeric_limits<int64_t>::max()};
  // One batch is given although it is larger than max_bytes.
  bool at_least_one_batch = true;
};

// The answer is no (`error` OFFSET_OUT_OF_RANGE: below the start or above the
// end), or whole batches. The first one contains the offset asked for or, where
// there is a hole, follows it: it may begin before that offset. Empty ranges:
// nothing (yet) below the bound.
struct ReadResult {
  ErrorCode error = ErrorCode::NONE;
  std::vector<FileRange> ranges;  // never more than one segment today
  int64_t bytes = 0;
  Offset log_start;
  Offset log_end;
};

struct ReadBytesResult {
  ErrorCode error = ErrorCode::NONE;
  Bytes batches;
  Offset log_start;
  Offset log_end;
};

struct TimestampAndOffset {
  int64_t timestamp_ms = -1;
  Offset offset = kNoOffset;
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
};

class LogView {
 public:
  // First offset that may be read; may lie inside a segment (DeleteRecords).
  Offset start_offset() const { return start_offset_; }
  // One past the last record (LEO).
  Offset end_offset() const { return end_offset_; }
  // Bytes of all segments' logs.
  int64_t size_bytes() const { return older_bytes_ + active_bytes_; }
  size_t segment_count() const { return segments_->size(); }
  // Largest record timestamp of the log and the last offset of the batch that
  // has it; -1 when there is none.
  const TimestampAndOffset& max_timestamp() const { return max_timestamp_; }

  // Status errors: the disk failed, or what it holds is no log any more.
  absl::StatusOr<ReadResult> Read(Offset offset,
                                  const ReadOptions& options) const;
  // As Read, with the bytes themselves in one buffer of their own.
  absl::StatusOr<ReadBytesResult> ReadBytes(Offset offset,
                                            const ReadOptions& options) const;
  // The first record at or above the log's start whose timestamp is at least
  // `timestamp_ms`, among batches below `upper_bound`; empty when none is.
  absl::StatusOr<std::optional<TimestampAndOffset>> OffsetForTimestamp(
      int64_t timestamp_ms,
      Offset upper_bound = Offset(std::numeric_limits<int64_t>::max())) const;

  // Where `epoch` ends here (LeaderEpochs::EndOffsetFor).
  EpochEndOffset EndOffsetForEpoch(LeaderEpoch epoch) const {
    return epochs_->EndOffsetFor(epoch, end_offset_);
  }
  std::optional<LeaderEpoch> latest_epoch() const;
  const LeaderEpochs& epochs() const { return *epochs_; }
  // The aborted transactions that a read_committed consumer needs with the
  // records [from, to).
  std::vector<AbortedTransaction> AbortedTransactions(Offset from,
                                                      Offset to) const;
  // First offset of the earliest transaction still open; empty: none is.
  std::optional<Offset> first_open_transaction() const {
    return first_open_transaction_;
  }
  // Where read_committed ends: at the high watermark, or before the earliest
  // transaction that is open or whose marker is not below the high watermark.
  Offset LastStableOffset(Offset high_watermark) const;

 private:
  friend class PartitionLog;
  friend struct LogViewMaker;
  using Segments = std::vector<std::shared_ptr<const Segment>>;

  LogView() = default;
  // The last segment that begins at or before `offset`.
  size_t FindSegment(Offset offset) const;
  // How many bytes of segment `i` belong to this view.
  int64_t SegmentBytes(size_t i) const;
  // One past the last offset that segment `i` may hold.
  Offset SegmentEnd(size_t i) const;
  // A part of one segment: where the asked batch is, and where to stop.
  struct Place {
    const Segment* segment = nullptr;  // null: nothing to read
    int64_t start = 0;                 // a batch boundary at or before it
    int64_t limit = 0;  // no batch that may be read begins at or after this
    int64_t bytes = 0;  // of the segment in this view
  };
  // `scanner` is left at the batch that begins there.
  absl::StatusOr<Place> Locate(Offset offset, Offset upper_bound,
                               std::optional<BatchScanner>* scanner) const;
  // What a reader that follows the log's end is given without a look at the
  // file: exactly what was appended last. False: it takes a look.
  bool ReadTail(Offset offset, Offset bound, const ReadOptions& options,
                ReadResult* result) const;
  // An error met while reading: told as it is, or as UNAVAILABLE when the log
  // was cut meanwhile, which explains it.
  absl::Status Explain(const absl::Status& error, const Segment& segment) const;
  bool Stale() const;

  Offset start_offset_;
  Offset end_offset_;
  int64_t older_bytes_ = 0;   // all segments but the last
  int64_t active_bytes_ = 0;  // the last segment's part that is published
  // What the last append wrote: from this offset and position on, in the last
  // segment, there is nothing else. Empty: not known.
  std::optional<Offset> tail_offset_;
  int64_t tail_position_ = 0;
  std::shared_ptr<const Segments> segments_;
  std::shared_ptr<const LeaderEpochs> epochs_;
  TimestampAndOffset max_timestamp_;
  std::shared_ptr<const AppendOnlyVector<AbortedTransaction>> aborted_;
  size_t aborted_count_ = 0;
  // Transactions that ended lately, in order of their markers.
  std::shared_ptr<const std::vector<EndedSpan>> ended_;
  std::optional<Offset> first_open_transaction_;
  // Raised by every truncation; a reader compares it after reading.
  std::shared_ptr<const std::atomic<uint64_t>> generation_now_;
  uint64_t generation_ = 0;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_LOG_VIEW_H_
