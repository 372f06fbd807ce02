#include "broker/log/offset_index.h"

#include <fmt/format.h>

#include "broker/log/big_endian.h"

namespace sillok {

int64_t OffsetIndex::PositionBefore(Offset offset) const {
  const int64_t relative = offset - base_;
  const size_t after = entries_.PartitionPoint(
      entries_.size(),
      [&](const Entry& entry) { return entry.relative_offset <= relative; });
  return after == 0 ? 0 : entries_[after - 1].position;
}

int64_t OffsetIndex::PositionAtOrAfter(Offset offset, int64_t fallback) const {
  const int64_t relative = offset - base_;
  const size_t count = entries_.size();
  const size_t at = entries_.PartitionPoint(count, [&](const Entry& entry) {
    return entry.relative_offset < relative;
  });
  return at == count ? fallback : entries_[at].position;
}

int64_t OffsetIndex::BoundaryBefore(int64_t position) const {
  const size_t after = entries_.PartitionPoint(
      entries_.size(),
      [&](const Entry& entry) { return entry.position <= position; });
  return after == 0 ? 0 : entries_[after - 1].position;
}

std::string OffsetIndex::Encode() const {
  std::string bytes;
  const size_t count = entries_.size();
  bytes.reserve(count * kEntryBytes);
  for (size_t i = 0; i < count; ++i) {
    PutBigEndian(&bytes, entries_[i].relative_offset);
    PutBigEndian(&bytes, entries_[i].position);
  }
  return bytes;
}

absl::Status OffsetIndex::Load(std::string_view bytes, int64_t log_bytes) {
  if (bytes.size() % kEntryBytes != 0) {
    return absl::DataLossError(
        fmt::format("offset index of {} bytes has half an entry",
                    bytes.size()));
  }
  Entry last{-1, -1};
  for (size_t at = 0; at < bytes.size(); at += kEntryBytes) {
    const Entry entry{GetBigEndian<int32_t>(bytes.data() + at),
                      GetBigEndian<int32_t>(bytes.data() + at + 4)};
    // What was preallocated and never used: zeros to the end.
    if (at > 0 && entry.relative_offset == 0 && entry.position == 0 &&
        bytes.find_first_not_of('\0', at) == std::string_view::npos) {
      break;
    }
    if (entry.relative_offset <= last.relative_offset ||
        entry.position <= last.position || entry.position >= log_bytes) {
      return absl::DataLossError(
          fmt::format("offset index: entry {} does not rise or points outside "
                      "the log",
                      at / kEntryBytes));
    }
    entries_.push_back(entry);
    last = entry;
  }
  return absl::OkStatus();
}

void OffsetIndex::CopyBelow(Offset end, int64_t log_bytes,
                            OffsetIndex* out) const {
  const size_t count = entries_.size();
  for (size_t i = 0; i < count; ++i) {
    if (offset(i) >= end || entries_[i].position >= log_bytes) return;
    out->entries_.push_back(entries_[i]);
  }
}

}  // namespace sillok
