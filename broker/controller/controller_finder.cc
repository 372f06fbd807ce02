#include "broker/controller/controller_finder.h"

#include <mutex>
#include <utility>
#include <vector>

#include "broker/metadata/store_calls.h"
#include "broker/metadata/znodes.h"
#include "fmt/core.h"
#include "glog/logging.h"

namespace sillok {
namespace {

constexpr int64_t kRetryMs = 100;

std::string AddressOf(const BrokerEndpoint& endpoint) {
  const bool ipv6 = endpoint.host.find(':') != std::string::npos;
  return ipv6 ? fmt::format("[{}]:{}", endpoint.host, endpoint.port)
              : fmt::format("{}:{}", endpoint.host, endpoint.port);
}

}  // namespace

class ControllerFinder::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(MetadataStore* store, Executor* executor, Timer* timer)
      : store_(store), strand_(executor), timer_(timer) {}

  void Init() {
    store_->AddListener([weak = weak_from_this()](
                            const MetadataStore::Event& event) {
      auto self = weak.lock();
      if (!self) return;
      const bool connected =
          event.kind == MetadataStore::Event::Kind::kLink &&
          event.link == MetadataStore::Link::kConnected;
      const bool changed =
          event.kind == MetadataStore::Event::Kind::kWatch &&
          event.watch.path() == znode_path::kController;
      if (connected || changed) self->Look();
    });
    if (store_->Connected()) Look();
  }

  ControllerLocation Current() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return current_;
  }

  void AddListener(Listener listener) {
    strand_.Post([self = shared_from_this(), listener = std::move(listener)] {
      self->listeners_.push_back(listener);
      const ControllerLocation now = self->Current();
      if (now.broker_id != kNoBroker) listener(now);
    });
  }

  // One look at a time; what is asked for meanwhile makes another one.
  void Look() {
    strand_.Post([self = shared_from_this()] {
      if (std::exchange(self->looking_, true)) {
        self->look_again_ = true;
        return;
      }
      self->ReadController();
    });
  }

 private:
  void Call(v1::CoordRequest request,
            std::function<void(const v1::CoordResponse&)> next) {
    store_->Call(std::move(request),
                 [weak = weak_from_this(), next = std::move(next)](
                     const v1::CoordResponse& response) {
                   auto self = weak.lock();
                   if (!self) return;
                   self->strand_.Post([self, next, response] { next(response); });
                 });
  }

  void ReadController() {
    Call(GetRequest(znode_path::kController, /*watch=*/true),
         [this](const v1::CoordResponse& response) {
           if (response.code() == v1::NO_NODE) return AwaitController();
           absl::StatusOr<int32_t> id = DecodeController(response.data());
           if (response.code() != v1::OK || !id.ok()) return TryAgain();
           ReadBroker(*id, response.stat().czxid());
         });
  }

  // A read of a missing node arms no watch; a question for its existence does.
  void AwaitController() {
    Call(ExistsRequest(znode_path::kController, /*watch=*/true),
         [this](const v1::CoordResponse& response) {
           if (response.code() == v1::OK) return ReadController();
           if (response.code() != v1::NO_NODE) return TryAgain();
           Finish({});
         });
  }

  void ReadBroker(int32_t id, uint64_t generation) {
    Call(GetRequest(znode_path::Broker(id), /*watch=*/false),
         [this, id, generation](const v1::CoordResponse& response) {
           if (response.code() != v1::OK) return TryAgain();
           absl::StatusOr<BrokerZnode> broker = DecodeBroker(response.data());
           if (!broker.ok() || broker->Grpc() == nullptr) {
             LOG(ERROR) << "the controller's registration has no GRPC endpoint "
                           "broker="
                        << id;
             return TryAgain();
           }
           Finish({BrokerId(id), AddressOf(*broker->Grpc()), generation});
         });
  }

  void TryAgain() {
    looking_ = look_again_ = false;
    timer_->After(kRetryMs, [weak = weak_from_this()] {
      auto self = weak.lock();
      if (self && self->store_->Connected()) self->Look();
    });
  }

  void Finish(const ControllerLocation& found) {
    looking_ = false;
    bool changed;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      changed = !(current_ == found);
      current_ = found;
    }
    if (changed) {
      VLOG(1) << "controller broker=" << found.broker_id
              << " address=" << found.address;
      for (const Listener& listener : listeners_) listener(found);
    }
    if (std::exchange(look_again_, false)) Look();
  }

  MetadataStore* const store_;
  Strand strand_;
  Timer* const timer_;
  mutable std::mutex mutex_;
  ControllerLocation current_;  // guarded by mutex_
  // On the strand.
  std::vector<Listener> listeners_;
  bool looking_ = false;
  bool look_again_ = false;
};

ControllerFinder::ControllerFinder(MetadataStore* store, Executor* executor,
                                   Timer* timer)
    : impl_(std::make_shared<Impl>(store, executor, timer)) {
  impl_->Init();
}

ControllerFinder::~ControllerFinder() = default;

ControllerLocation ControllerFinder::Current() const {
  return impl_->Current();
}
void ControllerFinder::AddListener(Listener listener) {
  impl_->AddListener(std::move(listener));
}
void ControllerFinder::Refresh() { impl_->Look(); }

}  // namespace sillok
