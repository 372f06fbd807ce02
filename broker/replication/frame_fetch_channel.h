// Replica fetches as plain frames over TCP: for brokers that have a REPLICATION
// listener. A follower that waits for single records spends most of its time
// being woken; here that is one thread and few system calls, where a gRPC stream
// takes several of both.
#ifndef SILLOK_BROKER_REPLICATION_FRAME_FETCH_CHANNEL_H_
#define SILLOK_BROKER_REPLICATION_FRAME_FETCH_CHANNEL_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/net/loop.h"
#include "broker/replication/fetch_channel.h"

namespace sillok {

// Frames to brokers that have such a listener, the other factory's channels to
// all others (older ones, or ones configured so). A channel looks before
// each fetch.
class FrameFetchChannelFactory final : public FetchChannelFactory {
 public:
  using HostAndPort = std::pair<std::string, int>;
  // Where a broker's REPLICATION listener is; nullopt: it has none. Called
  // by channels' Send.
  using Find = std::function<std::optional<HostAndPort>(BrokerId)>;

  // All outlive the factory and its channels.
  FrameFetchChannelFactory(net::Loop* loop, std::string tcp_congestion,
                           Find find, FetchChannelFactory* others)
      : loop_(loop),
        tcp_congestion_(std::move(tcp_congestion)),
        find_(std::move(find)),
        others_(others) {}

  std::unique_ptr<FetchChannel> Open(BrokerId source, const std::string& host,
                                     int port) override;

 private:
  class Chosen;
  net::Loop* const loop_;
  const std::string tcp_congestion_;
  const Find find_;
  FetchChannelFactory* const others_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_REPLICATION_FRAME_FETCH_CHANNEL_H_
