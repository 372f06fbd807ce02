// Opening a log: what the files are, and after an unclean end what they hold.
#include <fmt/format.h>
#include <glog/logging.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/status_macros.h"
#include "broker/log/batch_scanner.h"
#include "broker/log/partition_log.h"
#include "broker/log/producer_states.h"
#include "broker/log/segment.h"
#include "broker/log/txn_index.h"

namespace sillok {
namespace {

constexpr Offset kMaxOffset{std::numeric_limits<int64_t>::max()};

bool EndsWith(std::string_view name, std::string_view suffix) {
  return name.size() >= suffix.size() &&
         name.substr(name.size() - suffix.size()) == suffix;
}

}  // namespace

class LogLoader {
 public:
  LogLoader(PartitionLog* log, const PartitionLog::OpenParams& params)
      : log_(*log),
        file_system_(*params.file_system),
        clean_(params.clean),
        recovery_point_(params.recovery_point),
        log_start_(params.log_start),
        now_ms_(params.now_ms) {}

  absl::Status Load() {
    ASSIGN_OR_RETURN(log_.report_.new_folder,
                     file_system_.CreateDirectory(log_.path_));
    if (!log_.report_.new_folder) {
      RETURN_IF_ERROR(ClearAway());
      RETURN_IF_ERROR(OpenSegments());
      RETURN_IF_ERROR(LoadEpochs());
    }
    if (log_.segments_.empty()) {
      RETURN_IF_ERROR(log_.AddSegment(log_start_, now_ms_,
                                      !log_.report_.new_folder));
      log_.start_offset_ = log_.end_offset_ = log_start_;
      log_.epochs_.Clear();
      log_.recovery_point_ = log_start_;
    } else {
      log_.active_has_old_indexes_ = true;
      RETURN_IF_ERROR(clean_ ? LoadClean() : Recover());
      RETURN_IF_ERROR(SettleStart());
    }
    log_.SegmentsChanged();
    log_.Publish();
    return absl::OkStatus();
  }

 private:
  // What a crash in the middle of deleting or rewriting leaves behind.
  absl::Status ClearAway() {
    ASSIGN_OR_RETURN(const std::vector<std::string> names,
                     file_system_.List(log_.path_));
    for (const std::string& name : names) {
      bool drop = EndsWith(name, ".deleted") || EndsWith(name, ".cleaned") ||
                  EndsWith(name, ".swap") || EndsWith(name, ".tmp");
      for (const std::string_view suffix :
           {".index", ".timeindex", ".txnindex"}) {
        const auto base = ParseSegmentFileName(name, suffix);
        if (base.has_value() &&
            !std::binary_search(names.begin(), names.end(),
                                SegmentFileName(*base, ".log"))) {
          drop = true;
        }
      }
      // A finished compaction that was not yet put in place: only the copy.
      if (drop) RETURN_IF_ERROR(file_system_.Remove(log_.PathOf(name)));
    }
    return absl::OkStatus();
  }

  absl::Status OpenSegments() {
    ASSIGN_OR_RETURN(const std::vector<std::string> names,
                     file_system_.List(log_.path_));
    for (const std::string& name : names) {
      const auto base = ParseSegmentFileName(name, ".log");
      if (!base.has_value()) continue;
      ASSIGN_OR_RETURN(std::shared_ptr<File> file,
                       file_system_.Open(log_.PathOf(name),
                                         FileSystem::Mode::kReadWrite));
      log_.segments_.push_back(std::make_shared<Segment>(
          &file_system_, log_.path_, *base, std::move(file)));
    }
    return absl::OkStatus();
  }

  absl::Status LoadEpochs() {
    const std::string path = log_.PathOf("leader-epoch-checkpoint");
    absl::StatusOr<std::string> text = file_system_.ReadFile(path);
    if (absl::IsNotFound(text.status())) return absl::OkStatus();
    RETURN_IF_ERROR(text.status());
    absl::StatusOr<LeaderEpochs> epochs = LeaderEpochs::Decode(*text);
    if (!epochs.ok()) {
      return absl::DataLossError(path + ": " +
                                 std::string(epochs.status().message()));
    }
    log_.epochs_ = *std::move(epochs);
    return absl::OkStatus();
  }

  // After a clean end: sizes and indexes are as they were written.
  absl::Status LoadClean() {
    auto& segments = log_.segments_;
    for (size_t i = 0; i < segments.size(); ++i) {
      ASSIGN_OR_RETURN(const int64_t size, segments[i]->file()->Size());
      if (i + 1 == segments.size()) {
        ASSIGN_OR_RETURN(const std::optional<Offset> end,
                         segments[i]->Resume(size));
        if (end.has_value()) {
          log_.end_offset_ = *end;
          continue;
        }
      } else {
        ASSIGN_OR_RETURN(const bool known, segments[i]->LoadFacts(size));
        if (known) continue;
      }
      LOG(WARNING) << "the indexes of " << segments[i]->LogPath()
                   << " do not fit it: it is read again";
      RETURN_IF_ERROR(ScanSegment(i, /*rebuild_state=*/false));
    }
    log_.recovery_point_ = log_.end_offset_;
    for (const auto& segment : segments) RETURN_IF_ERROR(LoadAborted(*segment));
    return log_.RebuildProducers(log_.end_offset_, now_ms_);
  }

  // After an unclean end: everything from the recovery point's segment on is
  // read, checked, and indexed anew.
  absl::Status Recover() {
    auto& segments = log_.segments_;
    size_t first = 0;
    while (first + 1 < segments.size() &&
           segments[first + 1]->base() <= recovery_point_) {
      ++first;
    }
    // The recovery point may be past a segment whose index files were not yet
    // written: that one is read too.
    for (size_t i = 0; i < first; ++i) {
      ASSIGN_OR_RETURN(const int64_t size, segments[i]->file()->Size());
      ASSIGN_OR_RETURN(const bool known, segments[i]->LoadFacts(size));
      if (!known) first = i;
    }
    for (size_t i = 0; i < first; ++i) {
      RETURN_IF_ERROR(LoadAborted(*segments[i]));
    }
    const Offset from = segments[first]->base();
    // Snapshots beyond may speak of records that are gone.
    RETURN_IF_ERROR(log_.RemoveSnapshots(from + 1, kMaxOffset));
    log_.end_offset_ = from;
    RETURN_IF_ERROR(RebuildUpTo(first));
    // Epochs are told by the batches themselves from here on.
    for (size_t i = first; i < segments.size(); ++i) {
      bool lost = false;
      if (i > first) {
        ASSIGN_OR_RETURN(lost, LostBefore(i));
      }
      if (lost) {
        RETURN_IF_ERROR(DropFrom(i));
        break;
      }
      if (i > first) {
        // Removed above. It is needed again when the segments before are gone.
        RETURN_IF_ERROR(log_.WriteSnapshot(segments[i]->base()));
      }
      RETURN_IF_ERROR(ScanSegment(i, /*rebuild_state=*/true));
      if (cut_) break;  // ScanSegment has removed what came after
    }
    if (log_.end_offset_ < recovery_point_) {
      return absl::DataLossError(fmt::format(
          "{}: the log ends at offset {}, but {} was flushed: files are cut "
          "short or missing",
          log_.path_, log_.end_offset_.value(), recovery_point_.value()));
    }
    log_.producers_->Limit(static_cast<size_t>(log_.options_.max_producer_ids));
    log_.epochs_.TruncateFromEnd(log_.end_offset_);
    log_.recovery_point_ = std::min(recovery_point_, log_.end_offset_);
    return absl::OkStatus();
  }

  // Producers as of the beginning of segment `first`.
  absl::Status RebuildUpTo(size_t first) {
    std::vector<std::shared_ptr<Segment>> later(
        log_.segments_.begin() + static_cast<ptrdiff_t>(first),
        log_.segments_.end());
    const Offset base = later.front()->base();
    log_.segments_.resize(first);
    absl::Status status;
    if (first > 0) {
      status = log_.RebuildProducers(base, now_ms_);
    } else {
      status = LoadSnapshotAt(base);
    }
    log_.segments_.insert(log_.segments_.end(), later.begin(), later.end());
    return status;
  }

  absl::Status LoadSnapshotAt(Offset base) {
    absl::StatusOr<std::string> bytes =
        file_system_.ReadFile(log_.PathOf(SegmentFileName(base, ".snapshot")));
    if (absl::IsNotFound(bytes.status())) return absl::OkStatus();
    RETURN_IF_ERROR(bytes.status());
    absl::StatusOr<ProducerStates> states =
        ProducerStates::Decode(*bytes, now_ms_);
    if (states.ok()) *log_.producers_ = *std::move(states);
    return absl::OkStatus();
  }

  // Reads segment `i`, every CRC, and makes its indexes. With `rebuild_state`
  // epochs, producers and the log's end follow it too.
  absl::Status ScanSegment(size_t i, bool rebuild_state) {
    // Anew, since what its small files said is not believed any more.
    log_.segments_[i] = std::make_shared<Segment>(
        &file_system_, log_.path_, log_.segments_[i]->base(),
        log_.segments_[i]->file());
    Segment& segment = *log_.segments_[i];
    const bool last = i + 1 == log_.segments_.size();
    const Offset limit = last ? kMaxOffset : log_.segments_[i + 1]->base();
    ASSIGN_OR_RETURN(const int64_t size, segment.file()->Size());
    ASSIGN_OR_RETURN(const int64_t modified,
                     file_system_.ModifiedMs(segment.LogPath()));
    segment.StartIndexes();
    segment.set_created_ms(modified);
    segment.set_written_ms(modified);
    Offset next = segment.base();
    LeaderEpoch epoch = kNoLeaderEpoch;
    const auto visit = [&](const record::BatchHeader& header, int64_t,
                           std::string_view batch) -> absl::Status {
      // The CRC does not cover the offset. Only compaction leaves holes, and
      // what it leaves was flushed; elsewhere one is a damaged offset, and would
      // stay one when the log is cut to where its leader ends.
      const bool hole = header.first_offset() > next &&
                        next >= recovery_point_ && !clean_ &&
                        !log_.options_.cleanup_compact;
      if (hole || header.first_offset() < next ||
          header.last_offset() >= limit ||
          header.leader_epoch() < epoch) {
        return absl::DataLossError(fmt::format(
            "batch of offset {} and epoch {} after offset {} and epoch {}",
            header.base_offset, header.partition_leader_epoch,
            next.value() - 1, epoch.value()));
      }
      next = header.next_offset();
      epoch = header.leader_epoch();
      segment.Added(header, modified, log_.options_.index_interval_bytes);
      return rebuild_state ? Follow(header, batch) : absl::OkStatus();
    };
    ASSIGN_OR_RETURN(const ScanEnd end,
                     ScanBatches(*segment.file(), size, visit));
    log_.report_.scanned_bytes += end.position;
    ++log_.report_.rebuilt_indexes;
    if (!last) segment.Finish();
    if (rebuild_state || last) log_.end_offset_ = std::max(next, EndSoFar(i));
    if (end.trouble.ok()) return absl::OkStatus();
    return Cut(i, end, size, next);
  }

  // An empty last segment begins where the one before ended.
  Offset EndSoFar(size_t i) const { return log_.segments_[i]->base(); }

  absl::Status Follow(const record::BatchHeader& header,
                      std::string_view batch) {
    log_.epochs_.Assign(header.leader_epoch(), header.first_offset());
    log_.end_offset_ = header.next_offset();
    if (!header.has_producer_id()) return absl::OkStatus();
    if (!header.is_control()) {
      log_.producers_->Append(header, now_ms_);
      return absl::OkStatus();
    }
    auto reader = record::BatchReader::Open(batch, /*check_crc=*/false);
    RETURN_IF_ERROR(reader.status());
    record::RecordView record;
    if (!reader->Next(&record)) return absl::OkStatus();
    if (const auto marker = record::ParseControlRecord(record)) {
      if (const auto ended =
              log_.producers_->AppendMarker(header, *marker, now_ms_)) {
        log_.EndTransaction(*ended);
      }
    }
    return absl::OkStatus();
  }

  // Segment `i` is bad from `end` on. A write that was never flushed may be
  // torn: it goes, with all after it. A flushed one may not.
  absl::Status Cut(size_t i, const ScanEnd& end, int64_t size, Offset next) {
    Segment& segment = *log_.segments_[i];
    const std::string where =
        fmt::format("{} position {} (offset {}): {}", segment.LogPath(),
                    end.position, next.value(),
                    std::string(end.trouble.message()));
    if (clean_ || next < recovery_point_) {
      return absl::DataLossError(
          "damaged in a part that was flushed: " + where);
    }
    LOG(WARNING) << "cutting off a torn write of " << size - end.position
                 << " bytes: " << where;
    log_.report_.truncated_bytes += size - end.position;
    RETURN_IF_ERROR(DropFrom(i + 1));
    RETURN_IF_ERROR(segment.file()->Truncate(end.position));
    RETURN_IF_ERROR(segment.file()->Sync());
    cut_ = true;
    return absl::OkStatus();
  }

  // A segment begins where the one before ends. A gap: the end of the one before
  // was never written, unless compaction made it. What is compacted was
  // complete before, and so had its index files.
  absl::StatusOr<bool> LostBefore(size_t i) {
    const Offset base = log_.segments_[i]->base();
    if (base == log_.end_offset_ || base <= recovery_point_ ||
        log_.options_.cleanup_compact) {
      return false;
    }
    ASSIGN_OR_RETURN(const bool indexed,
                     file_system_.Exists(log_.PathOf(SegmentFileName(
                         log_.segments_[i - 1]->base(), ".timeindex"))));
    return !indexed;
  }

  // Removes segment `i` and all later ones: they come after a lost write.
  absl::Status DropFrom(size_t i) {
    for (size_t later = i; later < log_.segments_.size(); ++later) {
      ASSIGN_OR_RETURN(const int64_t bytes,
                       log_.segments_[later]->file()->Size());
      if (bytes > 0) {
        LOG(WARNING) << "removing " << log_.segments_[later]->LogPath()
                     << " of " << bytes
                     << " bytes: the log before it ends at offset "
                     << log_.end_offset_;
      }
      log_.report_.truncated_bytes += bytes;
    }
    return log_.RemoveSegmentsFrom(i);
  }

  absl::Status LoadAborted(const Segment& segment) {
    absl::StatusOr<std::string> bytes = file_system_.ReadFile(
        log_.PathOf(SegmentFileName(segment.base(), ".txnindex")));
    if (absl::IsNotFound(bytes.status())) return absl::OkStatus();
    RETURN_IF_ERROR(bytes.status());
    auto entries = DecodeTxnIndex(*bytes);
    if (!entries.ok()) {
      return absl::DataLossError(segment.LogPath() + ": " +
                                 std::string(entries.status().message()));
    }
    for (const AbortedTransaction& entry : *entries) {
      log_.aborted_->push_back(entry);
    }
    return absl::OkStatus();
  }

  absl::Status SettleStart() {
    log_.start_offset_ = std::max(log_.segments_.front()->base(), log_start_);
    if (log_.start_offset_ > log_.end_offset_) {
      LOG(WARNING) << "log of " << log_.partition_ << " ends at "
                   << log_.end_offset_ << ", before its start "
                   << log_.start_offset_ << ": it becomes empty";
      log_.SegmentsChanged();
      log_.Publish();
      return log_.TruncateFullyAndStartAt(log_.start_offset_);
    }
    log_.epochs_.TruncateFromStart(log_.start_offset_);
    return absl::OkStatus();
  }

  PartitionLog& log_;
  FileSystem& file_system_;
  const bool clean_;
  const Offset recovery_point_;
  const Offset log_start_;
  const int64_t now_ms_;
  bool cut_ = false;
};

absl::StatusOr<std::unique_ptr<PartitionLog>> PartitionLog::Open(
    OpenParams params) {
  std::unique_ptr<PartitionLog> log(new PartitionLog(params));
  LogLoader loader(log.get(), params);
  RETURN_IF_ERROR(loader.Load());
  return log;
}

}  // namespace sillok
