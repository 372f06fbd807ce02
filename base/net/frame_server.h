// TCP listeners for protocols of length-prefixed frames (Kafka, ZooKeeper).
//
// A frame is four bytes of big-endian length and that many bytes. A few loop
// threads own the connections, each connection for its life on one of them;
// reading, ordering replies and writing need no lock.
//
// How bytes go out: memory pieces of all waiting replies are gathered into one
// sendmsg; a file piece goes by sendfile, small ones by pread into the same
// gather. A loop never waits for a disk: before a chunk of a file is sent its
// ends are probed (preadv2 with RWF_NOWAIT), and what is not in the page cache
// is read by a helper thread first. A file that turns out shorter
// than promised ends the connection: wrong bytes are never sent.
#ifndef SILLOK_BASE_NET_FRAME_SERVER_H_
#define SILLOK_BASE_NET_FRAME_SERVER_H_

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/net/connection.h"

namespace sillok {
class MetricsRegistry;
}

namespace sillok::net {

class Loop;

struct ListenAddress {
  std::string name;  // "PLAINTEXT"; handlers and metrics see it
  std::string host;  // name or address; "" = all interfaces, both families
  int port = 0;      // 0: the kernel's choice
};

struct FrameServerOptions {
  std::string name = "net";  // of threads, in log lines and metric labels
  std::vector<ListenAddress> listeners;
  int loop_threads = 2;
  // Instead of threads of its own: this loop, which must run until Stop has
  // returned.
  std::shared_ptr<Loop> loop;
  // For sockets' TCP_CONGESTION (rpc::TcpCongestion()); "" leaves the system's.
  std::string tcp_congestion;
  // A connection on which nothing comes for so long is asked for a sign of life,
  // and ends when two of these find none. 0: the system's, hours as a rule.
  int keepalive_s = 0;

  // Requests.
  int32_t max_frame_bytes = 100 << 20;
  // Request memory of all connections together; reading stops while it is used
  // up. One frame always passes, however large. <= 0: no bound.
  int64_t max_request_memory_bytes = 0;
  // Frames of a connection that wait for their reply; reading stops at it.
  int max_in_flight = 64;

  // Replies. File pieces cost no memory and do not count.
  int64_t pause_reading_at_unsent_bytes = 1 << 20;
  int64_t max_unsent_bytes = 256 << 20;  // closes; Connection::Send may get here

  // Connections. A connection beyond a limit is accepted and closed at once.
  int max_connections = 0;         // 0: no limit
  int max_connections_per_ip = 0;  // 0: no limit
  std::map<std::string, int> max_connections_per_ip_overrides;

  // Times; <= 0: never. A connection that has requests in work, is throttled or
  // waits for request memory is not idle.
  int64_t idle_timeout_ms = 600'000;
  // No byte taken by the peer although some wait. Long, because a Java consumer
  // reads nothing between two polls (max.poll.interval.ms, 5 minutes).
  int64_t write_stall_timeout_ms = 600'000;
  // No byte of a frame that has begun to arrive: it holds request memory.
  int64_t read_stall_timeout_ms = 60'000;
  // After the peer has ended its side, for the replies still to come.
  int64_t peer_closed_grace_ms = 1'000;

  // Threads that read what is not in the page cache. 0, for a protocol without
  // file pieces: should there be one, the loop reads it.
  int cold_read_threads = 2;

  // Gets the sillok_net_* metrics, labelled with `name`; outlives the server. May
  // be null.
  MetricsRegistry* metrics = nullptr;
};

struct FrameServerStats {
  int64_t connections_open = 0;
  int64_t connections_accepted = 0;
  std::array<int64_t, kCloseReasons> connections_closed{};
  int64_t requests = 0;
  int64_t received_bytes = 0;
  int64_t sent_bytes = 0;  // all, with those by sendfile
  int64_t sendfile_bytes = 0;
  int64_t cold_reads = 0;        // chunks read by a helper thread first
  int64_t wakeups = 0;           // of loops by other threads
  int64_t request_memory_bytes = 0;
  int64_t request_memory_waits = 0;  // frames that had to wait for memory
};

class FrameServer {
 public:
  // Makes the handler of a new connection, on its loop thread. Which protocol
  // (or variant) is told by connection->info().listener. The handler may keep
  // the connection: it holds nothing of the handler.
  using HandlerFactory = std::function<std::unique_ptr<FrameHandler>(
      const std::shared_ptr<Connection>& connection)>;

  // Listens and serves. An address that cannot be had gives an error that names
  // it, and nothing is left behind.
  static absl::StatusOr<std::unique_ptr<FrameServer>> Start(
      FrameServerOptions options, HandlerFactory factory);
  // Stop(0).
  ~FrameServer();
  FrameServer(const FrameServer&) = delete;
  FrameServer& operator=(const FrameServer&) = delete;

  // Of options.listeners[index].
  int port(size_t index = 0) const;

  // Accepts no more and reads no more; requests in work have `drain_ms` to be
  // answered and their answers to be taken, then all connections end. Returns
  // when every handler is gone and the threads have ended. Not from a loop
  // thread; a second call does nothing.
  void Stop(int64_t drain_ms);

  // Any thread.
  FrameServerStats stats() const;

 private:
  struct Impl;
  explicit FrameServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sillok::net

#endif  // SILLOK_BASE_NET_FRAME_SERVER_H_
