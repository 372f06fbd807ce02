#include "broker/disk_guard.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "fmt/format.h"
#include "glog/logging.h"

namespace sillok {

// All on its strand, but for the health.
struct DiskGuard::Impl : std::enable_shared_from_this<Impl> {
  Impl(DiskTroubleOptions options, Environment environment, Executor* disk)
      : environment(std::move(environment)),
        disk(disk),
        strand(this->environment.executor),
        trouble(options) {}

  void Post(std::function<void(Impl*)> task) {
    strand.Post([self = shared_from_this(), task = std::move(task)] {
      if (!self->stopped) task(self.get());
    });
  }
  // For callbacks that may come when this is gone.
  std::function<void(std::function<void(Impl*)>)> Later() {
    return [weak = weak_from_this()](std::function<void(Impl*)> task) {
      if (auto self = weak.lock()) self->Post(std::move(task));
    };
  }
  int64_t Now() const { return environment.clock->MonotonicMs(); }

  void Act() {
    const DiskTrouble::Todo todo = trouble.Next(Now());
    UpdateHealth();
    for (const TopicPartition& partition : todo.forget) {
      environment.forget(partition);
    }
    if (todo.step_back) StepBack();
    if (todo.try_disk) TryDisk();
    if (todo.register_anew) {
      LOG(WARNING) << "the disk takes writes again: registering anew, to take "
                      "part again";
      environment.register_anew();
    }
    if (todo.wake_ms == -1) return;
    environment.timer->After(
        std::max<int64_t>(1, todo.wake_ms - Now()), [later = Later()] {
          later([](Impl* impl) { impl->Act(); });
        });
  }

  void StepBack() {
    v1::ControlledShutdownRequest request;
    request.set_broker_id(environment.broker_id.value());
    request.set_broker_epoch(epoch.value());
    environment.step_back(
        std::move(request),
        [later = Later()](
            absl::StatusOr<v1::ControlledShutdownResponse> response) {
          const bool taken =
              response.ok() && response->error_code() == v1::NONE;
          const int32_t remaining = taken ? response->remaining() : -1;
          later([taken, remaining](Impl* impl) {
            if (taken) {
              LOG(WARNING) << "stepped back from leading: partitions still led="
                           << remaining;
            }
            impl->trouble.OnSteppedBack(taken, remaining, impl->Now());
            impl->Act();
          });
        });
  }

  void TryDisk() {
    disk->Post([try_disk = environment.try_disk, later = Later()] {
      const absl::Status status = try_disk();
      LOG_IF(WARNING, !status.ok())
          << "the disk does not take writes yet: " << status.message();
      later([writable = status.ok()](Impl* impl) {
        impl->trouble.OnTried(writable, impl->Now());
        impl->Act();
      });
    });
  }

  void OnWriteTrouble(const TopicPartition& partition, const std::string& why) {
    if (why.empty()) {
      trouble.OnWriteWorked(partition);
      LOG(WARNING) << "replica can be written again: partition=" << partition
                   << " others that cannot=" << trouble.replicas().size();
    } else {
      LOG(ERROR) << "replica cannot be written: partition=" << partition
                 << " reason=" << why;
      trouble.OnWriteFailed(partition, why, Now());
    }
    Act();
  }

  void UpdateHealth() {
    absl::Status now;
    if (const auto& replicas = trouble.replicas(); !replicas.empty()) {
      const auto& [partition, why] = *replicas.begin();
      now = absl::UnavailableError(fmt::format(
          "{} replicas cannot be written, among them {}: {}", replicas.size(),
          partition.ToString(), why));
    }
    std::lock_guard lock(mutex);
    health = std::move(now);
  }

  const Environment environment;
  Executor* const disk;
  Strand strand;
  DiskTrouble trouble;
  BrokerEpoch epoch{-1};
  bool stopped = false;
  mutable std::mutex mutex;
  absl::Status health;
};

DiskGuard::DiskGuard(DiskTroubleOptions options, Environment environment)
    : impl_(std::make_shared<Impl>(options, std::move(environment),
                                   &disk_)) {}

DiskGuard::~DiskGuard() { Stop(); }

void DiskGuard::OnRegistered(BrokerEpoch epoch) {
  impl_->Post([epoch](Impl* impl) {
    impl->epoch = epoch;
    impl->trouble.OnRegistered();
    impl->Act();
  });
}

void DiskGuard::OnWriteTrouble(const TopicPartition& partition,
                               const std::string& why) {
  impl_->Post([partition, why](Impl* impl) {
    impl->OnWriteTrouble(partition, why);
  });
}

void DiskGuard::OnLogLost() {
  impl_->Post([](Impl* impl) {
    impl->trouble.OnLogLost();
    impl->Act();
  });
}

void DiskGuard::Stop() {
  std::mutex mutex;
  std::condition_variable ended;
  bool done = false;
  impl_->strand.Post([&, impl = impl_] {
    impl->stopped = true;
    std::lock_guard lock(mutex);
    done = true;
    ended.notify_all();
  });
  std::unique_lock lock(mutex);
  ended.wait(lock, [&] { return done; });
}

absl::Status DiskGuard::Health() const {
  std::lock_guard lock(impl_->mutex);
  return impl_->health;
}

}  // namespace sillok
