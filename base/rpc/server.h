// A gRPC server with this project's settings.
#ifndef SILLOK_BASE_RPC_SERVER_H_
#define SILLOK_BASE_RPC_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/impl/codegen/service_type.h"
#include "grpcpp/server.h"

namespace sillok::rpc {

// Reflection and the standard health service are on; health answers NOT_SERVING
// until SetServing(true). Insecure credentials (TLS is a later listener type).
class RpcServer {
 public:
  // Listens on each `host:port` (port 0: the kernel's choice). The services must
  // outlive the server. An address that cannot be had gives an error that names
  // it.
  // With `queue`, services of the completion-queue API get one: poll it from
  // right after Start, and shut it down after the server.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(
      const std::vector<std::string>& addresses,
      const std::vector<grpc::Service*>& services,
      std::unique_ptr<grpc::ServerCompletionQueue>* queue = nullptr);
  // Shutdown with a grace of 0.
  ~RpcServer();

  // Of addresses[index].
  int port(size_t index = 0) const { return *ports_[index]; }
  void SetServing(bool serving);
  // Refuses new calls, gives running ones `grace_ms`, then cancels them; returns
  // when all have ended. Streams must be ended by their services.
  void Shutdown(int grace_ms);

 private:
  RpcServer() = default;

  std::vector<std::unique_ptr<int>> ports_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace sillok::rpc

#endif  // SILLOK_BASE_RPC_SERVER_H_
