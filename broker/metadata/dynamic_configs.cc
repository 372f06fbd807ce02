#include "broker/metadata/dynamic_configs.h"

#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>

#include "broker/metadata/store_calls.h"
#include "broker/metadata/znodes.h"
#include "glog/logging.h"

namespace sillok {
namespace {

constexpr int64_t kRetryMs = 500;

}  // namespace

ConfigMap TopicDefaults(const ConfigMap& file, const DynamicConfigs& dynamic) {
  ConfigMap merged = dynamic.broker;
  merged.insert(dynamic.all.begin(), dynamic.all.end());
  merged.insert(file.begin(), file.end());
  return merged;
}

// All on its strand, but for the values.
struct DynamicConfigWatch::Impl : std::enable_shared_from_this<Impl> {
  Impl(BrokerId broker_id, MetadataStore* store, Executor* executor,
       Timer* timer)
      : store(store),
        strand(executor),
        timer(timer),
        own_path(znode_path::BrokerConfig(std::to_string(broker_id.value()))),
        all_path(znode_path::BrokerConfig(znode_path::kAllBrokers)) {}

  void Start(std::function<void()> on_change) {
    changed = std::move(on_change);
    store->AddListener(
        [weak = weak_from_this()](const MetadataStore::Event& event) {
          auto self = weak.lock();
          if (!self) return;
          self->strand.Post([self, event] { self->OnEvent(event); });
        });
  }

  void OnEvent(const MetadataStore::Event& event) {
    if (stopped) return;
    if (event.kind == MetadataStore::Event::Kind::kWatch) {
      const std::string& path = event.watch.path();
      if (path == own_path || path == all_path) Look(path);
    } else if (event.link == MetadataStore::Link::kConnected) {
      Look(own_path);
      Look(all_path);
    }
  }

  // A read of a znode that is not there leaves no watch; asking whether it is
  // there does.
  void Look(const std::string& path) {
    Call(ExistsRequest(path, /*watch=*/true), path,
         [this, path](const v1::CoordResponse& response) {
           if (response.code() == v1::NO_NODE) return Take(path, {});
           Call(GetRequest(path, /*watch=*/false), path,
                [this, path](const v1::CoordResponse& read) {
                  if (read.code() == v1::NO_NODE) return;  // its watch tells
                  absl::StatusOr<ConfigMap> config = DecodeConfig(read.data());
                  if (!config.ok()) {
                    LOG(ERROR) << "broker config not understood path=" << path
                               << " " << config.status();
                    return;
                  }
                  Take(path, *std::move(config));
                });
         });
  }

  // `next` gets OK and NO_NODE; after anything else the path is looked at anew.
  void Call(v1::CoordRequest request, const std::string& path,
            std::function<void(const v1::CoordResponse&)> next) {
    if (stopped) return;
    store->Call(std::move(request),
                [weak = weak_from_this(), path,
                 next = std::move(next)](const v1::CoordResponse& response) {
                  auto self = weak.lock();
                  if (!self) return;
                  self->strand.Post([self, path, next, response] {
                    if (self->stopped) return;
                    if (response.code() != v1::OK &&
                        response.code() != v1::NO_NODE) {
                      return self->LookLater(path);
                    }
                    next(response);
                  });
                });
  }

  void LookLater(const std::string& path) {
    // A session that begins anew is looked at anyway.
    if (!store->Connected()) return;
    timer->After(kRetryMs, [weak = weak_from_this(), path] {
      auto self = weak.lock();
      if (!self) return;
      self->strand.Post([self, path] {
        if (!self->stopped) self->Look(path);
      });
    });
  }

  void Take(const std::string& path, ConfigMap config) {
    auto next = std::make_shared<DynamicConfigs>(*Values());
    (path == own_path ? next->broker : next->all) = std::move(config);
    if (*next == *Values()) return;
    {
      std::lock_guard<std::mutex> lock(mutex);
      values = std::move(next);
    }
    LOG(INFO) << "broker configs changed path=" << path;
    changed();
  }

  std::shared_ptr<const DynamicConfigs> Values() const {
    std::lock_guard<std::mutex> lock(mutex);
    return values;
  }

  MetadataStore* const store;
  Strand strand;
  Timer* const timer;
  const std::string own_path;
  const std::string all_path;
  std::function<void()> changed;
  bool stopped = false;
  mutable std::mutex mutex;
  std::shared_ptr<const DynamicConfigs> values =
      std::make_shared<DynamicConfigs>();
};

DynamicConfigWatch::DynamicConfigWatch(BrokerId broker_id,
                                       MetadataStore* store,
                                       Executor* executor, Timer* timer)
    : impl_(std::make_shared<Impl>(broker_id, store, executor, timer)) {}

DynamicConfigWatch::~DynamicConfigWatch() { Stop(); }

void DynamicConfigWatch::Start(std::function<void()> changed) {
  impl_->strand.Post([impl = impl_, changed = std::move(changed)]() mutable {
    impl->Start(std::move(changed));
  });
}

void DynamicConfigWatch::Stop() {
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;
  impl_->strand.Post([&, impl = impl_] {
    impl->stopped = true;
    std::lock_guard<std::mutex> lock(mutex);
    done = true;
    ended.notify_all();
  });
  std::unique_lock<std::mutex> lock(mutex);
  ended.wait(lock, [&] { return done; });
}

std::shared_ptr<const DynamicConfigs> DynamicConfigWatch::Get() const {
  return impl_->Values();
}

}  // namespace sillok
