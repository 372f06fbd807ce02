// One data directory (`log.dirs`): finds, opens, creates and deletes the
// partition logs in it, and writes the checkpoint files they share.
//
// Life: Open, then logs are created, found and deleted, WriteCheckpoints about
// every minute (and after role changes), at last CloseCleanly. Without the
// last the next Open checks what was not flushed. Thread-safe.
#ifndef SILLOK_BROKER_LOG_LOG_DIRECTORY_H_
#define SILLOK_BROKER_LOG_LOG_DIRECTORY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "broker/log/checkpoint_file.h"
#include "broker/log/file_system.h"
#include "broker/log/log_options.h"
#include "broker/log/partition_log.h"

namespace sillok {

class LogDirectory {
 public:
  struct Options {
    FileSystem* file_system = nullptr;  // null: the real one
    std::string path;
    BrokerId broker_id;
    // Empty: not known yet (a first start); SetClusterId tells it later.
    std::string cluster_id;
    // For logs found on disk; per topic via `options_for` when set.
    LogOptions log_options;
    std::function<LogOptions(const std::string& topic)> options_for;
    // [num.recovery.threads.per.data.dir]
    int recovery_threads = 2;
    // The cluster's view at start, where known: a folder whose partition this
    // says is not ours is renamed `...-stray` instead of opened.
    std::function<bool(const TopicPartition&, const std::string& topic_id)>
        is_ours;
    int64_t now_ms = 0;
  };

  // A partition folder that could not be opened, and why. Its files are left
  // as they are; DeleteLog removes it, so that it can be fetched anew.
  struct FailedLog {
    TopicPartition partition;
    absl::Status status;
  };

  // Takes the lock, checks `meta.properties` (FAILED_PRECONDITION when it
  // belongs to another broker or cluster), opens every log in parallel. A
  // damaged log does not stop the others: see failed_logs().
  static absl::StatusOr<std::unique_ptr<LogDirectory>> Open(Options options);
  // As a crash would: nothing flushed, no marker. Logs must be unused by then.
  ~LogDirectory();
  LogDirectory(const LogDirectory&) = delete;
  LogDirectory& operator=(const LogDirectory&) = delete;

  // Owned by the directory; valid until DeleteLog or CloseCleanly. Null when
  // there is none.
  PartitionLog* FindLog(const TopicPartition& partition) const;
  std::vector<PartitionLog*> logs() const;
  std::vector<FailedLog> failed_logs() const;

  // The log of a new partition (or the one there is). `topic_id` goes into
  // partition.metadata; another id in an existing folder is
  // FAILED_PRECONDITION (INCONSISTENT_TOPIC_ID): the topic was made anew.
  // Empty ids are not written and not compared.
  absl::StatusOr<PartitionLog*> CreateLog(const TopicPartition& partition,
                                          const LogOptions& options,
                                          const std::string& topic_id = {});
  // The id in partition.metadata; empty when it has none.
  std::string TopicId(const TopicPartition& partition) const;
  // Out of the namespace at once (rename to `<topic>-<partition>.<uid>-delete`)
  // then unlinked. The PartitionLog is destroyed: nobody may use it any more.
  // Views of it stay readable. Also takes a failed log. NOT_FOUND else.
  absl::Status DeleteLog(const TopicPartition& partition);

  // High watermarks as the checkpoint had them at Open.
  const OffsetMap& initial_high_watermarks() const {
    return initial_high_watermarks_;
  }
  // Flushes rolled segments and writes recovery points, log starts, and the
  // high watermarks given (others keep what the file had). Blocks.
  absl::Status WriteCheckpoints(
      const OffsetMap& high_watermarks);
  // Only the last: every 5 s ([replica.high.watermark.checkpoint.interval.ms]).
  absl::Status WriteHighWatermarks(
      const OffsetMap& high_watermarks);

  // Closes every log (in parallel), writes checkpoints and, if all were fine,
  // the marker `.kafka_cleanshutdown` with `broker_epoch`. Logs are gone after.
  absl::Status CloseCleanly(
      const OffsetMap& high_watermarks,
      int64_t broker_epoch);
  // What the marker said at Open; empty when the last end was not clean.
  std::optional<int64_t> previous_broker_epoch() const {
    return previous_broker_epoch_;
  }

  absl::Status SetClusterId(const std::string& cluster_id);
  const std::string& cluster_id() const { return cluster_id_; }
  const std::string& path() const { return options_.path; }
  // OK, or why nothing can be written here any more (offline directory).
  absl::Status failed() const;

  // Whether the disk takes writes: writes, syncs and removes a file of a
  // mebibyte, and wants as much room as a broker should have to go on with (a
  // twentieth of the disk, or a gibibyte). Blocks.
  absl::Status TryWrite() const;

  struct Usage {
    int64_t log_bytes = 0;  // of all logs
    int64_t total_bytes = 0;
    int64_t free_bytes = 0;
  };
  absl::StatusOr<Usage> DiskUsage() const;

 private:
  struct Found;

  LogDirectory(Options options, FileSystem* file_system);
  absl::Status Load();
  absl::Status LoadMeta();
  absl::Status WriteMeta();
  absl::Status LoadCheckpoint(const std::string& name, OffsetMap* out);
  absl::StatusOr<std::vector<Found>> FindFolders();
  void OpenAll(std::vector<Found>* found, bool clean);
  absl::Status ForgetMissing();
  PartitionLog::OpenParams ParamsFor(const TopicPartition& partition,
                                     const LogOptions& options);
  absl::Status LowerRecoveryPoint(const TopicPartition& partition,
                                  Offset offset);
  std::string ReadTopicId(const TopicPartition& partition) const;
  absl::Status WriteTopicId(const std::string& folder, bool new_folder,
                            const std::string& topic_id);
  absl::Status SyncNewFolder(const std::string& folder);
  absl::Status WriteOffsets(const OffsetMap& high_watermarks);
  absl::Status WriteHighWatermarksLocked(const OffsetMap& high_watermarks);
  absl::Status Failed(const absl::Status& status);
  std::string PathOf(const std::string& name) const {
    return options_.path + "/" + name;
  }

  const Options options_;
  FileSystem* const file_system_;
  std::shared_ptr<File> lock_;
  std::string cluster_id_;
  std::optional<int64_t> previous_broker_epoch_;
  OffsetMap initial_high_watermarks_;

  mutable std::mutex logs_mutex_;
  std::map<TopicPartition, std::unique_ptr<PartitionLog>> logs_;
  std::map<TopicPartition, absl::Status> failed_logs_;
  absl::Status failed_;
  uint64_t next_delete_ = 1;

  // Held while checkpoint files are written; before logs_mutex_ if both.
  std::mutex checkpoint_mutex_;
  OffsetMap recovery_points_;  // as the file has them
  OffsetMap high_watermarks_;  // as the file has them
  OffsetMap log_starts_;       // as the file had them at Open
};

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_LOG_DIRECTORY_H_
