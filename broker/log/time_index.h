// Up to which offset a segment's records are older than a time.
#ifndef SILLOK_BROKER_LOG_TIME_INDEX_H_
#define SILLOK_BROKER_LOG_TIME_INDEX_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/ids.h"
#include "broker/log/append_only_vector.h"

namespace sillok {

// One entry: the largest timestamp so far, and the last offset of the batch
// that has it. Timestamps rise strictly, offsets do not fall.
class TimeIndex {
 public:
  struct Entry {
    int64_t timestamp_ms = -1;
    int32_t relative_offset = 0;
  };
  static constexpr size_t kEntryBytes = 12;

  explicit TimeIndex(Offset base) : base_(base) {}

  // Owner. Nothing happens unless `timestamp_ms` is above the last one.
  void MaybeAppend(int64_t timestamp_ms, Offset offset);

  // All records up to this offset are older than `timestamp_ms` (the segment's
  // base when nothing is known).
  Offset OffsetBefore(int64_t timestamp_ms) const;

  size_t size() const { return entries_.size(); }
  Entry entry(size_t i) const { return entries_[i]; }
  Offset offset(size_t i) const {
    return base_ + entries_[i].relative_offset;
  }
  std::optional<Entry> last() const;

  std::string Encode() const;
  absl::Status Load(std::string_view bytes);
  void CopyBelow(Offset end, TimeIndex* out) const;

 private:
  Offset base_;
  AppendOnlyVector<Entry> entries_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_TIME_INDEX_H_
