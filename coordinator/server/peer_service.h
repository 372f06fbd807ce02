// The gRPC door of peers: takes their streams and hands what they bring to the
// loop.
#ifndef SILLOK_COORDINATOR_SERVER_PEER_SERVICE_H_
#define SILLOK_COORDINATOR_SERVER_PEER_SERVICE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/ids.h"
#include "base/strand.h"
#include "coordinator/server/event_loop.h"
#include "coordinator/server/peer_transport.h"
#include "coordinator/store/store.h"
#include "proto/peer.grpc.pb.h"

namespace sillok::coord {

// Its reactions run on gRPC's threads; what they call runs on the loop, or, for
// the chunks of a snapshot, on `disk`.
class PeerService final : public v1::CoordinatorPeer::CallbackService {
 public:
  struct Handler {
    // On the loop, all four.
    std::function<void(MemberId from, uint64_t stream)> on_open;
    std::function<void(MemberId from, uint64_t stream, v1::PeerMessage)>
        on_message;
    std::function<void(MemberId from, uint64_t stream)> on_closed;
    // A whole snapshot is staged in the store. No other is taken in until
    // SnapshotConsumed.
    std::function<void(MemberId from, uint32_t epoch, Zxid zxid)> on_snapshot;
  };

  // All must outlive the server this is registered with.
  PeerService(const PeerOptions& options, EventLoop* loop, Executor* disk,
              CoordinatorStore* store);
  // Before the server starts.
  void set_handler(Handler handler) { handler_ = std::move(handler); }

  // The staged snapshot is installed or thrown away. Any thread.
  void SnapshotConsumed() { snapshot_busy_ = false; }

  grpc::ServerBidiReactor<v1::PeerMessage, v1::PeerAck>* Messages(
      grpc::CallbackServerContext* context) override;

 private:
  class Inbound;

  const PeerOptions options_;
  EventLoop* loop_;
  Executor* disk_;
  CoordinatorStore* store_;
  Handler handler_;
  std::atomic<uint64_t> next_stream_{1};
  std::atomic<bool> snapshot_busy_{false};
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_SERVER_PEER_SERVICE_H_
