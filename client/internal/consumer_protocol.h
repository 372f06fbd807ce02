// The bytes that consumers of a group exchange through the coordinator: Kafka's
// ConsumerProtocol, so that other clients can share a group with ours. Pure.
#ifndef SILLOK_CLIENT_INTERNAL_CONSUMER_PROTOCOL_H_
#define SILLOK_CLIENT_INTERNAL_CONSUMER_PROTOCOL_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace sillok::client {

// What a member wants. Written as version 1 (eager members own nothing when
// they join); every version can be read.
std::string EncodeSubscription(const std::vector<std::string>& topics);
std::optional<std::vector<std::string>> DecodeSubscription(
    std::string_view bytes);

// What a member gets, written as version 1. Empty bytes read as nothing.
std::string EncodeAssignment(const std::vector<TopicPartition>& partitions);
std::optional<std::vector<TopicPartition>> DecodeAssignment(
    std::string_view bytes);

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_CONSUMER_PROTOCOL_H_
