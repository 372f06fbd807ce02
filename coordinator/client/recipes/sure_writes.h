// Creates and deletes that see a broken connection through.
//
// A call that ends with CONNECTION_LOSS may have happened. These find out once
// the session is attached again. That works because the ensemble refuses what is
// still on its way from a stream that the session has left: after a sync on the
// new stream, what has not happened never will.
#ifndef SILLOK_COORDINATOR_CLIENT_RECIPES_SURE_WRITES_H_
#define SILLOK_COORDINATOR_CLIENT_RECIPES_SURE_WRITES_H_

#include <atomic>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/client/blocking_session.h"
#include "coordinator/client/recipes/signal.h"

namespace sillok::coord {

// 32 random hexadecimal digits.
std::string MakeGuid();

// True for codes after which the same call may work on another stream.
bool IsLinkTrouble(v1::CoordCode code);

// What the recipes answer for a code that ends them:
//   Aborted           the session is over; what it held is gone
//   Unavailable       no connection until the deadline
//   else as CodeToStatus
absl::Status RecipeStatus(v1::CoordCode code, const std::string& what);

// Waits until the session is connected. False: it is not by the deadline, or is
// over, or `cancelled` (may be null) has become true.
bool AwaitLink(BlockingSession& session, TimePoint deadline,
               const std::atomic<bool>* cancelled = nullptr);

// Creates `parent`/_c_<guid>-<name> exactly once; parents that are missing come
// as containers. The path is the one that exists, whatever was lost on the way.
// An error (Cancelled: `cancelled` has become true) leaves nothing behind: what
// may have been created is deleted as soon as there is a connection again.
absl::StatusOr<CreateResult> CreateProtected(BlockingSession& session,
                                             const std::string& parent,
                                             const std::string& guid,
                                             const std::string& name,
                                             NewZnode znode, TimePoint deadline,
                                             const std::atomic<bool>* cancelled =
                                                 nullptr);

// Deletes `path`, again after each loss of the connection, until it is gone or
// the session is over. Returns at once; `done` (may be null) runs on the
// session's strand with OK, NO_NODE, SESSION_EXPIRED or a refusal.
void DeleteSurely(BlockingSession& session, std::string path,
                  std::function<void(v1::CoordCode)> done);
// The same for the children of `parent` with this guid.
void DeleteProtectedSurely(BlockingSession& session, std::string parent,
                           std::string guid);
// Waits for DeleteSurely. Unavailable at the deadline: it goes on by itself.
absl::Status DeleteAndWait(BlockingSession& session, const std::string& path,
                           TimePoint deadline);

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_RECIPES_SURE_WRITES_H_
