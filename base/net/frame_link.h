// A connection that we dial, on which both sides send frames as they like.
#ifndef SILLOK_BASE_NET_FRAME_LINK_H_
#define SILLOK_BASE_NET_FRAME_LINK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "asio/ip/tcp.hpp"
#include "asio/steady_timer.hpp"
#include "base/bytes.h"
#include "base/net/frame_reader.h"
#include "base/net/loop.h"
#include "base/net/out_frame.h"
#include "base/net/send_queue.h"
#include "base/net/transport.h"

namespace sillok::net {

// One connection, from its dialling to its end; who wants it again dials a new
// one. Everything on the loop thread and inside its turns: what a turn sends
// leaves in one system call at its end.
class FrameLink final : public Settled,
                        public std::enable_shared_from_this<FrameLink> {
 public:
  struct Options {
    std::string host;  // name or address
    int port = 0;
    // For TCP_CONGESTION; "" leaves the system's.
    std::string tcp_congestion;
    int64_t connect_timeout_ms = 2'000;
    // What was sent must be acknowledged by the peer's kernel within this.
    int64_t unacknowledged_ms = 15'000;
    // A longer frame ends the connection.
    int32_t max_frame_bytes = 1 << 30;
  };
  // Never inside a call of the owner.
  struct Handler {
    std::function<void(Bytes)> on_frame;
    // The connection could not be had, or has ended. The last call; none follows
    // Close or Finish.
    std::function<void(std::string why)> on_closed;
  };

  // `loop` outlives it.
  static std::shared_ptr<FrameLink> Dial(Loop* loop, Options options,
                                         Handler handler);
  FrameLink(Loop* loop, Options options, Handler handler);

  // In the order of the calls; before there is a connection it waits for one.
  void Send(OutFrame frame);
  // Ends it now; what is unsent is dropped.
  void Close();
  // Ends it once what was given to Send is out; at once if there is no
  // connection yet. The handler is called no more.
  void Finish();
  // Bytes given to Send and not taken by the socket.
  int64_t unsent_bytes() const { return unsent_.memory_bytes(); }

  void Settle() override;

 private:
  void Resolve();
  void Connect(const asio::ip::tcp::endpoint& to);
  void Connected(const asio::error_code& error);
  void AwaitReadable();
  void AwaitWritable();
  void Read();
  void TakeFrames();
  void TakeFrame();
  void Fail(std::string why);
  void End();
  void TouchThis();
  // Runs `act` in a turn unless the link has ended by then.
  template <typename Act>
  auto InTurn(Act act);

  Loop* const loop_;
  const Options options_;
  Handler handler_;
  asio::ip::tcp::resolver resolver_;
  asio::ip::tcp::socket socket_;
  asio::steady_timer deadline_;
  std::unique_ptr<Transport> transport_;  // once connected
  FrameReader reader_;
  SendQueue unsent_;
  bool ended_ = false;
  bool finishing_ = false;
  bool touched_ = false;
  bool awaits_writable_ = false;
};

// "host:port" or "[address]:port" -> its parts; nothing if it is neither.
struct HostPort {
  std::string host;
  int port = 0;
};
std::optional<HostPort> SplitHostPort(const std::string& text);

}  // namespace sillok::net

#endif  // SILLOK_BASE_NET_FRAME_LINK_H_
