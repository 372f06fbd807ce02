// ★ The door for followers: a frame is a FetchRequest of proto/broker.proto, the
// answer a FetchResponse, as over gRPC's FetchStream and with the same handler.
//
// Batches are read into memory, not sent from the file: what a follower gets
// lies above the high watermark and may be truncated while it is on its way.
#ifndef SILLOK_BROKER_REPLICA_DOOR_REPLICA_DOOR_H_
#define SILLOK_BROKER_REPLICA_DOOR_REPLICA_DOOR_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/net/connection.h"
#include "base/net/frame_server.h"
#include "broker/api/broker_context.h"

namespace sillok {

// The protocol of one connection. A frame that is no FetchRequest of a replica
// ends it. `context` outlives it and its requests.
std::unique_ptr<net::FrameHandler> NewReplicaConnection(
    const api::BrokerContext& context,
    std::shared_ptr<net::Connection> connection);

// Listens and serves at once. Only brokers should reach it: whoever can speaks
// as any replica, as on the gRPC listener.
absl::StatusOr<std::unique_ptr<net::FrameServer>> StartReplicaDoor(
    std::vector<net::ListenAddress> listeners,
    const std::string& tcp_congestion, const api::BrokerContext& context,
    MetricsRegistry* metrics);

}  // namespace sillok

#endif  // SILLOK_BROKER_REPLICA_DOOR_REPLICA_DOOR_H_
