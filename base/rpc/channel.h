// Channels to other servers, with this project's settings.
#ifndef SILLOK_BASE_RPC_CHANNEL_H_
#define SILLOK_BASE_RPC_CHANNEL_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "grpcpp/channel.h"

namespace sillok::rpc {

// Largest message we take: a batch of the largest allowed size and its frame.
inline constexpr int kMaxMessageBytes = 128 << 20;

// A channel with reconnects at most 1 s apart, HTTP/2 keepalive every 10 s (so
// that a silent peer is noticed), the socket tuning, and the per-call extras that
// cost CPU (retries, channelz, compression filters) off. Connects lazily.
std::shared_ptr<grpc::Channel> NewChannel(const std::string& address);

// One channel for each address, shared. Thread-safe.
class ChannelPool {
 public:
  std::shared_ptr<grpc::Channel> Get(const std::string& address);
  // Forgets the address; who holds the channel keeps it.
  void Drop(const std::string& address);

 private:
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;
};

}  // namespace sillok::rpc

#endif  // SILLOK_BASE_RPC_CHANNEL_H_
