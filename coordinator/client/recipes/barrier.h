// A gate that all who come wait at, until somebody opens it.
//
// Closed means that its znode is there. It belongs to no session: who closed the
// gate may die, it stays closed. Waiting survives a broken connection; an
// opening is noticed even if the gate was closed again at once, unless the
// waiter was not connected in between.
#ifndef SILLOK_COORDINATOR_CLIENT_RECIPES_BARRIER_H_
#define SILLOK_COORDINATOR_CLIENT_RECIPES_BARRIER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "coordinator/client/blocking_session.h"

namespace sillok::coord {

// Thread-safe. The session must outlive it. Errors are those of RecipeStatus:
// Aborted (the session is over), Unavailable (no connection until the deadline).
class Barrier {
 public:
  Barrier(BlockingSession* session, std::string path)
      : session_(session), path_(std::move(path)) {}

  // OK also when it was closed already. Parents come as containers.
  absl::Status Close(absl::Duration wait = absl::Seconds(30));
  // OK also when it was open.
  absl::Status Open(absl::Duration wait = absl::Seconds(30));
  // DeadlineExceeded: still closed.
  absl::Status Await(absl::Duration wait = absl::InfiniteDuration());

 private:
  BlockingSession* const session_;
  const std::string path_;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_RECIPES_BARRIER_H_
