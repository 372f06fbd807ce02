#include "broker/log/batch_validator.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "proto/record/crc.h"
#include "proto/record/record_walker.h"

namespace sillok {
namespace {

using record::BatchHeader;
using record::Codec;
using record::TimestampType;

constexpr size_t kMaxRecordErrors = 100;

void Refuse(BatchVerdict* verdict, ErrorCode error, std::string message) {
  verdict->error = error;
  verdict->message = std::move(message);
}

// The header as far as it can be judged before the CRC vouches for it.
void CheckFraming(const Bytes& batch, const LogOptions& options,
                  BatchVerdict* verdict) {
  const BatchHeader& header = verdict->header;
  constexpr int32_t kLeast =
      record::kBatchHeaderBytes - record::kBatchOverheadBytes;
  if (header.batch_length < kLeast) {
    return Refuse(verdict, ErrorCode::CORRUPT_MESSAGE,
                  fmt::format("batch length {} is less than a header's {}",
                              header.batch_length, kLeast));
  }
  if (header.size_bytes() > std::numeric_limits<int32_t>::max()) {
    return Refuse(verdict, ErrorCode::CORRUPT_MESSAGE,
                  fmt::format("batch length {} is not possible",
                              header.batch_length));
  }
  if (header.size_bytes() > static_cast<int64_t>(batch.size())) {
    return Refuse(verdict, ErrorCode::INVALID_RECORD,
                  fmt::format("the batch says {} bytes, {} were sent",
                              header.size_bytes(), batch.size()));
  }
  if (header.magic == 0 || header.magic == 1) {
    return Refuse(verdict, ErrorCode::INVALID_RECORD,
                  fmt::format("record format (magic) {}: only 2 is kept",
                              header.magic));
  }
  if (header.magic != record::kMagicV2) {
    return Refuse(verdict, ErrorCode::CORRUPT_MESSAGE,
                  fmt::format("invalid magic {} in a batch", header.magic));
  }
  if (header.base_offset != 0) {
    return Refuse(verdict, ErrorCode::INVALID_RECORD,
                  fmt::format("base offset {}: a producer sends 0",
                              header.base_offset));
  }
  if (header.size_bytes() > options.max_message_bytes) {
    return Refuse(verdict, ErrorCode::MESSAGE_TOO_LARGE,
                  fmt::format("batch of {} bytes, max.message.bytes is {}",
                              header.size_bytes(), options.max_message_bytes));
  }
}

void CheckCrc(const Bytes& batch, BatchVerdict* verdict) {
  const auto size = static_cast<size_t>(verdict->header.size_bytes());
  const uint32_t crc = size == batch.size()
                           ? record::BatchCrc(batch)
                           : record::BatchCrc(batch.Sub(0, size));
  if (crc != verdict->header.crc) {
    return Refuse(verdict, ErrorCode::CORRUPT_MESSAGE,
                  fmt::format("CRC is {:#010x}, the batch says {:#010x}", crc,
                              verdict->header.crc));
  }
  if (size != batch.size()) {
    Refuse(verdict, ErrorCode::INVALID_RECORD,
           fmt::format("{} bytes follow the batch: one batch per partition",
                       batch.size() - size));
  }
}

void CheckFields(const AppendOptions& append, BatchVerdict* verdict) {
  const BatchHeader& header = verdict->header;
  if (header.records_count <= 0 ||
      header.last_offset_delta != header.records_count - 1) {
    return Refuse(verdict, ErrorCode::INVALID_RECORD,
                  fmt::format("{} records and last offset delta {}",
                              header.records_count, header.last_offset_delta));
  }
  if (header.is_control()) {
    return Refuse(verdict, ErrorCode::INVALID_RECORD,
                  "clients may not write control batches");
  }
  if (header.has_producer_id() && header.base_sequence < 0) {
    return Refuse(verdict, ErrorCode::INVALID_RECORD,
                  fmt::format("producer id {} with sequence {}",
                              header.producer_id, header.base_sequence));
  }
  if (header.is_transactional() && !append.transactions_allowed) {
    return Refuse(verdict, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
                  "the batch is transactional: transactions are not supported");
  }
  if (header.is_transactional() && !header.has_producer_id()) {
    return Refuse(verdict, ErrorCode::INVALID_RECORD,
                  "transactional batch without a producer id");
  }
  if (!record::IsKnownCodec(header.codec())) {
    return Refuse(verdict, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
                  fmt::format("unknown compression codec {}",
                              static_cast<int>(header.codec())));
  }
  if (header.codec() == Codec::kZstd && !append.zstd_allowed) {
    Refuse(verdict, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE,
           "zstd needs Produce version 7 or later");
  }
}

// The window of times that the topic takes; unbounded sides do not overflow.
struct TimeWindow {
  TimeWindow(const LogOptions& options, int64_t now_ms) {
    if (options.timestamp_type != TimestampType::kCreateTime) return;
    if (options.timestamp_before_max_ms < now_ms) {
      earliest = now_ms - options.timestamp_before_max_ms;
    }
    if (options.timestamp_after_max_ms <
        std::numeric_limits<int64_t>::max() - now_ms) {
      latest = now_ms + options.timestamp_after_max_ms;
    }
  }
  bool bounded() const {
    return earliest != std::numeric_limits<int64_t>::min() ||
           latest != std::numeric_limits<int64_t>::max();
  }
  bool Holds(int64_t timestamp) const {
    return timestamp == record::kNoTimestamp ||
           (timestamp >= earliest && timestamp <= latest);
  }

  int64_t earliest = std::numeric_limits<int64_t>::min();
  int64_t latest = std::numeric_limits<int64_t>::max();
};

void AddRecordError(BatchVerdict* verdict, ErrorCode error, int32_t index,
                    std::string message) {
  if (verdict->error == ErrorCode::NONE) verdict->error = error;
  if (verdict->record_errors.size() < kMaxRecordErrors) {
    verdict->record_errors.push_back({index, std::move(message)});
  }
}

// The usual case, a good batch: `max_timestamp` gets the latest time in it.
// False when something is wrong with it.
bool AllRecordsGood(const Bytes& batch, const LogOptions& options,
                    const TimeWindow& window, const BatchHeader& header,
                    int64_t* max_timestamp) {
  record::RecordWalker walker(header, batch, options.decompress_limits);
  record::RecordSummary all;
  if (!walker.Summarize(&all) || !all.offsets_in_order) return false;
  if (options.cleanup_compact && !all.all_have_keys) return false;
  *max_timestamp = all.latest_timestamp;
  return window.Holds(all.latest_timestamp) &&
         (!all.has_earliest() || window.Holds(all.earliest_timestamp));
}

// Walks the records; `max_timestamp` gets the largest of them.
void CheckRecords(const Bytes& batch, const TopicPartition& partition,
                  const LogOptions& options, const TimeWindow& window,
                  BatchVerdict* verdict, int64_t* max_timestamp) {
  if (AllRecordsGood(batch, options, window, verdict->header,
                     max_timestamp)) {
    return;
  }
  // Once more, one by one, to say which and why.
  record::RecordWalker walker(verdict->header, batch,
                              options.decompress_limits);
  record::RecordMeta meta;
  *max_timestamp = record::kNoTimestamp;
  while (walker.Next(&meta)) {
    const auto timestamp = static_cast<int64_t>(
        static_cast<uint64_t>(verdict->header.base_timestamp) +
        static_cast<uint64_t>(meta.timestamp_delta));
    *max_timestamp = std::max(*max_timestamp, timestamp);
    if (meta.offset_delta != meta.index) {
      return Refuse(verdict, ErrorCode::INVALID_RECORD,
                    fmt::format("record {} has offset delta {}", meta.index,
                                meta.offset_delta));
    }
    if (options.cleanup_compact && !meta.has_key) {
      AddRecordError(verdict, ErrorCode::INVALID_RECORD, meta.index,
                     fmt::format("a compacted topic takes no record without a "
                                 "key (partition {})",
                                 partition.ToString()));
    } else if (!window.Holds(timestamp)) {
      AddRecordError(
          verdict, ErrorCode::INVALID_TIMESTAMP, meta.index,
          fmt::format("timestamp {} is outside what the topic takes: {} to {}",
                      timestamp, window.earliest, window.latest));
    }
  }
  if (!walker.status().ok()) {
    return Refuse(verdict, ErrorCodeOf(walker.status()),
                  std::string(walker.status().message()));
  }
  if (!verdict->ok()) {
    verdict->message = fmt::format(
        "{} of {} records were refused; the first: {}",
        verdict->record_errors.size(), verdict->header.records_count,
        verdict->record_errors.front().message);
  }
}

}  // namespace

BatchVerdict ValidateClientBatch(const Bytes& batch,
                                 const TopicPartition& partition,
                                 const LogOptions& options,
                                 const AppendOptions& append, int64_t now_ms) {
  BatchVerdict verdict;
  if (batch.empty()) {
    Refuse(&verdict, ErrorCode::INVALID_RECORD, "no batch was sent");
    return verdict;
  }
  if (batch.size() < record::kBatchHeaderBytes) {
    Refuse(&verdict, ErrorCode::CORRUPT_MESSAGE,
           fmt::format("{} bytes are less than a batch header", batch.size()));
    return verdict;
  }
  char head[record::kBatchHeaderBytes];
  batch.CopyTo(0, sizeof head, head);
  verdict.header = record::ParseBatchHeader(head);
  CheckFraming(batch, options, &verdict);
  if (verdict.ok()) CheckCrc(batch, &verdict);
  if (verdict.ok()) CheckFields(append, &verdict);
  if (!verdict.ok()) return verdict;

  int64_t max_timestamp = verdict.header.max_timestamp;
  const TimeWindow window(options, now_ms);
  if (options.validation == LogOptions::Validation::kStrict ||
      options.cleanup_compact || window.bounded()) {
    CheckRecords(batch, partition, options, window, &verdict, &max_timestamp);
    if (!verdict.ok()) return verdict;
  }
  if (options.timestamp_type == TimestampType::kLogAppendTime) {
    record::SetTimestamps(TimestampType::kLogAppendTime, now_ms,
                          &verdict.header);
  } else if (verdict.header.timestamp_type() != TimestampType::kCreateTime ||
             verdict.header.max_timestamp != max_timestamp) {
    record::SetTimestamps(TimestampType::kCreateTime, max_timestamp,
                          &verdict.header);
  }
  return verdict;
}

absl::StatusOr<Bytes> Recompress(const Bytes& batch, Codec codec,
                                 const record::DecompressLimits& limits,
                                 BatchHeader* header) {
  auto records = record::Decompress(
      header->codec(),
      batch.Sub(record::kBatchHeaderBytes,
                batch.size() - record::kBatchHeaderBytes),
      limits);
  if (!records.ok()) return records.status();
  auto compressed = record::Compress(codec, *records);
  if (!compressed.ok()) return compressed.status();
  header->attributes = static_cast<int16_t>(
      (header->attributes & ~record::kCodecMask) | static_cast<int>(codec));
  header->batch_length = static_cast<int32_t>(
      record::kBatchHeaderBytes - record::kBatchOverheadBytes +
      compressed->size());
  std::string whole(record::kBatchHeaderBytes, '\0');
  whole += *compressed;
  record::EncodeBatchHeader(*header, whole.data());
  header->crc = record::BatchCrc(whole);
  record::EncodeBatchHeader(*header, whole.data());
  return Bytes::FromString(std::move(whole));
}

}  // namespace sillok
