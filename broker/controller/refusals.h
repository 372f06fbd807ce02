// How a decision says no: a Status with Kafka's code, put into an answer.
#ifndef SILLOK_BROKER_CONTROLLER_REFUSALS_H_
#define SILLOK_BROKER_CONTROLLER_REFUSALS_H_

#include <string>

#include "absl/status/status.h"
#include "base/error.h"
#include "proto/cluster.pb.h"

namespace sillok {

inline absl::Status Refuse(ErrorCode code, const std::string& detail) {
  return ErrorStatus(code, detail);
}

// The status's code and its message without the code's name in front. `Result`
// has error_code and error_message.
template <typename Result>
void FillResult(const absl::Status& status, Result* result) {
  const ErrorCode code = ErrorCodeOf(status);
  result->set_error_code(static_cast<v1::ErrorCode>(static_cast<int>(code)));
  std::string message(status.message());
  const std::string prefix = ErrorName(code) + ": ";
  if (message.compare(0, prefix.size(), prefix) == 0) {
    message.erase(0, prefix.size());
  }
  result->set_error_message(std::move(message));
}

}  // namespace sillok

#endif  // SILLOK_BROKER_CONTROLLER_REFUSALS_H_
