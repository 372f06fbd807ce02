// How a log is read again.
#include <algorithm>
#include <charconv>
#include <utility>

#include "base/status_macros.h"
#include "coordinator/store/segment_log.h"
#include "coordinator/store/store_format.h"
#include "fmt/core.h"

namespace sillok {
namespace {

constexpr size_t kReadBytes = 1024 * 1024;
constexpr std::string_view kSegment = "segment.";
constexpr std::string_view kSpare = "spare.";

// The number in "segment.0000000000000012"; nothing if it is no such name.
std::optional<uint64_t> SequenceOf(const std::string& name) {
  if (name.rfind(kSegment, 0) != 0) return std::nullopt;
  uint64_t sequence = 0;
  const char* end = name.data() + name.size();
  const auto [rest, error] =
      std::from_chars(name.data() + kSegment.size(), end, sequence);
  if (error != std::errc() || rest != end ||
      SegmentName(sequence) != name) {
    return std::nullopt;
  }
  return sequence;
}

absl::Status In(const std::string& file, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      file + ": " + std::string(status.message()));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SegmentLog::ListSegments(
    LogFolder* folder) {
  ASSIGN_OR_RETURN(std::vector<std::string> names, folder->List());
  std::erase_if(names,
                [](const std::string& name) { return !SequenceOf(name); });
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status SegmentLog::RemoveFiles(bool segments_too) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, folder_->List());
  for (const std::string& name : names) {
    if (name.rfind(kSpare, 0) == 0 || (segments_too && SequenceOf(name))) {
      RETURN_IF_ERROR(folder_->Remove(name));
    }
  }
  return folder_->Sync();
}

absl::StatusOr<std::unique_ptr<SegmentLog>> SegmentLog::Open(
    std::unique_ptr<LogFolder> folder, const SegmentLogOptions& options,
    uint64_t log_id, LogTail* tail) {
  std::unique_ptr<SegmentLog> log(
      new SegmentLog(std::move(folder), options, log_id));
  RETURN_IF_ERROR(log->Recover(tail));
  return log;
}

absl::StatusOr<std::shared_ptr<SegmentLog::Segment>> SegmentLog::OpenSegment(
    const std::string& name) {
  auto segment = std::make_shared<Segment>();
  ASSIGN_OR_RETURN(segment->file, folder_->Open(name));
  const std::string path = folder_->path() + "/" + name;
  std::string page;
  RETURN_IF_ERROR(segment->file->Read(0, kLogPageBytes, &page));
  const absl::StatusOr<SegmentHeader> header = DecodeSegmentHeader(page);
  if (!header.ok()) return In(path, header.status());
  segment->header = *header;
  if (header->sequence != SequenceOf(name)) {
    return absl::DataLossError(
        fmt::format("{}: what is in it is segment {}", path,
                    header->sequence));
  }
  if (header->log_id != log_id_) {
    return absl::DataLossError(path + ": a segment of another log");
  }
  if (header->bytes != segment->file->bytes()) {
    return absl::DataLossError(
        fmt::format("{}: {} bytes, but it was made with {}", path,
                    segment->file->bytes(), header->bytes));
  }
  segment->tag = TagOf(header->sequence);
  return segment;
}

absl::Status SegmentLog::Recover(LogTail* tail) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   ListSegments(folder_.get()));
  if (names.empty()) {
    return absl::DataLossError(folder_->path() +
                               ": no segment of the log is there");
  }
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(std::shared_ptr<Segment> segment, OpenSegment(name));
    if (!segments_.empty() &&
        segment->header.sequence != segments_.back()->header.sequence + 1) {
      return absl::DataLossError(fmt::format(
          "{}/{} is missing: there is one before and one after it",
          folder_->path(),
          SegmentName(segments_.back()->header.sequence + 1)));
    }
    segments_.push_back(std::move(segment));
  }
  const SegmentHeader& first = segments_.front()->header;
  last_ = first.previous;
  next_frame_ = first.first_frame;
  end_ = first.previous_end;
  hard_state_ = first.hard_state;
  active_rows_ = first.active_rows;
  tail->Reset(first.previous);
  for (size_t i = 0; i < segments_.size(); ++i) {
    const Segment& segment = *segments_[i];
    RETURN_IF_ERROR(CheckFollows(segment));
    std::optional<uint64_t> end;
    if (i + 1 < segments_.size()) {
      end = segments_[i + 1]->header.previous_end;
    }
    RETURN_IF_ERROR(RecoverFrames(segment, end, tail));
  }
  current_ = segments_.back().get();
  // A write of a process that was killed may be read here and not be on disk; it
  // counts from now on. So do the names.
  if (!options_.faults.recovery_not_synced) {
    RETURN_IF_ERROR(current_->file->Sync());
  }
  return RemoveFiles(false);
}

// The header tells what the segments before it come to.
absl::Status SegmentLog::CheckFollows(const Segment& segment) const {
  const SegmentHeader& header = segment.header;
  const auto differs = [&](const std::string& what) {
    return absl::DataLossError(
        fmt::format("{}/{} does not follow the segment before it: {}",
                    folder_->path(), SegmentName(header.sequence), what));
  };
  if (options_.faults.sealed_end_unchecked) return absl::OkStatus();
  if (header.previous != last_) {
    return differs(fmt::format("it begins after entry {}, that ends with {}",
                               ToString(header.previous), ToString(last_)));
  }
  if (header.first_frame != next_frame_ || header.previous_end != end_) {
    return differs(fmt::format(
        "it begins with frame {} after byte {}, that ends before frame {} at "
        "byte {}",
        header.first_frame, header.previous_end, next_frame_, end_));
  }
  if (header.hard_state != hard_state_ ||
      header.active_rows != active_rows_) {
    return differs("epochs or rows are not the same");
  }
  return absl::OkStatus();
}

// `end`: where the segment after it says that the frames end.
absl::Status SegmentLog::RecoverFrames(const Segment& segment,
                                       std::optional<uint64_t> end,
                                       LogTail* tail) {
  const uint64_t sequence = segment.header.sequence;
  const std::string path = folder_->path() + "/" + SegmentName(sequence);
  const LogFaults& faults = options_.faults;
  FrameCursor frames(segment.file.get(), segment.tag, kLogPageBytes,
                     kReadBytes, faults.checksums_unchecked);
  while (!end || faults.sealed_end_unchecked || frames.offset() < *end) {
    absl::StatusOr<std::optional<Frame>> frame = frames.Next();
    if (!frame.ok()) return frame.status();
    if (*frame && (*frame)->number != next_frame_ &&
        !faults.stale_frames_pass) {
      return absl::DataLossError(
          fmt::format("{}, byte {}: frame {} is there in place of frame {}",
                      path, (*frame)->offset, (*frame)->number, next_frame_));
    }
    if (!*frame) {
      if (end && !faults.damage_is_tail && !faults.sealed_end_unchecked) {
        return absl::DataLossError(fmt::format(
            "{}, byte {}: {}, but the log goes on in the next segment", path,
            frames.offset(), frames.why()));
      }
      break;
    }
    const absl::Status replayed = Replay(**frame, sequence, tail);
    if (!replayed.ok()) {
      return In(fmt::format("{}, byte {}", path, (*frame)->offset), replayed);
    }
  }
  end_ = frames.offset();
  if (end) return absl::OkStatus();
  // What is not sound may be the last write before the power failed, if nothing
  // was written after it. Writes that were not synced come in any order.
  ASSIGN_OR_RETURN(const std::optional<uint64_t> later, frames.FindLater());
  if (later && options_.sync && !faults.damage_is_tail) {
    return absl::DataLossError(
        fmt::format("{}, byte {}: {}, but what was written later, at byte {}, "
                    "is there",
                    path, frames.offset(), frames.why(), *later));
  }
  return absl::OkStatus();
}

absl::Status SegmentLog::Replay(const Frame& frame, uint64_t sequence,
                                LogTail* tail) {
  RecordReader records(frame.body);
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<LogRecord> record, records.Next());
    if (!record) break;
    RETURN_IF_ERROR(ReplayRecord(*record, frame, sequence, tail));
  }
  next_frame_ = frame.number + 1;
  return absl::OkStatus();
}

absl::Status SegmentLog::ReplayRecord(const LogRecord& record,
                                      const Frame& frame, uint64_t sequence,
                                      LogTail* tail) {
  switch (record.kind) {
    case LogRecord::Kind::kEntry:
      if (!zab::IsSuccessor(last_, record.zxid)) {
        return absl::DataLossError("the log has a gap: entry " +
                                   ToString(record.zxid) + " comes after " +
                                   ToString(last_));
      }
      tail->Recovered(record.zxid);
      index_.Append(record.zxid, record.zxid, sequence, frame.offset);
      last_ = record.zxid;
      break;
    case LogRecord::Kind::kTruncate:
      // The entry it names may have been trimmed since.
      if (record.zxid < tail->trimmed()) {
        tail->Reset(record.zxid);
      } else {
        tail->TruncateAfter(record.zxid);
      }
      index_.TruncateAfter(record.zxid);
      last_ = std::min(last_, record.zxid);
      break;
    case LogRecord::Kind::kHardState:
      hard_state_ = record.hard_state;
      break;
    case LogRecord::Kind::kInstall:
      tail->Reset(record.zxid);
      index_.Clear();
      last_ = record.zxid;
      active_rows_ = record.active_rows;
      break;
    case LogRecord::Kind::kPacked:  // the reader has given what is in it
      break;
  }
  return absl::OkStatus();
}

}  // namespace sillok
