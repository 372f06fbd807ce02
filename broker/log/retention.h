// Which old segments may go: pure.
#ifndef SILLOK_BROKER_LOG_RETENTION_H_
#define SILLOK_BROKER_LOG_RETENTION_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "broker/log/log_options.h"

namespace sillok {

struct SegmentFacts {
  Offset base;
  Offset end;  // the next segment's base, or the log's end
  int64_t size_bytes = 0;
  // Largest record timestamp; -1 when no record has one.
  int64_t max_timestamp_ms = -1;
  // When this broker last wrote to it.
  int64_t written_ms = 0;
};

// By what time a segment counts as old: its records' own time, but never later
// than when it was written. A record dated 2099 must not keep it for ever.
int64_t RetentionTime(const SegmentFacts& segment);

// How many segments at the front may be deleted: those wholly below the high
// watermark that are too old, are more than retention.bytes, or lie below the
// log's start. `segments` in order, the active one last; it may be counted too
// (the caller rolls first).
size_t SegmentsToDelete(const std::vector<SegmentFacts>& segments,
                        const LogOptions& options, Offset log_start,
                        Offset high_watermark, int64_t now_ms);

}  // namespace sillok

#endif  // SILLOK_BROKER_LOG_RETENTION_H_
