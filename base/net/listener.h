// Listening sockets.
#ifndef SILLOK_BASE_NET_LISTENER_H_
#define SILLOK_BASE_NET_LISTENER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "asio/posix/stream_descriptor.hpp"
#include "asio/steady_timer.hpp"
#include "base/net/connection.h"
#include "base/net/frame_server.h"
#include "base/net/loop.h"

namespace sillok::net {

// One ListenAddress: a socket for each address its name stands for, all on one
// port. Belongs to a loop thread after Start.
class Listener : public std::enable_shared_from_this<Listener> {
 public:
  // Takes a connected socket; `info.id` is left to it. On the loop thread,
  // inside a turn.
  using Accepted = std::function<void(int socket, ConnectionInfo info)>;

  static absl::StatusOr<std::shared_ptr<Listener>> Bind(
      const ListenAddress& address, const std::string& tcp_congestion,
      int keepalive_s);
  ~Listener();

  int port() const { return port_; }

  // Loop thread.
  void Start(Loop* loop, Accepted accepted);
  void Close();

 private:
  struct Socket {
    explicit Socket(int number) : fd(number) {}
    const int fd;
    std::optional<asio::posix::stream_descriptor> descriptor;  // owns fd later
  };

  Listener() = default;
  void Await(size_t index);
  void AcceptSome(size_t index);
  void RefuseOne(int socket);

  std::string name_;
  int port_ = 0;
  int keepalive_s_ = 0;
  std::vector<Socket> sockets_;
  // Given up for a moment to take in, and end, a connection when the process
  // has no descriptor left: else it would stay in the queue and wake us for ever.
  int reserve_ = -1;

  Loop* loop_ = nullptr;
  Accepted accepted_;
  bool closed_ = false;
  std::vector<std::unique_ptr<asio::steady_timer>> retries_;  // by socket
};

}  // namespace sillok::net

#endif  // SILLOK_BASE_NET_LISTENER_H_
