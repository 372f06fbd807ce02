#include "broker/controller/election.h"

#include <string>
#include <utility>

#include "broker/metadata/store_calls.h"
#include "broker/metadata/znodes.h"
#include "glog/logging.h"

namespace sillok {
namespace {

using Kind = ElectionResult::Kind;

// Keeps itself alive through the replies it waits for.
class Election : public std::enable_shared_from_this<Election> {
 public:
  explicit Election(ElectionOptions options) : options_(std::move(options)) {}

  void LookAtController() {
    Call(ExistsRequest(znode_path::kController, /*watch=*/true),
         [this](const v1::CoordResponse& response) {
           if (response.code() == v1::NO_NODE) return ReadEpoch(false);
           if (response.code() != v1::OK) return Finish({});
           // Ours, when the answer to our multi was lost.
           if (response.stat().ephemeral_owner() ==
               options_.store->SessionId()) {
             return ReadEpoch(true);
           }
           Finish({.kind = Kind::kOther});
         });
  }

 private:
  void Call(v1::CoordRequest request,
            std::function<void(const v1::CoordResponse&)> next) {
    options_.store->Call(
        std::move(request), [self = shared_from_this(), next = std::move(next)](
                                const v1::CoordResponse& response) {
          self->options_.strand->Post(
              [self, next, response] { next(response); });
        });
  }

  void ReadEpoch(bool already_elected) {
    Call(GetRequest(znode_path::kControllerEpoch, false),
         [this, already_elected](const v1::CoordResponse& response) {
           if (response.code() == v1::NO_NODE) return CreateEpoch();
           if (response.code() != v1::OK) return Finish({});
           absl::StatusOr<int32_t> epoch =
               DecodeControllerEpoch(response.data());
           if (!epoch.ok()) {
             LOG(ERROR) << "/controller_epoch: " << epoch.status();
             return Finish({});
           }
           const int32_t version = response.stat().version();
           if (already_elected) {
             return Finish({Kind::kWon, *epoch, version});
           }
           Take(*epoch, version);
         });
  }

  void CreateEpoch() {
    Call(CreateRequest(znode_path::kControllerEpoch, "0"),
         [this](const v1::CoordResponse& response) {
           if (response.code() != v1::OK &&
               response.code() != v1::NODE_EXISTS) {
             return Finish({});
           }
           ReadEpoch(false);
         });
  }

  void Take(int32_t epoch, int32_t version) {
    v1::CoordRequest request;
    AddCreate(&request, znode_path::kController,
              EncodeController(options_.broker_id, options_.now_ms),
              v1::EPHEMERAL);
    AddSet(&request, znode_path::kControllerEpoch, std::to_string(epoch + 1),
           version);
    Call(std::move(request),
         [this, epoch, version](const v1::CoordResponse& response) {
           if (response.code() == v1::OK) {
             return Finish({Kind::kWon, epoch + 1, version + 1});
           }
           // Another was faster, or the outcome is not known: look again.
           Finish({});
         });
  }

  void Finish(const ElectionResult& result) {
    std::exchange(options_.done, nullptr)(result);
  }

  ElectionOptions options_;
};

}  // namespace

void StandForElection(ElectionOptions options) {
  std::make_shared<Election>(std::move(options))->LookAtController();
}

}  // namespace sillok
