// Snapshots of a member's tree in files, from time to time: what is left when a
// directory is damaged or somebody has deleted what they should not have.
#ifndef SILLOK_COORDINATOR_STORE_SNAPSHOT_KEEPER_H_
#define SILLOK_COORDINATOR_STORE_SNAPSHOT_KEEPER_H_

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/store/snapshot_file.h"
#include "coordinator/store/store.h"

namespace sillok {

struct SnapshotKeeperOptions {
  std::string folder;       // dataDir/snapshots
  int64_t interval_ms = 0;  // 0 = none are made
  size_t retain = 3;        // autopurge.snapRetainCount
  // Hears of each attempt; for tests. May be null.
  std::function<void(const absl::StatusOr<SnapshotFileInfo>&)> on_saved;
};

// Has a thread of low priority, which saves a snapshot whenever the newest one is
// older than the interval and something has changed since. One that cannot be
// saved (a full disk) is told in the log, and tried again after the interval;
// the member goes on.
class SnapshotKeeper {
 public:
  SnapshotKeeper(CoordinatorStore* store, SnapshotKeeperOptions options);
  // Does not wait for a snapshot that is being written: it is discarded.
  ~SnapshotKeeper();

 private:
  void Run();
  void Save();
  int64_t DueInMs() const;

  CoordinatorStore* const store_;
  const SnapshotKeeperOptions options_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::thread thread_;
};

// `status`, which a member could not start with; if it says that something is
// lost or damaged, with what can be done about it and the exact command.
absl::Status WithWayOut(const absl::Status& status,
                        const RocksStoreOptions& options);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_SNAPSHOT_KEEPER_H_
