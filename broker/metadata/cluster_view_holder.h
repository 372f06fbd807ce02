// The current ClusterView of a broker, and who wants to know when it changes.
#ifndef SILLOK_BROKER_METADATA_CLUSTER_VIEW_HOLDER_H_
#define SILLOK_BROKER_METADATA_CLUSTER_VIEW_HOLDER_H_

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/ids.h"
#include "broker/metadata/cluster_view.h"
#include "proto/cluster.pb.h"

namespace sillok {

// Never goes back: an update of an older controller epoch, or meant for another
// incarnation of this broker, changes nothing. Get is thread-safe and does not
// wait for Apply's work; Apply, SetBrokerEpoch and AddListener may be called
// from any thread, but Apply calls must come one after another.
class ClusterViewHolder {
 public:
  // `update` is the accepted part of what came (stale partitions left out).
  // Called inside Apply, after the swap, in the order added.
  using Listener =
      std::function<void(const std::shared_ptr<const ClusterView>& view,
                         const v1::ClusterUpdate& update)>;
  enum class Outcome {
    kApplied,
    kStaleController,  // older controller epoch than seen
    kOtherBrokerEpoch,  // meant for another registration of this broker
    kNoSnapshotYet,    // a delta for an epoch whose snapshot did not come
  };

  ClusterViewHolder();

  // Never null.
  std::shared_ptr<const ClusterView> Get() const;
  // The epoch of this broker's registration; updates must carry it.
  void SetBrokerEpoch(BrokerEpoch epoch);
  Outcome Apply(const v1::ClusterUpdate& update);
  // Before the first Apply.
  void AddListener(Listener listener);

 private:
  mutable std::mutex mutex_;  // view_, broker_epoch_: held for a copy only
  std::shared_ptr<const ClusterView> view_;
  BrokerEpoch broker_epoch_{-1};
  // Owned by Apply.
  bool has_snapshot_ = false;
  std::vector<Listener> listeners_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_METADATA_CLUSTER_VIEW_HOLDER_H_
