// The recent end of the log in memory, and where the log begins and ends. Pure;
// not thread-safe. Internal to coordinator/store.
#ifndef SILLOK_COORDINATOR_STORE_LOG_TAIL_H_
#define SILLOK_COORDINATOR_STORE_LOG_TAIL_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "coordinator/zab/entry.h"

namespace sillok {

// The log as given to the store, written or not. Every entry after base() is in
// memory; entries up to base() are in the database, and base() itself is one of
// them or the trim point.
class LogTail {
 public:
  explicit LogTail(size_t cache_bytes) : cache_bytes_(cache_bytes) {}

  // An empty log that begins after `trimmed`.
  void Reset(Zxid trimmed);
  // An entry found in the database at start; ascending, after Reset.
  void Recovered(Zxid zxid);

  // `entry` must follow last().
  void Append(zab::Entry entry);
  // `after` must not be below trimmed().
  void TruncateAfter(Zxid after);
  void TrimTo(Zxid zxid);
  // Entries up to `zxid` have been written: those that do not fit the cache may
  // be dropped from memory. `generation` is what generation() was when they
  // were appended; when the log was cut since, the call does nothing, as
  // entries written later may have the same zxids.
  void Written(Zxid zxid, uint64_t generation);
  // Changes with each Reset and TruncateAfter.
  uint64_t generation() const { return generation_; }

  Zxid trimmed() const { return trimmed_; }
  Zxid last() const { return last_; }
  Zxid base() const { return base_; }
  // Of the entries in memory, those after `after` (which is >= base()), within
  // `max_bytes` but at least one; `already` bytes are counted in.
  void Read(Zxid after, size_t max_bytes, size_t already,
            std::vector<zab::Entry>* out) const;
  // The last of base() and the entries in memory that is <= `zxid`; `zxid` must
  // not be below base().
  Zxid LastAtOrBefore(Zxid zxid) const;
  // How far the log can be trimmed so that at least `keep` entries stay; a zxid
  // <= `limit`, if there is one above trimmed().
  std::optional<Zxid> TrimPoint(Zxid limit, size_t keep) const;

 private:
  // Every kMarkEvery-th entry is remembered with its number, to count entries
  // without having them. After a truncation numbers are too low, never too high.
  static constexpr uint64_t kMarkEvery = 64;
  struct Mark {
    uint64_t number;
    Zxid zxid;
  };

  void Count(Zxid zxid);

  const size_t cache_bytes_;
  Zxid trimmed_;
  Zxid base_;
  Zxid last_;
  Zxid written_;
  uint64_t generation_ = 0;
  std::deque<zab::Entry> entries_;  // after base_, ascending
  size_t bytes_ = 0;
  std::deque<Mark> marks_;
  uint64_t next_number_ = 0;
};

}  // namespace sillok

#endif  // SILLOK_COORDINATOR_STORE_LOG_TAIL_H_
