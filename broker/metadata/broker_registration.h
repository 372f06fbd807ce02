// A broker's place in the cluster: the ephemeral znode /brokers/ids/N.
#ifndef SILLOK_BROKER_METADATA_BROKER_REGISTRATION_H_
#define SILLOK_BROKER_METADATA_BROKER_REGISTRATION_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/strand.h"
#include "base/timer.h"
#include "broker/metadata/metadata_store.h"
#include "broker/metadata/znodes.h"

namespace sillok {

struct BrokerRegistrationOptions {
  BrokerId broker_id;  // broker.id
  // What clients are told (advertised.listeners): Kafka listeners, and ours as
  // GRPC://host:port.
  std::vector<BrokerEndpoint> endpoints;
  std::string rack;  // broker.rack; "" = none
  // While another session still holds the znode (ours of a crashed start, most
  // likely) we wait for it to expire, this long: zookeeper.session.timeout.ms
  // and some. After that the id is somebody else's.
  int64_t wait_for_old_session_ms = 40'000;
  int64_t retry_ms = 500;
  // 22 characters, base64url: becomes the cluster's id when there is none yet.
  std::string new_cluster_id;
};

// Registers, and registers again with a new broker epoch when the session was
// lost. Creates Kafka's base znodes when it is the first one here.
//
// An existing znode of the own id: of our own session, it is kept (a create
// whose answer was lost); of another session, we wait until it is gone, since a
// broker that still lives must not be robbed of its id (KAFKA-4277, 6584, 7165).
//
// Thread-safe. Callbacks run on a strand of its own, one after another.
class BrokerRegistration {
 public:
  struct Callbacks {
    // The znode stands. Called once for each registration: a new epoch means
    // that the cluster saw us go.
    std::function<void(BrokerEpoch epoch, const std::string& cluster_id)>
        registered;
    // The session expired: until `registered` the broker is out of the cluster
    // and must not act as leader on the strength of its old epoch.
    std::function<void()> lost;
    // Registration is given up: DUPLICATE_BROKER_REGISTRATION when another live
    // broker has the id. The broker should stop.
    std::function<void(const absl::Status& status)> failed;
  };

  // `store`, `executor`, `timer` and `clock` must outlive it.
  BrokerRegistration(BrokerRegistrationOptions options, MetadataStore* store,
                     Executor* executor, Timer* timer, const Clock* clock,
                     Callbacks callbacks);
  ~BrokerRegistration();
  BrokerRegistration(const BrokerRegistration&) = delete;
  BrokerRegistration& operator=(const BrokerRegistration&) = delete;

  void Start();
  // Gives the registration up (`lost`) and registers anew under another epoch:
  // to the cluster this broker went and came back. Nothing when not registered.
  void Renew();
  // Takes the znode away (so that the controller acts at once) and does not
  // register again. `done` runs on the strand, also when the store is away.
  void Stop(std::function<void()> done);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_METADATA_BROKER_REGISTRATION_H_
