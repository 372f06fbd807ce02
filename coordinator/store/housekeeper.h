// The store's second thread: what may take its time. Internal to
// coordinator/store.
#ifndef SILLOK_COORDINATOR_STORE_HOUSEKEEPER_H_
#define SILLOK_COORDINATOR_STORE_HOUSEKEEPER_H_

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "base/ids.h"
#include "coordinator/store/segment_log.h"
#include "coordinator/store/tree_database.h"

namespace sillok {

// Writes the tree's rows into the database, gathered for a moment; trims the log;
// has the log's next file ready. After a failure, which is reported once, it
// does nothing more. Thread-safe.
class Housekeeper {
 public:
  struct Hooks {
    std::function<void(absl::Status)> on_failure;
    // Before log entries up to that zxid vanish.
    std::function<void(Zxid)> on_trim;
  };

  // Without `log_synced` the log's writes are not; it syncs them before the
  // database gets rows, which must not come before their entries.
  Housekeeper(TreeDatabase* database, SegmentLog* log, Hooks hooks,
              bool log_synced, const LogFaults& faults);
  // Writes what was given, and flushes it.
  ~Housekeeper();

  // The log entries they come from are durable.
  void AddRows(TreeRows rows);
  // Waits while there is more to write than should be.
  void AwaitRoom();
  // Drops the part of the log up to `limit` that the tree covers, by segments.
  // The tree is flushed for it if a segment can go.
  void TrimLog(Zxid limit);
  // The log may want a file.
  void LogHasGrown();
  // Waits until all that was given is carried out.
  void WaitIdle();

 private:
  void Run();
  absl::Status CarryOut(const std::vector<TreeRows>& rows,
                        std::optional<Zxid> trim);
  absl::Status Trim(Zxid limit);

  TreeDatabase* const database_;
  SegmentLog* const log_;
  const Hooks hooks_;
  const bool log_synced_;
  const LogFaults faults_;

  std::mutex mutex_;
  std::condition_variable wake_;   // for the thread
  std::condition_variable done_;   // for those who wait
  std::vector<TreeRows> rows_;
  size_t rows_bytes_ = 0;
  std::optional<Zxid> trim_;
  bool grown_ = false;
  size_t waiting_ = 0;  // in WaitIdle: nothing is put off
  bool busy_ = false;
  bool stopping_ = false;
  bool failed_ = false;

  std::thread thread_;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_HOUSEKEEPER_H_
