#include "broker/kafka/door_metrics.h"

#include "base/error.h"
#include "broker/kafka/api_handlers.h"

namespace sillok::kafka_door {
namespace {

constexpr const char* kReasons[] = {"bad_frame", "bad_header", "unknown_api",
                                    "unsupported_version", "bad_body"};

}  // namespace

DoorMetrics::DoorMetrics(MetricsRegistry* registry) : registry_(registry) {
  if (registry == nullptr) return;
  for (const ServedApi& served : ServedApis()) {
    Api& api = apis_[served.range.key];
    api.name = served.range.name;
    api.requests = registry->AddCounter(
        "sillok_kafka_requests_total",
        "Requests of the Kafka protocol that were answered.",
        {{"api", api.name}});
    api.seconds = registry->AddHistogram(
        "sillok_kafka_request_seconds",
        "From a request's arrival to its answer, waiting wanted by the client "
        "included.",
        Histogram::LatencyBounds(), {{"api", api.name}});
    api.errors = std::make_unique<std::atomic<Counter*>[]>(kMaxError + 2);
  }
  for (int i = 0; i < 5; ++i) {
    refusals_[i] = registry->AddCounter(
        "sillok_kafka_refused_requests_total",
        "Requests that could not be read or are not served; their connections "
        "were closed.",
        {{"reason", kReasons[i]}});
  }
  fetch_sessions_ = registry->AddGauge("sillok_kafka_fetch_sessions",
                                       "Fetch sessions remembered.");
  fetch_session_partitions_ =
      registry->AddGauge("sillok_kafka_fetch_session_partitions",
                         "Partitions of all fetch sessions.");
  fetch_session_evictions_ = registry->AddGauge(
      "sillok_kafka_fetch_session_evictions",
      "Fetch sessions forgotten to make room, since the start.");
}

void DoorMetrics::CountRequest(int16_t api_key, double seconds,
                               const ErrorCounts& errors) {
  auto found = apis_.find(api_key);
  if (found == apis_.end()) return;
  Api& api = found->second;
  api.requests->Add();
  api.seconds->Observe(seconds);
  for (const auto& [code, count] : errors) {
    if (code < -1 || code > kMaxError) continue;
    std::atomic<Counter*>& place = api.errors[code + 1];
    Counter* counter = place.load(std::memory_order_acquire);
    if (counter == nullptr) {
      // Asking twice gives the same counter.
      counter = registry_->AddCounter(
          "sillok_kafka_errors_total",
          "Error codes in answers of the Kafka protocol.",
          {{"api", api.name}, {"error", ErrorName(ErrorCodeFromNumber(code))}});
      place.store(counter, std::memory_order_release);
    }
    counter->Add(count);
  }
}

void DoorMetrics::CountRefusal(RefusalReason reason) {
  if (registry_ != nullptr) refusals_[static_cast<int>(reason)]->Add();
}

void DoorMetrics::SetFetchSessions(int64_t sessions, int64_t partitions,
                                   int64_t evictions) {
  if (registry_ == nullptr) return;
  fetch_sessions_->Set(static_cast<double>(sessions));
  fetch_session_partitions_->Set(static_cast<double>(partitions));
  fetch_session_evictions_->Set(static_cast<double>(evictions));
}

}  // namespace sillok::kafka_door
