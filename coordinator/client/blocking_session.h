// A session whose calls wait for their answer: for tools and tests.
//
// Owns its threads. Calls may come from several threads. Not to be used inside
// a callback of the same session.
#ifndef SILLOK_COORDINATOR_CLIENT_BLOCKING_SESSION_H_
#define SILLOK_COORDINATOR_CLIENT_BLOCKING_SESSION_H_

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
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
  v1::CoordCode Delete(std::string path, int32_t version = -1);
  StatResult SetData(std::string path, std::string data, int32_t version = -1);
  GetResult Get(std::string path, Watcher watcher = nullptr);
  StatResult Exists(std::string path, Watcher watcher = nullptr);
  ChildrenResult GetChildren(std::string path, Watcher watcher = nullptr);
  MultiResult Multi(std::vector<v1::WriteOp> ops);
  v1::CoordCode Sync(std::string path = "/");
  v1::CoordCode Close();
  // Creates what is missing of `path` and above it, without data. OK also when
  // all was there.
  v1::CoordCode CreateParents(const std::string& path);

  // For asynchronous calls beside the blocking ones.
  Session& session() { return *session_; }
  SessionState state() const;

 private:
  BlockingSession();

  Executor executor_{"coord-client", 1};
  Timer timer_;
  Strand strand_{&executor_};
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  SessionState state_ = SessionState::kConnecting;  // under mutex_
  bool closed_ = false;
  std::unique_ptr<Session> session_;
};

// Text of a code for people: "NO_NODE".
std::string CodeName(v1::CoordCode code);
// OK, or a Status that names the code and `what`.
absl::Status CodeToStatus(v1::CoordCode code, const std::string& what);

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_BLOCKING_SESSION_H_
