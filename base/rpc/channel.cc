#include "base/rpc/channel.h"

#include "base/rpc/socket_tuning.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/security/credentials.h"

namespace sillok::rpc {

namespace {

// gRPC's callback threads end with the last channel or server that used them,
// and end by joining themselves: whoever drops that last one inside a reaction
// makes gRPC abort. One channel that is never dropped keeps them until the
// process ends. Its one call is cancelled at once.
void KeepCallbackThreads() {
  static const bool kept = [] {
    struct Pin {
      std::shared_ptr<grpc::Channel> channel;
      std::unique_ptr<grpc::GenericStub> stub;
      grpc::ClientContext context;
      grpc::ByteBuffer request, response;
    };
    auto* pin = new Pin;
    pin->channel = grpc::CreateChannel("127.0.0.1:0",
                                       grpc::InsecureChannelCredentials());
    pin->stub = std::make_unique<grpc::GenericStub>(pin->channel);
    grpc::Slice empty;
    pin->request = grpc::ByteBuffer(&empty, 1);
    pin->stub->UnaryCall(&pin->context, "/none", grpc::StubOptions(),
                         &pin->request, &pin->response, [](grpc::Status) {});
    pin->context.TryCancel();
    return true;
  }();
  (void)kept;
}

}  // namespace

std::shared_ptr<grpc::Channel> NewChannel(const std::string& address) {
  KeepCallbackThreads();
  grpc::ChannelArguments args;
  args.SetMaxReceiveMessageSize(kMaxMessageBytes);
  args.SetMaxSendMessageSize(kMaxMessageBytes);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);  // connect timeout
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5'000);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  args.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  args.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
  args.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  // A channel of our own connects on its own: two channels to one server are
  // two connections, so that bulk data never delays control calls.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // Servers are named by the operator; a proxy variable in the environment is
  // not meant for them.
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  ApplySocketTuning(&args);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(),
                                   args);
}

std::shared_ptr<grpc::Channel> ChannelPool::Get(const std::string& address) {
  std::lock_guard lock(mutex_);
  std::shared_ptr<grpc::Channel>& channel = channels_[address];
  if (channel == nullptr) channel = NewChannel(address);
  return channel;
}

void ChannelPool::Drop(const std::string& address) {
  std::lock_guard lock(mutex_);
  channels_.erase(address);
}

}  // namespace sillok::rpc
