// A copy of a subtree in memory that follows the ensemble.
//
// One persistent recursive watch tells what changed; what changed is read. Reads
// from the copy cost nothing and never block.
//
// What it promises:
// - Each znode is as it was at some time after the last change that was told
//   here, and never goes back. Two znodes may be from different times: where that
//   matters, read with a MultiRead.
// - While in_sync(), a change committed before a sync of this session is in the
//   copy soon after that sync is answered (once its read is).
// - Connection lost: the copy stays, in_sync() is false. On the next stream the
//   watch is armed again and the whole subtree compared, by its Stats, with only
//   what differs read again: no change is missed, though several to one znode are
//   told as one. A znode that was deleted and made again is told as both.
// - Session over: the same once its owner has called Restart.
#ifndef SILLOK_COORDINATOR_CLIENT_RECIPES_CACHED_SUBTREE_H_
#define SILLOK_COORDINATOR_CLIENT_RECIPES_CACHED_SUBTREE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "coordinator/client/blocking_session.h"
#include "coordinator/client/recipes/subtree_state.h"

namespace sillok::coord {

// Thread-safe. The session must outlive it.
class CachedSubtree {
 public:
  // Called with each change, in order, on the strand of the session's callbacks
  // (so it may not wait for the session). What the copy holds is then at least
  // as new. May be null.
  using Listener = std::function<void(const SubtreeChange&)>;

  // Starts to load `root` and all below. The root may be missing, and come.
  CachedSubtree(BlockingSession* session, std::string root,
                Listener listener = nullptr);
  // No call of the listener begins after it, unless one is under way.
  ~CachedSubtree();
  CachedSubtree(const CachedSubtree&) = delete;
  CachedSubtree& operator=(const CachedSubtree&) = delete;

  // Waits until it is in sync. Unavailable: not within `wait`; else what stands
  // in the way (NO_AUTH on a part of it, say).
  absl::Status AwaitSync(absl::Duration wait);
  bool in_sync() const;

  // Null: not there.
  std::shared_ptr<const CachedNode> Get(const std::string& path) const;
  // Names, sorted.
  std::vector<std::string> Children(const std::string& path) const;
  // All of it, as it is at one time here.
  CachedNodes Snapshot() const;

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_RECIPES_CACHED_SUBTREE_H_
