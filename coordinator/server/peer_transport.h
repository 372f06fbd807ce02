// Messages between members: one connection to each peer, which we dial, and what
// comes in on those that the peers have dialled.
//
// Lives on the loop. Messages to a peer arrive in the order sent, or the link is
// reported as reset: after on_reset anything given before may be lost. A link is
// dialled again, with a growing pause, until Stop. What a turn sends to a peer
// leaves in one system call at its end.
#ifndef SILLOK_COORDINATOR_SERVER_PEER_TRANSPORT_H_
#define SILLOK_COORDINATOR_SERVER_PEER_TRANSPORT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/net/buffer_cache.h"
#include "base/net/loop.h"
#include "coordinator/server/peer_door.h"
#include "google/protobuf/message_lite.h"
#include "proto/peer.pb.h"

namespace sillok::coord {

struct PeerOptions {
  MemberId self{0};
  // host:port of the other members at the start; SetPeers changes them.
  std::map<MemberId, std::string> addresses;
  // Both ends must have the same; keeps ensembles apart that were configured
  // into one another by mistake.
  std::string ensemble;
  // Bytes that wait for one peer. A peer that lags further is cut off and
  // starts over: what matters is sent again.
  int64_t max_queued_bytes = 128 << 20;
  int64_t redial_min_ms = 20;
  int64_t redial_max_ms = 500;
  // After it has refused us; a peer that comes to know us dials by itself.
  int64_t redial_refused_ms = 2'000;
  std::string tcp_congestion;  // "" leaves the system's
};

// No frame between members is longer.
constexpr int32_t kMaxPeerFrameBytes = 256 << 20;

v1::PeerMessage MakeHello(const PeerOptions& options, MemberId to,
                          bool snapshot);

class PeerTransport {
 public:
  struct Handler {
    std::function<void(v1::PeerMessage)> on_message;
    // Messages to or from the peer may be lost.
    std::function<void(MemberId)> on_reset;
    // The peer closed a connection, or refused one while it has none to us.
    std::function<void(MemberId)> on_lost;
  };

  // `loop` outlives it.
  PeerTransport(PeerOptions options, net::Loop* loop, Handler handler);
  ~PeerTransport();

  // Dials all peers.
  void Start();
  // Who the others are from now on (this member is left out if it is named).
  // New ones are dialled, and those with another address anew; who is not named
  // gets what was sent and is then let go, and is not heard any more.
  void SetPeers(std::map<MemberId, std::string> addresses);
  // The message is dropped if `to` is no peer.
  void Send(MemberId to, const v1::PeerMessage& message);
  // The same with `body` as the message's field of that number, which is one of
  // bytes: without the copy that setting it would be.
  void Send(MemberId to, const v1::PeerMessage& head, int field,
            const google::protobuf::MessageLite& body);
  // Redials that are due.
  void OnTick(int64_t now_ms);
  // Ends all links once what was sent is out.
  void Stop();
  bool connected(MemberId peer) const;
  // "" if it is no peer.
  std::string address(MemberId peer) const;

  // What a door needs to give what it takes in to this transport, which must
  // outlive it. Snapshots (on_snapshot) are not its business.
  PeerDoor::Handler MakeDoorHandler();
  // Says whether a hello is one for us: empty, or what is wrong.
  std::string CheckHello(const v1::PeerMessage& message) const;
  // A peer's connection: `stream` is unique among all of them. A newer one of a
  // peer replaces the older one.
  void OnInboundOpen(MemberId from, uint64_t stream);
  // False if the connection counts no more: it may be closed.
  bool OnInboundMessage(MemberId from, uint64_t stream,
                        v1::PeerMessage message);
  void OnInboundClosed(MemberId from, uint64_t stream);

 private:
  class Link;

  void AddLink(MemberId peer, const std::string& address);
  void SendFrame(MemberId to, Bytes frame);

  const PeerOptions options_;
  net::Loop* const loop_;
  const Handler handler_;
  // Of messages on their way out.
  const std::shared_ptr<net::BufferCache> buffers_ =
      std::make_shared<net::BufferCache>();
  std::map<MemberId, std::unique_ptr<Link>> links_;
  std::map<MemberId, uint64_t> inbound_;  // the stream that counts, by peer
  bool started_ = false;
  bool stopping_ = false;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_SERVER_PEER_TRANSPORT_H_
