// Who waits for an offset to be passed, and until when. Pure.
#ifndef SILLOK_BROKER_REPLICATION_OFFSET_WAITERS_H_
#define SILLOK_BROKER_REPLICATION_OFFSET_WAITERS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.h"

namespace sillok {

enum class WakeReason {
  kReached,      // the bound has passed the offset
  kDeadline,     // it has not, in time
  kRoleChanged,  // leader epoch or role changed, or the replica is stopping
};

// Waiters on one bound (HW, log end, ...) of one partition. Not thread-safe; it
// never calls anybody: Take functions hand the callbacks out, in the order of
// offsets (deadlines for TakeExpired), ties in the order of Add. O(log n) each.
class OffsetWaiters {
 public:
  using Wake = std::function<void(WakeReason)>;

  // Waits for a bound greater than `offset`. `id` is the caller's, unique.
  void Add(uint64_t id, Offset offset, int64_t deadline_ms, Wake wake);
  // False when it was not waiting (any more).
  bool Remove(uint64_t id);

  std::vector<Wake> TakeReached(Offset bound);
  std::vector<Wake> TakeExpired(int64_t now_ms);
  std::vector<Wake> TakeAll();

  bool empty() const { return waiting_.empty(); }
  size_t size() const { return waiting_.size(); }
  std::optional<int64_t> NextDeadline() const;

 private:
  struct Waiting {
    Offset offset;
    int64_t deadline_ms;
    Wake wake;
  };
  Wake Extract(uint64_t id);

  std::unordered_map<uint64_t, Waiting> waiting_;
  // (offset, id) and (deadline, id) of all in waiting_.
  std::set<std::pair<Offset, uint64_t>> by_offset_;
  std::set<std::pair<int64_t, uint64_t>> by_deadline_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_REPLICATION_OFFSET_WAITERS_H_
