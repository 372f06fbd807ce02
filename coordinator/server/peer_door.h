// Where peers connect: takes their messages and snapshots in.
#ifndef SILLOK_COORDINATOR_SERVER_PEER_DOOR_H_
#define SILLOK_COORDINATOR_SERVER_PEER_DOOR_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/net/frame_server.h"
#include "base/net/loop.h"
#include "base/strand.h"
#include "coordinator/store/store.h"
#include "proto/peer.pb.h"

namespace sillok::coord {

// A listener on the member's loop. A message is handed over in the turn that has
// read it; the chunks of a snapshot are taken in on `disk`, and no more is read
// meanwhile.
class PeerDoor {
 public:
  // On the loop, all of them.
  struct Handler {
    // Empty: the hello is one for us. Else why it is not.
    std::function<std::string(const v1::PeerMessage& hello)> check;
    std::function<void(MemberId from, uint64_t stream)> on_open;
    // False: the connection counts no more, and is closed.
    std::function<bool(MemberId from, uint64_t stream, v1::PeerMessage)>
        on_message;
    std::function<void(MemberId from, uint64_t stream)> on_closed;
    // A whole snapshot is staged in the store. No other is taken in until
    // SnapshotConsumed.
    // `ensemble_row`: see SnapshotWriter.
    std::function<void(MemberId from, uint32_t epoch, Zxid zxid,
                       const std::string& ensemble_row)>
        on_snapshot;
  };
  struct Options {
    std::string listen;  // host:port, port 0 = any
    std::string tcp_congestion;
    // A connection on which a hello or a chunk is due and does not come ends.
    int64_t silence_ms = 10'000;
  };

  // Listens; serves once the loop runs. `disk` and `store` outlive it.
  static absl::StatusOr<std::unique_ptr<PeerDoor>> Start(
      const Options& options, std::shared_ptr<net::Loop> loop, Executor* disk,
      CoordinatorStore* store, Handler handler);
  ~PeerDoor();

  int port() const { return server_->port(); }
  // Ends connections that are there for nothing: on which no hello comes, or no
  // more of a snapshot. Where messages may come, silence is no news.
  void OnTick(int64_t now_ms);
  // The staged snapshot is installed or thrown away. Any thread.
  void SnapshotConsumed() { *snapshot_busy_ = false; }
  // Ends all connections. The loop must run; not on the loop.
  void Stop();

 private:
  class Inbound;

  PeerDoor(int64_t silence_ms, std::shared_ptr<net::Loop> loop, Executor* disk,
           CoordinatorStore* store, Handler handler);
  // Each problem of a peer once in a while.
  void LogRefusal(const std::string& peer, const std::string& problem);

  const int64_t silence_ms_;
  const std::shared_ptr<net::Loop> loop_;
  Executor* const disk_;
  CoordinatorStore* const store_;
  const Handler handler_;
  uint64_t last_stream_ = 0;
  std::set<Inbound*> timed_;  // those with the time in mind
  std::map<std::string, int64_t> refusals_;  // when they may be said again
  // Shared with what is on its way to the disk.
  const std::shared_ptr<std::atomic<bool>> snapshot_busy_ =
      std::make_shared<std::atomic<bool>>(false);
  std::unique_ptr<net::FrameServer> server_;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_SERVER_PEER_DOOR_H_
