// What the Kafka door counts. Labels are bounded: the APIs served, the error
// codes there are.
#ifndef SILLOK_BROKER_KAFKA_DOOR_METRICS_H_
#define SILLOK_BROKER_KAFKA_DOOR_METRICS_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>

#include "base/metrics.h"
#include "broker/kafka/error_collector.h"

namespace sillok::kafka_door {

// Why a request was not even handed to a handler's API; each ends its
// connection.
enum class RefusalReason { kBadFrame, kBadHeader, kUnknownApi, kBadVersion,
                           kBadBody };

// Thread-safe.
class DoorMetrics {
 public:
  // `registry` may be null: nothing is counted.
  explicit DoorMetrics(MetricsRegistry* registry);

  void CountRequest(int16_t api_key, double seconds,
                    const ErrorCounts& errors);
  void CountRefusal(RefusalReason reason);
  void SetFetchSessions(int64_t sessions, int64_t partitions,
                        int64_t evictions);

 private:
  static constexpr int16_t kMaxError = 160;
  struct Api {
    const char* name = nullptr;
    Counter* requests = nullptr;
    Histogram* seconds = nullptr;
    // By error code + 1; made when first seen.
    std::unique_ptr<std::atomic<Counter*>[]> errors;
  };

  MetricsRegistry* const registry_;
  std::map<int16_t, Api> apis_;  // constant after construction
  Counter* refusals_[5] = {};
  Gauge* fetch_sessions_ = nullptr;
  Gauge* fetch_session_partitions_ = nullptr;
  Gauge* fetch_session_evictions_ = nullptr;
};

}  // namespace sillok::kafka_door

#endif  // SILLOK_BROKER_KAFKA_DOOR_METRICS_H_
