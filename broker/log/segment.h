// One segment of a log: a file of batches and its indexes.
#ifndef SILLOK_BROKER_LOG_SEGMENT_H_
#define SILLOK_BROKER_LOG_SEGMENT_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "broker/log/file_system.h"
#include "broker/log/offset_index.h"
#include "broker/log/retention.h"
#include "broker/log/time_index.h"
#include "proto/record/record_batch.h"

namespace sillok {

struct SegmentIndexes {
  explicit SegmentIndexes(Offset base) : offsets(base), times(base) {}
  OffsetIndex offsets;
  TimeIndex times;
};

// "00000000000000000042" + ".log" and so on.
std::string SegmentFileName(Offset base, std::string_view suffix);
// The base offset in such a name, empty when it is none with that suffix.
std::optional<Offset> ParseSegmentFileName(std::string_view name,
                                           std::string_view suffix);

// Owner = the log's strand. Readers may use the members under "Any thread"; of
// the active segment they see what their LogView says, not size_bytes().
class Segment {
 public:
  // `dir` is the partition's folder; the log file is open already.
  Segment(FileSystem* file_system, std::string dir, Offset base,
          std::shared_ptr<File> file);

  // --- Any thread ------------------------------------------------------------
  Offset base() const { return base_; }
  const std::shared_ptr<File>& file() const { return file_; }
  std::string LogPath() const { return PathOf(".log"); }
  // The indexes, read from their files (or made anew from the log, when those
  // are missing or damaged) at the first use of a segment opened from disk.
  absl::StatusOr<std::shared_ptr<const SegmentIndexes>> Indexes() const;
  // Writes and syncs the index files of a segment that will not grow any more,
  // and the transaction index when it has content; does so once.
  absl::Status PersistIndexes(const std::string& transaction_index);
  bool persisted() const { return persisted_.load(std::memory_order_acquire); }
  int64_t max_timestamp_ms() const {
    return max_timestamp_ms_.load(std::memory_order_relaxed);
  }

  // --- Owner (size_bytes: any thread, once the segment is not the last) ------
  int64_t size_bytes() const { return size_bytes_; }
  // A batch was written at the segment's end.
  void Added(const record::BatchHeader& header, int64_t now_ms,
             int64_t index_interval_bytes);
  // No more batches: completes the time index.
  void Finish();
  // Kafka's rules (docs/format/log-segment.md) for a batch of `bytes`, the last
  // with offset `last`, the newest from `max_timestamp_ms`.
  bool ShouldRoll(const struct RollRules& rules, int64_t bytes, Offset last,
                  int64_t max_timestamp_ms, int64_t now_ms) const;
  Offset max_timestamp_offset() const { return max_timestamp_offset_; }
  int64_t written_ms() const { return written_ms_; }
  void set_written_ms(int64_t ms) { written_ms_ = ms; }
  int64_t created_ms() const { return created_ms_; }
  void set_created_ms(int64_t ms) { created_ms_ = ms; }

  // Reads what the files say of a segment that was closed well: size, indexes
  // later, largest timestamp now. False when the index files do not tell.
  absl::StatusOr<bool> LoadFacts(int64_t size_bytes);
  // The same for the last segment, which will be appended to. Returns the log's
  // end; empty when the files do not fit together and must be scanned.
  absl::StatusOr<std::optional<Offset>> Resume(int64_t size_bytes);
  // Gives it indexes in memory, for one that will be appended to or is scanned.
  SegmentIndexes* StartIndexes();
  // A copy of this segment cut to `size_bytes`, all of whose batches end before
  // `end`. Shares the file (which the caller truncates).
  absl::StatusOr<std::shared_ptr<Segment>> CutTo(Offset end,
                                                 int64_t size_bytes) const;
  // The index files of a log that is about to be cut must not be believed.
  absl::Status RemoveIndexFiles();
  // Unlinks all its files. Open readers keep the log file.
  absl::Status Remove();

 private:
  std::string PathOf(std::string_view suffix) const;
  absl::StatusOr<std::shared_ptr<SegmentIndexes>> LoadIndexes() const;

  FileSystem* const file_system_;
  const std::string dir_;
  const Offset base_;
  const std::shared_ptr<File> file_;

  int64_t size_bytes_ = 0;
  int64_t last_indexed_ = 0;  // position of the batch last indexed
  std::atomic<int64_t> max_timestamp_ms_{-1};
  Offset max_timestamp_offset_ = kNoOffset;
  std::optional<int64_t> first_timestamp_ms_;
  int64_t created_ms_ = 0;
  int64_t written_ms_ = 0;

  mutable std::mutex index_mutex_;  // a leaf; held while index files are read
  mutable std::shared_ptr<SegmentIndexes> indexes_;
  std::atomic<bool> persisted_{false};
  // The owner's own pointer to the indexes it appends to.
  SegmentIndexes* growing_ = nullptr;
};

struct RollRules {
  int64_t segment_bytes = 0;
  int64_t segment_ms = 0;  // jitter taken off
  int64_t index_bytes = 0;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_SEGMENT_H_
