#include "base/rpc/server.h"

#include <chrono>

#include "base/rpc/channel.h"
#include "base/rpc/socket_tuning.h"
#include "glog/logging.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/impl/server_builder_option.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace sillok::rpc {
namespace {

class Tuning final : public grpc::ServerBuilderOption {
 public:
  void UpdateArguments(grpc::ChannelArguments* args) override {
    ApplySocketTuning(args);
    args->SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
    args->SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
    // Our channels ping every 10 s; more often than 5 s is abuse.
    args->SetInt(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
    args->SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
    args->SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
    args->SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    args->SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    // A port that another process listens on is an error, not a share.
    args->SetInt(GRPC_ARG_ALLOW_REUSEPORT, 0);
  }
  void UpdatePlugins(
      std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>*) override {}
};

void InitPluginsOnce() {
  static const bool done = [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  (void)done;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(
    const std::vector<std::string>& addresses,
    const std::vector<grpc::Service*>& services,
    std::unique_ptr<grpc::ServerCompletionQueue>* queue) {
  InitPluginsOnce();
  auto server = std::unique_ptr<RpcServer>(new RpcServer);
  grpc::ServerBuilder builder;
  builder.SetOption(std::make_unique<Tuning>());
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  for (const std::string& address : addresses) {
    server->ports_.push_back(std::make_unique<int>(0));
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(),
                             server->ports_.back().get());
  }
  for (grpc::Service* service : services) builder.RegisterService(service);
  if (queue != nullptr) *queue = builder.AddCompletionQueue();
  int tuned_before = TunedSockets();
  server->server_ = builder.BuildAndStart();
  for (size_t i = 0; i < addresses.size(); ++i) {
    if (server->server_ == nullptr || *server->ports_[i] == 0) {
      return absl::UnavailableError("cannot listen on " + addresses[i] +
                                    ": the port is taken or the address is not "
                                    "of this machine");
    }
  }
  if (!TcpCongestion().empty() && TunedSockets() == tuned_before) {
    LOG(WARNING) << "tcp congestion control could not be set on the listener: "
                    "this gRPC version has another socket mutator layout";
  }
  server->SetServing(false);
  return server;
}

RpcServer::~RpcServer() {
  if (server_ != nullptr) Shutdown(0);
}

void RpcServer::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

void RpcServer::Shutdown(int grace_ms) {
  server_->Shutdown(std::chrono::system_clock::now() +
                    std::chrono::milliseconds(grace_ms));
  server_->Wait();
}

}  // namespace sillok::rpc
