// Messages between members: one outbound gRPC stream to each peer, and what the
// peers' streams bring in.
//
// Lives on the event loop. Messages to a peer arrive in the order sent, or the
// link is reported as reset: after on_reset anything given before may be lost.
// A link is dialled again, with a growing pause, until Stop.
#ifndef SILLOK_COORDINATOR_SERVER_PEER_TRANSPORT_H_
#define SILLOK_COORDINATOR_SERVER_PEER_TRANSPORT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/ids.h"
#include "coordinator/server/event_loop.h"
#include "proto/peer.grpc.pb.h"

namespace sillok::coord {

struct PeerOptions {
  MemberId self{0};
  std::map<MemberId, std::string> addresses;  // host:port of the other members
  // Both ends must have the same; keeps ensembles apart that were configured
  // into one another by mistake.
  std::string ensemble;
  // Bytes that wait for one peer. A peer that lags further is cut off and
  // starts over: what matters is sent again.
  size_t max_queued_bytes = 128 << 20;
  int64_t redial_min_ms = 20;
  int64_t redial_max_ms = 500;
};

// Says whether a peer's hello is one for us: empty, or what is wrong.
std::string CheckHello(const PeerOptions& options,
                       const v1::PeerMessage& message);
v1::PeerMessage MakeHello(const PeerOptions& options, MemberId to,
                          bool snapshot);

class PeerTransport {
 public:
  struct Handler {
    std::function<void(v1::PeerMessage)> on_message;
    // Messages to or from the peer may be lost.
    std::function<void(MemberId)> on_reset;
    // The peer closed a connection or refused one.
    std::function<void(MemberId)> on_lost;
  };

  PeerTransport(PeerOptions options, EventLoop* loop, Handler handler);
  ~PeerTransport();

  // Dials all peers.
  void Start();
  // The message is dropped if `to` is no peer.
  void Send(MemberId to, v1::PeerMessage message);
  // After the sends of a turn.
  void EndTurn();
  // Redials that are due.
  void OnTick(int64_t now_ms);
  // Cancels all streams; the loop must run on until `idle`.
  void Stop();
  bool idle() const;
  bool connected(MemberId peer) const;

  // A peer's stream: `stream` is unique among all of them. A newer stream of a
  // peer replaces the older one.
  void OnInboundOpen(MemberId from, uint64_t stream);
  void OnInboundMessage(MemberId from, uint64_t stream,
                        v1::PeerMessage message);
  void OnInboundClosed(MemberId from, uint64_t stream);

 private:
  class Link;

  const PeerOptions options_;
  EventLoop* const loop_;
  const Handler handler_;
  std::map<MemberId, std::unique_ptr<Link>> links_;
  std::map<MemberId, uint64_t> inbound_;  // the stream that counts, by peer
  bool stopping_ = false;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_SERVER_PEER_TRANSPORT_H_
