#include "broker/controller/controller_channel.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/rpc/channel.h"
#include "proto/cluster.grpc.pb.h"

namespace sillok {
namespace {

constexpr int64_t kDefaultTimeoutMs = 30'000;

// Did the one we asked refuse to be the controller?
bool SaysNotController(const v1::AlterPartitionResponse& r) {
  return r.error_code() == v1::NOT_CONTROLLER;
}
bool SaysNotController(const v1::ControlledShutdownResponse& r) {
  return r.error_code() == v1::NOT_CONTROLLER;
}
bool SaysNotController(const v1::ElectLeadersResponse& r) {
  return r.error_code() == v1::NOT_CONTROLLER;
}
bool SaysNotController(const v1::AlterConfigsResponse& r) {
  return std::any_of(r.results().begin(), r.results().end(),
                     [](const v1::AlteredConfig& result) {
                       return result.error_code() == v1::NOT_CONTROLLER;
                     });
}
template <typename TopicsResponse>
bool SaysNotController(const TopicsResponse& r) {
  return std::any_of(r.topics().begin(), r.topics().end(),
                     [](const v1::TopicResult& topic) {
                       return topic.error_code() == v1::NOT_CONTROLLER;
                     });
}

// ---- the answer when a request that must not be repeated may have arrived

template <typename Result>
void SayUnknown(Result* result) {
  result->set_error_code(v1::REQUEST_TIMED_OUT);
  result->set_error_message(
      "the connection to the controller broke; whether it was done is not "
      "known");
}

void NameResult(const std::string& name, v1::TopicResult* result) {
  result->set_name(name);
}
template <typename Topic>
void NameResult(const Topic& topic, v1::TopicResult* result) {
  result->set_name(topic.name());
}

// One result for each topic that was asked for.
template <typename Response, typename Topics>
Response UnknownOfEach(const Topics& topics) {
  Response response;
  for (const auto& topic : topics) {
    v1::TopicResult* result = response.add_topics();
    NameResult(topic, result);
    SayUnknown(result);
  }
  return response;
}

template <typename Request>
absl::Status UnknownOutcome(const Request&) {
  return absl::DeadlineExceededError("no answer from the controller");
}
v1::CreateTopicsResponse UnknownOutcome(const v1::CreateTopicsRequest& r) {
  return UnknownOfEach<v1::CreateTopicsResponse>(r.topics());
}
v1::DeleteTopicsResponse UnknownOutcome(const v1::DeleteTopicsRequest& r) {
  return UnknownOfEach<v1::DeleteTopicsResponse>(r.names());
}
v1::CreatePartitionsResponse UnknownOutcome(
    const v1::CreatePartitionsRequest& r) {
  return UnknownOfEach<v1::CreatePartitionsResponse>(r.topics());
}
v1::AlterConfigsResponse UnknownOutcome(const v1::AlterConfigsRequest& r) {
  v1::AlterConfigsResponse response;
  for (const v1::ConfigResourceChanges& changes : r.resources()) {
    v1::AlteredConfig* result = response.add_results();
    *result->mutable_resource() = changes.resource();
    SayUnknown(result);
  }
  return response;
}

class PendingCall {
 public:
  virtual ~PendingCall() = default;
  virtual void Cancel() = 0;
};

}  // namespace

class ControllerChannel::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(ControllerChannelOptions options, ControllerFinder* finder,
       Timer* timer)
      : options(options), finder(finder), timer(timer) {}

  // False when the channel is being destroyed.
  bool Register(uint64_t id, std::shared_ptr<PendingCall> call) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (stopped_) return false;
    calls_[id] = std::move(call);
    return true;
  }
  uint64_t NextId() {
    std::lock_guard<std::mutex> lock(mutex_);
    return next_id_++;
  }
  void Forget(uint64_t id) {
    std::shared_ptr<PendingCall> keep;
    std::lock_guard<std::mutex> lock(mutex_);
    auto it = calls_.find(id);
    if (it == calls_.end()) return;
    keep = std::move(it->second);
    calls_.erase(it);
  }
  void Stop() {
    std::map<uint64_t, std::shared_ptr<PendingCall>> calls;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopped_ = true;
      calls.swap(calls_);
    }
    for (auto& [id, call] : calls) call->Cancel();
  }

  const ControllerChannelOptions options;
  ControllerFinder* const finder;
  Timer* const timer;
  rpc::ChannelPool channels;

 private:
  std::mutex mutex_;
  bool stopped_ = false;
  uint64_t next_id_ = 1;
  std::map<uint64_t, std::shared_ptr<PendingCall>> calls_;
};

namespace {

template <typename Request, typename Response>
using Method = void (v1::ClusterControl::StubInterface::async_interface::*)(
    grpc::ClientContext*, const Request*, Response*,
    std::function<void(grpc::Status)>);

}  // namespace

// One request until its answer. Its steps follow each other on whatever thread
// brings the next event; Cancel may come from another at any time.
template <typename Request, typename Response>
class ControllerCall final
    : public PendingCall,
      public std::enable_shared_from_this<ControllerCall<Request, Response>> {
 public:
  using ChannelImpl = ControllerChannel::Impl;
  struct Spec {
    Method<Request, Response> method;
    bool repeatable;
    int64_t timeout_ms;
  };

  ControllerCall(std::shared_ptr<ChannelImpl> channel, Request request,
                 Spec spec, std::function<void(absl::StatusOr<Response>)> done)
      : channel_(std::move(channel)),
        request_(std::move(request)),
        spec_(spec),
        done_(std::move(done)),
        deadline_ms_(Clock::Real().MonotonicMs() + spec.timeout_ms +
                     channel_->options.rpc_grace_ms) {}

  void Start() {
    id_ = channel_->NextId();
    if (!channel_->Register(id_, this->shared_from_this())) return Cancel();
    Attempt();
  }

  void Cancel() override {
    std::shared_ptr<grpc::ClientContext> context;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      context = context_;
    }
    Finish(absl::CancelledError("the broker is shutting down"));
    if (context != nullptr) context->TryCancel();
  }

 private:
  void Attempt() {
    const int64_t left = deadline_ms_ - Clock::Real().MonotonicMs();
    if (left <= 0) {
      return Finish(absl::DeadlineExceededError(
          "no controller answered in the time given"));
    }
    const ControllerLocation location = channel_->finder->Current();
    if (location.broker_id == kNoBroker) return TryAgain();
    std::shared_ptr<grpc::Channel> channel =
        channel_->channels.Get(location.address);
    // Only over a standing connection, so that a failure to connect is known to
    // have done nothing.
    if (channel->GetState(/*try_to_connect=*/true) != GRPC_CHANNEL_READY) {
      return TryAgain();
    }
    Send(channel, left);
  }

  void Send(const std::shared_ptr<grpc::Channel>& channel, int64_t left_ms) {
    auto stub = std::shared_ptr<v1::ClusterControl::Stub>(
        v1::ClusterControl::NewStub(channel));
    auto context = std::make_shared<grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() +
                          std::chrono::milliseconds(left_ms));
    auto response = std::make_shared<Response>();
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (finished_) return;
      context_ = context;
    }
    v1::ClusterControl::StubInterface::async_interface* async = stub->async();
    (async->*spec_.method)(
        context.get(), &request_, response.get(),
        [self = this->shared_from_this(), stub, context,
         response](grpc::Status status) {
          self->OnAnswer(status, std::move(*response));
        });
  }

  void OnAnswer(const grpc::Status& status, Response response) {
    if (status.ok()) {
      if (!SaysNotController(response)) return Finish(std::move(response));
      channel_->finder->Refresh();
      return TryAgain();
    }
    channel_->finder->Refresh();
    if (spec_.repeatable) return TryAgain();
    Finish(UnknownOutcome(request_));
  }

  void TryAgain() {
    channel_->timer->After(channel_->options.retry_backoff_ms,
                           [weak = this->weak_from_this()] {
                             if (auto self = weak.lock()) self->Attempt();
                           });
  }

  void Finish(absl::StatusOr<Response> result) {
    std::function<void(absl::StatusOr<Response>)> done;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (std::exchange(finished_, true)) return;
      done = std::move(done_);
    }
    channel_->Forget(id_);
    done(std::move(result));
  }

  const std::shared_ptr<ChannelImpl> channel_;
  const Request request_;
  const Spec spec_;
  std::mutex mutex_;
  std::function<void(absl::StatusOr<Response>)> done_;
  bool finished_ = false;
  std::shared_ptr<grpc::ClientContext> context_;  // of the attempt under way
  const int64_t deadline_ms_;
  uint64_t id_ = 0;
};

namespace {

template <typename Request, typename Response>
void StartCall(const std::shared_ptr<ControllerChannel::Impl>& impl,
               Request request,
               typename ControllerCall<Request, Response>::Spec spec,
               std::function<void(absl::StatusOr<Response>)> done) {
  std::make_shared<ControllerCall<Request, Response>>(
      impl, std::move(request), spec, std::move(done))
      ->Start();
}

int64_t OrDefault(int32_t timeout_ms) {
  return timeout_ms > 0 ? timeout_ms : kDefaultTimeoutMs;
}

using Async = v1::ClusterControl::StubInterface::async_interface;

}  // namespace

ControllerChannel::ControllerChannel(ControllerChannelOptions options,
                                     ControllerFinder* finder, Timer* timer)
    : impl_(std::make_shared<Impl>(options, finder, timer)) {}

ControllerChannel::~ControllerChannel() { impl_->Stop(); }

void ControllerChannel::AlterPartition(
    v1::AlterPartitionRequest request, int64_t timeout_ms,
    Done<v1::AlterPartitionResponse> done) {
  StartCall<v1::AlterPartitionRequest, v1::AlterPartitionResponse>(
      impl_, std::move(request), {&Async::AlterPartition, true, timeout_ms},
      std::move(done));
}

void ControllerChannel::ControlledShutdown(
    v1::ControlledShutdownRequest request, int64_t timeout_ms,
    Done<v1::ControlledShutdownResponse> done) {
  StartCall<v1::ControlledShutdownRequest, v1::ControlledShutdownResponse>(
      impl_, std::move(request), {&Async::ControlledShutdown, true, timeout_ms},
      std::move(done));
}

void ControllerChannel::CreateTopics(v1::CreateTopicsRequest request,
                                     Done<v1::CreateTopicsResponse> done) {
  const int64_t timeout_ms = OrDefault(request.timeout_ms());
  StartCall<v1::CreateTopicsRequest, v1::CreateTopicsResponse>(
      impl_, std::move(request),
      {&Async::ControllerCreateTopics, false, timeout_ms}, std::move(done));
}

void ControllerChannel::DeleteTopics(v1::DeleteTopicsRequest request,
                                     Done<v1::DeleteTopicsResponse> done) {
  const int64_t timeout_ms = OrDefault(request.timeout_ms());
  StartCall<v1::DeleteTopicsRequest, v1::DeleteTopicsResponse>(
      impl_, std::move(request),
      {&Async::ControllerDeleteTopics, false, timeout_ms}, std::move(done));
}

void ControllerChannel::CreatePartitions(
    v1::CreatePartitionsRequest request,
    Done<v1::CreatePartitionsResponse> done) {
  const int64_t timeout_ms = OrDefault(request.timeout_ms());
  StartCall<v1::CreatePartitionsRequest, v1::CreatePartitionsResponse>(
      impl_, std::move(request),
      {&Async::ControllerCreatePartitions, false, timeout_ms}, std::move(done));
}

void ControllerChannel::ElectLeaders(v1::ElectLeadersRequest request,
                                     Done<v1::ElectLeadersResponse> done) {
  const int64_t timeout_ms = OrDefault(request.timeout_ms());
  StartCall<v1::ElectLeadersRequest, v1::ElectLeadersResponse>(
      impl_, std::move(request),
      {&Async::ControllerElectLeaders, true, timeout_ms}, std::move(done));
}

void ControllerChannel::AlterConfigs(v1::AlterConfigsRequest request,
                                     Done<v1::AlterConfigsResponse> done) {
  StartCall<v1::AlterConfigsRequest, v1::AlterConfigsResponse>(
      impl_, std::move(request),
      {&Async::ControllerAlterConfigs, false, kDefaultTimeoutMs},
      std::move(done));
}

}  // namespace sillok
