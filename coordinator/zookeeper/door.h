// The ZooKeeper door of a coordinator member: a TCP listener whose frames become
// requests of the member, and its answers frames.
//
// Its sockets are on the member's own loop, so a request is read, decided (if it
// is a read) and answered without a hop between threads; all frames of a turn
// go to the member before its output is taken, and all answers of a turn leave
// in one write per connection.
#ifndef SILLOK_COORDINATOR_ZOOKEEPER_DOOR_H_
#define SILLOK_COORDINATOR_ZOOKEEPER_DOOR_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "base/net/frame_server.h"
#include "base/net/loop.h"
#include "coordinator/server/client_door.h"

namespace sillok::coord {

struct ZookeeperDoorOptions {
  std::string host;  // "" = all interfaces
  int port = 0;      // 0 = any
  std::string tcp_congestion;
  int max_connections_per_ip = 60;  // maxClientCnxns; 0 = no limit
  int32_t max_frame_bytes = 0xfffff;  // jute.maxbuffer
  size_t max_unanswered = 1'000;      // requests of one connection
  int64_t max_request_memory_bytes = 64 << 20;
  // A client whose session is alive is never silent for so long.
  int64_t idle_timeout_ms = 80'000;
  MetricsRegistry* metrics = nullptr;  // may be null; outlives the door
};

class ZookeeperDoor final : public ClientDoor {
 public:
  struct Handler {
    ClientHandler clients;
    // The text that answers a four-letter word; nothing when it is none. On the
    // loop. `argument` is what follows `stmk`.
    std::function<std::optional<std::string>(std::string_view word,
                                             std::string_view argument)>
        answer_word;
  };

  // Listens; connections are served once `loop`, which must outlive this, runs.
  static absl::StatusOr<std::unique_ptr<ZookeeperDoor>> Start(
      ZookeeperDoorOptions options, std::shared_ptr<net::Loop> loop,
      Handler handler);
  // Stop must have been called if the loop ran.
  ~ZookeeperDoor() override;

  int port() const;
  // "127.0.0.1:40322"; "" when there is no such connection. On the loop.
  std::string PeerOf(ConnectionId id) const;

  bool Owns(ConnectionId id) const override {
    return (id.value() & kIdRange) != 0;
  }
  void Send(ConnectionId id, const v1::SessionResponse& message) override;
  void End(ConnectionId id, StreamEnd end) override;
  void EndTurn() override;
  void Stop(int64_t drain_ms) override;

 private:
  class Connection;
  static constexpr uint64_t kIdRange = uint64_t{1} << 63;

  ZookeeperDoor(const ZookeeperDoorOptions& options, Handler handler)
      : options_(options), handler_(std::move(handler)) {}
  Connection* Find(ConnectionId id) const;

  const ZookeeperDoorOptions options_;
  const Handler handler_;
  uint64_t last_id_ = 0;
  std::unordered_map<ConnectionId, Connection*> connections_;
  std::vector<ConnectionId> dirty_;   // with bytes, or an end, for EndTurn
  // Refused a frame, and wait for no message that would bring it up again.
  std::vector<ConnectionId> polled_;
  std::unique_ptr<net::FrameServer> server_;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_ZOOKEEPER_DOOR_H_
