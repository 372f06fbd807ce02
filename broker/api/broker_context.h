// What the handlers of client requests stand on.
//
// A handler is transport-neutral: a door decodes a request, calls the handler,
// and encodes what comes back through the callback. No behaviour lives in a
// door. Handlers are thread-safe and never block; each callback runs exactly
// once, on any thread, possibly before the call returns.
#ifndef SILLOK_BROKER_API_BROKER_CONTEXT_H_
#define SILLOK_BROKER_API_BROKER_CONTEXT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/ids.h"
#include "base/metrics.h"
#include "base/strand.h"
#include "broker/api/departure.h"
#include "broker/controller/controller_channel.h"
#include "broker/group/group_coordinator.h"
#include "broker/metadata/cluster_view_holder.h"
#include "broker/metadata/dynamic_configs.h"
#include "broker/replication/partition_table.h"
#include "proto/broker.pb.h"

namespace sillok {
class ProducerIds;
}  // namespace sillok

namespace sillok::api {

struct BrokerOptions {
  BrokerId broker_id;
  bool auto_create_topics = true;        // auto.create.topics.enable
  int32_t num_partitions = 1;            // num.partitions
  int32_t replication_factor = 1;        // default.replication.factor
  int32_t fetch_max_bytes = 57'671'680;  // fetch.max.bytes
  int32_t offsets_topic_partitions = 50;
  int32_t offsets_topic_replication_factor = 3;
  int32_t offsets_topic_segment_bytes = 104'857'600;
  std::string log_dir;
  // The broker's configuration by its keys, for DescribeConfigs and as what
  // topics fall back to.
  std::map<std::string, std::string> config;
  struct ConfigEntry {
    std::string name, value, doc;
    bool is_default = true;
    std::string default_value;
    v1::ConfigType type = v1::CONFIG_STRING;
  };
  std::vector<ConfigEntry> config_entries;
};

// What an operator watches; owned by the metrics registry.
struct ApiMetrics {
  explicit ApiMetrics(MetricsRegistry* registry);

  Counter* produce_bytes;
  Counter* fetch_bytes;
  Counter* replica_fetch_bytes;
  Counter* produce_errors;
  Counter* fetch_errors;
  Histogram* produce_seconds;
  Histogram* fetch_seconds;
};

// Everything it points to outlives the handlers' callbacks.
struct BrokerContext {
  BrokerOptions options;
  ClusterViewHolder* cluster = nullptr;
  PartitionTable* partitions = nullptr;
  GroupCoordinator* groups = nullptr;
  ProducerIds* producer_ids = nullptr;
  ControllerChannel* controller = nullptr;
  // What was set for brokers while they run; null = nothing.
  const DynamicConfigWatch* dynamic_configs = nullptr;
  const Clock* clock = nullptr;
  ApiMetrics* metrics = nullptr;
  // True while the coordinator cannot have expired this broker's session, so
  // that nobody else leads what it leads
  // (docs/decisions/0001-sessions-lease-for-weak-acks.md). Cheap.
  std::function<bool()> holds_lease;
};

// Who asks, as far as the door knows.
struct RequestContext {
  std::string client_host;  // "/127.0.0.1"
  std::string client_id;    // as the client calls itself; may be empty
  // Name of the listener the request came in by: metadata tells the endpoints
  // of the same one.
  std::string listener = "GRPC";
  // Requests that wait end when the caller leaves. Null: it stays.
  std::shared_ptr<Departure> departure;
};

template <typename Response>
using Done = std::function<void(Response response)>;

}  // namespace sillok::api

#endif  // SILLOK_BROKER_API_BROKER_CONTEXT_H_
