#include "broker/metadata/cluster_view_holder.h"

#include <utility>

namespace sillok {

ClusterViewHolder::ClusterViewHolder() : view_(ClusterView::Empty()) {}

std::shared_ptr<const ClusterView> ClusterViewHolder::Get() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return view_;
}

void ClusterViewHolder::SetBrokerEpoch(BrokerEpoch epoch) {
  std::lock_guard<std::mutex> lock(mutex_);
  broker_epoch_ = epoch;
}

void ClusterViewHolder::AddListener(Listener listener) {
  listeners_.push_back(std::move(listener));
}

ClusterViewHolder::Outcome ClusterViewHolder::Apply(
    const v1::ClusterUpdate& update) {
  std::shared_ptr<const ClusterView> base;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (update.broker_epoch() != broker_epoch_.value()) {
      return Outcome::kOtherBrokerEpoch;
    }
    base = view_;
  }
  const int32_t known_epoch = base->controller_epoch().value();
  if (update.controller_epoch() < known_epoch) {
    return Outcome::kStaleController;
  }
  // A controller's deltas build on its own snapshot.
  if (!update.snapshot() &&
      (!has_snapshot_ || update.controller_epoch() != known_epoch)) {
    return Outcome::kNoSnapshotYet;
  }
  v1::ClusterUpdate accepted;
  std::shared_ptr<const ClusterView> next =
      ClusterView::Apply(base, update, &accepted);
  has_snapshot_ = true;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    view_ = next;
  }
  for (const Listener& listener : listeners_) listener(next, accepted);
  return Outcome::kApplied;
}

}  // namespace sillok
