// One leader among those who stand for election on a path.
//
// A DistributedLock with a thread that holds on to it: whoever holds it leads.
// Each term has an epoch (the lock's fencing token), larger than that of every
// term before: what the leader orders should carry it, and what has seen a
// larger one should refuse.
//
// What can go wrong, and what it does:
// - The leader is killed or cut off: another one is elected when its session has
//   expired.
// - The leader loses the ensemble: on_lost is called a sixth of the session
//   timeout before its session can have expired, so before another one can have
//   been elected, and it stands again from the end of the line. While it is
//   connected again in time it leads on without knowing.
// - The leader is paused past its session: others lead meanwhile; IsLeader() is
//   false and on_lost is called as soon as it goes on.
// - The session is over: it stands again when the owner of the session has
//   called Restart on it.
#ifndef SILLOK_COORDINATOR_CLIENT_RECIPES_LEADER_ELECTION_H_
#define SILLOK_COORDINATOR_CLIENT_RECIPES_LEADER_ELECTION_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "coordinator/client/blocking_session.h"
#include "coordinator/client/recipes/lock.h"

namespace sillok::coord {

class LeaderElection {
 public:
  // Called on the election's own thread, in turn; they may block, and use the
  // session. A long on_elected delays on_lost: let it start work, not do it.
  struct Callbacks {
    std::function<void(uint64_t epoch)> on_elected;
    std::function<void()> on_lost;
    // Why it cannot stand now (no right to the path, say). It tries again each
    // second.
    std::function<void(const absl::Status&)> on_trouble;
  };

  // Stands at once. `id` is what Leader() says elsewhere. The session must
  // outlive it.
  LeaderElection(BlockingSession* session, std::string path, std::string id,
                 Callbacks callbacks);
  // Resigns and stops standing; on_lost has been called if it led.
  ~LeaderElection();
  LeaderElection(const LeaderElection&) = delete;
  LeaderElection& operator=(const LeaderElection&) = delete;

  // True while it leads and nobody else can, as far as time tells.
  bool IsLeader() const { return leading_ && lock_.Held(); }
  // Of the newest term here; 0 = none yet.
  uint64_t epoch() const { return lock_.fencing_token(); }

  // Who leads as the ensemble sees it (it may be paused or cut off). NotFound:
  // nobody stands.
  static absl::StatusOr<std::string> Leader(BlockingSession& session,
                                            const std::string& path);

 private:
  void Run();
  void Lead();
  // Sleeps until the session may work again, or a second has passed.
  void AwaitBetterTimes(const absl::Status& trouble);

  BlockingSession* const session_;
  const Callbacks callbacks_;
  DistributedLock lock_;
  const std::shared_ptr<Signal> signal_ = std::make_shared<Signal>();
  const std::shared_ptr<void> listener_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> leading_{false};
  std::thread thread_;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_RECIPES_LEADER_ELECTION_H_
