#include "broker/log/log_view.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "broker/log/batch_scanner.h"
#include "broker/log/buffer_pool.h"
#include "broker/log/segment.h"
#include "fmt/format.h"
#include "proto/record/record_batch.h"

namespace sillok {
namespace {

constexpr auto kHeader = static_cast<int64_t>(record::kBatchHeaderBytes);

// A batch's offset and epoch are the part of it that no CRC covers. What can be
// said of them: they rise, and stay within the segment.
class OffsetCheck {
 public:
  OffsetCheck(Offset begin, Offset end) : next_(begin), end_(end) {}

  absl::Status Take(const record::BatchHeader& header) {
    if (header.first_offset() >= next_ && header.next_offset() <= end_ &&
        header.next_offset() > header.first_offset()) {
      next_ = header.next_offset();
      return absl::OkStatus();
    }
    return absl::DataLossError(fmt::format(
        "a batch says it holds offsets {} to {}, where only {} to {} can be",
        header.base_offset, header.last_offset().value(), next_.value(),
        end_.value() - 1));
  }

 private:
  Offset next_;
  Offset end_;
};

// The whole batches in `bytes` that a reader of `offset` gets: from the first
// that ends at or after it, below `bound`, within `max_bytes` (but one).
struct Trimmed {
  size_t begin = 0;
  size_t end = 0;
  // Set: the first batch is larger than what was read, this much is needed.
  size_t need = 0;
};

// Stops before a damaged batch; fails when it is the first.
absl::StatusOr<Trimmed> Trim(std::string_view bytes, Offset offset,
                             const ReadOptions& options, OffsetCheck check) {
  Trimmed result;
  bool found = false;
  size_t at = 0;
  while (bytes.size() - at >= record::kBatchHeaderBytes) {
    const record::BatchHeader header =
        record::ParseBatchHeader(bytes.data() + at);
    absl::Status status = record::CheckBatchHeader(header);
    if (status.ok()) status = check.Take(header);
    if (!status.ok()) {
      if (result.end > result.begin) break;
      return absl::DataLossError(std::string(status.message()));
    }
    const auto size = static_cast<size_t>(header.size_bytes());
    if (header.last_offset() >= offset) {
      if (header.next_offset() > options.upper_bound) break;
      if (!found) {
        result.begin = result.end = at;
        found = true;
        if (static_cast<int64_t>(size) > options.max_bytes &&
            !options.at_least_one_batch) {
          break;
        }
        if (size > bytes.size() - at) {
          result.need = at + size;
          break;
        }
      } else if (static_cast<int64_t>(at + size - result.begin) >
                 options.max_bytes) {
        break;
      }
      if (size > bytes.size() - at) break;
      result.end = at + size;
    } else if (size > bytes.size() - at) {
      break;
    }
    at += size;
  }
  return result;
}

}  // namespace

size_t LogView::FindSegment(Offset offset) const {
  const auto after = std::upper_bound(
      segments_->begin(), segments_->end(), offset,
      [](Offset o, const auto& segment) { return o < segment->base(); });
  return after == segments_->begin()
             ? 0
             : static_cast<size_t>(after - segments_->begin()) - 1;
}

Offset LogView::SegmentEnd(size_t i) const {
  return i + 1 == segments_->size() ? end_offset_
                                    : (*segments_)[i + 1]->base();
}

int64_t LogView::SegmentBytes(size_t i) const {
  return i + 1 == segments_->size() ? active_bytes_
                                    : (*segments_)[i]->size_bytes();
}

bool LogView::Stale() const {
  return generation_now_->load(std::memory_order_acquire) != generation_;
}

absl::Status LogView::Explain(const absl::Status& error,
                              const Segment& segment) const {
  if (Stale()) {
    return absl::UnavailableError("the log was truncated while it was read");
  }
  return {error.code(),
          segment.LogPath() + ": " + std::string(error.message())};
}

// The segment that has a batch for `offset`: usually the one whose range it is
// in; a later one when that has a hole at its end (compaction).
absl::StatusOr<LogView::Place> LogView::Locate(
    Offset offset, Offset upper_bound,
    std::optional<BatchScanner>* found) const {
  for (size_t i = FindSegment(offset); i < segments_->size(); ++i) {
    const Segment& segment = *(*segments_)[i];
    const int64_t bytes = SegmentBytes(i);
    if (segment.base() >= upper_bound) break;
    if (bytes == 0) continue;
    ASSIGN_OR_RETURN(const std::shared_ptr<const SegmentIndexes> indexes,
                     segment.Indexes());
    found->emplace(*segment.file(), indexes->offsets.PositionBefore(offset),
                   bytes);
    BatchScanner& scanner = **found;
    OffsetCheck check(segment.base(), SegmentEnd(i));
    while (true) {
      const absl::StatusOr<bool> more = scanner.Next();
      if (!more.ok()) return Explain(more.status(), segment);
      if (!*more && scanner.end() < bytes) {
        return Explain(absl::DataLossError(fmt::format(
                           "the batch at position {} ends beyond the file",
                           scanner.end())),
                       segment);
      }
      if (!*more) break;
      if (const absl::Status status = check.Take(scanner.header());
          !status.ok()) {
        return Explain(status, segment);
      }
      if (scanner.header().last_offset() < offset) continue;
      if (scanner.header().next_offset() > upper_bound) return Place{};
      return Place{&segment, scanner.position(),
                   std::min(bytes, indexes->offsets.PositionAtOrAfter(
                                       upper_bound, bytes)),
                   bytes};
    }
  }
  return Place{};
}

bool LogView::ReadTail(Offset offset, Offset bound, const ReadOptions& options,
                       ReadResult* result) const {
  const int64_t bytes = active_bytes_ - tail_position_;
  if (tail_offset_ != offset || bound < end_offset_ ||
      bytes > options.max_bytes || Stale()) {
    return false;
  }
  result->bytes = bytes;
  result->ranges.push_back({segments_->back()->file(), tail_position_, bytes});
  return true;
}

absl::StatusOr<ReadResult> LogView::Read(Offset offset,
                                         const ReadOptions& options) const {
  ReadResult result;
  result.log_start = start_offset_;
  result.log_end = end_offset_;
  if (offset < start_offset_ || offset > end_offset_) {
    result.error = ErrorCode::OFFSET_OUT_OF_RANGE;
    return result;
  }
  const Offset bound = std::min(options.upper_bound, end_offset_);
  if (offset >= bound) return result;
  if (ReadTail(offset, bound, options, &result)) return result;
  std::optional<BatchScanner> scanner;
  ASSIGN_OR_RETURN(const Place place, Locate(offset, bound, &scanner));
  if (place.segment == nullptr) return result;
  const Segment& segment = *place.segment;
  // Skip by the index to near the end, then go batch by batch.
  ASSIGN_OR_RETURN(const std::shared_ptr<const SegmentIndexes> indexes,
                   segment.Indexes());
  const int64_t most =
      options.max_bytes > place.bytes - place.start
          ? place.bytes
          : place.start + std::max<int64_t>(options.max_bytes, 0);
  const int64_t near_end = indexes->offsets.BoundaryBefore(
      std::min(most, place.limit));
  int64_t end = std::max(place.start, near_end);
  // The scanner is at the first batch; it need not read that again.
  bool at_batch = end == place.start;
  if (!at_batch) scanner.emplace(*segment.file(), end, place.bytes);
  while (true) {
    if (!std::exchange(at_batch, false)) {
      const absl::StatusOr<bool> more = scanner->Next();
      if (!more.ok()) return Explain(more.status(), segment);
      if (!*more) break;
    }
    if (scanner->header().next_offset() > bound) break;
    const bool first = scanner->position() == place.start;
    if (scanner->end() > most && !(first && options.at_least_one_batch)) break;
    end = scanner->end();
  }
  if (Stale()) return Explain(absl::OkStatus(), segment);
  if (end > place.start) {
    result.bytes = end - place.start;
    result.ranges.push_back({segment.file(), place.start, result.bytes});
  }
  return result;
}

absl::StatusOr<ReadBytesResult> LogView::ReadBytes(
    Offset offset, const ReadOptions& options) const {
  ReadBytesResult result;
  result.log_start = start_offset_;
  result.log_end = end_offset_;
  if (offset < start_offset_ || offset > end_offset_) {
    result.error = ErrorCode::OFFSET_OUT_OF_RANGE;
    return result;
  }
  ReadOptions bounded = options;
  bounded.upper_bound = std::min(options.upper_bound, end_offset_);
  bounded.max_bytes = std::max<int64_t>(options.max_bytes, 0);
  for (size_t i = FindSegment(offset); i < segments_->size(); ++i) {
    const Segment& segment = *(*segments_)[i];
    const int64_t bytes = SegmentBytes(i);
    if (offset >= bounded.upper_bound || segment.base() >= bounded.upper_bound) {
      break;
    }
    if (bytes == 0) continue;
    ASSIGN_OR_RETURN(const std::shared_ptr<const SegmentIndexes> indexes,
                     segment.Indexes());
    // One read from the nearest indexed batch on; what is before the offset or
    // past the bound is cut off in memory.
    int64_t at = indexes->offsets.PositionBefore(offset);
    const int64_t stop = indexes->offsets.PositionAtOrAfter(
        bounded.upper_bound, bytes);
    constexpr int64_t kSlack = 8192;
    int64_t want = std::max(kHeader, bounded.max_bytes);
    want = std::min(want + kSlack, bytes - at);
    // The batch that holds the bound begins at `stop`, and is not for reading.
    if (stop > at) want = std::min(want, stop - at);
    while (true) {
      std::shared_ptr<char[]> buffer =
          BufferPool::Shared().Take(static_cast<size_t>(want));
      const absl::StatusOr<size_t> got = segment.file()->ReadAt(
          at, buffer.get(), static_cast<size_t>(want));
      if (!got.ok()) return Explain(got.status(), segment);
      const std::string_view data(buffer.get(), *got);
      const absl::StatusOr<Trimmed> trimmed = Trim(
          data, offset, bounded, OffsetCheck(segment.base(), SegmentEnd(i)));
      if (!trimmed.ok()) return Explain(trimmed.status(), segment);
      if (Stale()) return Explain(absl::OkStatus(), segment);
      if (trimmed->need > 0 &&
          static_cast<int64_t>(trimmed->need) <= bytes - at &&
          static_cast<int64_t>(trimmed->need) > want) {
        want = static_cast<int64_t>(trimmed->need);
        continue;
      }
      if (static_cast<int64_t>(*got) < want || trimmed->need > 0) {
        return Explain(absl::DataLossError("the file is shorter than the log"),
                       segment);
      }
      if (trimmed->end > trimmed->begin) {
        result.batches.Append({buffer.get() + trimmed->begin,
                               trimmed->end - trimmed->begin, buffer});
        return result;
      }
      break;
    }
    // Nothing here: a bound, a size that forbids, a batch that ends beyond what
    // was read before the offset was met, or a hole. Let the scan decide.
    ASSIGN_OR_RETURN(const ReadResult ranges, Read(offset, bounded));
    if (ranges.ranges.empty()) return result;
    const FileRange& range = ranges.ranges.front();
    std::shared_ptr<char[]> buffer =
        BufferPool::Shared().Take(static_cast<size_t>(range.length));
    ASSIGN_OR_RETURN(const size_t got,
                     range.file->ReadAt(range.position, buffer.get(),
                                        static_cast<size_t>(range.length)));
    if (Stale()) return Explain(absl::OkStatus(), segment);
    if (static_cast<int64_t>(got) < range.length) {
      return Explain(absl::DataLossError("the file is shorter than the log"),
                     segment);
    }
    result.batches.Append(
        {buffer.get(), static_cast<size_t>(range.length), buffer});
    return result;
  }
  return result;
}

absl::StatusOr<std::optional<TimestampAndOffset>> LogView::OffsetForTimestamp(
    int64_t timestamp_ms, Offset upper_bound) const {
  using Found = std::optional<TimestampAndOffset>;
  upper_bound = std::min(upper_bound, end_offset_);
  for (size_t i = 0; i < segments_->size(); ++i) {
    const Segment& segment = *(*segments_)[i];
    const int64_t bytes = SegmentBytes(i);
    if (segment.base() >= upper_bound) break;
    if (bytes == 0 || segment.max_timestamp_ms() < timestamp_ms) continue;
    ASSIGN_OR_RETURN(const std::shared_ptr<const SegmentIndexes> indexes,
                     segment.Indexes());
    const Offset from = std::max(start_offset_,
                                 indexes->times.OffsetBefore(timestamp_ms));
    BatchScanner scanner(*segment.file(),
                         indexes->offsets.PositionBefore(from), bytes);
    while (true) {
      const absl::StatusOr<bool> more = scanner.Next();
      if (!more.ok()) return Explain(more.status(), segment);
      if (!*more || scanner.header().next_offset() > upper_bound) break;
      const record::BatchHeader& header = scanner.header();
      if (header.max_timestamp < timestamp_ms ||
          header.last_offset() < start_offset_) {
        continue;
      }
      std::string batch(static_cast<size_t>(header.size_bytes()), '\0');
      const absl::StatusOr<size_t> got = segment.file()->ReadAt(
          scanner.position(), batch.data(), batch.size());
      if (!got.ok()) return Explain(got.status(), segment);
      batch.resize(*got);
      auto reader = record::BatchReader::Open(batch, /*check_crc=*/false);
      if (!reader.ok()) return Explain(reader.status(), segment);
      record::RecordView record;
      while (reader->Next(&record)) {
        if (record.timestamp_ms >= timestamp_ms &&
            record.offset >= start_offset_) {
          return Found(TimestampAndOffset{record.timestamp_ms, record.offset,
                                          header.leader_epoch()});
        }
      }
      if (!reader->status().ok()) return Explain(reader->status(), segment);
    }
  }
  return Found();
}

std::optional<LeaderEpoch> LogView::latest_epoch() const {
  const std::optional<EpochEntry> latest = epochs_->latest();
  if (!latest.has_value()) return std::nullopt;
  return latest->epoch;
}

std::vector<AbortedTransaction> LogView::AbortedTransactions(Offset from,
                                                             Offset to) const {
  std::vector<AbortedTransaction> result;
  size_t i = aborted_->PartitionPoint(
      aborted_count_,
      [&](const AbortedTransaction& t) { return t.last_offset < from; });
  for (; i < aborted_count_; ++i) {
    const AbortedTransaction& transaction = (*aborted_)[i];
    if (transaction.first_offset < to) result.push_back(transaction);
    // From here on, every transaction began at or after that offset.
    if (transaction.last_stable_offset >= to) break;
  }
  return result;
}

Offset LogView::LastStableOffset(Offset high_watermark) const {
  Offset stable = std::min(high_watermark, end_offset_);
  if (first_open_transaction_.has_value()) {
    stable = std::min(stable, *first_open_transaction_);
  }
  for (auto span = ended_->rbegin(); span != ended_->rend(); ++span) {
    if (span->marker_offset < high_watermark) break;
    stable = std::min(stable, span->first_offset);
  }
  return stable;
}

}  // namespace sillok
