#include "broker/log/time_index.h"

#include <fmt/format.h>

#include <limits>

#include "broker/log/big_endian.h"

namespace sillok {

void TimeIndex::MaybeAppend(int64_t timestamp_ms, Offset offset) {
  const int64_t last = entries_.empty() ? -1 : entries_.back().timestamp_ms;
  if (timestamp_ms <= last) return;
  entries_.push_back({timestamp_ms, static_cast<int32_t>(offset - base_)});
}

Offset TimeIndex::OffsetBefore(int64_t timestamp_ms) const {
  const size_t after = entries_.PartitionPoint(
      entries_.size(),
      [&](const Entry& entry) { return entry.timestamp_ms < timestamp_ms; });
  return after == 0 ? base_ : base_ + entries_[after - 1].relative_offset;
}

std::optional<TimeIndex::Entry> TimeIndex::last() const {
  if (entries_.empty()) return std::nullopt;
  return entries_.back();
}

std::string TimeIndex::Encode() const {
  std::string bytes;
  const size_t count = entries_.size();
  bytes.reserve(count * kEntryBytes);
  for (size_t i = 0; i < count; ++i) {
    PutBigEndian(&bytes, entries_[i].timestamp_ms);
    PutBigEndian(&bytes, entries_[i].relative_offset);
  }
  return bytes;
}

absl::Status TimeIndex::Load(std::string_view bytes) {
  if (bytes.size() % kEntryBytes != 0) {
    return absl::DataLossError(fmt::format(
        "time index of {} bytes has half an entry", bytes.size()));
  }
  Entry last{std::numeric_limits<int64_t>::min(), -1};
  for (size_t at = 0; at < bytes.size(); at += kEntryBytes) {
    const Entry entry{GetBigEndian<int64_t>(bytes.data() + at),
                      GetBigEndian<int32_t>(bytes.data() + at + 8)};
    if (at > 0 && bytes.find_first_not_of('\0', at) == std::string_view::npos) {
      break;  // preallocated and never used
    }
    if (entry.timestamp_ms <= last.timestamp_ms ||
        entry.relative_offset < last.relative_offset ||
        entry.relative_offset < 0) {
      return absl::DataLossError(fmt::format(
          "time index: entry {} does not rise", at / kEntryBytes));
    }
    entries_.push_back(entry);
    last = entry;
  }
  return absl::OkStatus();
}

void TimeIndex::CopyBelow(Offset end, TimeIndex* out) const {
  const size_t count = entries_.size();
  for (size_t i = 0; i < count && offset(i) < end; ++i) {
    out->entries_.push_back(entries_[i]);
  }
}

}  // namespace sillok
