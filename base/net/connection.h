// What a wire protocol sees of a connection that carries frames: a handler of
// its own, a reply per frame, and the connection itself.
//
// Interfaces: the real ones come from FrameServer; tests of a protocol make
// their own.
#ifndef SILLOK_BASE_NET_CONNECTION_H_
#define SILLOK_BASE_NET_CONNECTION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/net/out_frame.h"

namespace sillok::net {

// Why a connection ended.
enum class CloseReason {
  kPeerClosed,     // the peer ended it
  kSocketError,    // reset, timed out, unreachable
  kHandler,        // the protocol asked for it
  kBadFrame,       // a length that is negative or above the bound
  kIdle,           // no byte either way for idle_timeout_ms
  kStalled,        // the peer takes no bytes, or stopped inside a frame
  kOverflow,       // more unsent bytes than max_unsent_bytes
  kUnanswered,     // a Reply was dropped without an answer: a bug
  kFileChanged,    // a file piece was shorter than promised, or unreadable
  kTooMany,        // max_connections
  kTooManyFromIp,  // max_connections_per_ip
  kServerStopped,
};
constexpr int kCloseReasons = static_cast<int>(CloseReason::kServerStopped) + 1;
// As metrics and log lines name it: "idle", "too_many_from_ip".
const char* CloseReasonName(CloseReason reason);

// Who is at the other end, and through which door it came. Constant.
struct ConnectionInfo {
  uint64_t id = 0;  // never used twice in a process
  std::string listener;
  std::string peer_host;  // numeric; an IPv4 peer of an IPv6 listener as IPv4
  int peer_port = 0;
  std::string peer;  // "10.0.0.7:51234", "[fe80::1]:51234"
  int local_port = 0;
};

// Thread-safe, and may be kept: after the end of the connection, or of its
// server, all calls do nothing.
class Connection {
 public:
  virtual ~Connection() = default;

  virtual const ConnectionInfo& info() const = 0;

  // Sends a frame nobody asked for. Order: after every reply that has left the
  // queue of replies (it and all before it were answered before this call),
  // before all others. So for a protocol that answers in order: by call time.
  virtual void Send(OutFrame frame) = 0;

  // Ends it now; what is unsent is dropped. `why` goes to the log.
  virtual void Close(std::string why) = 0;

  // Ends it in good order: what was given to Send before goes out, nothing more
  // is read, and requests that wait for their answer stay without one. `why`
  // goes to the log, unless it is empty.
  virtual void Finish(std::string why) = 0;

  // No frame is handed out for `ms` from now (Kafka's throttling; call it before
  // the answer goes out). What has been read but not handed out waits too. Of
  // several, the one that ends last counts.
  virtual void PauseReading(int64_t ms) = 0;

  // The handler's WantsFrame may say something else now.
  virtual void ReadOn() = 0;

  // Runs `task` on the connection's loop thread, never inside this call; drops
  // it when the connection has ended.
  virtual void Post(std::function<void()> task) = 0;
};

// The place of one frame in the order of answers. Thread-safe; exactly one of
// the four is called, once, from any thread, now or later (a second call is
// ignored and logged as an error). When the last reference goes without an
// answer, the connection is closed: its peer would wait for ever.
//
// Answers go out in the order of the frames, whatever the order of the calls. A
// call inside a callback of the same loop thread costs no wake-up, and calls of
// other threads share one.
class Reply {
 public:
  virtual ~Reply() = default;

  virtual void Send(OutFrame frame) = 0;
  // The protocol has no answer to this frame (acks=0).
  virtual void SendNothing() = 0;
  // The connection ends in good order after this answer.
  virtual void SendAndClose(OutFrame frame) = 0;
  // As SendAndClose with nothing: earlier answers still go out. `why` goes to
  // the log, unless it is empty.
  virtual void Close(std::string why) = 0;
};
using ReplyPtr = std::shared_ptr<Reply>;

// A protocol's side of one connection. All calls come from the connection's
// loop thread, one at a time; they must not block. Destroyed on that thread,
// never inside one of its own calls; replies may outlive it.
class FrameHandler {
 public:
  virtual ~FrameHandler() = default;

  // Asked before each frame. While it says no, nothing is read;
  // Connection::ReadOn makes it be asked again.
  virtual bool WantsFrame() const { return true; }

  // Constant. False: this protocol orders its answers itself and gives them to
  // Connection::Send; OnFrame's reply is null.
  virtual bool WantsReplies() const { return true; }

  // A whole frame, without its length; one piece of memory. The memory counts
  // against the budget of request memory until the last reference is dropped.
  virtual void OnFrame(Bytes frame, ReplyPtr reply) = 0;

  // The four bytes that should be a length are negative or above the bound (as
  // a big-endian int32; four-letter words come this way). Nothing more is read,
  // and the connection ends after this reply. Default: Close.
  virtual void OnBadLength(int32_t length, ReplyPtr reply);
  // So many of the bytes behind a bad length are wanted, too: when they have
  // come, OnBadFrame gets them instead of the call above, on the same terms.
  virtual int32_t BytesOfBadFrame(int32_t length) const { return 0; }
  virtual void OnBadFrame(int32_t length, Bytes beginning, ReplyPtr reply);

  // The last call.
  virtual void OnClose(CloseReason reason) {}
};

}  // namespace sillok::net

#endif  // SILLOK_BASE_NET_CONNECTION_H_
