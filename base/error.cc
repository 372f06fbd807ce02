#include "base/error.h"

#include "absl/strings/cord.h"

namespace sillok {
namespace {

constexpr char kPayloadUrl[] = "sillok.dev/ErrorCode";

struct ErrorRow {
  ErrorCode code;
  std::string_view name;
  bool retriable;
  std::string_view message;
};

constexpr bool kRetry = true;
constexpr bool kFinal = false;

constexpr ErrorRow kRows[] = {
#define SILLOK_ERROR_ROW(name, number, retry, text) \
  {ErrorCode::name, #name, retry, text},
    SILLOK_ERROR_CODES(SILLOK_ERROR_ROW)
#undef SILLOK_ERROR_ROW
};

const ErrorRow* Find(ErrorCode code) {
  // The table is in numeric order from -1 without gaps (error_test checks).
  int index = static_cast<int>(code) + 1;
  if (index < 0 || index >= static_cast<int>(std::size(kRows))) return nullptr;
  return &kRows[index];
}

absl::StatusCode ToStatusCode(ErrorCode code) {
  switch (code) {
    case ErrorCode::NONE:
      return absl::StatusCode::kOk;
    case ErrorCode::REQUEST_TIMED_OUT:
      return absl::StatusCode::kDeadlineExceeded;
    case ErrorCode::TOPIC_ALREADY_EXISTS:
      return absl::StatusCode::kAlreadyExists;
    case ErrorCode::UNKNOWN_TOPIC_OR_PARTITION:
    case ErrorCode::GROUP_ID_NOT_FOUND:
      return absl::StatusCode::kNotFound;
    case ErrorCode::CORRUPT_MESSAGE:
      return absl::StatusCode::kDataLoss;
    case ErrorCode::OFFSET_OUT_OF_RANGE:
      return absl::StatusCode::kOutOfRange;
    case ErrorCode::UNKNOWN_SERVER_ERROR:
      return absl::StatusCode::kUnknown;
    case ErrorCode::KAFKA_STORAGE_ERROR:
      return absl::StatusCode::kInternal;
    default:
      return IsRetriable(code) ? absl::StatusCode::kUnavailable
                               : absl::StatusCode::kInvalidArgument;
  }
}

}  // namespace

std::string ErrorName(ErrorCode code) {
  const ErrorRow* row = Find(code);
  if (row == nullptr) {
    return "ERROR_" + std::to_string(static_cast<int>(code));
  }
  return std::string(row->name);
}

std::string_view ErrorMessage(ErrorCode code) {
  const ErrorRow* row = Find(code);
  return row == nullptr ? "an error code this version does not know"
                        : row->message;
}

bool IsRetriable(ErrorCode code) {
  const ErrorRow* row = Find(code);
  return row != nullptr && row->retriable;
}

ErrorCode ErrorCodeFromNumber(int number) {
  auto code = static_cast<ErrorCode>(number);
  if (number != static_cast<int16_t>(number) || Find(code) == nullptr) {
    return ErrorCode::UNKNOWN_SERVER_ERROR;
  }
  return code;
}

std::optional<ErrorCode> ErrorCodeFromName(std::string_view name) {
  for (const ErrorRow& row : kRows) {
    if (row.name == name) return row.code;
  }
  return std::nullopt;
}

absl::Status ErrorStatus(ErrorCode code, std::string_view detail) {
  if (code == ErrorCode::NONE) return absl::OkStatus();
  std::string text = ErrorName(code) + ": ";
  text += detail.empty() ? ErrorMessage(code) : detail;
  absl::Status status(ToStatusCode(code), text);
  status.SetPayload(kPayloadUrl,
                    absl::Cord(std::to_string(static_cast<int>(code))));
  return status;
}

ErrorCode ErrorCodeOf(const absl::Status& status) {
  if (status.ok()) return ErrorCode::NONE;
  if (auto payload = status.GetPayload(kPayloadUrl); payload.has_value()) {
    return ErrorCodeFromNumber(std::stoi(std::string(*payload)));
  }
  switch (status.code()) {
    case absl::StatusCode::kDeadlineExceeded:
      return ErrorCode::REQUEST_TIMED_OUT;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:
      return ErrorCode::NETWORK_EXCEPTION;
    case absl::StatusCode::kDataLoss:
      return ErrorCode::CORRUPT_MESSAGE;
    case absl::StatusCode::kInvalidArgument:
      return ErrorCode::INVALID_REQUEST;
    case absl::StatusCode::kUnimplemented:
      return ErrorCode::UNSUPPORTED_VERSION;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kInternal:
      return ErrorCode::KAFKA_STORAGE_ERROR;
    default:
      return ErrorCode::UNKNOWN_SERVER_ERROR;
  }
}

}  // namespace sillok
