// A session whose calls wait for their answer: for tools, tests, and programs
// that use the recipes.
//
// Owns its threads. Calls may come from several threads. Not to be used inside
// a callback of the same session.
#ifndef SILLOK_COORDINATOR_CLIENT_BLOCKING_SESSION_H_
#define SILLOK_COORDINATOR_CLIENT_BLOCKING_SESSION_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/strand.h"
#include "base/timer.h"
#include "coordinator/client/session.h"

namespace sillok::coord {

class BlockingSession {
 public:
  // Waits until connected. Unavailable after `wait_ms` without a member that
  // serves.
  static absl::StatusOr<std::unique_ptr<BlockingSession>> Connect(
      SessionOptions options, int64_t wait_ms);
  // Closes the session (waits for it up to a second), so that its ephemerals
  // are gone.
  ~BlockingSession();

  CreateResult Create(std::string path, std::string data,
                      v1::CreateMode mode = v1::PERSISTENT);
  CreateResult Create(std::string path, NewZnode znode);
  // Any request, as the protocol has it.
  v1::CoordResponse Call(v1::CoordRequest request, Watcher watcher = nullptr);
  v1::CoordCode Delete(std::string path, int32_t version = -1);
  StatResult SetData(std::string path, std::string data, int32_t version = -1);
  GetResult Get(std::string path, Watcher watcher = nullptr);
  StatResult Exists(std::string path, Watcher watcher = nullptr);
  ChildrenResult GetChildren(std::string path, Watcher watcher = nullptr);
  MultiResult Multi(std::vector<v1::WriteOp> ops);
  v1::CoordCode Sync(std::string path = "/");
  v1::WriteResult Write(v1::WriteOp op);
  StatResult SetAcl(std::string path, std::vector<v1::Acl> acl,
                    int32_t version = -1);
  AclResult GetAcl(std::string path);
  v1::CoordCode AddAuth(AuthInfo auth);
  v1::CoordCode Close();
  // A new session when this one is over (expired, or an identity refused);
  // waits until it is connected. False when that takes longer than `wait_ms`.
  bool Restart(int64_t wait_ms);
  // From now on a new session takes the place of one that has expired, at once
  // (those who listen are told of both). What the old one held is gone.
  void RestartWhenExpired() { restart_when_expired_ = true; }
  // Creates what is missing of `path` and above it, without data. OK also when
  // all was there.
  v1::CoordCode CreateParents(const std::string& path,
                              v1::CreateMode mode = v1::PERSISTENT);

  // For asynchronous calls beside the blocking ones.
  Session& session() { return *session_; }
  SessionState state() const;
  // Waits while the session is connecting; what it is then. kConnecting: it
  // still was at the deadline.
  SessionState AwaitConnected(std::chrono::steady_clock::time_point deadline);
  // True while the ensemble cannot have dropped the session: less time than its
  // timeout has gone by since something was sent that it has answered. A process
  // that was paused sees false at once when it goes on, before it hears of it.
  bool Trusted() const;
  // Until when that is so, by the steady clock. Moves on with each answer.
  std::chrono::steady_clock::time_point TrustedUntil() const;

  // Calls `listener` with each change of state, on the strand of the callbacks,
  // until the returned object goes. A call that is under way then may end later.
  using StateListener = std::function<void(SessionState)>;
  std::shared_ptr<void> Listen(StateListener listener);

  // On the strand of the callbacks: some time, after `delay_ms` (not when the
  // session goes before), or now, returning when it is done (inside a callback:
  // right here).
  void Post(Task task) { strand_.Post(std::move(task)); }
  void PostAfter(int64_t delay_ms, Task task);
  void RunOnStrand(const Task& task);

 private:
  BlockingSession();
  void OnState(SessionState state);

  Executor executor_{"coord-client", 1};
  Strand strand_{&executor_};
  Timer timer_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  SessionState state_ = SessionState::kConnecting;  // under mutex_
  std::vector<std::weak_ptr<StateListener>> listeners_;  // under mutex_
  int64_t disconnect_timeout_ms_ = 0;
  std::atomic<bool> restart_when_expired_{false};
  bool closed_ = false;
  std::unique_ptr<Session> session_;
};

// Text of a code for people: "NO_NODE".
std::string CodeName(v1::CoordCode code);
// OK, or a Status that names the code and `what`.
absl::Status CodeToStatus(v1::CoordCode code, const std::string& what);

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_BLOCKING_SESSION_H_
