// Which records `sillok consume -o` means. Pure.
//
//   start end    from the first record, or the next one to come
//   +n -n        n after the start, n before the end
//   n            from offset n;  n: the same;  :n up to n;  a:b from a up to b
//   :end         all there is now
//   @t @t1:t2    by time: ms (13 digits), seconds (10), 2026-11-21,
//                2026-11-21T10:00:00Z, or back from now: -1h, 30m, 10s, 2d
// kcat's `beginning` and `stored`, too.
#ifndef SILLOK_TOOLS_OFFSET_RANGE_H_
#define SILLOK_TOOLS_OFFSET_RANGE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace sillok::tools {

struct OffsetPoint {
  enum Kind {
    kStart,   // start + number
    kEnd,     // end + number (negative: before it)
    kOffset,  // number
    kTime,    // first record at or after Unix ms `number`
    kStored   // the group's committed offset
  };
  Kind kind = kEnd;
  int64_t number = 0;
};

struct OffsetRange {
  OffsetPoint from;
  std::optional<OffsetPoint> until;  // exclusive
};

// INVALID_CONFIG names what is wrong. `now_ms` is Unix time.
absl::StatusOr<OffsetRange> ParseOffsetRange(const std::string& text,
                                             int64_t now_ms);

}  // namespace sillok::tools

#endif  // SILLOK_TOOLS_OFFSET_RANGE_H_
