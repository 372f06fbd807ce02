// What a log knows of the producers that wrote to it: by it retries are found,
// gaps refused, and open transactions known. Pure.
//
// Rules: docs/format/log-segment.md (producer snapshots) and Kafka's idempotent
// producer; the last five batches of a producer are remembered, which is why a
// producer may have five requests in flight.
#ifndef SILLOK_BROKER_LOG_PRODUCER_STATES_H_
#define SILLOK_BROKER_LOG_PRODUCER_STATES_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "base/error.h"
#include "base/ids.h"
#include "proto/record/record_batch.h"

namespace sillok {

struct ProducerBatch {
  int32_t last_sequence = -1;
  int32_t offset_delta = 0;
  Offset last_offset = kNoOffset;
  int64_t timestamp_ms = -1;

  Offset base_offset() const { return last_offset - offset_delta; }
  int32_t first_sequence() const;
};

struct ProducerState {
  static constexpr size_t kWindow = 5;

  int16_t epoch = -1;
  // The last batches, oldest first.
  std::array<ProducerBatch, kWindow> batches;
  size_t batch_count = 0;
  int32_t coordinator_epoch = -1;
  int64_t last_timestamp_ms = -1;
  // The broker's time when it last wrote: what expiry goes by, since records
  // may carry any time.
  int64_t seen_ms = 0;
  std::optional<Offset> open_transaction;  // its first offset

  const ProducerBatch* last() const {
    return batch_count == 0 ? nullptr : &batches[batch_count - 1];
  }
};

// A transaction that its marker ended.
struct EndedTransaction {
  ProducerId producer_id;
  Offset first_offset;
  Offset marker_offset;
  bool aborted = false;
};

class ProducerStates {
 public:
  struct Verdict {
    ErrorCode error = ErrorCode::NONE;
    std::string message;
    // Set: the batch is in the log already, here.
    std::optional<ProducerBatch> duplicate;
  };

  // May this batch be appended? Batches without a producer id always may.
  Verdict Check(const record::BatchHeader& batch) const;
  // The same for a batch that this broker made (a transaction's offsets): those
  // have no sequence, only the epoch counts.
  Verdict CheckFromCoordinator(const record::BatchHeader& batch) const;
  // The same for a transaction marker.
  Verdict CheckMarker(const record::BatchHeader& batch,
                      const record::ControlRecord& marker) const;

  // `batch` (with its offsets) was appended. Takes any: what a leader has
  // accepted, a follower and a recovery take over.
  void Append(const record::BatchHeader& batch, int64_t now_ms);
  // A marker was appended; what it ended, if a transaction was open.
  std::optional<EndedTransaction> AppendMarker(
      const record::BatchHeader& batch, const record::ControlRecord& marker,
      int64_t now_ms);

  // First offset of the earliest open transaction.
  std::optional<Offset> first_open_transaction() const;
  // Forgets who has been idle for longer and has no open transaction.
  void Expire(int64_t now_ms, int64_t expiration_ms);
  // Forgets the longest idle ones beyond `count` (in bulk, a tenth more).
  void Limit(size_t count);
  void Clear();

  size_t size() const { return producers_.size(); }
  const std::unordered_map<int64_t, ProducerState>& producers() const {
    return producers_;
  }

  // The bytes of a `.snapshot` file: Kafka's format, which has the last batch of
  // each producer, and behind it, where Kafka does not look, the batches before
  // that one, so that a retry of any of them is known after a restart too.
  std::string Encode() const;
  // Takes both, with and without the part behind.
  static absl::StatusOr<ProducerStates> Decode(std::string_view bytes,
                                               int64_t now_ms);

 private:
  absl::Status DecodeWindows(std::string_view bytes);
  void SetOpenTransaction(int64_t producer_id, ProducerState* producer,
                          std::optional<Offset> first);

  std::unordered_map<int64_t, ProducerState> producers_;
  std::map<Offset, int64_t> open_;  // first offset -> producer
};

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_PRODUCER_STATES_H_
