// Where in a segment's log the batches lie: sparse, in memory, with Kafka's
// file format beside it.
#ifndef SILLOK_BROKER_LOG_OFFSET_INDEX_H_
#define SILLOK_BROKER_LOG_OFFSET_INDEX_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "base/ids.h"
#include "broker/log/append_only_vector.h"

namespace sillok {

// One entry: the last offset of a batch, and where that batch starts. Both
// rise from entry to entry.
class OffsetIndex {
 public:
  struct Entry {
    int32_t relative_offset = 0;
    int32_t position = 0;
  };
  static constexpr size_t kEntryBytes = 8;

  explicit OffsetIndex(Offset base) : base_(base) {}

  // Owner. Offsets and positions above those there.
  void Append(Offset last_offset, int64_t position) {
    entries_.push_back({static_cast<int32_t>(last_offset - base_),
                        static_cast<int32_t>(position)});
  }

  // Where to begin to look for the batch that holds `offset`: no batch before
  // that position ends at or after it.
  int64_t PositionBefore(Offset offset) const;
  // A batch boundary at or after which everything ends at or after `offset`;
  // `fallback` when the index does not reach that far.
  int64_t PositionAtOrAfter(Offset offset, int64_t fallback) const;
  // The largest known batch boundary at or before `position`.
  int64_t BoundaryBefore(int64_t position) const;

  size_t size() const { return entries_.size(); }
  Entry entry(size_t i) const { return entries_[i]; }
  Offset offset(size_t i) const {
    return base_ + entries_[i].relative_offset;
  }

  // The file's bytes; reading checks that they are whole, rise, and point
  // inside a log of `log_bytes`.
  std::string Encode() const;
  absl::Status Load(std::string_view bytes, int64_t log_bytes);
  // The entries whose batch ends before `end` and lies below `log_bytes`.
  void CopyBelow(Offset end, int64_t log_bytes, OffsetIndex* out) const;

 private:
  Offset base_;
  AppendOnlyVector<Entry> entries_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_OFFSET_INDEX_H_
