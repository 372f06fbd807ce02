// The coordinator's door, which its owner can close for good.
#ifndef SILLOK_BROKER_CONTROLLER_STORE_GATE_H_
#define SILLOK_BROKER_CONTROLLER_STORE_GATE_H_

#include <shared_mutex>
#include <utility>

#include "broker/metadata/metadata_store.h"

namespace sillok {

// Passes everything on to `store` until Close, and nothing after it: what still
// runs on a strand then (a load that was under way) cannot reach a store that is
// gone. Held by shared_ptr by whoever may run late. Thread-safe.
class StoreGate final : public MetadataStore {
 public:
  explicit StoreGate(MetadataStore* store) : store_(store) {}

  // When it returns, no call is inside the store, and none will be.
  void Close() {
    std::unique_lock lock(mutex_);
    store_ = nullptr;
  }

  // Closed: answered SESSION_EXPIRED within the call.
  void Call(v1::CoordRequest request, Reply reply) override {
    {
      std::shared_lock lock(mutex_);
      if (store_ != nullptr) {
        return store_->Call(std::move(request), std::move(reply));
      }
    }
    v1::CoordResponse closed;
    closed.set_code(v1::SESSION_EXPIRED);
    reply(closed);
  }
  uint64_t SessionId() const override {
    std::shared_lock lock(mutex_);
    return store_ == nullptr ? 0 : store_->SessionId();
  }
  bool Connected() const override {
    std::shared_lock lock(mutex_);
    return store_ != nullptr && store_->Connected();
  }
  void AddListener(Listener listener) override {
    std::shared_lock lock(mutex_);
    if (store_ != nullptr) store_->AddListener(std::move(listener));
  }

 private:
  mutable std::shared_mutex mutex_;
  MetadataStore* store_;  // null: closed
};

}  // namespace sillok

#endif  // SILLOK_BROKER_CONTROLLER_STORE_GATE_H_
