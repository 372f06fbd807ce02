// gRPC's ClusterControl service over a Controller: decode, hand on, answer.
#ifndef SILLOK_BROKER_CONTROLLER_CONTROLLER_SERVICE_H_
#define SILLOK_BROKER_CONTROLLER_CONTROLLER_SERVICE_H_

#include <memory>

#include "broker/controller/controller.h"
#include "proto/cluster.grpc.pb.h"

namespace sillok {

// Register it with the broker's gRPC server. `controller` must outlive the
// server. Thread-safe, as gRPC asks.
class ControllerService final
    : public v1::ClusterControl::CallbackService {
 public:
  explicit ControllerService(Controller* controller)
      : controller_(controller) {}

  grpc::ServerBidiReactor<v1::BrokerReport, v1::ClusterUpdate>* ClusterState(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* AlterPartition(
      grpc::CallbackServerContext* context,
      const v1::AlterPartitionRequest* request,
      v1::AlterPartitionResponse* response) override;
  grpc::ServerUnaryReactor* ControlledShutdown(
      grpc::CallbackServerContext* context,
      const v1::ControlledShutdownRequest* request,
      v1::ControlledShutdownResponse* response) override;
  grpc::ServerUnaryReactor* ControllerCreateTopics(
      grpc::CallbackServerContext* context,
      const v1::CreateTopicsRequest* request,
      v1::CreateTopicsResponse* response) override;
  grpc::ServerUnaryReactor* ControllerDeleteTopics(
      grpc::CallbackServerContext* context,
      const v1::DeleteTopicsRequest* request,
      v1::DeleteTopicsResponse* response) override;
  grpc::ServerUnaryReactor* ControllerCreatePartitions(
      grpc::CallbackServerContext* context,
      const v1::CreatePartitionsRequest* request,
      v1::CreatePartitionsResponse* response) override;
  grpc::ServerUnaryReactor* ControllerElectLeaders(
      grpc::CallbackServerContext* context,
      const v1::ElectLeadersRequest* request,
      v1::ElectLeadersResponse* response) override;
  grpc::ServerUnaryReactor* ControllerAlterConfigs(
      grpc::CallbackServerContext* context,
      const v1::AlterConfigsRequest* request,
      v1::AlterConfigsResponse* response) override;

 private:
  Controller* controller_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_CONTROLLER_CONTROLLER_SERVICE_H_
