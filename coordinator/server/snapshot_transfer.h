// Streams a member's image to another one, and takes one in.
#ifndef SILLOK_COORDINATOR_SERVER_SNAPSHOT_TRANSFER_H_
#define SILLOK_COORDINATOR_SERVER_SNAPSHOT_TRANSFER_H_

#include <xxhash.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/status.h"
#include "base/ids.h"
#include "base/net/blocking_link.h"
#include "base/strand.h"
#include "coordinator/server/peer_transport.h"
#include "coordinator/store/store.h"
#include "proto/peer.pb.h"

namespace sillok::coord {

// Sends snapshots, one after another, on a thread of its own: reading rows and
// waiting for a slow receiver must not hold up the loop. Thread-safe.
class SnapshotSender {
 public:
  // On the sender's thread. `zxid` is that of the image, if it came so far.
  using Done = std::function<void(MemberId to, uint32_t epoch, Zxid zxid,
                                  absl::Status status)>;

  // `store` must outlive this.
  SnapshotSender(const PeerOptions& options, CoordinatorStore* store,
                 Done done);
  // Cancels what is under way.
  ~SnapshotSender();

  // `address`: host:port of the receiver.
  void Send(MemberId to, std::string address, uint32_t epoch);
  // Asked for and not done.
  int pending() const { return pending_; }

 private:
  absl::Status Stream(MemberId to, const std::string& address, uint32_t epoch,
                      Zxid* zxid);
  absl::Status Chunks(SnapshotReader* reader, net::BlockingLink* link,
                      MemberId to, uint32_t epoch);
  // False: this sender stops.
  bool Begin(net::BlockingLink* link);
  void End();

  const PeerOptions options_;
  CoordinatorStore* const store_;
  const Done done_;
  std::atomic<int> pending_{0};
  uint64_t next_id_ = 1;  // sender's thread

  std::mutex mutex_;
  bool stopping_ = false;                 // under mutex_
  net::BlockingLink* current_ = nullptr;  // under mutex_
  Executor executor_{"coord-snap-out", 1};
};

// Takes in the chunks of one snapshot, in order. One thread at a time.
class SnapshotSink {
 public:
  explicit SnapshotSink(CoordinatorStore* store);
  ~SnapshotSink();

  // After an error the sink is of no more use.
  absl::Status Add(const v1::PeerMessage& message);
  // The last chunk was taken, and the image is staged in the store.
  bool staged() const { return staged_; }
  // Of a staged image: see SnapshotWriter.
  const std::string& ensemble_row() const { return ensemble_row_; }
  Zxid zxid() const { return zxid_; }
  uint32_t epoch() const { return epoch_; }

 private:
  CoordinatorStore* const store_;
  std::unique_ptr<SnapshotWriter> writer_;
  XXH3_state_t* checksum_;
  uint64_t next_index_ = 0;
  uint64_t id_ = 0;
  uint32_t epoch_ = 0;
  Zxid zxid_;
  bool staged_ = false;
  std::string ensemble_row_;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_SERVER_SNAPSHOT_TRANSFER_H_
