#include "broker/api/broker_context.h"

namespace sillok::api {

ApiMetrics::ApiMetrics(MetricsRegistry* registry)
    : produce_bytes(registry->AddCounter("sillok_api_produce_bytes_total",
                                         "Bytes of batches appended for "
                                         "producers.")),
      fetch_bytes(registry->AddCounter("sillok_api_fetch_bytes_total",
                                       "Bytes of batches sent to consumers.")),
      replica_fetch_bytes(
          registry->AddCounter("sillok_api_replica_fetch_bytes_total",
                               "Bytes of batches sent to followers.")),
      produce_errors(registry->AddCounter(
          "sillok_api_produce_errors_total",
          "Partitions of produce requests answered with an error.")),
      fetch_errors(registry->AddCounter(
          "sillok_api_fetch_errors_total",
          "Partitions of fetch requests answered with an error.")),
      produce_seconds(registry->AddHistogram(
          "sillok_api_produce_seconds",
          "Time from a produce request to its answer, waiting for replicas "
          "included.",
          Histogram::LatencyBounds())),
      fetch_seconds(registry->AddHistogram(
          "sillok_api_fetch_seconds",
          "Time from a fetch request to its answer, the long poll included.",
          Histogram::LatencyBounds())) {}

}  // namespace sillok::api
