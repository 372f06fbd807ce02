// Replica fetches over gRPC: Broker.FetchStream with the batches uncopied.
#ifndef SILLOK_BROKER_REPLICATION_GRPC_FETCH_CHANNEL_H_
#define SILLOK_BROKER_REPLICATION_GRPC_FETCH_CHANNEL_H_

#include <memory>
#include <string>

#include "base/rpc/channel.h"
#include "base/timer.h"
#include "broker/replication/fetch_channel.h"

namespace sillok {

// Every channel it opens is one long-lived stream on the pool's connection to
// the broker. `pool` and `timer` outlive the factory and its channels.
class GrpcFetchChannelFactory final : public FetchChannelFactory {
 public:
  GrpcFetchChannelFactory(rpc::ChannelPool* pool, Timer* timer)
      : pool_(pool), timer_(timer) {}

  std::unique_ptr<FetchChannel> Open(BrokerId source, const std::string& host,
                                     int port) override;

 private:
  rpc::ChannelPool* const pool_;
  Timer* const timer_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_REPLICATION_GRPC_FETCH_CHANNEL_H_
