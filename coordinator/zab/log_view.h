// Read access to the durable log of one coordinator member.
#ifndef SILLOK_COORDINATOR_ZAB_LOG_VIEW_H_
#define SILLOK_COORDINATOR_ZAB_LOG_VIEW_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "coordinator/zab/entry.h"

namespace sillok::zab {

// The log as storage holds it: a trim point, then entries in rising zxid order
// without gaps (each is the IsSuccessor of the one before; the first one of the
// entry at the trim point).
//
// The core reads it to bring followers up to date and to hand out committed
// entries that it no longer holds in memory. It asks only about what it was
// told is durable: everything up to the last OnPersisted, less what a later
// Persist truncates. What is still being written it has in memory; a view may
// show those entries or not.
//
// Called on the core's thread, inside Step, Tick, OnPersisted and TakeOutput;
// answers must not change between OnPersisted calls, except that the trim point
// may move up at any time to at most the applied zxid. A view does not fail:
// damage found while reading stops the process.
class LogView {
 public:
  virtual ~LogView() = default;

  // Entries up to and with this zxid are gone; the applied state covers them.
  // The zxid itself is known to be part of the history. Zxid() if the log
  // starts at the beginning of time. An installed snapshot at S trims to S.
  virtual Zxid TrimmedTo() const = 0;

  // The last entry, or TrimmedTo() if there is none.
  virtual Zxid LastZxid() const = 0;

  // The greatest zxid of the history (entries and trim point) that is not
  // above `zxid`; nothing if `zxid` lies below the trim point.
  virtual std::optional<Zxid> LastAtOrBefore(Zxid zxid) const = 0;

  // The entries that follow `after`, which is TrimmedTo() or an entry: as many
  // as fit in `max_bytes` of txn bytes, but at least one if there is one.
  // Empty if `after` is the last entry or lies below the trim point.
  virtual std::vector<Entry> Read(Zxid after, size_t max_bytes) const = 0;
};

}  // namespace sillok::zab

#endif  // SILLOK_COORDINATOR_ZAB_LOG_VIEW_H_
