// Checks the records of a batch where they lie: over pieces of memory and
// through a decompressor, without making the batch one string.
#ifndef SILLOK_PROTO_RECORD_RECORD_WALKER_H_
#define SILLOK_PROTO_RECORD_RECORD_WALKER_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "proto/record/record_batch.h"

namespace sillok::record {

// What a check wants to know of a record; the payload is stepped over.
struct RecordMeta {
  int32_t index = 0;
  int32_t offset_delta = 0;
  int64_t timestamp_delta = 0;
  bool has_key = false;
};

// What a check wants to know of all records of a batch together.
struct RecordSummary {
  bool offsets_in_order = true;  // each offset delta is the record's index
  bool all_have_keys = true;
  // Of the records' times (base + delta, wrapping as int64 does). The latest
  // is kNoTimestamp of an empty batch; the earliest leaves out records that
  // say kNoTimestamp.
  int64_t latest_timestamp = kNoTimestamp;
  int64_t earliest_timestamp = std::numeric_limits<int64_t>::max();

  bool has_earliest() const {
    return earliest_timestamp != std::numeric_limits<int64_t>::max();
  }
  void Add(int32_t index, int32_t offset_delta, int64_t timestamp,
           bool has_key) {
    offsets_in_order &= offset_delta == index;
    all_have_keys &= has_key;
    latest_timestamp = std::max(latest_timestamp, timestamp);
    if (timestamp != kNoTimestamp) {
      earliest_timestamp = std::min(earliest_timestamp, timestamp);
    }
  }
};

// Goes through the records of one batch and finds out whether every one of
// them can be read. Not thread-safe; `batch` must outlive the walker.
class RecordWalker {
 public:
  // `batch` is the whole batch, `header` its header.
  RecordWalker(const BatchHeader& header, const Bytes& batch,
               const DecompressLimits& limits = {});

  // False at the end, or where the records are not what the header says.
  bool Next(RecordMeta* meta);
  // All of them (of a fresh walker), with the same checks, in half of the time
  // or less; false where Next would stop on an error.
  bool Summarize(RecordSummary* summary);
  // INVALID_RECORD for a record that cannot be read or a count that differs;
  // else as Decompressor.
  const absl::Status& status() const { return status_; }

 private:
  bool Fill();
  void SummarizeRun(RecordSummary* summary);
  bool NextInChunk(RecordMeta* meta);
  bool NextAcrossChunks(RecordMeta* meta);
  bool GetByte(uint8_t* byte);
  bool GetVarint(int64_t* value);
  bool GetLength(int64_t* value);
  bool Skip(int64_t count);
  bool Fail(std::string_view what);

  const BatchHeader header_;
  const Bytes& batch_;
  std::unique_ptr<Decompressor> decompressor_;  // null: not compressed
  size_t next_piece_ = 0;
  size_t skip_ = kBatchHeaderBytes;  // of the pieces still to come
  std::string_view chunk_;
  int64_t record_left_ = 0;  // NextAcrossChunks: bytes left of the record
  int32_t walked_ = 0;
  absl::Status status_;
};

}  // namespace sillok::record

#endif  // SILLOK_PROTO_RECORD_RECORD_WALKER_H_
