// The gRPC door of clients: turns streams into requests of the member and its
// answers into messages.
//
// What a stream decides is decided on the event loop; its reads and writes follow
// one another on the thread that polls gRPC's queue, so that a message costs no
// hop of its own: requests come to the loop by the batch, and answers are left
// for the stream to send.
#ifndef SILLOK_COORDINATOR_SERVER_CLIENT_SERVICE_H_
#define SILLOK_COORDINATOR_SERVER_CLIENT_SERVICE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "coordinator/server/client_door.h"
#include "coordinator/server/event_loop.h"
#include "coordinator/server/member.h"
#include "proto/coordinator.grpc.pb.h"

namespace sillok::coord {

// Everything but the constructor and `service` runs on the loop.
class ClientService {
 public:
  // What a stream needs of the node.
  struct Handler {
    ClientHandler clients;
    std::function<void(v1::MemberStatusResponse*)> fill_status;
  };

  ClientService();
  ~ClientService();

  // Register it with the server that gives the loop its queue.
  grpc::Service* service() { return &service_; }
  // Begins to take calls.
  void Start(EventLoop* loop, Handler handler);

  // Carries out one action of the member. The stream may be gone already.
  void Do(ClientAction action);
  // After Do of a whole turn: starts writes, reads on where it may.
  void EndTurn();

  size_t streams() const { return streams_.size(); }

 private:
  class Stream;
  class StatusCall;
  friend class Stream;
  friend class StatusCall;

  v1::Coordinator::AsyncService service_;
  EventLoop* loop_ = nullptr;
  Handler handler_;
  uint64_t last_id_ = 0;
  std::unordered_map<ConnectionId, std::shared_ptr<Stream>> streams_;
  std::vector<ConnectionId> dirty_;   // with messages that wait for EndTurn
  std::vector<ConnectionId> paused_;  // not read from for the time being
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_SERVER_CLIENT_SERVICE_H_
