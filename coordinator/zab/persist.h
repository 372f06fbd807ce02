// What the core asks storage to write.
#ifndef SILLOK_COORDINATOR_ZAB_PERSIST_H_
#define SILLOK_COORDINATOR_ZAB_PERSIST_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "coordinator/zab/entry.h"

namespace sillok::zab {

// A change to stable storage. Carry out the parts in this order; storage may
// write them one after the other or all at once, but never a later part without
// the earlier ones.
struct Persist {
  // Rises by one with each Persist of an incarnation.
  uint64_t token = 0;
  // Replace the applied state and the whole log by the snapshot the shell has
  // staged, whose zxid this is: the log is then empty and trimmed to it. Either
  // all of it happens or nothing; no entry of the old log survives.
  std::optional<Zxid> install_snapshot;
  // Delete all entries above this zxid.
  std::optional<Zxid> truncate_after;
  // Append. Gapless after what is there.
  std::vector<Entry> entries;
  std::optional<HardState> hard_state;
};

}  // namespace sillok::zab

#endif  // SILLOK_COORDINATOR_ZAB_PERSIST_H_
