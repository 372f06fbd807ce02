// Kafka's rules for topic names. Pure.
#ifndef SILLOK_BROKER_METADATA_TOPIC_NAME_H_
#define SILLOK_BROKER_METADATA_TOPIC_NAME_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace sillok {

inline constexpr size_t kMaxTopicNameLength = 249;

// OK, or INVALID_TOPIC_EXCEPTION with one line that says what is wrong: 1 to 249
// of a-z A-Z 0-9 . _ - and neither "." nor "..".
absl::Status ValidateTopicName(std::string_view name);

// The name with '.' turned to '_'. Two topics must not share it: metrics replace
// the one by the other.
std::string CollisionKey(std::string_view name);

}  // namespace sillok

#endif  // SILLOK_BROKER_METADATA_TOPIC_NAME_H_
