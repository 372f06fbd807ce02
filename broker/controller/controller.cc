#include "broker/controller/controller.h"

#include <utility>

#include "broker/controller/controller_impl.h"

namespace sillok {

Controller::Impl::Impl(ControllerOptions options, MetadataStore* store,
                       Executor* executor, Timer* timer, const Clock* clock)
    : options_(std::move(options)),
      store_(std::make_shared<StoreGate>(store)),
      strand_(std::make_shared<Strand>(executor)),
      timer_(timer),
      clock_(clock),
      generator_(options_.random_seed != 0 ? options_.random_seed
                                           : std::random_device()()),
      streams_(options_.max_stream_backlog_bytes) {}

void Controller::Impl::Init() {
  std::weak_ptr<Impl> weak = weak_from_this();
  store_->AddListener([weak](const MetadataStore::Event& event) {
    if (auto self = weak.lock()) {
      self->strand_->Post([self, event] { self->OnEvent(event); });
    }
  });
}

Controller::Stats Controller::Impl::stats() const {
  std::lock_guard<std::mutex> lock(stats_mutex_);
  return stats_;
}

// ---- the door

Controller::Controller(ControllerOptions options, MetadataStore* store,
                       Executor* executor, Timer* timer, const Clock* clock)
    : impl_(std::make_shared<Impl>(std::move(options), store, executor, timer,
                                   clock)) {
  impl_->Init();
}

Controller::~Controller() {
  impl_->CloseStore();
  impl_->Post([](Impl* impl) { impl->Abandon(); });
}

void Controller::Start() {
  impl_->Post([](Impl* impl) { impl->Start(); });
}

void Controller::Stop(std::function<void()> done) {
  impl_->Post([done = std::move(done)](Impl* impl) { impl->Stop(done); });
}

bool Controller::IsActive() const { return impl_->active(); }
int32_t Controller::Epoch() const { return impl_->epoch(); }
Controller::Stats Controller::stats() const { return impl_->stats(); }

void Controller::CreateTopics(v1::CreateTopicsRequest request,
                              Done<v1::CreateTopicsResponse> done) {
  impl_->Post([request = std::move(request),
               done = std::move(done)](Impl* impl) mutable {
    impl->CreateTopics(std::move(request), std::move(done));
  });
}

void Controller::DeleteTopics(v1::DeleteTopicsRequest request,
                              Done<v1::DeleteTopicsResponse> done) {
  impl_->Post([request = std::move(request),
               done = std::move(done)](Impl* impl) mutable {
    impl->DeleteTopics(std::move(request), std::move(done));
  });
}

void Controller::CreatePartitions(v1::CreatePartitionsRequest request,
                            Done<v1::CreatePartitionsResponse> done) {
  impl_->Post([request = std::move(request),
               done = std::move(done)](Impl* impl) mutable {
    impl->CreatePartitions(std::move(request), std::move(done));
  });
}

void Controller::ElectLeaders(v1::ElectLeadersRequest request,
                            Done<v1::ElectLeadersResponse> done) {
  impl_->Post([request = std::move(request),
               done = std::move(done)](Impl* impl) mutable {
    impl->ElectLeaders(std::move(request), std::move(done));
  });
}

void Controller::AlterConfigs(v1::AlterConfigsRequest request,
                            Done<v1::AlterConfigsResponse> done) {
  impl_->Post([request = std::move(request),
               done = std::move(done)](Impl* impl) mutable {
    impl->AlterConfigs(std::move(request), std::move(done));
  });
}

void Controller::AlterPartition(v1::AlterPartitionRequest request,
                                Done<v1::AlterPartitionResponse> done) {
  impl_->Post([request = std::move(request),
               done = std::move(done)](Impl* impl) mutable {
    impl->AlterPartition(std::move(request), std::move(done));
  });
}

void Controller::ControlledShutdown(
    v1::ControlledShutdownRequest request,
    Done<v1::ControlledShutdownResponse> done) {
  impl_->Post([request = std::move(request),
               done = std::move(done)](Impl* impl) mutable {
    impl->ControlledShutdown(std::move(request), std::move(done));
  });
}

Controller::StreamId Controller::OpenStream(const v1::BrokerReport& hello,
                                            std::shared_ptr<UpdateSink> sink) {
  const StreamId id = impl_->NextStream();
  impl_->Post([id, hello, sink = std::move(sink)](Impl* impl) {
    impl->OpenStream(id, hello, sink);
  });
  return id;
}

void Controller::OnReport(StreamId stream, v1::BrokerReport report) {
  impl_->Post([stream, report = std::move(report)](Impl* impl) {
    impl->OnReport(stream, report);
  });
}

void Controller::OnSent(StreamId stream) {
  impl_->Post([stream](Impl* impl) { impl->OnSent(stream); });
}

void Controller::CloseStream(StreamId stream) {
  impl_->Post([stream](Impl* impl) { impl->CloseStream(stream); });
}

}  // namespace sillok
