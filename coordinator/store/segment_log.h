// The log on disk: segments of zero-filled files that are used again when they
// are trimmed, so that a synced write changes nothing but the bytes written.
// docs/format/coordinator-store.md is the specification. Internal to
// coordinator/store.
#ifndef SILLOK_COORDINATOR_STORE_SEGMENT_LOG_H_
#define SILLOK_COORDINATOR_STORE_SEGMENT_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ids.h"
#include "coordinator/store/frame_cursor.h"
#include "coordinator/store/log_faults.h"
#include "coordinator/store/log_folder.h"
#include "coordinator/store/log_format.h"
#include "coordinator/store/log_index.h"
#include "coordinator/store/log_tail.h"
#include "coordinator/zab/zab.h"

namespace sillok {

struct SegmentLogOptions {
  // A log grows from segments of the first size to segments of this one; both a
  // multiple of a page.
  uint64_t segment_bytes = uint64_t{16} << 20;
  uint64_t first_segment_bytes = uint64_t{1} << 20;
  bool sync = true;
  // Hears of a new segment before anything is written to it; an error fails the
  // write. May be null.
  std::function<absl::Status(uint64_t sequence)> on_new_segment;
  LogFaults faults;
};

// Append from one thread, PlanTrim, Drop and PrepareSpare from one (another),
// the rest from any. A failed Append leaves it unknown what is on disk: the log
// takes no further ones.
class SegmentLog {
 public:
  // An empty log. Removes what files of a log are there.
  static absl::StatusOr<std::unique_ptr<SegmentLog>> Create(
      std::unique_ptr<LogFolder> folder, const SegmentLogOptions& options,
      uint64_t log_id);
  // Reads every frame and tells `tail` what entries there are, all of which are
  // durable when it returns. A write that was cut off at the very end is
  // dropped. DATA_LOSS, with file and place, if anything else is not as it was
  // written.
  static absl::StatusOr<std::unique_ptr<SegmentLog>> Open(
      std::unique_ptr<LogFolder> folder, const SegmentLogOptions& options,
      uint64_t log_id, LogTail* tail);
  // The names of the segments in a folder, in order.
  static absl::StatusOr<std::vector<std::string>> ListSegments(
      LogFolder* folder);

  // As of the last Append; for its thread.
  const zab::HardState& hard_state() const { return hard_state_; }
  // Where the tree's image is: 0 or 1. An install_snapshot changes it.
  uint32_t active_rows() const { return active_rows_; }
  uint64_t sequence() const { return current_->header.sequence; }

  // Makes them durable, in order, each whole or not at all.
  absl::Status Append(const std::vector<const zab::Persist*>& persists);
  // Everything appended is on disk when it returns, `sync` or not. Any thread.
  absl::Status Sync();

  // The entries after `*at`, which moves on, up to `upto`, as many as fit (see
  // LogView::Read; *bytes is what is in `out`). NOT_FOUND when what follows
  // `*at` is not there: it was trimmed or truncated meanwhile. DATA_LOSS when it
  // cannot be read, which may have the same reason.
  absl::Status Read(Zxid* at, Zxid upto, size_t max_bytes, size_t* bytes,
                    std::vector<zab::Entry>* out) const;
  // The last entry that is not after `zxid`; NOT_FOUND if there is none.
  absl::StatusOr<Zxid> LastAtOrBefore(Zxid zxid) const;

  // Whole segments can go whose entries are all up to `limit`: the last of
  // these entries, Zxid() if they hold none. Nothing if no segment can go.
  std::optional<Zxid> PlanTrim(Zxid limit) const;
  // Drops the segments with entries up to `limit` only. What is in them must be
  // in the tree's durable image.
  absl::Status Drop(Zxid limit);
  // Time to have the next file ready.
  bool wants_spare() const;
  absl::Status PrepareSpare();

  uint64_t bytes_on_disk() const;

 private:
  struct Segment {
    SegmentHeader header;
    uint64_t tag = 0;
    std::unique_ptr<LogFile> file;
  };
  struct Spare {
    std::string name;
    std::unique_ptr<LogFile> file;
  };

  SegmentLog(std::unique_ptr<LogFolder> folder,
             const SegmentLogOptions& options, uint64_t log_id)
      : folder_(std::move(folder)), options_(options), log_id_(log_id) {}

  // log_recovery.cc
  absl::Status Recover(LogTail* tail);
  absl::StatusOr<std::shared_ptr<Segment>> OpenSegment(
      const std::string& name);
  absl::Status CheckFollows(const Segment& segment) const;
  absl::Status RecoverFrames(const Segment& segment,
                             std::optional<uint64_t> end, LogTail* tail);
  absl::Status Replay(const Frame& frame, uint64_t sequence, LogTail* tail);
  absl::Status ReplayRecord(const LogRecord& record, const Frame& frame,
                            uint64_t sequence, LogTail* tail);
  absl::Status RemoveFiles(bool segments_too);

  absl::Status WriteFrame(std::vector<const zab::Persist*> persists);
  void Note(const zab::Persist& persist, uint64_t offset);
  absl::Status Rotate(size_t frame_bytes);
  absl::StatusOr<Spare> TakeSpare(uint64_t bytes);
  absl::StatusOr<Spare> NewSpare(uint64_t bytes);
  uint64_t NextSegmentBytes() const;
  uint64_t TagOf(uint64_t sequence) const;
  // How many segments from the oldest on can go; under mutex_.
  size_t CountDroppable(Zxid limit) const;
  std::shared_ptr<const Segment> FindSegment(uint64_t sequence) const;

  const std::unique_ptr<LogFolder> folder_;
  const SegmentLogOptions options_;
  const uint64_t log_id_;

  // Of the appending thread.
  Segment* current_ = nullptr;  // segments_.back()
  uint64_t end_ = 0;            // of the frames in it
  uint64_t next_frame_ = 1;
  Zxid last_;
  zab::HardState hard_state_;
  uint32_t active_rows_ = 0;
  FrameBuilder frame_;

  mutable std::mutex mutex_;
  // All under mutex_. A reader may hold a segment longer than this does.
  std::deque<std::shared_ptr<Segment>> segments_;
  LogIndex index_;
  std::vector<Spare> spares_;
  uint64_t next_spare_ = 1;
  bool wants_spare_ = false;
};

std::string SegmentName(uint64_t sequence);

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_SEGMENT_LOG_H_
