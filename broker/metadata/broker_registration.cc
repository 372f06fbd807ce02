#include "broker/metadata/broker_registration.h"

#include <utility>

#include "base/error.h"
#include "broker/metadata/store_calls.h"
#include "fmt/core.h"
#include "glog/logging.h"

namespace sillok {

// All on its strand. A number is raised whenever the session changes or Stop
// comes, so that answers of before are dropped.
struct BrokerRegistration::Impl : std::enable_shared_from_this<Impl> {
  Impl(BrokerRegistrationOptions options, MetadataStore* store,
       Executor* executor, Timer* timer, const Clock* clock,
       Callbacks callbacks)
      : options(std::move(options)),
        store(store),
        strand(executor),
        timer(timer),
        clock(clock),
        callbacks(std::move(callbacks)),
        path(znode_path::Broker(this->options.broker_id.value())) {}

  void Init() {
    store->AddListener([weak = weak_from_this()](
                           const MetadataStore::Event& event) {
      auto self = weak.lock();
      if (!self) return;
      self->strand.Post([self, event] { self->OnEvent(event); });
    });
  }

  void OnEvent(const MetadataStore::Event& event) {
    if (!running) return;
    if (event.kind == MetadataStore::Event::Kind::kWatch) {
      if (event.watch.path() == path) OnOwnZnode(event.watch.type());
      return;
    }
    switch (event.link) {
      case MetadataStore::Link::kConnected:
        if (!registered) Begin();
        return;
      case MetadataStore::Link::kExpired:
        return Lost("session expired");
      case MetadataStore::Link::kDisconnected:
        return;
    }
  }

  // Somebody took the znode away while our session lives on, or the one that
  // was in our way is gone.
  void OnOwnZnode(v1::WatchEventType type) {
    if (type != v1::NODE_DELETED) {
      // The watch is spent: arm it again.
      Watch();
      return;
    }
    if (registered) Lost("the znode was deleted");
    Begin();
  }

  void Lost(const char* why) {
    ++number;
    if (!std::exchange(registered, false)) return;
    LOG(WARNING) << "registration lost broker=" << options.broker_id << ": "
                 << why;
    if (callbacks.lost) callbacks.lost();
  }

  void Call(v1::CoordRequest request,
            std::function<void(const v1::CoordResponse&)> next) {
    store->Call(std::move(request),
                [weak = weak_from_this(), asked = number,
                 next = std::move(next)](const v1::CoordResponse& response) {
                  auto self = weak.lock();
                  if (!self) return;
                  self->strand.Post([self, asked, next, response] {
                    if (self->running && self->number == asked) next(response);
                  });
                });
  }

  // ---- base znodes, cluster id, registration, one after another

  void Begin() {
    ++number;
    MakeBase(0);
  }

  void MakeBase(size_t index) {
    const std::vector<std::string>& base = znode_path::Base();
    if (index == base.size()) return MakeClusterId();
    Call(ExistsRequest(base[index], false),
         [this, index](const v1::CoordResponse& response) {
           if (response.code() == v1::OK) return MakeBase(index + 1);
           if (response.code() != v1::NO_NODE) return RetryLater();
           Call(CreateRequest(znode_path::Base()[index], ""),
                [this, index](const v1::CoordResponse& created) {
                  if (created.code() != v1::OK &&
                      created.code() != v1::NODE_EXISTS) {
                    return RetryLater();
                  }
                  MakeBase(index + 1);
                });
         });
  }

  void MakeClusterId() {
    Call(GetRequest(znode_path::kClusterId, false),
         [this](const v1::CoordResponse& response) {
           if (response.code() == v1::NO_NODE) {
             Call(CreateRequest(znode_path::kClusterId,
                                EncodeClusterId(options.new_cluster_id)),
                  [this](const v1::CoordResponse& created) {
                    if (created.code() != v1::OK &&
                        created.code() != v1::NODE_EXISTS) {
                      return RetryLater();
                    }
                    MakeClusterId();  // the first one's holds
                  });
             return;
           }
           absl::StatusOr<std::string> id = DecodeClusterId(response.data());
           if (response.code() != v1::OK) return RetryLater();
           if (!id.ok()) return Fail(id.status());
           cluster_id = *id;
           CreateZnode();
         });
  }

  void CreateZnode() {
    const std::string data = EncodeBroker({.endpoints = options.endpoints,
                                           .rack = options.rack,
                                           .timestamp_ms = clock->WallMs()});
    Call(CreateRequest(path, data, v1::EPHEMERAL),
         [this](const v1::CoordResponse& response) {
           if (response.code() == v1::OK) {
             return Done(response.write().stat());
           }
           if (response.code() == v1::NODE_EXISTS) return LookAtOwner();
           RetryLater();
         });
  }

  void LookAtOwner() {
    Call(ExistsRequest(path, /*watch=*/true),
         [this](const v1::CoordResponse& response) {
           if (response.code() == v1::NO_NODE) return CreateZnode();
           if (response.code() != v1::OK) return RetryLater();
           if (response.stat().ephemeral_owner() == store->SessionId()) {
             if (response.stat().czxid() == given_up) return TakeAway();
             return Done(response.stat());
           }
           WaitForOwner(response.stat().ephemeral_owner());
         });
  }

  void WaitForOwner(uint64_t owner) {
    const int64_t now = clock->MonotonicMs();
    if (waiting_for != owner) {
      waiting_for = owner;
      waiting_since_ms = now;
      LOG(INFO) << "registration waits for the end of another session broker="
                << options.broker_id << " session=" << owner;
    }
    if (now - waiting_since_ms >= options.wait_for_old_session_ms) {
      return Fail(ErrorStatus(
          ErrorCode::DUPLICATE_BROKER_REGISTRATION,
          fmt::format("broker.id={} is registered by another live broker "
                      "({} has been held by session {:#x} for {} ms)",
                      options.broker_id.value(), path, owner,
                      now - waiting_since_ms)));
    }
    RetryLater();  // its watch may be faster
  }

  void Renew() {
    if (!running || !registered) return;
    given_up = czxid;
    Lost("it is to be renewed");
    TakeAway();
  }

  void TakeAway() {
    Call(DeleteRequest(path), [this](const v1::CoordResponse& response) {
      if (response.code() != v1::OK && response.code() != v1::NO_NODE) {
        return RetryLater();
      }
      Begin();
    });
  }

  void Done(const v1::Stat& stat) {
    waiting_for = 0;
    czxid = stat.czxid();
    registered = true;
    LOG(INFO) << "registered broker=" << options.broker_id
              << " broker_epoch=" << stat.czxid()
              << " cluster_id=" << cluster_id;
    Watch();
    callbacks.registered(BrokerEpoch(static_cast<int64_t>(stat.czxid())),
                         cluster_id);
  }

  // A hand that deletes our znode must not leave us out for ever.
  void Watch() {
    if (!registered) return;
    Call(ExistsRequest(path, /*watch=*/true),
         [this](const v1::CoordResponse& response) {
           if (response.code() == v1::NO_NODE) {
             Lost("the znode was deleted");
             Begin();
           }
         });
  }

  void Fail(const absl::Status& status) {
    running = false;
    ++number;
    LOG(ERROR) << status.message();
    if (callbacks.failed) callbacks.failed(status);
  }

  void RetryLater() {
    timer->After(options.retry_ms, [weak = weak_from_this(), asked = number] {
      auto self = weak.lock();
      if (!self) return;
      self->strand.Post([self, asked] {
        if (self->running && self->number == asked && !self->registered &&
            self->store->Connected()) {
          self->Begin();
        }
      });
    });
  }

  void Stop(std::function<void()> done) {
    const bool was_registered = registered && running;
    running = false;
    registered = false;
    ++number;
    if (!was_registered || !store->Connected()) {
      if (done) done();
      return;
    }
    store->Call(DeleteRequest(path),
                [self = shared_from_this(),
                 done = std::move(done)](const v1::CoordResponse&) {
                  if (done) self->strand.Post(done);
                });
  }

  const BrokerRegistrationOptions options;
  MetadataStore* const store;
  Strand strand;
  Timer* const timer;
  const Clock* const clock;
  const Callbacks callbacks;
  const std::string path;

  bool running = false;
  bool registered = false;
  uint64_t number = 0;
  std::string cluster_id;
  uint64_t czxid = 0;     // of the znode we registered with
  uint64_t given_up = 0;  // czxid of a znode of ours that is to go
  uint64_t waiting_for = 0;  // session that has our znode; 0 = none
  int64_t waiting_since_ms = 0;
};

BrokerRegistration::BrokerRegistration(BrokerRegistrationOptions options,
                                       MetadataStore* store,
                                       Executor* executor, Timer* timer,
                                       const Clock* clock, Callbacks callbacks)
    : impl_(std::make_shared<Impl>(std::move(options), store, executor, timer,
                                   clock, std::move(callbacks))) {
  impl_->Init();
}

BrokerRegistration::~BrokerRegistration() {
  impl_->strand.Post([impl = impl_] {
    impl->running = false;
    ++impl->number;
  });
}

void BrokerRegistration::Start() {
  impl_->strand.Post([impl = impl_] {
    impl->running = true;
    if (!impl->registered && impl->store->Connected()) impl->Begin();
  });
}

void BrokerRegistration::Renew() {
  impl_->strand.Post([impl = impl_] { impl->Renew(); });
}

void BrokerRegistration::Stop(std::function<void()> done) {
  impl_->strand.Post([impl = impl_, done = std::move(done)] {
    impl->Stop(done);
  });
}

}  // namespace sillok
