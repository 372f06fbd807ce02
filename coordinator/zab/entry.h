// What a coordinator member keeps durably for ZAB: log entries and two epochs.
#ifndef SILLOK_COORDINATOR_ZAB_ENTRY_H_
#define SILLOK_COORDINATOR_ZAB_ENTRY_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/ids.h"

namespace sillok::zab {

// One transaction of the replicated history. The core never looks into the
// bytes; they are shared, so that sending an entry to four followers, writing
// it and applying it all use one copy.
struct Entry {
  Zxid zxid;
  std::shared_ptr<const std::string> txn;

  size_t size_bytes() const { return txn == nullptr ? 0 : txn->size(); }
};

inline Entry MakeEntry(Zxid zxid, std::string txn) {
  return Entry{zxid, std::make_shared<const std::string>(std::move(txn))};
}

// The two numbers of ZAB that outlive a restart. Always current_epoch <=
// accepted_epoch, and the epoch of the last log entry <= accepted_epoch. That
// epoch may be above current_epoch: a member that crashes while a new leader
// synchronises it has the entries but has not joined the epoch.
struct HardState {
  // The highest epoch this member has promised to a would-be leader. It takes
  // nothing from a lower one.
  uint32_t accepted_epoch = 0;
  // The epoch of the last leader whose history this member holds in full.
  uint32_t current_epoch = 0;

  friend bool operator==(const HardState&, const HardState&) = default;
};

// True if `next` may directly follow `last` in a history: the next counter of
// the same epoch, or the first of a later one.
inline bool IsSuccessor(Zxid last, Zxid next) {
  if (next.epoch() == last.epoch()) return next == last.Next();
  return next.epoch() > last.epoch() && next.counter() == 1;
}

}  // namespace sillok::zab

#endif  // SILLOK_COORDINATOR_ZAB_ENTRY_H_
