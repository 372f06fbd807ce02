#include "broker/log/retention.h"

#include <algorithm>

namespace sillok {

int64_t RetentionTime(const SegmentFacts& segment) {
  if (segment.max_timestamp_ms < 0) return segment.written_ms;
  return std::min(segment.max_timestamp_ms, segment.written_ms);
}

size_t SegmentsToDelete(const std::vector<SegmentFacts>& segments,
                        const LogOptions& options, Offset log_start,
                        Offset high_watermark, int64_t now_ms) {
  int64_t total = 0;
  for (const SegmentFacts& segment : segments) total += segment.size_bytes;
  const bool by_time = options.cleanup_delete && options.retention_ms >= 0;
  const bool by_size = options.cleanup_delete && options.retention_bytes >= 0;
  size_t count = 0;
  for (const SegmentFacts& segment : segments) {
    const bool active = count + 1 == segments.size();
    const bool empty = segment.size_bytes == 0;
    if (segment.end > high_watermark || (active && empty)) break;
    const bool old =
        by_time && now_ms - RetentionTime(segment) > options.retention_ms;
    const bool excess =
        by_size && total - segment.size_bytes >= options.retention_bytes;
    const bool below = !active && segment.end <= log_start;
    if (!old && !excess && !below) break;
    total -= segment.size_bytes;
    ++count;
  }
  return count;
}

}  // namespace sillok
