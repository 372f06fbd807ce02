// One partition's log on disk: record batches in segments, in Kafka's layout.
//
// A log is one folder `<topic>-<partition>` with segments (`%020d.log` and
// their indexes), the leader epochs and producer snapshots; formats are in
// docs/format/log-segment.md. Batches are written once, as they came: a leader
// checks a batch and writes offset and epoch into its first 16 bytes, a
// follower appends the leader's bytes.
//
// Threads: the members under "Owner" are called by one strand, one at a time.
// Those under "Any thread" may be called beside them. Readers use view().
//
// Durability: Append writes to the page cache; Flush makes it survive power
// loss. recovery_point() says up to where that is done. A failed write leaves
// the log as it was and says so; after a failed flush (or when the old end
// cannot be restored) nobody knows what the disk holds, so the log is failed()
// and refuses all writes until it is opened again, which checks it.
#ifndef SILLOK_BROKER_LOG_PARTITION_LOG_H_
#define SILLOK_BROKER_LOG_PARTITION_LOG_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "broker/log/append_result.h"
#include "broker/log/file_system.h"
#include "broker/log/leader_epochs.h"
#include "broker/log/log_options.h"
#include "broker/log/log_view.h"
#include "broker/log/published.h"

namespace sillok {

class ProducerStates;
class Segment;
struct EndedTransaction;

// What Open found and did.
struct RecoveryReport {
  bool new_folder = false;  // there was none: nothing was found
  int64_t scanned_bytes = 0;
  int64_t truncated_bytes = 0;  // cut off the end: a write that was torn
  int rebuilt_indexes = 0;
};

class PartitionLog {
 public:
  struct OpenParams {
    FileSystem* file_system = nullptr;  // outlives the log
    std::string path;                   // the partition's folder
    TopicPartition partition;
    LogOptions options;
    // What the checkpoints say; zero when they say nothing.
    Offset recovery_point;
    Offset log_start;
    // The process closed this log before it ended: no scan.
    bool clean = false;
    int64_t now_ms = 0;
    // Must make the recovery point of this log durably <= its argument before
    // it returns: called before a truncation below the recovery point, so
    // that flushed data that is missing after a crash is known to be damage.
    // Optional.
    std::function<absl::Status(Offset)> lower_recovery_point;
    // For a folder that was just made: must make durable that it is there, and
    // what its owner has put into it. Called by the first flush, which says
    // nothing is on the disk before. Optional.
    std::function<absl::Status()> sync_new_folder;
  };

  // Opens or creates. After an unclean end, everything from the recovery
  // point's segment on is read and checked, and the indexes made anew; a torn
  // write at the very end is cut off with a warning. DATA_LOSS, naming file
  // and position, when the damage is anywhere else (a flushed part, a segment
  // that is not the last): such a log is to be restored from another replica,
  // never to be served.
  static absl::StatusOr<std::unique_ptr<PartitionLog>> Open(OpenParams params);
  // Closes without flushing: as a crash of the process would.
  ~PartitionLog();
  PartitionLog(const PartitionLog&) = delete;
  PartitionLog& operator=(const PartitionLog&) = delete;

  // --- Owner -----------------------------------------------------------------

  // As leader: checks `batches`, gives them the next offsets and `epoch`,
  // writes and publishes them. `now_ms` is the broker's wall time.
  AppendResult Append(const Bytes& batches, LeaderEpoch epoch, int64_t now_ms,
                      const AppendOptions& options = {});
  // As follower: one or more batches as the leader sent them; a batch cut
  // short at the end is left out. Checks CRC, that offsets rise and continue
  // this log, and that no batch is of an epoch above `leader_epoch`. One write.
  // `base_offset`..`last_offset` say what was appended; on an error in the
  // middle the batches before it are kept (they are good) and the error told.
  AppendResult AppendReplicated(const Bytes& batches, LeaderEpoch leader_epoch,
                                int64_t now_ms);

  // A new leader's epoch begins at the current end. Becomes durable with the
  // first flush; if it is lost before, no record of it was kept either, and
  // who asks for it is told that it is not known here.
  absl::Status AssignEpoch(LeaderEpoch epoch);
  // The owner knows the high watermark: transactions that ended below it no
  // longer hold back the last stable offset. Cheap; call when it has moved.
  void NoteHighWatermark(Offset high_watermark);

  // Drops everything at and above `offset`. Not below the log's start: that
  // is TruncateFullyAndStartAt. Does nothing at or above the end. Views taken
  // before may find bytes of the new history; they notice and say UNAVAILABLE.
  absl::Status TruncateTo(Offset offset);
  // Drops all there is; the log is empty and continues at `offset`.
  absl::Status TruncateFullyAndStartAt(Offset offset);
  // Nothing below `offset` may be read any more (DeleteRecords, or the
  // leader's start). Whole segments below are removed by ApplyRetention.
  // OFFSET_OUT_OF_RANGE above the end; below the start nothing happens.
  absl::Status AdvanceLogStart(Offset offset);

  // Starts a new segment when the active one has records older than
  // segment.ms; Append does so by itself.
  absl::Status MaybeRoll(int64_t now_ms);
  // Starts a new segment if the active one has any record.
  absl::Status Roll(int64_t now_ms);
  // Deletes whole old segments by retention.ms, retention.bytes and the log's
  // start, only below `high_watermark`. Returns how many went.
  absl::StatusOr<int> ApplyRetention(int64_t now_ms, Offset high_watermark);
  // Forgets idle producers (producer.id.expiration.ms).
  void ExpireProducers(int64_t now_ms);

  void UpdateOptions(const LogOptions& options) { options_ = options; }
  const LogOptions& options() const { return options_; }

  // Flushes, writes indexes and the producer snapshot. No call but the
  // destructor afterwards. The next Open may say `clean` when this was OK.
  absl::Status Close();

  // --- Any thread ------------------------------------------------------------

  std::shared_ptr<const LogView> view() const { return view_.load(); }
  Offset start_offset() const { return view()->start_offset(); }
  Offset end_offset() const { return view()->end_offset(); }
  int64_t size_bytes() const { return view()->size_bytes(); }

  // fdatasync of all that was appended before the call. Blocks: not on the
  // strand that answers clients. An error makes the log failed(). Several
  // threads may flush at once; an append may run beside it.
  absl::Status Flush();
  // The same for all segments but the active one (cheap; bounds recovery).
  absl::Status FlushRolled();
  // Everything below survives power loss.
  Offset recovery_point() const;
  // OK, or why this log refuses to write.
  absl::Status failed() const;

  const TopicPartition& partition() const { return partition_; }
  const std::string& path() const { return path_; }
  const RecoveryReport& recovery_report() const { return report_; }

  // The producers this log knows, for DescribeProducers and tests. Owner.
  const ProducerStates& producers() const { return *producers_; }

 private:
  friend class LogLoader;
  struct Placed;

  explicit PartitionLog(OpenParams params);

  // Appending.
  AppendResult Refused(ErrorCode error, std::string message) const;
  AppendResult AppendFromClient(const Bytes& batch, LeaderEpoch epoch,
                                int64_t now_ms, const AppendOptions& options);
  AppendResult AppendFromCoordinator(const Bytes& batches, LeaderEpoch epoch,
                                     int64_t now_ms);
  absl::Status Write(std::vector<Placed>* batches, const iovec* pieces,
                     size_t piece_count, int64_t bytes, int64_t now_ms);
  absl::Status WriteReplicated(const Bytes& bytes, size_t begin, size_t end,
                               std::vector<Placed>* batches, int64_t now_ms);
  void Account(const Placed& batch, int64_t now_ms);
  void EndTransaction(const EndedTransaction& ended);
  void NoteRefusedProducer(int64_t producer_id, ErrorCode error,
                           const std::string& message);

  // Segments.
  Segment& active() { return *segments_.back(); }
  absl::Status RollFor(int64_t bytes, Offset last, int64_t max_timestamp_ms,
                       int64_t now_ms);
  absl::Status AddSegment(Offset base, int64_t now_ms, bool may_exist = true);
  absl::Status RemoveSegmentsFrom(size_t index);
  absl::Status RemoveSnapshots(Offset from, Offset to);
  void SegmentsChanged();
  void Publish();

  // Producers.
  // The producers now, as a file named after `offset`.
  absl::Status WriteSnapshot(Offset offset);
  absl::Status SyncSnapshot(Offset at);
  absl::Status RebuildProducers(Offset end, int64_t now_ms);
  void DropAborted(Offset below, Offset from);

  // Durability.
  absl::Status FlushSegments(bool with_active);
  static std::string TransactionIndex(const LogView& view, Offset from,
                                      Offset to);
  absl::Status WriteEpochs(const LeaderEpochs& epochs);
  absl::Status LowerRecoveryPoint(Offset offset);
  absl::Status MarkFailed(const absl::Status& status);
  std::string PathOf(const std::string& name) const {
    return path_ + "/" + name;
  }

  FileSystem* const file_system_;
  const TopicPartition partition_;
  const std::string path_;
  const std::function<absl::Status(Offset)> lower_recovery_point_;
  const std::function<absl::Status()> sync_new_folder_;

  // Owner's.
  LogOptions options_;
  std::vector<std::shared_ptr<Segment>> segments_;  // never empty, rising
  Offset start_offset_;
  Offset end_offset_;
  int64_t older_bytes_ = 0;
  LeaderEpochs epochs_;
  // The active segment was opened from disk: its index files, if any, are from
  // before and must be gone by the time it is not the last one any more.
  bool active_has_old_indexes_ = false;
  bool epochs_changed_ = true;  // since they were last published
  std::unique_ptr<ProducerStates> producers_;
  std::unordered_set<int64_t> told_of_gap_;  // producers, bounded
  std::shared_ptr<AppendOnlyVector<AbortedTransaction>> aborted_;
  std::vector<EndedSpan> ended_;
  bool ended_changed_ = true;
  RecoveryReport report_;
  std::shared_ptr<const std::vector<std::shared_ptr<const Segment>>>
      published_segments_;
  TimestampAndOffset older_max_timestamp_;
  std::optional<Offset> tail_offset_;  // LogView has it, too
  int64_t tail_position_ = 0;
  std::vector<iovec> pieces_;  // scratch of Append

  // Any thread's.
  std::shared_ptr<std::atomic<uint64_t>> generation_;
  Published<LogView> view_;
  mutable std::mutex flush_mutex_;  // a leaf
  Offset recovery_point_;           // guarded by flush_mutex_
  absl::Status failed_;             // guarded by flush_mutex_
  std::atomic<bool> has_failed_{false};
  std::atomic<bool> folder_changed_{false};
  std::atomic<bool> folder_is_new_{false};  // until sync_new_folder_ was done
  std::shared_ptr<const LeaderEpochs> written_epochs_;  // flush_mutex_
};

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_PARTITION_LOG_H_
