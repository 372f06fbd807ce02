// A lock that processes share.
//
// Those who want it stand in line as ephemeral sequential znodes below one path;
// the first in line holds it, in the order of arrival. Each watches the one
// before it alone, so that a release wakes one waiter.
//
// What can go wrong, and what it does:
// - The holder is killed or cut off: its znode goes with its session, after the
//   session's timeout, and the next one holds.
// - The holder is paused longer than that: the next one holds, and the former
//   holder sees Held() false as soon as it goes on. Between the look and the deed
//   it may be paused again, so what the lock protects should refuse a token
//   lower than one it has seen: fencing_token() grows from holder to holder, as
//   long as the ensemble keeps its data.
// - The connection breaks while the lock is held: it stays held while the
//   session lives. Held() turns false once the ensemble may have ended the
//   session, though nobody said so yet.
// - The answer to an acquiring create is lost: found again by its random name,
//   never left behind.
// - Somebody deletes the lock's znode: AwaitLoss notices, Held() does not.
#ifndef SILLOK_COORDINATOR_CLIENT_RECIPES_LOCK_H_
#define SILLOK_COORDINATOR_CLIENT_RECIPES_LOCK_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "coordinator/client/blocking_session.h"
#include "coordinator/client/recipes/lock_order.h"
#include "coordinator/client/recipes/signal.h"

namespace sillok::coord {

// One thread at a time acquires, releases and awaits; Cancel, Held and
// fencing_token may come from any. Not reentrant: two of it on one path compete,
// also within a session. The session must outlive it.
class DistributedLock {
 public:
  // The line is made below `path` when it is missing, as containers, which go
  // when they are no longer used. `data` is what others see of this one (its
  // name, say).
  DistributedLock(BlockingSession* session, std::string path,
                  std::string data = "",
                  LockKind kind = LockKind::kExclusive);
  // Releases; waits for the answer no longer than a session timeout.
  ~DistributedLock();
  DistributedLock(const DistributedLock&) = delete;
  DistributedLock& operator=(const DistributedLock&) = delete;

  // Waits for its turn, up to `wait` (zero: only looks). An error leaves nothing
  // in line:
  //   DeadlineExceeded    others hold it
  //   Unavailable         no connection until then
  //   Aborted             the session is over, or the znode was deleted
  //   Cancelled           Cancel() was called
  //   FailedPrecondition  acquired already
  absl::Status Acquire(absl::Duration wait = absl::InfiniteDuration());
  // Lets the next one in. Unavailable: no connection for a session timeout; the
  // znode is deleted when there is one, or goes with the session.
  absl::Status Release();
  // Ends an Acquire or AwaitLoss that waits, and the next one at once.
  void Cancel();

  // True while nobody else can have it, as far as time tells: acquired, not
  // released, and the session cannot have ended (BlockingSession::Trusted).
  bool Held() const;
  // Waits until it is not held any more: the session over or not to be trusted
  // for `margin` more, the znode deleted. False: still held after `wait`, or
  // Cancel().
  bool AwaitLoss(absl::Duration wait,
                 absl::Duration margin = absl::ZeroDuration());

  // Of the last acquiry (the zxid that put this one in line); 0 before. Larger
  // than that of each holder before.
  uint64_t fencing_token() const { return token_; }
  const std::string& path() const { return path_; }

 private:
  absl::Status AwaitTurn(TimePoint deadline);
  // Takes this one out of line, with the reason.
  absl::Status GiveUp(absl::Status status);
  Watcher MakeWatcher() const;

  BlockingSession* const session_;
  const std::string path_;
  const std::string data_;
  const LockKind kind_;
  const std::shared_ptr<Signal> signal_ = std::make_shared<Signal>();
  const std::shared_ptr<void> listener_;
  std::string name_;  // of the znode in line; "" = none
  std::atomic<bool> cancelled_{false};
  std::atomic<uint64_t> held_by_session_{0};  // 0 = not held
  std::atomic<uint64_t> token_{0};
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_RECIPES_LOCK_H_
