// What an append is told, and what it answers.
#ifndef SILLOK_BROKER_LOG_APPEND_RESULT_H_
#define SILLOK_BROKER_LOG_APPEND_RESULT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ids.h"

namespace sillok {

struct AppendOptions {
  // kClient: everything a stranger could get wrong is checked. kCoordinator:
  // batches that this broker built (group and transaction records, markers):
  // control batches and several batches at once are allowed.
  enum class Origin { kClient, kCoordinator };
  Origin origin = Origin::kClient;
  // False for Produce requests below version 7.
  bool zstd_allowed = true;
  // False while nobody could end a transaction: read_committed would wait for
  // ever.
  bool transactions_allowed = true;
};

// What is wrong with one record of a refused batch.
struct RecordError {
  int32_t batch_index = 0;
  std::string message;
};

struct AppendResult {
  // NONE: the records are in the log from base_offset on. Anything else:
  // nothing was appended. Codes as Kafka answers them (docs/format).
  ErrorCode error = ErrorCode::NONE;
  std::string message;  // empty when there is no error
  Offset base_offset = kNoOffset;
  Offset last_offset = kNoOffset;
  // The broker's time for topics with LogAppendTime, else -1.
  int64_t log_append_time_ms = -1;
  Offset log_start = kNoOffset;
  // The batch was in the log already (a retry): the offsets are those of then.
  bool duplicate = false;
  std::vector<RecordError> record_errors;

  bool ok() const { return error == ErrorCode::NONE; }
};

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_APPEND_RESULT_H_
