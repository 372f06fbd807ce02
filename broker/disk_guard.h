// Keeps a broker whose disk does not take writes out of leaderships and in-sync
// sets, and brings it back when the disk works again. The rules are in
// disk_trouble.h; this carries them out.
#ifndef SILLOK_BROKER_DISK_GUARD_H_
#define SILLOK_BROKER_DISK_GUARD_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/strand.h"
#include "base/timer.h"
#include "broker/disk_trouble.h"
#include "proto/cluster.pb.h"

namespace sillok {

// Thread-safe.
class DiskGuard {
 public:
  // Everything it points to outlives the guard.
  struct Environment {
    BrokerId broker_id;
    Executor* executor = nullptr;
    Timer* timer = nullptr;
    const Clock* clock = nullptr;
    // Asks the controller; `done` runs once, on any thread.
    std::function<void(
        v1::ControlledShutdownRequest request,
        std::function<void(absl::StatusOr<v1::ControlledShutdownResponse>)>
            done)>
        step_back;
    // Writes to the disk as a log would, and waits for it; on a thread of its
    // own.
    std::function<absl::Status()> try_disk;
    std::function<void()> register_anew;
    // The next write of the replica that fails is to be told again.
    std::function<void(const TopicPartition& partition)> forget;
  };

  DiskGuard(DiskTroubleOptions options, Environment environment);
  // As Stop.
  ~DiskGuard();
  DiskGuard(const DiskGuard&) = delete;
  DiskGuard& operator=(const DiskGuard&) = delete;

  void OnRegistered(BrokerEpoch epoch);
  // With an empty `why`, writes work again.
  void OnWriteTrouble(const TopicPartition& partition, const std::string& why);
  void OnLogLost();
  // No function of the environment is called any more once it has returned, but
  // one try of the disk may still be under way. Not from one of them.
  void Stop();

  // OK, or one line that says how many replicas cannot be written, and why.
  absl::Status Health() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
  // A disk that hangs holds this thread alone.
  Executor disk_{"disk-guard", 1};
};

}  // namespace sillok

#endif  // SILLOK_BROKER_DISK_GUARD_H_
