// The seam through which leaders ask the controller for another ISR.
#ifndef SILLOK_BROKER_REPLICATION_ISR_CHANNEL_H_
#define SILLOK_BROKER_REPLICATION_ISR_CHANNEL_H_

#include <functional>

#include "absl/status/statusor.h"
#include "proto/cluster.pb.h"

namespace sillok {

// Thread-safe.
class IsrChannel {
 public:
  virtual ~IsrChannel() = default;
  // Sends to whoever is the controller now; answers within about
  // `timeout_ms`, exactly once, on any thread. A status says that the answer
  // is unknown or that no controller was found.
  virtual void AlterPartition(
      v1::AlterPartitionRequest request, int64_t timeout_ms,
      std::function<void(absl::StatusOr<v1::AlterPartitionResponse>)> done) = 0;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_REPLICATION_ISR_CHANNEL_H_
