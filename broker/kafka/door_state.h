// What all connections of a Kafka door share.
#ifndef SILLOK_BROKER_KAFKA_DOOR_STATE_H_
#define SILLOK_BROKER_KAFKA_DOOR_STATE_H_

#include <memory>
#include <mutex>
#include <vector>

#include "base/metrics.h"
#include "broker/api/broker_context.h"
#include "broker/kafka/door_metrics.h"
#include "broker/kafka/fetch_sessions.h"
#include "broker/kafka/log_throttle.h"

namespace sillok::kafka_door {

// Thread-safe. Requests in work share it, so that it outlives them.
class DoorState {
 public:
  // `broker` and `metrics` outlive it.
  DoorState(const api::BrokerContext& broker,
            const FetchSessionOptions& sessions, MetricsRegistry* metrics);
  DoorState(const DoorState&) = delete;
  DoorState& operator=(const DoorState&) = delete;

  const api::BrokerContext& broker() const { return broker_; }
  DoorMetrics& metrics() { return metrics_; }

  FetchPlan BeginFetch(FetchSessionRequest request);
  FetchTelling EndFetch(const FetchPlan& plan,
                        const std::vector<FetchedItem>& results);

  // One WARNING line, unless this host had one within the last minute.
  void LogRefusal(const std::string& host, const std::string& what);

 private:
  void UpdateSessionMetrics();

  const api::BrokerContext& broker_;
  DoorMetrics metrics_;
  std::mutex sessions_mutex_;
  FetchSessions sessions_;
  std::mutex throttle_mutex_;
  LogThrottle throttle_;
};

}  // namespace sillok::kafka_door

#endif  // SILLOK_BROKER_KAFKA_DOOR_STATE_H_
