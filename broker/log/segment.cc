#include "broker/log/segment.h"

#include <fmt/format.h>
#include <glog/logging.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "base/status_macros.h"
#include "broker/log/batch_scanner.h"
#include "broker/log/big_endian.h"

namespace sillok {
namespace {
constexpr size_t kNameDigits = 20;
// What Kafka's index interval is by default; for indexes made anew.
constexpr int64_t kRebuildInterval = 4096;
}  // namespace

std::string SegmentFileName(Offset base, std::string_view suffix) {
  return fmt::format("{:020d}{}", base.value(), suffix);
}

std::optional<Offset> ParseSegmentFileName(std::string_view name,
                                           std::string_view suffix) {
  if (name.size() != kNameDigits + suffix.size() ||
      name.substr(kNameDigits) != suffix) {
    return std::nullopt;
  }
  int64_t value = 0;
  const char* const end = name.data() + kNameDigits;
  const auto [stop, error] = std::from_chars(name.data(), end, value);
  if (error != std::errc() || stop != end || value < 0) return std::nullopt;
  return Offset(value);
}

Segment::Segment(FileSystem* file_system, std::string dir, Offset base,
                 std::shared_ptr<File> file)
    : file_system_(file_system),
      dir_(std::move(dir)),
      base_(base),
      file_(std::move(file)) {}

std::string Segment::PathOf(std::string_view suffix) const {
  return dir_ + "/" + SegmentFileName(base_, suffix);
}

SegmentIndexes* Segment::StartIndexes() {
  const std::lock_guard lock(index_mutex_);
  indexes_ = std::make_shared<SegmentIndexes>(base_);
  growing_ = indexes_.get();
  return growing_;
}

void Segment::Added(const record::BatchHeader& header, int64_t now_ms,
                    int64_t index_interval_bytes) {
  const int64_t max_timestamp = max_timestamp_ms();
  if (header.max_timestamp > max_timestamp) {
    max_timestamp_ms_.store(header.max_timestamp, std::memory_order_relaxed);
    max_timestamp_offset_ = header.last_offset();
  }
  if (!first_timestamp_ms_.has_value()) {
    first_timestamp_ms_ = header.max_timestamp;
  }
  if (size_bytes_ - last_indexed_ > index_interval_bytes) {
    growing_->offsets.Append(header.last_offset(), size_bytes_);
    if (max_timestamp_offset_ != kNoOffset) {
      growing_->times.MaybeAppend(max_timestamp_ms(), max_timestamp_offset_);
    }
    last_indexed_ = size_bytes_;
  }
  size_bytes_ += header.size_bytes();
  written_ms_ = now_ms;
}

void Segment::Finish() {
  if (growing_ != nullptr && max_timestamp_offset_ != kNoOffset) {
    growing_->times.MaybeAppend(max_timestamp_ms(), max_timestamp_offset_);
  }
}

bool Segment::ShouldRoll(const RollRules& rules, int64_t bytes, Offset last,
                         int64_t max_timestamp_ms, int64_t now_ms) const {
  if (size_bytes_ == 0) return false;
  if (size_bytes_ + bytes > rules.segment_bytes) return true;
  if (last - base_ > std::numeric_limits<int32_t>::max()) return true;
  // A record from the future rolls nothing before its time.
  const int64_t first = first_timestamp_ms_.value_or(-1);
  const int64_t age = first >= 0
                          ? std::min(max_timestamp_ms, now_ms) - first
                          : now_ms - created_ms_;
  if (age > rules.segment_ms) return true;
  const auto entries = static_cast<int64_t>(growing_->offsets.size() + 1);
  return entries * static_cast<int64_t>(TimeIndex::kEntryBytes) >
         rules.index_bytes;
}

absl::StatusOr<std::shared_ptr<SegmentIndexes>> Segment::LoadIndexes() const {
  auto loaded = std::make_shared<SegmentIndexes>(base_);
  absl::StatusOr<std::string> offsets =
      file_system_->ReadFile(PathOf(".index"));
  absl::StatusOr<std::string> times =
      file_system_->ReadFile(PathOf(".timeindex"));
  absl::Status status = offsets.status();
  if (status.ok()) status = times.status();
  if (status.ok()) status = loaded->offsets.Load(*offsets, size_bytes_);
  if (status.ok()) status = loaded->times.Load(*times);
  if (status.ok()) return loaded;

  LOG(WARNING) << "indexes of " << LogPath() << " are made anew: " << status;
  Segment scratch(file_system_, dir_, base_, file_);
  scratch.StartIndexes();
  BatchScanner scanner(*file_, 0, size_bytes_);
  while (true) {
    ASSIGN_OR_RETURN(const bool more, scanner.Next());
    if (!more) break;
    scratch.Added(scanner.header(), 0, kRebuildInterval);
  }
  scratch.Finish();
  return scratch.indexes_;
}

absl::StatusOr<std::shared_ptr<const SegmentIndexes>> Segment::Indexes() const {
  const std::lock_guard lock(index_mutex_);
  if (indexes_ == nullptr) {
    absl::StatusOr<std::shared_ptr<SegmentIndexes>> loaded = LoadIndexes();
    if (!loaded.ok()) {
      return absl::Status(loaded.status().code(),
                          LogPath() + ": " +
                              std::string(loaded.status().message()));
    }
    indexes_ = *std::move(loaded);
  }
  return std::shared_ptr<const SegmentIndexes>(indexes_);
}

absl::Status Segment::PersistIndexes(const std::string& transaction_index) {
  const std::lock_guard lock(index_mutex_);
  if (persisted_ || indexes_ == nullptr) return absl::OkStatus();
  const auto write = [&](std::string_view suffix,
                         const std::string& bytes) -> absl::Status {
    ASSIGN_OR_RETURN(
        const std::shared_ptr<File> file,
        file_system_->Open(PathOf(suffix), FileSystem::Mode::kCreate));
    RETURN_IF_ERROR(file->Truncate(0));
    RETURN_IF_ERROR(file->WriteAt(0, bytes));
    return file->Sync();
  };
  // The time index says at the next start that all three are there: last.
  if (!transaction_index.empty()) {
    RETURN_IF_ERROR(write(".txnindex", transaction_index));
  }
  RETURN_IF_ERROR(write(".index", indexes_->offsets.Encode()));
  RETURN_IF_ERROR(file_system_->SyncDirectory(dir_));
  RETURN_IF_ERROR(write(".timeindex", indexes_->times.Encode()));
  persisted_ = true;
  return absl::OkStatus();
}

absl::StatusOr<bool> Segment::LoadFacts(int64_t size_bytes) {
  size_bytes_ = size_bytes;
  ASSIGN_OR_RETURN(written_ms_, file_system_->ModifiedMs(LogPath()));
  created_ms_ = written_ms_;
  if (size_bytes == 0) {
    persisted_ = true;
    return true;
  }
  absl::StatusOr<std::shared_ptr<File>> file = file_system_->Open(
      PathOf(".timeindex"), FileSystem::Mode::kRead);
  if (absl::IsNotFound(file.status())) return false;
  RETURN_IF_ERROR(file.status());
  ASSIGN_OR_RETURN(const int64_t bytes, (*file)->Size());
  constexpr auto kEntry = static_cast<int64_t>(TimeIndex::kEntryBytes);
  if (bytes < kEntry || bytes % kEntry != 0) return false;
  char entry[TimeIndex::kEntryBytes];
  ASSIGN_OR_RETURN(const size_t read,
                   (*file)->ReadAt(bytes - kEntry, entry, sizeof entry));
  if (read != sizeof entry) return false;
  const auto relative = GetBigEndian<int32_t>(entry + 8);
  const auto timestamp = GetBigEndian<int64_t>(entry);
  if (relative < 0 || timestamp <= 0) return false;
  max_timestamp_ms_.store(timestamp, std::memory_order_relaxed);
  max_timestamp_offset_ = base_ + relative;
  persisted_ = true;
  return true;
}

absl::StatusOr<std::optional<Offset>> Segment::Resume(int64_t size_bytes) {
  ASSIGN_OR_RETURN(const bool known, LoadFacts(size_bytes));
  if (!known) return std::optional<Offset>();
  persisted_ = false;
  if (size_bytes == 0) {
    StartIndexes();
    return std::optional<Offset>(base_);
  }
  {
    const std::lock_guard lock(index_mutex_);
    ASSIGN_OR_RETURN(indexes_, LoadIndexes());
    growing_ = indexes_.get();
  }
  const size_t count = growing_->offsets.size();
  if (count > 0) last_indexed_ = growing_->offsets.entry(count - 1).position;
  BatchScanner first(*file_, 0, size_bytes);
  absl::StatusOr<bool> more = first.Next();
  if (!more.ok() || !*more) return std::optional<Offset>();
  first_timestamp_ms_ = first.header().max_timestamp;
  BatchScanner scanner(*file_, last_indexed_, size_bytes);
  std::optional<Offset> end;
  while (true) {
    more = scanner.Next();
    if (!more.ok()) return std::optional<Offset>();
    if (!*more) break;
    end = scanner.header().next_offset();
  }
  if (scanner.end() != size_bytes) return std::optional<Offset>();
  return end;
}

absl::StatusOr<std::shared_ptr<Segment>> Segment::CutTo(
    Offset end, int64_t size_bytes) const {
  auto cut = std::make_shared<Segment>(file_system_, dir_, base_, file_);
  cut->StartIndexes();
  cut->created_ms_ = created_ms_;
  // The indexes only say what is below `end` sparsely; the largest timestamp
  // has to be right, so the rest is read from the batches themselves.
  ASSIGN_OR_RETURN(const std::shared_ptr<const SegmentIndexes> old, Indexes());
  old->offsets.CopyBelow(end, size_bytes, &cut->growing_->offsets);
  const size_t kept = cut->growing_->offsets.size();
  Offset indexed = base_;
  if (kept > 0) {
    cut->last_indexed_ = cut->growing_->offsets.entry(kept - 1).position;
    indexed = cut->growing_->offsets.offset(kept - 1) + 1;
  }
  old->times.CopyBelow(indexed, &cut->growing_->times);
  if (const auto last = cut->growing_->times.last(); last.has_value()) {
    cut->max_timestamp_ms_.store(last->timestamp_ms,
                                 std::memory_order_relaxed);
    cut->max_timestamp_offset_ = base_ + last->relative_offset;
  }
  BatchScanner scanner(*file_, cut->last_indexed_, size_bytes);
  while (true) {
    ASSIGN_OR_RETURN(const bool more, scanner.Next());
    if (!more) break;
    if (scanner.header().max_timestamp > cut->max_timestamp_ms()) {
      cut->max_timestamp_ms_.store(scanner.header().max_timestamp,
                                   std::memory_order_relaxed);
      cut->max_timestamp_offset_ = scanner.header().last_offset();
    }
  }
  cut->size_bytes_ = size_bytes;
  cut->first_timestamp_ms_ = first_timestamp_ms_;
  cut->written_ms_ = written_ms_;
  return cut;
}

absl::Status Segment::RemoveIndexFiles() {
  for (const std::string_view suffix : {".index", ".timeindex", ".txnindex"}) {
    RETURN_IF_ERROR(file_system_->Remove(PathOf(suffix)));
  }
  return absl::OkStatus();
}

absl::Status Segment::Remove() {
  // The log goes first: an index without a log is cleared away at the start, a
  // log without an index would be read again.
  RETURN_IF_ERROR(file_system_->Remove(LogPath()));
  return RemoveIndexFiles();
}

}  // namespace sillok
