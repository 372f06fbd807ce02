// Whether a batch from a client may enter a log: pure.
//
// Kafka's checks and answers (test/golden/produce-answers.jsonl), except where
// Kafka's are plainly bad: lengths that overflow, unknown codecs and payloads
// that cannot be decompressed get CORRUPT_MESSAGE or
// UNSUPPORTED_COMPRESSION_TYPE instead of UNKNOWN_SERVER_ERROR.
#ifndef SILLOK_BROKER_LOG_BATCH_VALIDATOR_H_
#define SILLOK_BROKER_LOG_BATCH_VALIDATOR_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "broker/log/append_result.h"
#include "broker/log/log_options.h"
#include "proto/record/record_batch.h"

namespace sillok {

struct BatchVerdict {
  ErrorCode error = ErrorCode::NONE;
  std::string message;
  std::vector<RecordError> record_errors;
  // With the timestamps it is to be stored with and a CRC that fits them;
  // offset and epoch are still the client's.
  record::BatchHeader header;

  bool ok() const { return error == ErrorCode::NONE; }
};

// Judges the one batch that a client sent for `partition`. `now_ms` is the
// broker's time.
BatchVerdict ValidateClientBatch(const Bytes& batch,
                                 const TopicPartition& partition,
                                 const LogOptions& options,
                                 const AppendOptions& append, int64_t now_ms);

// The payload in another codec; `header` gets codec, length and CRC to match.
// Returns the whole new batch.
absl::StatusOr<Bytes> Recompress(const Bytes& batch, record::Codec codec,
                                 const record::DecompressLimits& limits,
                                 record::BatchHeader* header);

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_BATCH_VALIDATOR_H_
