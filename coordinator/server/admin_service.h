// The gRPC door of operators: what proto/coordinator_admin.proto offers.
#ifndef SILLOK_COORDINATOR_SERVER_ADMIN_SERVICE_H_
#define SILLOK_COORDINATOR_SERVER_ADMIN_SERVICE_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "base/strand.h"
#include "coordinator/store/store.h"
#include "coordinator/zab/zab.h"
#include "proto/coordinator_admin.grpc.pb.h"

namespace sillok::coord {

// Calls come on gRPC's threads. The server it is registered with must be shut
// down before `disk` and `store` end.
class AdminService final : public v1::CoordinatorAdmin::CallbackService {
 public:
  struct Handler {
    // Each calls `done` once, on any thread, perhaps before it returns.
    std::function<void(v1::ListSessionsResponse* response,
                       std::function<void()> done)>
        list_sessions;
    std::function<void(
        MemberId to,
        std::function<void(absl::StatusOr<zab::RoleState>)> done)>
        transfer_leadership;
  };

  // `disk` takes work that waits for the disk.
  AdminService(Executor* disk, CoordinatorStore* store, Handler handler);

  grpc::ServerUnaryReactor* ListSessions(
      grpc::CallbackServerContext* context,
      const v1::ListSessionsRequest* request,
      v1::ListSessionsResponse* response) override;
  grpc::ServerUnaryReactor* TransferLeadership(
      grpc::CallbackServerContext* context,
      const v1::TransferLeadershipRequest* request,
      v1::TransferLeadershipResponse* response) override;
  grpc::ServerWriteReactor<v1::SaveSnapshotResponse>* SaveSnapshot(
      grpc::CallbackServerContext* context,
      const v1::SaveSnapshotRequest* request) override;

 private:
  Executor* const disk_;
  CoordinatorStore* const store_;
  const Handler handler_;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_SERVER_ADMIN_SERVICE_H_
