// Our side of a connection to a FrameServer: a call is a frame there and the
// frame that comes back.
#ifndef SILLOK_BASE_NET_FRAME_CLIENT_H_
#define SILLOK_BASE_NET_FRAME_CLIENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/net/loop.h"

namespace sillok::net {

// One call at a time, from one strand or thread. Connects at the first call;
// after a failure (connecting, the connection, a deadline, an answer that is no
// frame) the next call connects anew.
class FrameClient {
 public:
  struct Options {
    std::string host;  // name or address
    int port = 0;
    // For TCP_CONGESTION; "" leaves the system's.
    std::string tcp_congestion;
    // A longer answer ends the connection.
    int32_t max_frame_bytes = 1 << 30;
  };
  // UNAVAILABLE: no connection, or it ended. DEADLINE_EXCEEDED: no answer
  // within `timeout_ms`, connecting included. On the loop thread, never inside
  // Call, exactly once unless the client goes before.
  using Done = std::function<void(absl::StatusOr<Bytes>)>;

  // `loop` outlives the client.
  FrameClient(Loop* loop, Options options);
  // No `done` runs any more, nor is one running, when it returns. May be called
  // by a `done` itself.
  ~FrameClient();
  FrameClient(const FrameClient&) = delete;
  FrameClient& operator=(const FrameClient&) = delete;

  // Not while another call waits for its answer.
  void Call(const Bytes& request, int64_t timeout_ms, Done done);

 private:
  class Link;
  Loop* const loop_;
  const std::shared_ptr<Link> link_;
};

}  // namespace sillok::net

#endif  // SILLOK_BASE_NET_FRAME_CLIENT_H_
