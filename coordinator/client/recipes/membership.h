// Who is there: a group whose members come and go.
//
// A member is an ephemeral znode named after it, with data of its own (an
// address, say), below the group's path; the list is a CachedSubtree.
//
// What can go wrong, and what it does:
// - A member is killed, cut off or paused: it leaves the list when its session
//   has expired.
// - The connection of a member breaks: it stays in the list. The list it sees
//   is old until in_sync().
// - A member's session is over: it joins again, by itself, when the session's
//   owner has called Restart.
// - A member is started anew while its former session lives: it joins when that
//   one has expired. Two that live under one name: the second one waits.
#ifndef SILLOK_COORDINATOR_CLIENT_RECIPES_MEMBERSHIP_H_
#define SILLOK_COORDINATOR_CLIENT_RECIPES_MEMBERSHIP_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "coordinator/client/blocking_session.h"
#include "coordinator/client/recipes/cached_subtree.h"

namespace sillok::coord {

using Members = std::map<std::string, std::string>;  // name -> data

// Thread-safe, but Join and Leave are for one thread. The session must outlive
// it.
class GroupMembership {
 public:
  // Told the list after each change of it, while it is in sync; on the strand
  // of the session's callbacks. May be null.
  using Listener = std::function<void(const Members&)>;

  // Only looks; Join makes it a member.
  GroupMembership(BlockingSession* session, std::string path,
                  Listener listener = nullptr);
  // Leaves, without waiting for it.
  ~GroupMembership();
  GroupMembership(const GroupMembership&) = delete;
  GroupMembership& operator=(const GroupMembership&) = delete;

  // Waits until it is in the list, and keeps it there. DeadlineExceeded: another
  // session has that name; Unavailable: no connection. After both it goes on
  // trying until Leave. NO_AUTH and the like: it does not. The path is made as a
  // container when it is missing.
  absl::Status Join(const std::string& name, std::string data,
                    absl::Duration wait);
  // Out of the list. Unavailable: no connection within a session timeout; it is
  // deleted when there is one.
  absl::Status Leave();
  bool joined() const;

  absl::Status AwaitSync(absl::Duration wait) { return view_.AwaitSync(wait); }
  bool in_sync() const { return view_.in_sync(); }
  Members List() const;

 private:
  class Joining;

  void OnChange(const SubtreeChange& change);

  BlockingSession* const session_;
  const std::string path_;
  const Listener listener_;
  std::shared_ptr<Joining> joining_;
  Members told_;  // of the strand
  bool told_any_ = false;
  CachedSubtree view_;  // last: its listener uses the rest
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_RECIPES_MEMBERSHIP_H_
