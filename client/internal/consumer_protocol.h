// The bytes that consumers of a group exchange through the coordinator: Kafka's
// ConsumerProtocol, so that other clients can share a group with ours. Pure.
// docs/client.md says which of our settings become which field.
#ifndef SILLOK_CLIENT_INTERNAL_CONSUMER_PROTOCOL_H_
#define SILLOK_CLIENT_INTERNAL_CONSUMER_PROTOCOL_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace sillok::client {

inline constexpr int16_t kConsumerProtocolVersion = 3;

// What a member wants and has. Version 1 added `owned`, 2 `generation`, 3 `rack`.
struct ConsumerSubscription {
  std::vector<std::string> topics;
  std::optional<std::string> user_data;  // the assignor's own
  // Written as given, with neighbours of one topic together: sort them.
  std::vector<TopicPartition> owned;
  int32_t generation = -1;
  std::optional<std::string> rack;
};

std::string EncodeSubscription(const ConsumerSubscription& subscription,
                               int16_t version = kConsumerProtocolVersion);
// Reads every version, also later ones (as far as known). nullopt when damaged.
std::optional<ConsumerSubscription> DecodeSubscription(std::string_view bytes);

// What a member gets. Empty bytes read as nothing; user data is not read.
std::string EncodeAssignment(const std::vector<TopicPartition>& partitions,
                             const std::optional<std::string>& user_data = {},
                             int16_t version = kConsumerProtocolVersion);
std::optional<std::vector<TopicPartition>> DecodeAssignment(
    std::string_view bytes);

// User data of the `sticky` assignor: what the member had when it last joined.
struct StickyUserData {
  std::vector<TopicPartition> assignment;
  int32_t generation = -1;
};
std::string EncodeStickyUserData(const StickyUserData& data);
// Also the form without a generation.
std::optional<StickyUserData> DecodeStickyUserData(std::string_view bytes);

// User data of `cooperative-sticky`: the generation, for readers of version 1.
std::string EncodeGeneration(int32_t generation);

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_CONSUMER_PROTOCOL_H_
