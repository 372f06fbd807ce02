// A broker's end of the controller's update stream.
#ifndef SILLOK_BROKER_CONTROLLER_CLUSTER_STREAM_H_
#define SILLOK_BROKER_CONTROLLER_CLUSTER_STREAM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/ids.h"
#include "base/strand.h"
#include "base/timer.h"
#include "broker/controller/controller_finder.h"
#include "proto/cluster.pb.h"

namespace sillok {

struct ClusterStreamOptions {
  BrokerId broker_id;
  int64_t reconnect_backoff_ms = 50;
  int64_t reconnect_backoff_max_ms = 1'000;
};

// Dials the controller that the finder names, says hello with the broker's
// epoch, and hands on what comes: a snapshot, then deltas, in order. Dials again
// when the stream ends, the controller changes or the broker's epoch changes;
// the first update after that is a snapshot.
//
// Thread-safe. `finder`, `executor` and `timer` must outlive it.
class ClusterStream {
 public:
  // To be called once, from any thread. True: the update is carried out here
  // (BrokerReport.applied_sequence). False: it cannot be used (stale); the
  // stream is opened again, for a fresh snapshot.
  using Applied = std::function<void(bool ok)>;
  // Runs on the stream's strand, one update at a time: the next one is handed on
  // after `applied`. `update` stays valid until then.
  using OnUpdate =
      std::function<void(const v1::ClusterUpdate& update, Applied applied)>;

  ClusterStream(ClusterStreamOptions options, ControllerFinder* finder,
                Executor* executor, Timer* timer, OnUpdate on_update);
  // As Stop.
  ~ClusterStream();
  ClusterStream(const ClusterStream&) = delete;
  ClusterStream& operator=(const ClusterStream&) = delete;

  // The broker is registered under `epoch`: streams are opened from now on.
  void SetBrokerEpoch(BrokerEpoch epoch);
  // The registration was lost: no stream until the next SetBrokerEpoch.
  void ClearBrokerEpoch();
  // Tells the controller that files of deleted replicas are gone. Kept until a
  // stream has taken it, and told again on the next one if that one broke.
  void ReportDeleted(std::vector<v1::DeletedReplica> replicas);
  // Ends the stream. No OnUpdate starts after it returned (one may be running).
  void Stop();

  // True while the current stream has delivered its snapshot.
  bool Connected() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_CONTROLLER_CLUSTER_STREAM_H_
