#include "broker/metadata/topic_name.h"

#include <algorithm>

#include "base/error.h"
#include "fmt/core.h"

namespace sillok {
namespace {

bool IsLegal(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

absl::Status Invalid(const std::string& detail) {
  return ErrorStatus(ErrorCode::INVALID_TOPIC_EXCEPTION, detail);
}

}  // namespace

absl::Status ValidateTopicName(std::string_view name) {
  if (name.empty()) {
    return Invalid("Topic name is invalid: the empty string is not allowed");
  }
  if (name == "." || name == "..") {
    return Invalid("Topic name is invalid: '.' and '..' are not allowed");
  }
  if (name.size() > kMaxTopicNameLength) {
    return Invalid(fmt::format(
        "Topic name is invalid: the length of '{}' is longer than the max "
        "allowed length {}",
        name, kMaxTopicNameLength));
  }
  if (!std::all_of(name.begin(), name.end(), IsLegal)) {
    return Invalid(fmt::format(
        "Topic name is invalid: '{}' contains one or more characters other "
        "than ASCII alphanumerics, '.', '_' and '-'",
        name));
  }
  return absl::OkStatus();
}

std::string CollisionKey(std::string_view name) {
  std::string key(name);
  std::replace(key.begin(), key.end(), '.', '_');
  return key;
}

}  // namespace sillok
