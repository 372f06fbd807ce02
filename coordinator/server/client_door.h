// A door through which clients reach the member, beside that of gRPC.
#ifndef SILLOK_COORDINATOR_SERVER_CLIENT_DOOR_H_
#define SILLOK_COORDINATOR_SERVER_CLIENT_DOOR_H_

#include <cstdint>
#include <functional>
#include <string>

#include "coordinator/server/member.h"
#include "proto/coordinator.pb.h"

namespace sillok::coord {

// What a door needs of the node. All calls on the loop. Each door gives ids of
// a range of its own, none twice.
struct ClientHandler {
  // With the address of the peer, without its port.
  std::function<void(ConnectionId, std::string)> on_connection;
  std::function<void(ConnectionId, v1::SessionRequest)> on_request;
  std::function<void(ConnectionId)> on_disconnect;
  std::function<bool(ConnectionId)> wants_requests;
};

// What the node needs of a door. All but Stop on the loop.
class ClientDoor {
 public:
  virtual ~ClientDoor() = default;

  virtual bool Owns(ConnectionId id) const = 0;
  // The connection may be gone already.
  virtual void Send(ConnectionId id, const v1::SessionResponse& message) = 0;
  // Nothing follows.
  virtual void End(ConnectionId id, StreamEnd end) = 0;
  // After the messages of a turn: what waits goes out, who had to wait is read
  // on.
  virtual void EndTurn() = 0;
  // Ends all connections; last answers get `drain_ms` to be taken. The loop must
  // run. Not on the loop.
  virtual void Stop(int64_t drain_ms) = 0;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_SERVER_CLIENT_DOOR_H_
