// Where the entries of the log are in its segments. Pure; not thread-safe.
// Internal to coordinator/store.
#ifndef SILLOK_COORDINATOR_STORE_LOG_INDEX_H_
#define SILLOK_COORDINATOR_STORE_LOG_INDEX_H_

#include <cstdint>
#include <deque>
#include <optional>

#include "base/ids.h"

namespace sillok {

// A stretch of one segment: from `offset` on, frame by frame, the entries up to
// `last` are those of the log from `first` to `last`. What follows `last` there
// may have been truncated.
struct LogRun {
  Zxid first;
  Zxid last;
  uint64_t sequence = 0;  // of the segment
  uint64_t offset = 0;    // of a frame
};

// Every entry that was written and is in the log is in exactly one run, and the
// runs are in the order of the log.
class LogIndex {
 public:
  void Clear();
  // The entries of the frame at that place; they follow all there are.
  void Append(Zxid first, Zxid last, uint64_t sequence, uint64_t offset);
  void TruncateAfter(Zxid after);
  // Forgets what is in segments before `sequence`; the last entry forgotten.
  std::optional<Zxid> DropBefore(uint64_t sequence);

  // The run with the first entry after `zxid`.
  std::optional<LogRun> FindAfter(Zxid zxid) const;
  // The run with the last entry that is not after `zxid`.
  std::optional<LogRun> FindUpTo(Zxid zxid) const;

 private:
  // A reader finds its entry after this many bytes at most, or one frame.
  static constexpr uint64_t kRunBytes = 32 * 1024;

  std::deque<LogRun> runs_;
  bool joinable_ = false;  // the last run was not cut
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_LOG_INDEX_H_
