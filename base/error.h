// The answers "no": Kafka's error codes, as data, and their place beside Status.
//
// Three kinds of trouble are kept apart (docs/architecture.md): *it failed* is an
// absl::Status; *the answer is no* is an ErrorCode in a reply, since one produce
// answer has one per partition; *a bug* is a CHECK. Names, numbers and which of
// them may be retried are Kafka's (protocol guide, org.apache.kafka Errors).
#ifndef SILLOK_BASE_ERROR_H_
#define SILLOK_BASE_ERROR_H_

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/error_table.h"

namespace sillok {

enum class ErrorCode : int16_t {
#define SILLOK_ERROR_ENUM(name, number, retry, text) name = number,
  SILLOK_ERROR_CODES(SILLOK_ERROR_ENUM)
#undef SILLOK_ERROR_ENUM
};

// `NOT_LEADER_OR_FOLLOWER`; a number that is no code gives "ERROR_<n>".
std::string ErrorName(ErrorCode code);
// One line that says what the code means.
std::string_view ErrorMessage(ErrorCode code);
// The same request may succeed later as it is (after a metadata refresh).
bool IsRetriable(ErrorCode code);
// UNKNOWN_SERVER_ERROR when `number` is no code.
ErrorCode ErrorCodeFromNumber(int number);
std::optional<ErrorCode> ErrorCodeFromName(std::string_view name);

inline std::ostream& operator<<(std::ostream& out, ErrorCode code) {
  return out << ErrorName(code);
}

// A Status that carries an ErrorCode (as payload), for code that returns Status
// where the answer can be no: "TOPIC_ALREADY_EXISTS: topic 'orders' ...".
// `detail` names what, where and what is allowed; empty takes ErrorMessage.
absl::Status ErrorStatus(ErrorCode code, std::string_view detail = {});
// The code a Status carries; NONE for OK; for others the nearest code:
// deadline -> REQUEST_TIMED_OUT, unavailable -> NETWORK_EXCEPTION,
// data loss -> CORRUPT_MESSAGE, invalid argument -> INVALID_REQUEST,
// resource exhausted/internal I/O -> KAFKA_STORAGE_ERROR, else
// UNKNOWN_SERVER_ERROR.
ErrorCode ErrorCodeOf(const absl::Status& status);

}  // namespace sillok

#endif  // SILLOK_BASE_ERROR_H_
