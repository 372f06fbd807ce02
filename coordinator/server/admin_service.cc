#include "coordinator/server/admin_service.h"

#include <grpcpp/grpcpp.h>

#include <optional>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "glog/logging.h"
#include "xxhash.h"

namespace sillok::coord {
namespace {

constexpr size_t kPieceBytes = 256 * 1024;

grpc::Status ToGrpc(const absl::Status& status) {
  return {static_cast<grpc::StatusCode>(status.code()),
          std::string(status.message())};
}

struct HashFree {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

// Sends the store's image piece by piece: the next one is read when the one
// before it is out. Reads on the disk thread; deletes itself.
class SnapshotCall final
    : public grpc::ServerWriteReactor<v1::SaveSnapshotResponse> {
 public:
  SnapshotCall(Executor* disk, CoordinatorStore* store)
      : disk_(disk), store_(store), hash_(XXH3_createState()) {
    XXH3_64bits_reset(hash_.get());
    disk_->Post([this] { Open(); });
  }

 private:
  void Open() {
    // What was acknowledged before this call must be in it.
    absl::Status status = store_->Flush();
    if (status.ok()) {
      auto reader = store_->OpenSnapshot(kPieceBytes);
      status = reader.status();
      if (status.ok()) reader_ = *std::move(reader);
    }
    if (status.ok()) status = ReadNext();
    if (status.ok() && !next_.has_value()) {
      status = absl::InternalError("the store's image has no piece");
    }
    if (!status.ok()) return End(status);
    message_.set_zxid(reader_->zxid().value());
    WriteNext();
  }

  absl::Status ReadNext() {
    ASSIGN_OR_RETURN(next_, reader_->Next());
    return absl::OkStatus();
  }

  // One piece is read ahead: the last one says that it is.
  void WriteNext() {
    XXH3_64bits_update(hash_.get(), next_->data(), next_->size());
    message_.set_piece(*std::exchange(next_, std::nullopt));
    absl::Status status = ReadNext();
    if (!status.ok()) return End(status);
    if (!next_.has_value()) {
      message_.set_last(true);
      message_.set_checksum(XXH3_64bits_digest(hash_.get()));
    }
    StartWrite(&message_);
  }

  void OnWriteDone(bool ok) override {
    disk_->Post([this, ok] {
      if (!ok) return End(absl::CancelledError("the caller is gone"));
      if (message_.last()) return End(absl::OkStatus());
      message_.Clear();
      WriteNext();
    });
  }

  void End(const absl::Status& status) {
    if (!status.ok()) LOG(WARNING) << "a snapshot is not saved: " << status;
    reader_.reset();
    Finish(ToGrpc(status));
  }

  void OnDone() override { delete this; }

  Executor* const disk_;
  CoordinatorStore* const store_;
  std::unique_ptr<SnapshotReader> reader_;
  std::unique_ptr<XXH3_state_t, HashFree> hash_;
  std::optional<std::string> next_;  // read and not sent
  v1::SaveSnapshotResponse message_;
};

}  // namespace

AdminService::AdminService(Executor* disk, CoordinatorStore* store,
                           Handler handler)
    : disk_(disk), store_(store), handler_(std::move(handler)) {}

grpc::ServerUnaryReactor* AdminService::ListSessions(
    grpc::CallbackServerContext* context, const v1::ListSessionsRequest*,
    v1::ListSessionsResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  handler_.list_sessions(response,
                         [reactor] { reactor->Finish(grpc::Status::OK); });
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::TransferLeadership(
    grpc::CallbackServerContext* context,
    const v1::TransferLeadershipRequest* request,
    v1::TransferLeadershipResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  handler_.transfer_leadership(
      MemberId(request->to()),
      [reactor, response](const absl::StatusOr<zab::RoleState>& role) {
        if (!role.ok()) return reactor->Finish(ToGrpc(role.status()));
        response->set_leader_id(role->leader.value());
        response->set_epoch(role->epoch);
        reactor->Finish(grpc::Status::OK);
      });
  return reactor;
}

grpc::ServerWriteReactor<v1::SaveSnapshotResponse>* AdminService::SaveSnapshot(
    grpc::CallbackServerContext*, const v1::SaveSnapshotRequest*) {
  return new SnapshotCall(disk_, store_);
}

}  // namespace sillok::coord
