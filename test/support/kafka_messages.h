// Every Kafka message as one table of functions, so that a test can go over all
// of them without a template of its own.
#ifndef SILLOK_TEST_SUPPORT_KAFKA_MESSAGES_H_
#define SILLOK_TEST_SUPPORT_KAFKA_MESSAGES_H_

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "proto/kafka/message.h"

namespace sillok::kafka {

struct MessageType {
  const MessageInfo* info;
  std::shared_ptr<void> (*make)();
  absl::Status (*decode)(const Bytes& bytes, int16_t version, void* message);
  absl::StatusOr<Bytes> (*encode)(const void* message, int16_t version);
  // As JSON text: the fields this version has, named and written as Kafka's own
  // JSON has them: bytes in base64, uuids in base64url, and `records` as ""
  // whatever they are. A tagged field with its default is left out.
  std::string (*dump)(const void* message, int16_t version);
  // Fills the fields this version has, tagged and nullable ones sometimes.
  void (*randomize)(void* message, int16_t version, std::mt19937_64& random);
};

// Requests and responses of every API, then the two headers.
const std::vector<MessageType>& AllMessageTypes();

}  // namespace sillok::kafka

#endif  // SILLOK_TEST_SUPPORT_KAFKA_MESSAGES_H_
