// gRPC's Broker service: decodes, hands on to broker/api, encodes.
#ifndef SILLOK_BROKER_GRPC_BROKER_SERVICE_H_
#define SILLOK_BROKER_GRPC_BROKER_SERVICE_H_

#include <memory>

#include "broker/api/broker_context.h"
#include "grpcpp/impl/codegen/service_type.h"

namespace sillok::grpc_door {

// Register it with the broker's gRPC server. `context` must outlive the server.
// Produce and Fetch go as raw bytes, so that batches are not copied; the other
// calls through the generated code.
std::unique_ptr<grpc::Service> NewBrokerService(
    const api::BrokerContext& context);

}  // namespace sillok::grpc_door

#endif  // SILLOK_BROKER_GRPC_BROKER_SERVICE_H_
