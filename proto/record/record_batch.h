// Reading and building Kafka v2 record batches, the one form in which records
// travel and rest: producer -> log -> follower -> consumer.
//
// The bytes are described in docs/format/record-batch.md. Everything here works
// on memory alone; nothing is thread-safe beyond const use of immutable data.
#ifndef SILLOK_PROTO_RECORD_RECORD_BATCH_H_
#define SILLOK_PROTO_RECORD_RECORD_BATCH_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "proto/record/codec.h"
#include "proto/record/compression.h"

namespace sillok::record {

inline constexpr size_t kBatchHeaderBytes = 61;
// baseOffset and batchLength: what batchLength does not count.
inline constexpr size_t kBatchOverheadBytes = 12;
// What lies before the magic and outside the CRC: the leader writes it anew.
inline constexpr size_t kBatchPrefixBytes = 16;
// Where the bytes begin that the CRC covers (the attributes).
inline constexpr size_t kBatchCrcStart = 21;
inline constexpr int8_t kMagicV2 = 2;
inline constexpr int64_t kNoTimestamp = -1;

enum class TimestampType { kCreateTime, kLogAppendTime };

// The attribute bits.
inline constexpr int16_t kCodecMask = 0x07;
inline constexpr int16_t kLogAppendTimeBit = 0x08;
inline constexpr int16_t kTransactionalBit = 0x10;
inline constexpr int16_t kControlBit = 0x20;
inline constexpr int16_t kDeleteHorizonBit = 0x40;

// The 61 bytes as fields. Holds whatever the bytes say: only BatchSize and the
// checks below tell whether it makes sense.
struct BatchHeader {
  int64_t base_offset = 0;
  int32_t batch_length = 0;  // bytes after this field
  int32_t partition_leader_epoch = -1;
  int8_t magic = kMagicV2;
  uint32_t crc = 0;
  int16_t attributes = 0;
  int32_t last_offset_delta = 0;
  int64_t base_timestamp = kNoTimestamp;
  int64_t max_timestamp = kNoTimestamp;
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;
  int32_t base_sequence = -1;
  int32_t records_count = 0;

  Offset first_offset() const { return Offset(base_offset); }
  Offset last_offset() const {
    return Offset(base_offset + last_offset_delta);
  }
  Offset next_offset() const { return last_offset() + 1; }
  LeaderEpoch leader_epoch() const {
    return LeaderEpoch(partition_leader_epoch);
  }
  // The whole batch in bytes. Wider than batch_length, so that no length from
  // outside overflows.
  int64_t size_bytes() const {
    return int64_t{batch_length} + int64_t{kBatchOverheadBytes};
  }
  Codec codec() const { return static_cast<Codec>(attributes & kCodecMask); }
  TimestampType timestamp_type() const {
    return (attributes & kLogAppendTimeBit) != 0 ? TimestampType::kLogAppendTime
                                                 : TimestampType::kCreateTime;
  }
  bool is_transactional() const {
    return (attributes & kTransactionalBit) != 0;
  }
  bool is_control() const { return (attributes & kControlBit) != 0; }
  bool has_delete_horizon() const {
    return (attributes & kDeleteHorizonBit) != 0;
  }
  bool has_producer_id() const { return producer_id >= 0; }
  // The sequence of the last record; -1 without one. Wraps to 0 after 2^31-1.
  int32_t last_sequence() const;
};

// `bytes` holds at least kBatchHeaderBytes.
BatchHeader ParseBatchHeader(const char* bytes);
void EncodeBatchHeader(const BatchHeader& header, char* out);

// Whether `header` can be the start of a batch at all: magic 2, a length that
// holds a header, no negative count or delta. CORRUPT_MESSAGE or
// UNSUPPORTED_FOR_MESSAGE_FORMAT (magic 0 and 1) else.
absl::Status CheckBatchHeader(const BatchHeader& header);

// The CRC the whole batch [0, header.size_bytes()) of `batch` should carry.
uint32_t BatchCrc(std::string_view batch);
uint32_t BatchCrc(const Bytes& batch);

// Header-only walk over the batches that lie one after another in `bytes`
// (no payload is read or copied, and no CRC checked). Stops at the end, at a
// batch that is cut short, or at bytes that are no batch.
class BatchWalker {
 public:
  // Keeps a reference: `bytes` must outlive the walker.
  explicit BatchWalker(const Bytes& bytes) : bytes_(bytes) {}

  // Moves to the next whole batch; false when there is none.
  bool Next();
  const BatchHeader& header() const { return header_; }
  // Where the current batch starts in the bytes, and its part of them.
  size_t position() const { return position_; }
  Bytes batch() const;
  // After Next() was false: how many bytes were whole batches, and whether
  // what follows is no batch (rather than the end or a batch cut short).
  size_t walked() const { return next_; }
  const absl::Status& status() const { return status_; }

 private:
  const Bytes& bytes_;
  BatchHeader header_;
  size_t position_ = 0;
  size_t next_ = 0;
  absl::Status status_;
};

struct RecordHeader {
  std::string_view key;
  std::optional<std::string_view> value;  // empty optional = null
};

// One record, pointing into its batch's bytes.
struct RecordView {
  Offset offset;
  int64_t timestamp_ms = kNoTimestamp;  // the batch's for LogAppendTime
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  int32_t header_count = 0;
  std::string_view header_bytes;  // still encoded; already checked

  std::vector<RecordHeader> headers() const;
};

// Reads the records of one batch, in order. The views stay valid as long as
// the reader (for a compressed batch) and the bytes given (otherwise) live.
class BatchReader {
 public:
  // `batch` starts with a whole batch. Checks header and CRC (unless told
  // that it was done) and decompresses. Errors as of CheckBatchHeader and
  // Decompressor; CORRUPT_MESSAGE for a CRC that differs.
  static absl::StatusOr<BatchReader> Open(
      std::string_view batch, bool check_crc = true,
      const DecompressLimits& limits = {});
  BatchReader(BatchReader&&) = default;
  BatchReader& operator=(BatchReader&&) = default;

  const BatchHeader& header() const { return header_; }
  // False at the end or at a damaged record; status() tells which.
  bool Next(RecordView* record);
  const absl::Status& status() const { return status_; }

 private:
  BatchReader() = default;

  BatchHeader header_;
  std::unique_ptr<std::string> decompressed_;
  const char* next_ = nullptr;
  const char* end_ = nullptr;
  int32_t read_ = 0;
  absl::Status status_;
};

// Parses one record at [p, end). Returns the byte after it, null when it is
// damaged or cut short. For readers of their own loops; BatchReader is easier.
const char* ParseRecord(const char* p, const char* end,
                        const BatchHeader& header, RecordView* record);

struct BatchOptions {
  Codec codec = Codec::kNone;
  int level = kDefaultLevel;
  ProducerId producer_id = kNoProducerId;
  ProducerEpoch producer_epoch{-1};
  int32_t base_sequence = -1;
  bool transactional = false;
  bool control = false;
  // What the leader will write over; zero and -1 in a produced batch.
  Offset base_offset{0};
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  TimestampType timestamp_type = TimestampType::kCreateTime;
  // For LogAppendTime: the time that max_timestamp shall hold.
  int64_t log_append_time_ms = kNoTimestamp;
  // Set: the delete horizon, kept in the base timestamp (compaction).
  std::optional<int64_t> delete_horizon_ms;
};

// Builds one batch. Not thread-safe; Reset makes it new and keeps its memory.
class BatchBuilder {
 public:
  explicit BatchBuilder(const BatchOptions& options = {});
  void Reset(const BatchOptions& options);

  // Appends the record with the next offset delta.
  void Append(int64_t timestamp_ms, std::optional<std::string_view> key,
              std::optional<std::string_view> value,
              const std::vector<RecordHeader>& headers = {});
  // The same with a delta of its own, above the last one (compacted batches).
  void AppendAt(int32_t offset_delta, int64_t timestamp_ms,
                std::optional<std::string_view> key,
                std::optional<std::string_view> value,
                const std::vector<RecordHeader>& headers = {});
  // What a record adds at most, uncompressed, to the size of the batch.
  static size_t RecordSizeBound(std::optional<std::string_view> key,
                                std::optional<std::string_view> value,
                                const std::vector<RecordHeader>& headers = {});

  int32_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  // Size of the batch without compression.
  size_t size_bytes() const { return buffer_.size(); }
  int64_t max_timestamp() const { return max_timestamp_; }

  // Producer state is often known only when the batch is sent.
  void SetProducer(ProducerId id, ProducerEpoch epoch, int32_t base_sequence,
                   bool transactional);

  // The finished batch. The builder is empty afterwards (as after Reset with
  // the same options). Fails as Compress does; keep a record in it first.
  absl::StatusOr<std::string> Build();

 private:
  BatchOptions options_;
  std::string buffer_;  // room for the header, then the records
  std::string record_;  // scratch
  int32_t count_ = 0;
  int32_t last_offset_delta_ = -1;
  int64_t base_timestamp_ = kNoTimestamp;
  int64_t max_timestamp_ = kNoTimestamp;
};

// --- Batches that are at rest elsewhere ------------------------------------

// Writes baseOffset and partitionLeaderEpoch into a header's bytes, nothing
// else: both are outside the CRC.
void PokeOffsetAndEpoch(char* header_bytes, Offset base_offset,
                        LeaderEpoch leader_epoch);

// Sets timestamp type and max timestamp of `header` and derives its CRC from
// the old one and the batch's size, without the payload.
void SetTimestamps(TimestampType type, int64_t max_timestamp_ms,
                   BatchHeader* header);

// The one record of a transaction marker (control batch).
enum class ControlType : int16_t { kAbort = 0, kCommit = 1 };
struct ControlRecord {
  ControlType type = ControlType::kAbort;
  int32_t coordinator_epoch = 0;
};
// Null when it is no transaction marker.
std::optional<ControlRecord> ParseControlRecord(const RecordView& record);
// A whole control batch with one marker.
std::string BuildControlBatch(const ControlRecord& marker, ProducerId id,
                              ProducerEpoch epoch, int64_t timestamp_ms);

}  // namespace sillok::record

#endif  // SILLOK_PROTO_RECORD_RECORD_BATCH_H_
