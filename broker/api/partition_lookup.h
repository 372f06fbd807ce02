// Finds the replica that a request names, or the error that says why not.
#ifndef SILLOK_BROKER_API_PARTITION_LOOKUP_H_
#define SILLOK_BROKER_API_PARTITION_LOOKUP_H_

#include <cstdint>
#include <memory>
#include <string>

#include "base/error.h"
#include "broker/api/broker_context.h"

namespace sillok::api {

struct PartitionLookup {
  std::shared_ptr<Partition> partition;  // null when error is not NONE
  ErrorCode error = ErrorCode::NONE;
  std::string message;
};

// UNKNOWN_TOPIC_OR_PARTITION when the cluster has no such partition,
// NOT_LEADER_OR_FOLLOWER when it has, on other brokers (ask for metadata again).
PartitionLookup FindPartition(const BrokerContext& context,
                              const std::string& topic, int32_t partition);

}  // namespace sillok::api

#endif  // SILLOK_BROKER_API_PARTITION_LOOKUP_H_
