// The coordinator, as the broker's metadata code sees it: one session.
//
// The seam between brokers and coordinator/client: SessionStore is the real one,
// tests have one in memory. Requests and answers are the coordinator's own
// messages (proto/coordinator.proto).
#ifndef SILLOK_BROKER_METADATA_METADATA_STORE_H_
#define SILLOK_BROKER_METADATA_METADATA_STORE_H_

#include <cstdint>
#include <functional>

#include "proto/coordinator.pb.h"

namespace sillok {

// Thread-safe. Requests are executed in the order of the calls and answered in
// that order; answers, watch events and link events come one after another, in
// the session's order (an event before the answer that first shows its change).
// Callbacks run on a thread of the store and must be short: post and return.
class MetadataStore {
 public:
  enum class Link {
    kConnected,     // also the first time, and after kExpired with a new session
    kDisconnected,  // watches and ephemerals live on for the session timeout
    kExpired,       // ephemerals and watches of the old session are gone
  };
  struct Event {
    enum class Kind { kLink, kWatch } kind = Kind::kLink;
    Link link = Link::kDisconnected;
    v1::WatchEvent watch;
  };
  using Reply = std::function<void(const v1::CoordResponse& response)>;
  using Listener = std::function<void(const Event& event)>;

  virtual ~MetadataStore() = default;

  // `reply` runs exactly once. CONNECTION_LOSS or SESSION_EXPIRED: the outcome of
  // a write is unknown. OPERATION_TIMEOUT: it was never sent.
  virtual void Call(v1::CoordRequest request, Reply reply) = 0;
  // Of the session now in force; 0 before the first.
  virtual uint64_t SessionId() const = 0;
  virtual bool Connected() const = 0;
  // All watch events of the session go to all listeners, each picks its paths;
  // a watch fires once and is re-armed by the next read. A listener is called
  // until the store is destroyed: let it hold its owner weakly. One added while
  // connected is told kConnected at once.
  virtual void AddListener(Listener listener) = 0;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_METADATA_METADATA_STORE_H_
