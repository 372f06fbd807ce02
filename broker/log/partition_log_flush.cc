// PartitionLog's durability: flush, recovery point, snapshots, close.
#include <fmt/format.h>
#include <glog/logging.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/status_macros.h"
#include "broker/log/batch_scanner.h"
#include "broker/log/big_endian.h"
#include "broker/log/partition_log.h"
#include "broker/log/producer_states.h"
#include "broker/log/segment.h"
#include "broker/log/txn_index.h"
#include "proto/record/record_batch.h"

namespace sillok {
namespace {

struct SegmentBefore {
  bool operator()(const std::shared_ptr<Segment>& segment, Offset offset) const {
    return segment->base() < offset;
  }
  bool operator()(Offset offset, const std::shared_ptr<Segment>& segment) const {
    return offset < segment->base();
  }
};

}  // namespace

Offset PartitionLog::recovery_point() const {
  const std::lock_guard lock(flush_mutex_);
  return recovery_point_;
}

absl::Status PartitionLog::failed() const {
  if (!has_failed_.load(std::memory_order_acquire)) return absl::OkStatus();
  const std::lock_guard lock(flush_mutex_);
  return failed_;
}

// Returns what callers shall be told. The first failure is the one kept.
absl::Status PartitionLog::MarkFailed(const absl::Status& status) {
  const std::lock_guard lock(flush_mutex_);
  if (failed_.ok()) {
    failed_ = absl::InternalError(
        fmt::format("the log of {} is offline until it is opened again: {}",
                    partition_.ToString(), status.ToString()));
    has_failed_.store(true, std::memory_order_release);
    LOG(ERROR) << "log failed partition=" << partition_ << ": " << status;
  }
  return failed_;
}

absl::Status PartitionLog::Flush() { return FlushSegments(true); }
absl::Status PartitionLog::FlushRolled() { return FlushSegments(false); }

std::string PartitionLog::TransactionIndex(const LogView& view, Offset from,
                                           Offset to) {
  std::string bytes;
  for (size_t i = 0; i < view.aborted_count_; ++i) {
    const AbortedTransaction& transaction = (*view.aborted_)[i];
    if (transaction.last_offset >= from && transaction.last_offset < to) {
      AppendTxnIndexEntry(transaction, &bytes);
    }
  }
  return bytes;
}

// Works on a view, so that the appender goes on meanwhile. What the view holds
// is on disk before the recovery point moves, and it does not move when the log
// was cut in between.
absl::Status PartitionLog::FlushSegments(bool with_active) {
  RETURN_IF_ERROR(failed());
  const Offset from = recovery_point();
  const std::shared_ptr<const LogView> view = view_.load();
  const auto& segments = *view->segments_;
  const Offset target =
      with_active ? view->end_offset() : segments.back()->base();
  std::shared_ptr<const LeaderEpochs> written;
  {
    const std::lock_guard lock(flush_mutex_);
    written = written_epochs_;
  }
  // A segment may have been synced to its end while it was the active one, and
  // still lack its index files.
  size_t first = view->FindSegment(from);
  while (first > 0 && !segments[first - 1]->persisted()) --first;
  if (target <= from && first + 1 == segments.size() &&
      written == view->epochs_ && !folder_changed_ && !folder_is_new_) {
    return absl::OkStatus();
  }
  // A view that was cut or deleted meanwhile may miss files: nothing to flush.
  const auto settle = [&](const absl::Status& status) {
    return view->Stale() && absl::IsNotFound(status) ? absl::OkStatus() : status;
  };
  for (size_t i = first; i < segments.size(); ++i) {
    const bool last = i + 1 == segments.size();
    if (last && !with_active) break;
    if (const absl::Status status = segments[i]->file()->Sync(); !status.ok()) {
      return MarkFailed(status);
    }
    if (last) break;
    // What can be written again (a full disk has room later) fails the flush,
    // not the log. The published list is const; what is persisted once is not.
    const absl::Status status =
        const_cast<Segment&>(*segments[i])
            .PersistIndexes(TransactionIndex(*view, segments[i]->base(),
                                             segments[i + 1]->base()));
    if (!status.ok()) return settle(status);
    // Recovery will begin at the next segment: what is known of the producers
    // there must not depend on records that may be deleted by then.
    if (const absl::Status synced = SyncSnapshot(segments[i + 1]->base());
        !synced.ok()) {
      return MarkFailed(synced);
    }
  }
  if (written != view->epochs_) {
    if (const absl::Status status = WriteEpochs(*view->epochs_); !status.ok()) {
      return settle(status);
    }
  }
  if (folder_is_new_) {
    const absl::Status status = sync_new_folder_();
    if (absl::IsNotFound(status) && view->Stale()) return absl::OkStatus();
    if (!status.ok()) return MarkFailed(status);
    folder_is_new_ = false;
  }
  if (folder_changed_.exchange(false)) {
    if (const absl::Status status = file_system_->SyncDirectory(path_);
        !status.ok()) {
      return MarkFailed(status);
    }
  }
  const std::lock_guard lock(flush_mutex_);
  if (view->Stale()) return absl::OkStatus();
  written_epochs_ = view->epochs_;
  if (target > recovery_point_) recovery_point_ = target;
  return absl::OkStatus();
}

absl::Status PartitionLog::WriteEpochs(const LeaderEpochs& epochs) {
  return file_system_->WriteFileAtomically(PathOf("leader-epoch-checkpoint"),
                                           epochs.Encode());
}

// The log is about to be cut at `offset`. First the generation moves, so that
// no flush of the old content can raise the recovery point again; then memory,
// which the next checkpoint is written from; then the checkpoint on disk.
absl::Status PartitionLog::LowerRecoveryPoint(Offset offset) {
  bool lowered = false;
  {
    const std::lock_guard lock(flush_mutex_);
    generation_->fetch_add(1, std::memory_order_acq_rel);
    written_epochs_ = nullptr;
    lowered = recovery_point_ > offset;
    recovery_point_ = std::min(recovery_point_, offset);
  }
  if (!lowered || !lower_recovery_point_) return absl::OkStatus();
  const absl::Status status = lower_recovery_point_(offset);
  if (!status.ok()) Publish();  // nothing was cut: readers may go on
  return status;
}

// Also when there are no producers: recovery need not look further back then.
absl::Status PartitionLog::WriteSnapshot(Offset offset) {
  const std::string path = PathOf(SegmentFileName(offset, ".snapshot"));
  ASSIGN_OR_RETURN(const std::shared_ptr<File> file,
                   file_system_->Open(path, FileSystem::Mode::kCreate));
  RETURN_IF_ERROR(file->Truncate(0));
  RETURN_IF_ERROR(file->WriteAt(0, producers_->Encode()));
  // Those at the beginning of segments stay as long as these: after a cut the
  // one before it is needed, and what it tells may be nowhere else any more.
  // Others are of a former Close.
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   file_system_->List(path_));
  for (const std::string& name : names) {
    const auto at = ParseSegmentFileName(name, ".snapshot");
    if (!at.has_value() || *at == offset) continue;
    const bool begins_segment = std::binary_search(
        segments_.begin(), segments_.end(), *at, SegmentBefore{});
    if (!begins_segment) RETURN_IF_ERROR(file_system_->Remove(PathOf(name)));
  }
  return absl::OkStatus();
}

absl::Status PartitionLog::SyncSnapshot(Offset at) {
  const auto file =
      file_system_->Open(PathOf(SegmentFileName(at, ".snapshot")),
                         FileSystem::Mode::kReadWrite);
  if (absl::IsNotFound(file.status())) return absl::OkStatus();
  RETURN_IF_ERROR(file.status());
  return (*file)->Sync();
}

absl::Status PartitionLog::RemoveSnapshots(Offset from, Offset to) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   file_system_->List(path_));
  bool removed = false;
  for (const std::string& name : names) {
    const auto at = ParseSegmentFileName(name, ".snapshot");
    if (at.has_value() && *at >= from && *at < to) {
      RETURN_IF_ERROR(file_system_->Remove(PathOf(name)));
      removed = true;
    }
  }
  // One that came back after a power cut would tell of records that were cut
  // off as if they were those that took their place.
  return removed ? file_system_->SyncDirectory(path_) : absl::OkStatus();
}

// The producers as of `end`: the newest good snapshot at or before it, then
// the batches from there on. Ended transactions are not told to anyone.
absl::Status PartitionLog::RebuildProducers(Offset end, int64_t now_ms) {
  producers_->Clear();
  Offset from = segments_.front()->base();
  ASSIGN_OR_RETURN(const std::vector<std::string> names,
                   file_system_->List(path_));
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    const auto at = ParseSegmentFileName(*name, ".snapshot");
    if (!at.has_value() || *at > end || *at < from) continue;
    ASSIGN_OR_RETURN(const std::string bytes,
                     file_system_->ReadFile(PathOf(*name)));
    absl::StatusOr<ProducerStates> states =
        ProducerStates::Decode(bytes, now_ms);
    if (!states.ok()) {
      LOG(WARNING) << "ignoring " << PathOf(*name) << ": " << states.status();
      continue;
    }
    *producers_ = *std::move(states);
    from = *at;
    break;
  }
  for (size_t i = 0; i < segments_.size(); ++i) {
    const Segment& segment = *segments_[i];
    const Offset next = i + 1 < segments_.size() ? segments_[i + 1]->base()
                                                 : end;
    if (segment.base() >= end) break;
    if (next <= from || segment.size_bytes() == 0) continue;
    ASSIGN_OR_RETURN(const auto indexes, segment.Indexes());
    BatchScanner scanner(*segment.file(), indexes->offsets.PositionBefore(from),
                         segment.size_bytes());
    while (true) {
      ASSIGN_OR_RETURN(const bool more, scanner.Next());
      if (!more) break;
      const record::BatchHeader& header = scanner.header();
      if (header.first_offset() < from || !header.has_producer_id()) continue;
      if (header.first_offset() >= end) break;
      if (!header.is_control()) {
        producers_->Append(header, now_ms);
        continue;
      }
      std::string batch(static_cast<size_t>(header.size_bytes()), '\0');
      ASSIGN_OR_RETURN(const size_t got,
                       segment.file()->ReadAt(scanner.position(), batch.data(),
                                              batch.size()));
      batch.resize(got);
      auto reader = record::BatchReader::Open(batch);
      RETURN_IF_ERROR(reader.status());
      record::RecordView record;
      if (!reader->Next(&record)) continue;
      if (const auto marker = record::ParseControlRecord(record)) {
        producers_->AppendMarker(header, *marker, now_ms);
      }
    }
  }
  producers_->Limit(static_cast<size_t>(options_.max_producer_ids));
  return absl::OkStatus();
}

absl::Status PartitionLog::Close() {
  RETURN_IF_ERROR(Flush());
  RETURN_IF_ERROR(WriteSnapshot(end_offset_));
  RETURN_IF_ERROR(SyncSnapshot(end_offset_));
  Segment& last = active();
  last.Finish();
  const std::shared_ptr<const LogView> view = view_.load();
  absl::Status status = last.PersistIndexes(TransactionIndex(
      *view, last.base(), Offset(std::numeric_limits<int64_t>::max())));
  if (status.ok()) status = WriteEpochs(epochs_);
  if (status.ok()) status = file_system_->SyncDirectory(path_);
  if (!status.ok()) return MarkFailed(status);
  return absl::OkStatus();
}

}  // namespace sillok
