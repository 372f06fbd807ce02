// A number that processes share.
//
// A znode with the number as text, changed under a check of its version. It is
// persistent: it outlives all sessions. Each change happens once or not at all,
// also when the connection breaks under it (witness.h); only when the session
// ends in the middle of a change is it unknown whether it happened (Aborted).
#ifndef SILLOK_COORDINATOR_CLIENT_RECIPES_COUNTER_H_
#define SILLOK_COORDINATOR_CLIENT_RECIPES_COUNTER_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "coordinator/client/blocking_session.h"
#include "coordinator/client/recipes/witness.h"

namespace sillok::coord {

// For one thread at a time; any number of objects on a path. Errors:
//   Aborted         the session is over: a change may have happened
//   Unavailable     no connection within `wait`: a change may have happened
//   OutOfRange      it would overflow; nothing was changed
//   DataLoss        the znode holds no number
class Counter {
 public:
  // The znode is made, with `initial`, by the first who changes it. Those who
  // only read see `initial` until then.
  Counter(BlockingSession* session, std::string path, int64_t initial = 0);

  // The newest value (read behind a sync).
  absl::StatusOr<int64_t> Get(absl::Duration wait = absl::Seconds(30));
  // The value after it. Tries again while others are faster.
  absl::StatusOr<int64_t> Add(int64_t delta,
                              absl::Duration wait = absl::Seconds(30));
  // False: it was not `expected`; nothing was changed.
  absl::StatusOr<bool> CompareAndSet(int64_t expected, int64_t value,
                                     absl::Duration wait = absl::Seconds(30));

 private:
  struct Seen {
    int64_t value = 0;
    int32_t version = -1;  // -1: there is no znode
  };
  absl::StatusOr<Seen> Read(bool newest, TimePoint deadline);
  // False: somebody else changed it first.
  absl::StatusOr<bool> Replace(const Seen& seen, int64_t value,
                               TimePoint deadline);

  BlockingSession* const session_;
  const std::string path_;
  const int64_t initial_;
  Witness witness_;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_RECIPES_COUNTER_H_
