// Small words between Kafka's messages and v1's: error codes, texts that may be
// null, topic ids.
#ifndef SILLOK_BROKER_KAFKA_TEXT_H_
#define SILLOK_BROKER_KAFKA_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "proto/common.pb.h"
#include "proto/kafka/message.h"

namespace sillok::kafka_door {

inline int16_t Number(v1::ErrorCode code) { return static_cast<int16_t>(code); }
inline int16_t Number(ErrorCode code) { return static_cast<int16_t>(code); }

// A message beside an error code: null beside 0, and where there is none.
inline std::optional<std::string> MessageFor(int error_code,
                                             const std::string& message) {
  if (error_code == 0 || message.empty()) return std::nullopt;
  // A text longer than Kafka's strings would cost the whole answer.
  return message.substr(0, 8192);
}

// v1 writes "not there" as "".
inline std::optional<std::string> NullIfEmpty(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return text;
}

// v1 writes -1, "not known", as 0. What clients send may be anything.
inline int32_t PlusOne(int32_t number) {
  if (number < 0) return 0;
  return number == INT32_MAX ? number : number + 1;
}

// The 22 characters of a topic's id and Kafka's 16 bytes. Zero for a text that
// is no id.
kafka::Uuid ToUuid(const std::string& id);
std::string FromUuid(const kafka::Uuid& uuid);
inline bool IsZero(const kafka::Uuid& uuid) { return uuid == kafka::Uuid{}; }

}  // namespace sillok::kafka_door

#endif  // SILLOK_BROKER_KAFKA_TEXT_H_
