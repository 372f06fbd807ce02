// Producer: sends records to topics, in batches, in the background.
//
//   auto producer = Producer::Create(config);          // StatusOr
//   (*producer)->Send({.topic = "orders", .key = "u17", .value = "..."},
//                     [](const absl::Status& s, const RecordMetadata& m) {...});
//   (*producer)->Flush(absl::Seconds(10));
//
// Thread-safe. Records of one partition keep the order of their Send calls, and
// each is in the log once, whatever has to be sent again (enable.idempotence,
// config.h; without it a record whose answer was lost may be there twice, or in
// another order). When a record's final Status is an error, it may or may not be
// in the log, unless the code says that it was refused (MESSAGE_TOO_LARGE,
// INVALID_RECORD, ...); those behind it go on in order.
#ifndef SILLOK_CLIENT_PRODUCER_H_
#define SILLOK_CLIENT_PRODUCER_H_

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/config.h"

namespace sillok::client {

struct RecordHeaderView {
  std::string_view key;
  std::optional<std::string_view> value;  // nullopt = null
};

// The views need to live only until Send returns: the bytes are copied, once,
// into the batch that goes to the broker.
struct ProducerRecord {
  std::string_view topic;
  std::optional<int32_t> partition;       // else the partitioner chooses
  std::optional<std::string_view> key;    // nullopt = null
  std::optional<std::string_view> value;  // nullopt = null (a tombstone)
  std::vector<RecordHeaderView> headers;
  std::optional<int64_t> timestamp_ms;  // Unix time; else now
};

struct RecordMetadata {
  int32_t partition = -1;
  int64_t offset = -1;        // -1 with acks=0 or on error
  int64_t timestamp_ms = -1;  // the record's, or the broker's append time
};

// Runs on the producer's own thread: keep it short, and do not call Flush or
// Close in it. Send is allowed, but fails instead of blocking when the buffer
// is full. `metadata.partition` is set on errors too, where it was known.
using SendCallback =
    std::function<void(const absl::Status&, const RecordMetadata&)>;

struct ProducerStats {
  uint64_t records_sent = 0;    // acknowledged
  uint64_t records_failed = 0;  // given up
  uint64_t batches_sent = 0;
  uint64_t bytes_sent = 0;  // of batches, after compression
  uint64_t retries = 0;
  uint64_t buffered_bytes = 0;
  uint64_t requests_sent = 0;
};

class Producer {
 public:
  // Starts the background thread; does not wait for the cluster. Fails on a
  // configuration that makes no sense.
  static absl::StatusOr<std::unique_ptr<Producer>> Create(
      ProducerConfig config);
  // Close with no time to wait.
  virtual ~Producer() = default;

  // Queues the record. Blocks at most max.block.ms, while the topic's partitions
  // are unknown or the buffer is full. Every call leads to exactly one callback
  // (also when it fails at once, then before Send returns); a null callback is
  // fine. The returned Status is that immediate failure, or OK: queued.
  virtual absl::Status Send(const ProducerRecord& record,
                            SendCallback callback) = 0;
  std::future<absl::StatusOr<RecordMetadata>> Send(
      const ProducerRecord& record);

  // Sends what is queued without waiting for linger.ms, and waits until every
  // record sent before the call has its final answer. REQUEST_TIMED_OUT when
  // that takes longer; the records stay queued.
  virtual absl::Status Flush(absl::Duration timeout) = 0;
  // Flush, then stop; what is not answered by then fails with
  // REQUEST_TIMED_OUT. Send afterwards fails. Idempotent.
  virtual absl::Status Close(absl::Duration timeout) = 0;

  // How many partitions `topic` has; asks the cluster when it is not known yet
  // (up to max.block.ms).
  virtual absl::StatusOr<int> PartitionCount(std::string_view topic) = 0;
  virtual ProducerStats Stats() const = 0;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_PRODUCER_H_
