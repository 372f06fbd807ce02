#include "broker/controller/controller_service.h"

#include <mutex>
#include <optional>
#include <utility>

namespace sillok {
namespace {

grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      std::string(status.message()));
}

// One broker's stream. Owns itself until gRPC is done with it; the controller
// holds it as its sink.
//
// gRPC may run reactions inside StartWrite and Finish, so neither is called with
// the lock held; `writing_` and `finishing_` keep a write from starting after
// Finish.
class UpdateStream final
    : public grpc::ServerBidiReactor<v1::BrokerReport, v1::ClusterUpdate>,
      public UpdateSink,
      public std::enable_shared_from_this<UpdateStream> {
 public:
  UpdateStream(Controller* controller, grpc::CallbackServerContext* context)
      : controller_(controller), context_(context) {}

  void Begin() {
    self_ = shared_from_this();
    StartRead(&report_);
  }

  void Send(std::shared_ptr<const v1::ClusterUpdate> update) override {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (finishing_) return;
      writing_ = true;
      update_ = std::move(update);
    }
    StartWrite(update_.get());
  }

  void Close(const absl::Status& status) override { End(ToGrpc(status), true); }

  void OnReadDone(bool ok) override {
    if (!ok) return End(grpc::Status::OK, false);
    if (StreamId() == 0) {
      Open();
    } else {
      controller_->OnReport(StreamId(), report_);
    }
    StartRead(&report_);
  }

  void OnWriteDone(bool ok) override {
    std::optional<grpc::Status> finish;
    Controller::StreamId id;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      writing_ = false;
      if (finishing_) finish = final_status_;
      id = id_;
      if (id == 0 && ok) sent_early_ = true;
    }
    if (finish) return Finish(*finish);
    if (!ok) return End(grpc::Status::OK, false);
    if (id != 0) controller_->OnSent(id);
  }

  void OnCancel() override { End(grpc::Status::CANCELLED, false); }

  void OnDone() override {
    if (StreamId() != 0) controller_->CloseStream(StreamId());
    self_.reset();
  }

 private:
  // The controller may send before it has told the stream's id: such a write
  // is reported as soon as the id is known.
  void Open() {
    Controller::StreamId id =
        controller_->OpenStream(report_, shared_from_this());
    bool sent_early;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      id_ = id;
      sent_early = sent_early_;
    }
    if (sent_early) controller_->OnSent(id);
  }

  Controller::StreamId StreamId() {
    std::lock_guard<std::mutex> lock(mutex_);
    return id_;
  }

  // `hurry`: the peer may not read, and the write under way need not end.
  void End(const grpc::Status& status, bool hurry) {
    bool writing;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (finishing_) return;
      finishing_ = true;
      final_status_ = status;
      writing = writing_;
    }
    if (!writing) {
      Finish(status);
    } else if (hurry) {
      context_->TryCancel();
    }
  }

  Controller* const controller_;
  grpc::CallbackServerContext* const context_;
  std::shared_ptr<UpdateStream> self_;
  v1::BrokerReport report_;        // of the read under way
  std::mutex mutex_;               // all below
  Controller::StreamId id_ = 0;    // set by the first read
  bool sent_early_ = false;
  bool writing_ = false;
  bool finishing_ = false;
  grpc::Status final_status_;
  std::shared_ptr<const v1::ClusterUpdate> update_;  // of the write under way
};

// The answer is filled in and the call finished when the controller says so.
template <typename Response>
auto AnswerInto(Response* response, grpc::ServerUnaryReactor* reactor) {
  return [response, reactor](const Response& answer) {
    *response = answer;
    reactor->Finish(grpc::Status::OK);
  };
}

}  // namespace

grpc::ServerBidiReactor<v1::BrokerReport, v1::ClusterUpdate>*
ControllerService::ClusterState(grpc::CallbackServerContext* context) {
  auto stream = std::make_shared<UpdateStream>(controller_, context);
  stream->Begin();
  return stream.get();
}

grpc::ServerUnaryReactor* ControllerService::AlterPartition(
    grpc::CallbackServerContext* context,
    const v1::AlterPartitionRequest* request,
    v1::AlterPartitionResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  controller_->AlterPartition(*request, AnswerInto(response, reactor));
  return reactor;
}

grpc::ServerUnaryReactor* ControllerService::ControlledShutdown(
    grpc::CallbackServerContext* context,
    const v1::ControlledShutdownRequest* request,
    v1::ControlledShutdownResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  controller_->ControlledShutdown(*request, AnswerInto(response, reactor));
  return reactor;
}

grpc::ServerUnaryReactor* ControllerService::ControllerCreateTopics(
    grpc::CallbackServerContext* context,
    const v1::CreateTopicsRequest* request,
    v1::CreateTopicsResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  controller_->CreateTopics(*request, AnswerInto(response, reactor));
  return reactor;
}

grpc::ServerUnaryReactor* ControllerService::ControllerDeleteTopics(
    grpc::CallbackServerContext* context,
    const v1::DeleteTopicsRequest* request,
    v1::DeleteTopicsResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  controller_->DeleteTopics(*request, AnswerInto(response, reactor));
  return reactor;
}

grpc::ServerUnaryReactor* ControllerService::ControllerCreatePartitions(
    grpc::CallbackServerContext* context, const v1::CreatePartitionsRequest* request,
    v1::CreatePartitionsResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  controller_->CreatePartitions(*request, AnswerInto(response, reactor));
  return reactor;
}

grpc::ServerUnaryReactor* ControllerService::ControllerElectLeaders(
    grpc::CallbackServerContext* context, const v1::ElectLeadersRequest* request,
    v1::ElectLeadersResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  controller_->ElectLeaders(*request, AnswerInto(response, reactor));
  return reactor;
}

grpc::ServerUnaryReactor* ControllerService::ControllerAlterConfigs(
    grpc::CallbackServerContext* context, const v1::AlterConfigsRequest* request,
    v1::AlterConfigsResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  controller_->AlterConfigs(*request, AnswerInto(response, reactor));
  return reactor;
}

}  // namespace sillok
