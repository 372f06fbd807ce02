// Who holds a lock, from the names of those in line. Pure.
#ifndef SILLOK_COORDINATOR_CLIENT_RECIPES_LOCK_ORDER_H_
#define SILLOK_COORDINATOR_CLIENT_RECIPES_LOCK_ORDER_H_

#include <string>
#include <string_view>
#include <vector>

namespace sillok::coord {

enum class LockKind {
  kExclusive,  // behind everybody who came before
  kRead,       // behind writers who came before
  kWrite,      // behind everybody who came before
};
// The name of a znode in line, without guid and sequence: "lock-", "read-",
// "write-".
std::string_view LockStem(LockKind kind);

struct LockPlace {
  enum class State {
    kHeld,
    kWaiting,
    kGone,  // `mine` is not among the children
  };
  State state = State::kGone;
  // kWaiting: the one to watch; nobody else's end can make `mine` the holder.
  std::string wait_for;
};

// `children` in any order; names that are none of a lock are passed over.
LockPlace FindLockPlace(const std::vector<std::string>& children,
                        const std::string& mine, LockKind kind);
// Those in line, the first first.
std::vector<std::string> SortLine(const std::vector<std::string>& children);

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_RECIPES_LOCK_ORDER_H_
