#include "coordinator/store/segment_log.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "coordinator/store/store_format.h"
#include "fmt/core.h"

namespace sillok {
namespace {

constexpr size_t kReadBytes = 64 * 1024;

uint64_t RoundUp(uint64_t bytes) {
  return (bytes + kLogPageBytes - 1) / kLogPageBytes * kLogPageBytes;
}

}  // namespace

std::string SegmentName(uint64_t sequence) {
  return fmt::format("segment.{:016}", sequence);
}

absl::StatusOr<std::unique_ptr<SegmentLog>> SegmentLog::Create(
    std::unique_ptr<LogFolder> folder, const SegmentLogOptions& options,
    uint64_t log_id) {
  std::unique_ptr<SegmentLog> log(
      new SegmentLog(std::move(folder), options, log_id));
  RETURN_IF_ERROR(log->RemoveFiles(true));
  RETURN_IF_ERROR(log->Rotate(0));
  return log;
}

uint64_t SegmentLog::TagOf(uint64_t sequence) const {
  return options_.faults.stale_frames_pass ? LifeTag(0, 0)
                                           : LifeTag(log_id_, sequence);
}

// --- Appending ---

absl::Status SegmentLog::Append(
    const std::vector<const zab::Persist*>& persists) {
  // A frame's entries are all of one stretch of the log: one that takes entries
  // back begins a frame of its own.
  std::vector<const zab::Persist*> together;
  bool entries = false;
  for (const zab::Persist* persist : persists) {
    if (entries && (persist->truncate_after || persist->install_snapshot)) {
      RETURN_IF_ERROR(WriteFrame(std::exchange(together, {})));
      entries = false;
    }
    together.push_back(persist);
    entries |= !persist->entries.empty();
  }
  return WriteFrame(std::move(together));
}

absl::Status SegmentLog::WriteFrame(
    std::vector<const zab::Persist*> persists) {
  frame_.Clear();
  for (const zab::Persist* persist : persists) {
    if (persist->install_snapshot) {
      frame_.AddInstall(*persist->install_snapshot, 1 - active_rows_);
    }
    if (persist->truncate_after && !options_.faults.truncation_not_logged) {
      frame_.AddTruncate(*persist->truncate_after);
    }
    for (const zab::Entry& entry : persist->entries) {
      frame_.AddEntry(entry.zxid, entry.txn == nullptr
                                      ? std::string_view()
                                      : std::string_view(*entry.txn));
    }
    if (persist->hard_state) frame_.AddHardState(*persist->hard_state);
  }
  if (!frame_.empty()) {
    if (frame_.bytes() - kFrameHeaderBytes > kMaxFrameBodyBytes) {
      return absl::InternalError("a write to the log of " +
                                 std::to_string(frame_.bytes()) + " bytes");
    }
    if (current_->header.format >= kSegmentFormat) frame_.Pack();
    const size_t bytes = frame_.bytes();
    if (end_ + bytes > current_->header.bytes) RETURN_IF_ERROR(Rotate(bytes));
    // To the end of a page: the rest of it is then never read from the disk, and
    // nothing of a former life is left behind the last frame there.
    const size_t padded =
        static_cast<size_t>(RoundUp(end_ + bytes) - end_);
    RETURN_IF_ERROR(current_->file->Write(
        end_, frame_.Finish(current_->tag, next_frame_, padded)));
    if (options_.sync && !options_.faults.ack_before_sync) {
      RETURN_IF_ERROR(current_->file->Sync());
    }
    std::lock_guard<std::mutex> lock(mutex_);
    for (const zab::Persist* persist : persists) Note(*persist, end_);
    const uint64_t half = current_->header.bytes / 2;
    const bool was_past_half = end_ > half;
    end_ += FrameStride(bytes - kFrameHeaderBytes);
    ++next_frame_;
    if (!was_past_half && end_ > half) wants_spare_ = spares_.empty();
  }
  return absl::OkStatus();
}

void SegmentLog::Note(const zab::Persist& persist, uint64_t offset) {
  if (persist.install_snapshot) {
    active_rows_ = 1 - active_rows_;
    index_.Clear();
    last_ = *persist.install_snapshot;
  }
  if (persist.truncate_after) {
    index_.TruncateAfter(*persist.truncate_after);
    last_ = std::min(last_, *persist.truncate_after);
  }
  if (!persist.entries.empty()) {
    last_ = persist.entries.back().zxid;
    index_.Append(persist.entries.front().zxid, last_,
                  current_->header.sequence, offset);
  }
  if (persist.hard_state) hard_state_ = *persist.hard_state;
}

absl::Status SegmentLog::Sync() {
  std::shared_ptr<const Segment> newest;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    newest = segments_.back();
  }
  // Those before it were synced when it was begun.
  return newest->file->Sync();
}

// The new segment has its header and its name for good before anything is in it.
absl::Status SegmentLog::Rotate(size_t frame_bytes) {
  if (current_ != nullptr && !options_.sync) {
    RETURN_IF_ERROR(current_->file->Sync());
  }
  ASSIGN_OR_RETURN(Spare spare, TakeSpare(RoundUp(kLogPageBytes +
                                                  frame_bytes)));
  auto segment = std::make_shared<Segment>();
  SegmentHeader& header = segment->header;
  header.log_id = log_id_;
  header.sequence = current_ == nullptr ? 1 : current_->header.sequence + 1;
  header.bytes = spare.file->bytes();
  header.previous = last_;
  header.first_frame = next_frame_;
  header.previous_end = end_;
  header.hard_state = hard_state_;
  header.active_rows = active_rows_;
  segment->tag = TagOf(header.sequence);
  segment->file = std::move(spare.file);
  RETURN_IF_ERROR(segment->file->Write(0, EncodeSegmentHeader(header)));
  if (!options_.faults.header_not_synced) {
    RETURN_IF_ERROR(segment->file->Sync());
  }
  const std::string name = SegmentName(header.sequence);
  RETURN_IF_ERROR(folder_->Rename(spare.name, name));
  if (!options_.faults.folder_not_synced) RETURN_IF_ERROR(folder_->Sync());
  if (options_.on_new_segment) {
    RETURN_IF_ERROR(options_.on_new_segment(header.sequence));
  }
  // Errors are to name it as it is called now.
  ASSIGN_OR_RETURN(segment->file, folder_->Open(name));
  std::lock_guard<std::mutex> lock(mutex_);
  current_ = segment.get();
  end_ = kLogPageBytes;
  segments_.push_back(std::move(segment));
  return absl::OkStatus();
}

// --- Files to come ---

uint64_t SegmentLog::NextSegmentBytes() const {
  uint64_t live = 0;
  for (const auto& segment : segments_) live += segment->header.bytes;
  return std::clamp(live, options_.first_segment_bytes,
                    options_.segment_bytes);
}

absl::StatusOr<SegmentLog::Spare> SegmentLog::NewSpare(uint64_t bytes) {
  std::string name;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    name = fmt::format("spare.{}", next_spare_++);
    bytes = std::max(bytes, NextSegmentBytes());
  }
  absl::StatusOr<std::unique_ptr<LogFile>> file =
      folder_->Create(name, bytes);
  if (!file.ok()) {
    // The start of one takes up room that others may need.
    folder_->Remove(name).IgnoreError();
    return file.status();
  }
  return Spare{std::move(name), *std::move(file)};
}

absl::StatusOr<SegmentLog::Spare> SegmentLog::TakeSpare(uint64_t bytes) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    wants_spare_ = false;
    for (auto spare = spares_.begin(); spare != spares_.end(); ++spare) {
      if (spare->file->bytes() < bytes) continue;
      Spare taken = std::move(*spare);
      spares_.erase(spare);
      return taken;
    }
  }
  return NewSpare(bytes);
}

bool SegmentLog::wants_spare() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return wants_spare_ && spares_.empty();
}

absl::Status SegmentLog::PrepareSpare() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!wants_spare_ || !spares_.empty()) return absl::OkStatus();
    // Once: if it fails, Append tries again when it needs one.
    wants_spare_ = false;
  }
  ASSIGN_OR_RETURN(Spare spare, NewSpare(0));
  std::lock_guard<std::mutex> lock(mutex_);
  spares_.push_back(std::move(spare));
  return absl::OkStatus();
}

// --- Trimming ---

size_t SegmentLog::CountDroppable(Zxid limit) const {
  const std::optional<LogRun> stays = index_.FindAfter(limit);
  const uint64_t first =
      stays ? stays->sequence : segments_.back()->header.sequence;
  size_t count = 0;
  while (segments_[count]->header.sequence < first) ++count;
  return count;
}

std::optional<Zxid> SegmentLog::PlanTrim(Zxid limit) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const size_t count = CountDroppable(limit);
  if (count == 0) return std::nullopt;
  LogIndex left = index_;
  return left.DropBefore(segments_[count]->header.sequence).value_or(Zxid());
}

absl::Status SegmentLog::Drop(Zxid limit) {
  std::vector<std::shared_ptr<Segment>> dropped;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const size_t count = CountDroppable(limit);
    dropped.assign(segments_.begin(),
                   segments_.begin() + static_cast<ptrdiff_t>(count));
    segments_.erase(segments_.begin(),
                    segments_.begin() + static_cast<ptrdiff_t>(count));
    index_.DropBefore(segments_.front()->header.sequence);
  }
  if (options_.faults.newest_drops_first) {
    std::reverse(dropped.begin(), dropped.end());
  }
  // The oldest first, each for good: there is never a gap.
  for (const std::shared_ptr<Segment>& segment : dropped) {
    const std::string name = SegmentName(segment->header.sequence);
    std::string spare;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (spares_.empty() &&
          segment->header.bytes == options_.segment_bytes) {
        spare = fmt::format("spare.{}", next_spare_++);
      }
    }
    if (spare.empty()) {
      RETURN_IF_ERROR(folder_->Remove(name));
    } else {
      RETURN_IF_ERROR(folder_->Rename(name, spare));
    }
    if (!options_.faults.recycle_unsynced) RETURN_IF_ERROR(folder_->Sync());
    if (spare.empty()) continue;
    ASSIGN_OR_RETURN(std::unique_ptr<LogFile> file, folder_->Open(spare));
    file->ForgetPages();
    std::lock_guard<std::mutex> lock(mutex_);
    spares_.push_back({std::move(spare), std::move(file)});
  }
  return absl::OkStatus();
}

uint64_t SegmentLog::bytes_on_disk() const {
  std::lock_guard<std::mutex> lock(mutex_);
  uint64_t bytes = 0;
  for (const auto& segment : segments_) bytes += segment->header.bytes;
  for (const Spare& spare : spares_) bytes += spare.file->bytes();
  return bytes;
}

// --- Reading ---

std::shared_ptr<const SegmentLog::Segment> SegmentLog::FindSegment(
    uint64_t sequence) const {
  for (const auto& segment : segments_) {
    if (segment->header.sequence == sequence) return segment;
  }
  return nullptr;
}

absl::Status SegmentLog::Read(Zxid* at, Zxid upto, size_t max_bytes,
                              size_t* bytes,
                              std::vector<zab::Entry>* out) const {
  while (*at < upto) {
    std::optional<LogRun> run;
    std::shared_ptr<const Segment> segment;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      run = index_.FindAfter(*at);
      if (run) segment = FindSegment(run->sequence);
    }
    if (segment == nullptr) return absl::NotFoundError("not in the log");
    FrameCursor frames(segment->file.get(), segment->tag, run->offset,
                       kReadBytes, options_.faults.checksums_unchecked);
    while (*at < run->last) {
      ASSIGN_OR_RETURN(const std::optional<Frame> frame, frames.Next());
      if (!frame) {
        return absl::DataLossError(fmt::format(
            "{}/{}, byte {}: {}", folder_->path(), SegmentName(run->sequence),
            frames.offset(), frames.why()));
      }
      RecordReader records(frame->body);
      while (*at < run->last) {
        ASSIGN_OR_RETURN(const std::optional<LogRecord> record,
                         records.Next());
        if (!record) break;
        if (record->kind != LogRecord::Kind::kEntry || record->zxid <= *at) {
          continue;
        }
        if (record->zxid > run->last ||
            !zab::IsSuccessor(*at, record->zxid)) {
          return absl::NotFoundError("the log goes on at " +
                                     ToString(record->zxid));
        }
        *bytes += record->txn.size();
        if (!out->empty() && *bytes > max_bytes) return absl::OkStatus();
        out->push_back(
            zab::MakeEntry(record->zxid, std::string(record->txn)));
        *at = record->zxid;
        if (*at >= upto) return absl::OkStatus();
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Zxid> SegmentLog::LastAtOrBefore(Zxid zxid) const {
  std::optional<LogRun> run;
  std::shared_ptr<const Segment> segment;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    run = index_.FindUpTo(zxid);
    if (run) segment = FindSegment(run->sequence);
  }
  if (segment == nullptr) return absl::NotFoundError("not in the log");
  if (run->last <= zxid) return run->last;
  Zxid found = run->first;
  FrameCursor frames(segment->file.get(), segment->tag, run->offset,
                     kReadBytes);
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<Frame> frame, frames.Next());
    if (!frame) return absl::DataLossError(frames.why());
    RecordReader records(frame->body);
    while (true) {
      ASSIGN_OR_RETURN(const std::optional<LogRecord> record, records.Next());
      if (!record) break;
      if (record->kind != LogRecord::Kind::kEntry) continue;
      if (record->zxid > zxid) return found;
      found = std::max(found, record->zxid);
    }
  }
}

}  // namespace sillok
