// The MetadataStore of a broker: a session of coordinator/client.
#ifndef SILLOK_BROKER_METADATA_SESSION_STORE_H_
#define SILLOK_BROKER_METADATA_SESSION_STORE_H_

#include <functional>
#include <memory>

#include "base/strand.h"
#include "base/timer.h"
#include "broker/metadata/metadata_store.h"
#include "coordinator/client/session.h"

namespace sillok {

// Begins a new session by itself when one expires. Thread-safe.
class SessionStore final : public MetadataStore {
 public:
  // Starts connecting. `executor` and `timer` must outlive it.
  SessionStore(coord::SessionOptions options, Executor* executor,
               Timer* timer);
  // Leaves the session to expire, unless Close was done.
  ~SessionStore() override;

  void Call(v1::CoordRequest request, Reply reply) override;
  uint64_t SessionId() const override;
  bool Connected() const override;
  // As of coord::Session; of the session now in force.
  int64_t LastContactMs() const;
  int64_t SessionTimeoutMs() const;
  void AddListener(Listener listener) override;

  // Ends the session, so that its ephemerals go at once. `done` runs on the
  // store's strand, at the latest after a session timeout.
  void Close(std::function<void()> done);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_METADATA_SESSION_STORE_H_
