// The gRPC door of operators to sessions: proto/coordinator_sessions.proto.
#ifndef SILLOK_COORDINATOR_SERVER_SESSION_SERVICE_H_
#define SILLOK_COORDINATOR_SERVER_SESSION_SERVICE_H_

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "base/ids.h"
#include "proto/coordinator_sessions.grpc.pb.h"

namespace sillok::coord {

// Calls come on gRPC's threads.
class SessionService final : public v1::CoordinatorSessions::CallbackService {
 public:
  // Calls `done` once, on any thread, perhaps before it returns.
  using Done = std::function<void(absl::Status)>;
  using Kill = std::function<void(SessionId session, Done done)>;

  explicit SessionService(Kill kill) : kill_(std::move(kill)) {}

  grpc::ServerUnaryReactor* KillSession(
      grpc::CallbackServerContext* context,
      const v1::KillSessionRequest* request,
      v1::KillSessionResponse* response) override;

 private:
  const Kill kill_;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_SERVER_SESSION_SERVICE_H_
