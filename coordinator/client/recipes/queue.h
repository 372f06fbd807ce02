// A queue that processes share, in the order of the puts.
//
// Items are persistent sequential znodes: they outlive who put them. For work
// lists of thousands, not millions: each take reads the list of all, and an item
// that comes into an empty queue wakes all who wait.
//
// Put puts an item once, Take hands it to one taker, also when the connection
// breaks under them (witness.h).
// - Take is at most once: the item is gone before the taker sees it. A taker that
//   dies right after (or whose session ends in the middle: Aborted) takes the
//   item with it.
// - Claim is at least once: the item stays, marked with an ephemeral znode, until
//   Finish; when the claimer's session ends first, another one gets it, later
//   than items behind it perhaps. A paused claimer may come back and work on
//   what another one has claimed by now; Finish then says so (Aborted).
#ifndef SILLOK_COORDINATOR_CLIENT_RECIPES_QUEUE_H_
#define SILLOK_COORDINATOR_CLIENT_RECIPES_QUEUE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "coordinator/client/blocking_session.h"
#include "coordinator/client/recipes/witness.h"

namespace sillok::coord {

// For one thread at a time; any number of objects on a path. The session must
// outlive it. Errors beside those named: Aborted (the session is over) and
// Unavailable (no connection until the deadline); what was asked may have
// happened.
class DistributedQueue {
 public:
  // The queue is made below `path` when it is missing.
  DistributedQueue(BlockingSession* session, std::string path);

  absl::Status Put(std::string data, absl::Duration wait = absl::Seconds(30));
  // The oldest item. DeadlineExceeded: none came.
  absl::StatusOr<std::string> Take(absl::Duration wait);

  struct Claimed {
    std::string name;  // of the item
    std::string data;
    std::string claim;  // path of the mark
    uint64_t session_id = 0;  // whose mark it is
  };
  // The oldest item that nobody has claimed.
  absl::StatusOr<Claimed> Claim(absl::Duration wait);
  // The item is done with. Aborted: the claim was lost first.
  absl::Status Finish(const Claimed& claimed,
                      absl::Duration wait = absl::Seconds(30));
  // Back into the queue, in its old place.
  absl::Status PutBack(const Claimed& claimed,
                       absl::Duration wait = absl::Seconds(30));

  // How many items there are, claimed ones too.
  absl::StatusOr<size_t> Size();

 private:
  // Goes through the items that nobody has claimed, in order, until `try_one`
  // answers with true or an error, or the deadline has come.
  using TryOne = std::function<absl::StatusOr<bool>(const std::string& name,
                                                    const std::string& data)>;
  absl::Status EachItem(TimePoint deadline, const TryOne& try_one);
  // Aborted when the session that made the claim is over.
  absl::Status CheckClaim(const Claimed& claimed) const;
  absl::Status MakePlaces(TimePoint deadline);

  BlockingSession* const session_;
  const std::string items_;
  const std::string claims_;
  Witness witness_;
  bool places_made_ = false;
};

// The items' names in the order of their puts; others are left out.
std::vector<std::string> SortItems(const std::vector<std::string>& children);

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_RECIPES_QUEUE_H_
