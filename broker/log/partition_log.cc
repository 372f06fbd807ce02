#include "broker/log/partition_log.h"

#include <fmt/format.h>
#include <glog/logging.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/status_macros.h"
#include "broker/log/batch_scanner.h"
#include "broker/log/batch_validator.h"
#include "broker/log/big_endian.h"
#include "broker/log/producer_states.h"
#include "broker/log/retention.h"
#include "broker/log/segment.h"
#include "proto/record/record_batch.h"

namespace sillok {

using record::BatchHeader;
using record::kBatchHeaderBytes;

// A batch that has its place: header with offset and epoch, and the marker in
// it if it is a transaction marker.
struct PartitionLog::Placed {
  BatchHeader header;
  std::optional<record::ControlRecord> marker;
};

struct LogViewMaker : LogView {};

namespace {

std::string Text(const absl::Status& status) {
  return std::string(status.message());
}

absl::StatusOr<std::optional<record::ControlRecord>> MarkerOf(
    const BatchHeader& header, const Bytes& batch) {
  using Marker = std::optional<record::ControlRecord>;
  if (!header.is_control()) return Marker();
  std::string scratch;
  auto reader =
      record::BatchReader::Open(batch.Flat(&scratch), /*check_crc=*/false);
  if (!reader.ok()) return reader.status();
  record::RecordView record;
  if (!reader->Next(&record)) {
    return absl::DataLossError("control batch without a record");
  }
  return record::ParseControlRecord(record);
}

int64_t Jitter(const LogOptions& options, Offset base) {
  if (options.segment_jitter_ms <= 0) return 0;
  const uint64_t mixed =
      static_cast<uint64_t>(base.value()) * 0x9e3779b97f4a7c15u;
  return static_cast<int64_t>(
      (mixed >> 32) % static_cast<uint64_t>(options.segment_jitter_ms));
}

}  // namespace

PartitionLog::PartitionLog(OpenParams params)
    : file_system_(params.file_system),
      partition_(std::move(params.partition)),
      path_(std::move(params.path)),
      lower_recovery_point_(std::move(params.lower_recovery_point)),
      sync_new_folder_(std::move(params.sync_new_folder)),
      options_(params.options),
      producers_(std::make_unique<ProducerStates>()),
      aborted_(std::make_shared<AppendOnlyVector<AbortedTransaction>>()),
      generation_(std::make_shared<std::atomic<uint64_t>>(0)),
      folder_is_new_(sync_new_folder_ != nullptr) {}

PartitionLog::~PartitionLog() = default;

// --- Appending ---------------------------------------------------------------

AppendResult PartitionLog::Refused(ErrorCode error, std::string message) const {
  AppendResult result;
  result.error = error;
  result.message = std::move(message);
  result.log_start = start_offset_;
  return result;
}

AppendResult PartitionLog::Append(const Bytes& batches, LeaderEpoch epoch,
                                  int64_t now_ms,
                                  const AppendOptions& options) {
  if (const absl::Status status = failed(); !status.ok()) {
    return Refused(ErrorCode::KAFKA_STORAGE_ERROR, Text(status));
  }
  return options.origin == AppendOptions::Origin::kClient
             ? AppendFromClient(batches, epoch, now_ms, options)
             : AppendFromCoordinator(batches, epoch, now_ms);
}

AppendResult PartitionLog::AppendFromClient(const Bytes& batch,
                                            LeaderEpoch epoch, int64_t now_ms,
                                            const AppendOptions& options) {
  BatchVerdict verdict =
      ValidateClientBatch(batch, partition_, options_, options, now_ms);
  if (!verdict.ok()) {
    AppendResult result = Refused(verdict.error, std::move(verdict.message));
    result.record_errors = std::move(verdict.record_errors);
    return result;
  }
  BatchHeader& header = verdict.header;
  const ProducerStates::Verdict producer = producers_->Check(header);
  if (producer.error != ErrorCode::NONE) {
    NoteRefusedProducer(header.producer_id, producer.error, producer.message);
    return Refused(producer.error, producer.message);
  }
  AppendResult result;
  result.log_start = start_offset_;
  if (producer.duplicate.has_value()) {
    result.duplicate = true;
    result.base_offset = producer.duplicate->base_offset();
    result.last_offset = producer.duplicate->last_offset;
    if (options_.timestamp_type == record::TimestampType::kLogAppendTime) {
      result.log_append_time_ms = producer.duplicate->timestamp_ms;
    }
    return result;
  }
  Bytes recompressed;
  const Bytes* payload = &batch;
  if (options_.compression_type.has_value() &&
      *options_.compression_type != header.codec()) {
    absl::StatusOr<Bytes> made = Recompress(
        batch, *options_.compression_type, options_.decompress_limits, &header);
    if (!made.ok()) return Refused(ErrorCodeOf(made.status()),
                                   Text(made.status()));
    recompressed = *std::move(made);
    payload = &recompressed;
    if (header.size_bytes() > options_.max_message_bytes) {
      return Refused(
          ErrorCode::MESSAGE_TOO_LARGE,
          fmt::format("compressed anew the batch has {} bytes, "
                      "max.message.bytes is {}",
                      header.size_bytes(), options_.max_message_bytes));
    }
  }
  if (header.size_bytes() > options_.segment_bytes) {
    return Refused(ErrorCode::RECORD_LIST_TOO_LARGE,
                   fmt::format("batch of {} bytes, segment.bytes is {}",
                               header.size_bytes(), options_.segment_bytes));
  }
  header.base_offset = end_offset_.value();
  header.partition_leader_epoch = epoch.value();
  const Offset last = header.last_offset();
  if (const absl::Status status =
          RollFor(header.size_bytes(), last, header.max_timestamp, now_ms);
      !status.ok()) {
    return Refused(ErrorCode::KAFKA_STORAGE_ERROR, Text(status));
  }

  char head[kBatchHeaderBytes];
  record::EncodeBatchHeader(header, head);
  pieces_.clear();
  pieces_.push_back({head, sizeof head});
  size_t skip = sizeof head;
  for (const BytesPiece& piece : payload->pieces()) {
    if (piece.size <= skip) {
      skip -= piece.size;
      continue;
    }
    pieces_.push_back(
        {const_cast<char*>(piece.data) + skip, piece.size - skip});
    skip = 0;
  }
  std::vector<Placed> placed(1, Placed{header, std::nullopt});
  if (const absl::Status status =
          Write(&placed, pieces_.data(), pieces_.size(), header.size_bytes(),
                now_ms);
      !status.ok()) {
    return Refused(ErrorCode::KAFKA_STORAGE_ERROR, Text(status));
  }
  result.base_offset = header.first_offset();
  result.last_offset = last;
  if (options_.timestamp_type == record::TimestampType::kLogAppendTime) {
    result.log_append_time_ms = now_ms;
  }
  return result;
}

// What this broker built itself: framing and CRC are checked, as memory may
// fail too, the records are not.
AppendResult PartitionLog::AppendFromCoordinator(const Bytes& batches,
                                                 LeaderEpoch epoch,
                                                 int64_t now_ms) {
  std::vector<Placed> placed;
  std::string bytes = batches.ToString();
  const Bytes whole = [&bytes] {
    Bytes view;
    view.Append({bytes.data(), bytes.size(), nullptr});
    return view;
  }();
  record::BatchWalker walker(whole);
  Offset next = end_offset_;
  int64_t max_timestamp = -1;
  while (walker.Next()) {
    BatchHeader header = walker.header();
    const Bytes batch = walker.batch();
    if (record::BatchCrc(batch) != header.crc) {
      return Refused(ErrorCode::CORRUPT_MESSAGE, "CRC of a batch is wrong");
    }
    if (header.size_bytes() > options_.max_message_bytes) {
      return Refused(ErrorCode::MESSAGE_TOO_LARGE,
                     fmt::format("batch of {} bytes, max.message.bytes is {}",
                                 header.size_bytes(),
                                 options_.max_message_bytes));
    }
    auto marker = MarkerOf(header, batch);
    if (!marker.ok()) {
      return Refused(ErrorCode::INVALID_RECORD, Text(marker.status()));
    }
    const ProducerStates::Verdict producer =
        marker->has_value() ? producers_->CheckMarker(header, **marker)
                            : producers_->CheckFromCoordinator(header);
    if (producer.error != ErrorCode::NONE) {
      return Refused(producer.error, producer.message);
    }
    header.base_offset = next.value();
    header.partition_leader_epoch = epoch.value();
    if (options_.timestamp_type == record::TimestampType::kLogAppendTime) {
      record::SetTimestamps(record::TimestampType::kLogAppendTime, now_ms,
                            &header);
    }
    record::EncodeBatchHeader(header, bytes.data() + walker.position());
    next = header.next_offset();
    max_timestamp = std::max(max_timestamp, header.max_timestamp);
    placed.push_back({header, *marker});
  }
  if (placed.empty() || walker.walked() != bytes.size()) {
    return Refused(ErrorCode::INVALID_RECORD,
                   fmt::format("{} bytes that are no whole batches",
                               bytes.size() - walker.walked()));
  }
  const auto size = static_cast<int64_t>(bytes.size());
  if (size > options_.segment_bytes) {
    return Refused(ErrorCode::RECORD_LIST_TOO_LARGE,
                   fmt::format("{} bytes, segment.bytes is {}", size,
                               options_.segment_bytes));
  }
  absl::Status status = RollFor(size, next - 1, max_timestamp, now_ms);
  const iovec piece{bytes.data(), bytes.size()};
  const Offset base = end_offset_;
  if (status.ok()) status = Write(&placed, &piece, 1, size, now_ms);
  if (!status.ok()) {
    return Refused(ErrorCode::KAFKA_STORAGE_ERROR, Text(status));
  }
  AppendResult result;
  result.base_offset = base;
  result.last_offset = next - 1;
  result.log_start = start_offset_;
  if (options_.timestamp_type == record::TimestampType::kLogAppendTime) {
    result.log_append_time_ms = now_ms;
  }
  return result;
}

AppendResult PartitionLog::AppendReplicated(const Bytes& batches,
                                            LeaderEpoch leader_epoch,
                                            int64_t now_ms) {
  if (const absl::Status status = failed(); !status.ok()) {
    return Refused(ErrorCode::KAFKA_STORAGE_ERROR, Text(status));
  }
  AppendResult result;
  result.log_start = start_offset_;
  std::vector<Placed> placed;
  size_t begin = 0;  // of those in `placed`
  Offset next = end_offset_;
  LeaderEpoch last_epoch =
      epochs_.empty() ? kNoLeaderEpoch : epochs_.latest()->epoch;
  const auto fail = [&](ErrorCode error, std::string message) {
    result.error = error;
    result.message = std::move(message);
  };
  const auto flush = [&](size_t end) {
    if (placed.empty()) return true;
    const Offset first = placed.front().header.first_offset();
    const absl::Status status =
        WriteReplicated(batches, begin, end, &placed, now_ms);
    if (!status.ok()) {
      fail(ErrorCode::KAFKA_STORAGE_ERROR, Text(status));
      return false;
    }
    if (result.base_offset == kNoOffset) result.base_offset = first;
    result.last_offset = end_offset_ - 1;
    placed.clear();
    begin = end;
    return true;
  };
  record::BatchWalker walker(batches);
  while (walker.Next()) {
    const BatchHeader& header = walker.header();
    const Bytes batch = walker.batch();
    if (record::BatchCrc(batch) != header.crc) {
      fail(ErrorCode::CORRUPT_MESSAGE,
           fmt::format("CRC of the replicated batch at offset {} is wrong",
                       header.base_offset));
      break;
    }
    if (header.first_offset() < next) {
      fail(ErrorCode::INVALID_RECORD,
           fmt::format("replicated batch at offset {}, the log ends at {}",
                       header.base_offset, next.value()));
      break;
    }
    if (header.leader_epoch() > leader_epoch ||
        header.leader_epoch() < last_epoch) {
      fail(ErrorCode::INVALID_RECORD,
           fmt::format("replicated batch at offset {} has epoch {}, allowed "
                       "are {} to {}",
                       header.base_offset, header.partition_leader_epoch,
                       last_epoch.value(), leader_epoch.value()));
      break;
    }
    auto marker = MarkerOf(header, batch);
    if (!marker.ok()) {
      fail(ErrorCode::CORRUPT_MESSAGE, Text(marker.status()));
      break;
    }
    const auto waiting = static_cast<int64_t>(walker.position() - begin);
    if (waiting > 0 && active().size_bytes() + waiting + header.size_bytes() >
                           options_.segment_bytes) {
      if (!flush(walker.position())) return result;
    }
    placed.push_back({header, *marker});
    next = header.next_offset();
    last_epoch = header.leader_epoch();
  }
  // What was good before the trouble stays.
  const size_t good =
      result.ok() ? walker.walked() : (placed.empty() ? begin
                                                      : walker.position());
  const ErrorCode error = result.error;
  std::string message = std::move(result.message);
  result.error = ErrorCode::NONE;
  if (!flush(good)) return result;
  if (error != ErrorCode::NONE) {
    fail(error, std::move(message));
  } else if (!walker.status().ok()) {
    fail(ErrorCode::CORRUPT_MESSAGE, Text(walker.status()));
  }
  return result;
}

absl::Status PartitionLog::WriteReplicated(const Bytes& bytes, size_t begin,
                                           size_t end,
                                           std::vector<Placed>* batches,
                                           int64_t now_ms) {
  int64_t max_timestamp = -1;
  for (const Placed& batch : *batches) {
    max_timestamp = std::max(max_timestamp, batch.header.max_timestamp);
  }
  const auto size = static_cast<int64_t>(end - begin);
  RETURN_IF_ERROR(RollFor(size, batches->back().header.last_offset(),
                          max_timestamp, now_ms));
  pieces_.clear();
  size_t at = 0;
  for (const BytesPiece& piece : bytes.pieces()) {
    const size_t from = std::max(begin, at);
    const size_t to = std::min(end, at + piece.size);
    if (from < to) {
      pieces_.push_back(
          {const_cast<char*>(piece.data) + (from - at), to - from});
    }
    at += piece.size;
  }
  return Write(batches, pieces_.data(), pieces_.size(), size, now_ms);
}

// One write at the active segment's end, then all that follows from it. On an
// error the file is cut back, so that no part of it is met after a restart.
absl::Status PartitionLog::Write(std::vector<Placed>* batches,
                                 const iovec* pieces, size_t piece_count,
                                 int64_t bytes, int64_t now_ms) {
  Segment& segment = active();
  const int64_t at = segment.size_bytes();
  absl::Status status = segment.file()->WriteAt(at, pieces, piece_count);
  if (!status.ok()) {
    const absl::Status cut = segment.file()->Truncate(at);
    LOG(ERROR) << "append failed partition=" << partition_ << " position=" << at
               << " bytes=" << bytes << ": " << status;
    if (!cut.ok()) return MarkFailed(cut);
    return status;
  }
  for (const Placed& batch : *batches) Account(batch, now_ms);
  tail_offset_ = batches->front().header.first_offset();
  tail_position_ = at;
  Publish();
  return absl::OkStatus();
}

void PartitionLog::Account(const Placed& batch, int64_t now_ms) {
  const BatchHeader& header = batch.header;
  active().Added(header, now_ms, options_.index_interval_bytes);
  if (epochs_.Assign(header.leader_epoch(), header.first_offset())) {
    epochs_changed_ = true;
  }
  end_offset_ = header.next_offset();
  if (batch.marker.has_value()) {
    if (const auto ended =
            producers_->AppendMarker(header, *batch.marker, now_ms);
        ended.has_value()) {
      EndTransaction(*ended);
    }
  } else if (header.has_producer_id()) {
    producers_->Append(header, now_ms);
    producers_->Limit(static_cast<size_t>(options_.max_producer_ids));
  }
}

// A gap means that records may be missing: an operator shall find it, once for
// each producer. The word is what Kafka's logs have, since people search for it.
void PartitionLog::NoteRefusedProducer(int64_t producer_id, ErrorCode error,
                                       const std::string& message) {
  constexpr size_t kMostRemembered = 1000;
  if (error != ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER) return;
  if (told_of_gap_.size() >= kMostRemembered) told_of_gap_.clear();
  if (!told_of_gap_.insert(producer_id).second) return;
  LOG(WARNING) << "OutOfOrderSequenceException partition=" << partition_
               << " end=" << end_offset_ << ": " << message
               << " (told once for each producer)";
}

void PartitionLog::EndTransaction(const EndedTransaction& ended) {
  ended_.push_back({ended.first_offset, ended.marker_offset});
  ended_changed_ = true;
  if (!ended.aborted) return;
  const Offset stable =
      producers_->first_open_transaction().value_or(ended.marker_offset + 1);
  aborted_->push_back({ended.producer_id, ended.first_offset,
                       ended.marker_offset, stable});
}

absl::Status PartitionLog::AssignEpoch(LeaderEpoch epoch) {
  RETURN_IF_ERROR(failed());
  if (epochs_.Assign(epoch, end_offset_)) {
    epochs_changed_ = true;
    Publish();
  }
  return absl::OkStatus();
}

void PartitionLog::NoteHighWatermark(Offset high_watermark) {
  const size_t before = ended_.size();
  std::erase_if(ended_, [&](const EndedSpan& span) {
    return span.marker_offset < high_watermark;
  });
  if (ended_.size() == before) return;
  ended_changed_ = true;
  Publish();
}

// --- Segments ----------------------------------------------------------------

absl::Status PartitionLog::RollFor(int64_t bytes, Offset last,
                                   int64_t max_timestamp_ms, int64_t now_ms) {
  const RollRules rules{
      options_.segment_bytes,
      options_.segment_ms - Jitter(options_, active().base()),
      options_.segment_index_bytes};
  if (!active().ShouldRoll(rules, bytes, last, max_timestamp_ms, now_ms)) {
    return absl::OkStatus();
  }
  return Roll(now_ms);
}

absl::Status PartitionLog::MaybeRoll(int64_t now_ms) {
  RETURN_IF_ERROR(failed());
  return RollFor(0, end_offset_, now_ms, now_ms);
}

absl::Status PartitionLog::Roll(int64_t now_ms) {
  RETURN_IF_ERROR(failed());
  if (active().size_bytes() == 0) return absl::OkStatus();
  RETURN_IF_ERROR(WriteSnapshot(end_offset_));
  if (active_has_old_indexes_) {
    RETURN_IF_ERROR(active().RemoveIndexFiles());
    RETURN_IF_ERROR(file_system_->SyncDirectory(path_));
    active_has_old_indexes_ = false;
  }
  const int64_t size = active().size_bytes();
  RETURN_IF_ERROR(AddSegment(end_offset_, now_ms));
  segments_[segments_.size() - 2]->Finish();
  older_bytes_ += size;
  SegmentsChanged();
  Publish();
  return absl::OkStatus();
}

absl::Status PartitionLog::AddSegment(Offset base, int64_t now_ms,
                                      bool may_exist) {
  const std::string path = PathOf(SegmentFileName(base, ".log"));
  ASSIGN_OR_RETURN(std::shared_ptr<File> file,
                   file_system_->Open(path, FileSystem::Mode::kCreate));
  const absl::Status status =
      may_exist ? file->Truncate(0) : absl::OkStatus();
  if (!status.ok()) {
    // An empty file left here would be taken for the next segment, and what
    // is appended before it for damage.
    if (!file_system_->Remove(path).ok()) return MarkFailed(status);
    return status;
  }
  auto segment = std::make_shared<Segment>(file_system_, path_, base,
                                           std::move(file));
  segment->StartIndexes();
  segment->set_created_ms(now_ms);
  segment->set_written_ms(now_ms);
  segments_.push_back(std::move(segment));
  folder_changed_ = true;
  return absl::OkStatus();
}

// From the newest to the oldest, so that a crash between leaves a log that
// ends earlier, never one with a hole.
absl::Status PartitionLog::RemoveSegmentsFrom(size_t index) {
  while (segments_.size() > index) {
    RETURN_IF_ERROR(segments_.back()->Remove());
    segments_.pop_back();
  }
  return file_system_->SyncDirectory(path_);
}

void PartitionLog::SegmentsChanged() {
  tail_offset_.reset();
  auto list = std::make_shared<std::vector<std::shared_ptr<const Segment>>>();
  list->assign(segments_.begin(), segments_.end());
  published_segments_ = std::move(list);
  older_bytes_ = 0;
  older_max_timestamp_ = {};
  for (size_t i = 0; i + 1 < segments_.size(); ++i) {
    older_bytes_ += segments_[i]->size_bytes();
    if (segments_[i]->max_timestamp_ms() > older_max_timestamp_.timestamp_ms) {
      older_max_timestamp_.timestamp_ms = segments_[i]->max_timestamp_ms();
      older_max_timestamp_.offset = segments_[i]->max_timestamp_offset();
    }
  }
}

void PartitionLog::Publish() {
  const std::shared_ptr<const LogView> old = view_.load();
  auto view = std::make_shared<LogViewMaker>();
  view->start_offset_ = start_offset_;
  view->end_offset_ = end_offset_;
  view->older_bytes_ = older_bytes_;
  view->active_bytes_ = active().size_bytes();
  view->tail_offset_ = tail_offset_;
  view->tail_position_ = tail_position_;
  view->segments_ = published_segments_;
  view->epochs_ = epochs_changed_ || old == nullptr
                      ? std::make_shared<const LeaderEpochs>(epochs_)
                      : old->epochs_;
  view->max_timestamp_ = older_max_timestamp_;
  if (active().max_timestamp_ms() > older_max_timestamp_.timestamp_ms) {
    view->max_timestamp_.timestamp_ms = active().max_timestamp_ms();
    view->max_timestamp_.offset = active().max_timestamp_offset();
  }
  view->aborted_ = aborted_;
  view->aborted_count_ = aborted_->size();
  view->ended_ = ended_changed_ || old == nullptr
                     ? std::make_shared<const std::vector<EndedSpan>>(ended_)
                     : old->ended_;
  view->first_open_transaction_ = producers_->first_open_transaction();
  view->generation_now_ = generation_;
  view->generation_ = generation_->load(std::memory_order_relaxed);
  epochs_changed_ = false;
  ended_changed_ = false;
  view_.store(std::move(view));
}

absl::Status PartitionLog::TruncateTo(Offset offset) {
  RETURN_IF_ERROR(failed());
  if (offset >= end_offset_) return absl::OkStatus();
  if (offset < start_offset_) {
    return absl::OutOfRangeError(fmt::format(
        "{}: cannot truncate to {} below the log's start {}",
        partition_.ToString(), offset.value(), start_offset_.value()));
  }
  LOG(INFO) << "truncating partition=" << partition_ << " from=" << end_offset_
            << " to=" << offset;
  size_t holder = segments_.size() - 1;
  while (holder > 0 && segments_[holder]->base() > offset) --holder;
  Segment& segment = *segments_[holder];
  // Where the batches that stay end: a batch that holds `offset` goes whole.
  ASSIGN_OR_RETURN(const std::shared_ptr<const SegmentIndexes> indexes,
                   segment.Indexes());
  BatchScanner scanner(*segment.file(), indexes->offsets.PositionBefore(offset),
                       segment.size_bytes());
  int64_t cut = scanner.end();
  Offset end = offset;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, scanner.Next());
    if (!more) break;
    if (scanner.header().last_offset() >= offset) {
      end = std::min(end, scanner.header().first_offset());
      break;
    }
    cut = scanner.end();
  }
  ASSIGN_OR_RETURN(std::shared_ptr<Segment> shorter, segment.CutTo(end, cut));

  RETURN_IF_ERROR(LowerRecoveryPoint(end));
  // From here on a failure leaves files that do not agree with our memory.
  absl::Status status = segment.RemoveIndexFiles();
  if (status.ok()) status = RemoveSegmentsFrom(holder + 1);
  if (status.ok()) status = segment.file()->Truncate(cut);
  if (status.ok()) status = segment.file()->Sync();
  if (status.ok()) {
    status = RemoveSnapshots(end + 1, Offset(std::numeric_limits<int64_t>::max()));
  }
  if (!status.ok()) return MarkFailed(status);
  segments_.back() = std::move(shorter);
  active_has_old_indexes_ = false;
  end_offset_ = end;
  // The log may start in the middle of the batch that went.
  start_offset_ = std::min(start_offset_, end);
  epochs_.TruncateFromEnd(end);
  epochs_changed_ = true;
  DropAborted(Offset(0), end);
  status = RebuildProducers(end, segments_.back()->written_ms());
  if (!status.ok()) return MarkFailed(status);
  SegmentsChanged();
  Publish();
  return absl::OkStatus();
}

absl::Status PartitionLog::TruncateFullyAndStartAt(Offset offset) {
  RETURN_IF_ERROR(failed());
  LOG(INFO) << "emptying partition=" << partition_ << " from=" << start_offset_
            << ".." << end_offset_ << " to start at=" << offset;
  RETURN_IF_ERROR(LowerRecoveryPoint(offset));
  const int64_t now_ms = active().written_ms();
  absl::Status status = RemoveSegmentsFrom(0);
  if (status.ok()) {
    status = RemoveSnapshots(Offset(0),
                             Offset(std::numeric_limits<int64_t>::max()));
  }
  if (status.ok()) status = AddSegment(offset, now_ms);
  if (!status.ok()) return MarkFailed(status);
  active_has_old_indexes_ = false;
  start_offset_ = offset;
  end_offset_ = offset;
  epochs_.Clear();
  epochs_changed_ = true;
  producers_->Clear();
  DropAborted(Offset(0), Offset(0));
  SegmentsChanged();
  Publish();
  return absl::OkStatus();
}

absl::Status PartitionLog::AdvanceLogStart(Offset offset) {
  RETURN_IF_ERROR(failed());
  if (offset > end_offset_) {
    return ErrorStatus(ErrorCode::OFFSET_OUT_OF_RANGE,
                       fmt::format("log start {} beyond the end {} of {}",
                                   offset.value(), end_offset_.value(),
                                   partition_.ToString()));
  }
  if (offset <= start_offset_) return absl::OkStatus();
  start_offset_ = offset;
  if (epochs_.TruncateFromStart(offset)) epochs_changed_ = true;
  Publish();
  return absl::OkStatus();
}

absl::StatusOr<int> PartitionLog::ApplyRetention(int64_t now_ms,
                                                 Offset high_watermark) {
  RETURN_IF_ERROR(failed());
  NoteHighWatermark(high_watermark);
  std::vector<SegmentFacts> facts;
  for (size_t i = 0; i < segments_.size(); ++i) {
    const Segment& segment = *segments_[i];
    facts.push_back({segment.base(),
                     i + 1 < segments_.size() ? segments_[i + 1]->base()
                                              : end_offset_,
                     segment.size_bytes(), segment.max_timestamp_ms(),
                     segment.written_ms()});
  }
  const size_t count = SegmentsToDelete(facts, options_, start_offset_,
                                        high_watermark, now_ms);
  if (count == 0) return 0;
  if (count == segments_.size()) RETURN_IF_ERROR(Roll(now_ms));
  const Offset first = segments_[count]->base();
  LOG(INFO) << "retention deletes partition=" << partition_
            << " segments=" << count << " below=" << first;
  // Nobody may read them any more before they go; oldest first, so that a
  // crash between leaves no hole.
  std::vector<std::shared_ptr<Segment>> old(
      segments_.begin(), segments_.begin() + static_cast<ptrdiff_t>(count));
  segments_.erase(segments_.begin(),
                  segments_.begin() + static_cast<ptrdiff_t>(count));
  start_offset_ = std::max(start_offset_, first);
  if (epochs_.TruncateFromStart(start_offset_)) epochs_changed_ = true;
  DropAborted(first, Offset(std::numeric_limits<int64_t>::max()));
  SegmentsChanged();
  Publish();
  for (const std::shared_ptr<Segment>& segment : old) {
    RETURN_IF_ERROR(segment->Remove());
  }
  RETURN_IF_ERROR(RemoveSnapshots(Offset(0), first));
  folder_changed_ = true;
  return static_cast<int>(count);
}

// Keeps the aborted transactions whose marker is in [below, from).
void PartitionLog::DropAborted(Offset below, Offset from) {
  auto kept = std::make_shared<AppendOnlyVector<AbortedTransaction>>();
  for (size_t i = 0; i < aborted_->size(); ++i) {
    const AbortedTransaction& transaction = (*aborted_)[i];
    if (transaction.last_offset >= below && transaction.last_offset < from) {
      kept->push_back(transaction);
    }
  }
  aborted_ = std::move(kept);
  if (std::erase_if(ended_, [&](const EndedSpan& span) {
        return span.marker_offset >= from;
      }) > 0) {
    ended_changed_ = true;
  }
}

void PartitionLog::ExpireProducers(int64_t now_ms) {
  producers_->Expire(now_ms, options_.producer_id_expiration_ms);
}

}  // namespace sillok
