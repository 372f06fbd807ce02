// What can be set about one partition's log.
#ifndef SILLOK_BROKER_LOG_LOG_OPTIONS_H_
#define SILLOK_BROKER_LOG_LOG_OPTIONS_H_

#include <cstdint>
#include <limits>
#include <optional>

#include "proto/record/record_batch.h"

namespace sillok {

// Kafka's defaults; in brackets the topic's key, then the broker's.
struct LogOptions {
  // [segment.bytes, log.segment.bytes]
  int64_t segment_bytes = int64_t{1} << 30;
  // [segment.ms, log.roll.ms]
  int64_t segment_ms = 604'800'000;
  // [segment.jitter.ms, log.roll.jitter.ms] Each segment rolls up to this much
  // earlier (by a hash of its base offset), so that not all roll at once.
  int64_t segment_jitter_ms = 0;
  // [index.interval.bytes, log.index.interval.bytes]
  int64_t index_interval_bytes = 4096;
  // [segment.index.bytes, log.index.size.max.bytes]
  int64_t segment_index_bytes = int64_t{10} << 20;
  // [max.message.bytes, message.max.bytes]
  int32_t max_message_bytes = 1'048'588;
  // [retention.ms, log.retention.ms] -1 = for ever.
  int64_t retention_ms = 604'800'000;
  // [retention.bytes, log.retention.bytes] -1 = no limit.
  int64_t retention_bytes = -1;
  // [cleanup.policy] contains "delete" / "compact".
  bool cleanup_delete = true;
  bool cleanup_compact = false;
  // [message.timestamp.type]
  record::TimestampType timestamp_type = record::TimestampType::kCreateTime;
  // [message.timestamp.before.max.ms, message.timestamp.after.max.ms] How far
  // a record's time may lie from the broker's. Kafka 3.9: no bound.
  int64_t timestamp_before_max_ms = std::numeric_limits<int64_t>::max();
  int64_t timestamp_after_max_ms = std::numeric_limits<int64_t>::max();
  // [compression.type] Unset ("producer"): batches are kept as they come.
  // Set: a batch in another codec is compressed anew.
  std::optional<record::Codec> compression_type;
  // [flush.messages, flush.ms] Who flushes is the owner's business: these are
  // carried for it. The log itself never syncs inside Append.
  int64_t flush_messages = std::numeric_limits<int64_t>::max();
  int64_t flush_ms = std::numeric_limits<int64_t>::max();
  // [log.record.validation] kStrict walks every record of every batch that a
  // client sends, decompressing if need be, so that no consumer ever meets a
  // record it cannot read. kHeader trusts what the CRC covers, except where a
  // rule needs the records (compacted topics, timestamp bounds).
  enum class Validation { kStrict, kHeader };
  Validation validation = Validation::kStrict;
  // Bounds of that decompression.
  record::DecompressLimits decompress_limits;
  // [producer.id.expiration.ms]
  int64_t producer_id_expiration_ms = 86'400'000;
  // [max.producer.ids.per.partition] Above it, the one idle longest goes.
  int32_t max_producer_ids = 100'000;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_LOG_OPTIONS_H_
