// What the cluster looks like: Metadata (3), DescribeCluster (60).
#ifndef SILLOK_PROTO_KAFKA_METADATA_H_
#define SILLOK_PROTO_KAFKA_METADATA_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/kafka/message.h"

namespace sillok::kafka {

struct MetadataRequest {
  static constexpr MessageInfo kInfo{"MetadataRequest", 3, 0, 12, 9};

  struct MetadataRequestTopic {
    Uuid topic_id{};
    std::optional<std::string> name{""};

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("topic_id", m.topic_id, {.since = 10});
      v.Field("name", m.name, {.nullable_since = 10});
    }
  };

  // Null = all topics; in v0, which has no null, an empty list means that.
  std::optional<std::vector<MetadataRequestTopic>> topics{std::in_place};
  bool allow_auto_topic_creation = true;
  bool include_cluster_authorized_operations = false;
  bool include_topic_authorized_operations = false;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("topics", m.topics, {.nullable_since = 1});
    v.Field("allow_auto_topic_creation", m.allow_auto_topic_creation,
            {.since = 4});
    v.Field("include_cluster_authorized_operations",
            m.include_cluster_authorized_operations, {.since = 8, .until = 10});
    v.Field("include_topic_authorized_operations",
            m.include_topic_authorized_operations, {.since = 8});
  }
};

struct MetadataResponse {
  static constexpr MessageInfo kInfo{"MetadataResponse", 3, 0, 12, 9};

  struct MetadataResponseBroker {
    int32_t node_id = 0;
    std::string host;
    int32_t port = 0;
    std::optional<std::string> rack;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("node_id", m.node_id);
      v.Field("host", m.host);
      v.Field("port", m.port);
      v.Field("rack", m.rack, {.since = 1, .nullable_since = 0});
    }
  };

  struct MetadataResponseTopic {
    struct MetadataResponsePartition {
      int16_t error_code = 0;
      int32_t partition_index = 0;
      int32_t leader_id = 0;
      int32_t leader_epoch = -1;
      std::vector<int32_t> replica_nodes;
      std::vector<int32_t> isr_nodes;
      std::vector<int32_t> offline_replicas;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("error_code", m.error_code);
        v.Field("partition_index", m.partition_index);
        v.Field("leader_id", m.leader_id);
        v.Field("leader_epoch", m.leader_epoch, {.since = 7});
        v.Field("replica_nodes", m.replica_nodes);
        v.Field("isr_nodes", m.isr_nodes);
        v.Field("offline_replicas", m.offline_replicas, {.since = 5});
      }
    };

    int16_t error_code = 0;
    std::optional<std::string> name{""};
    Uuid topic_id{};
    bool is_internal = false;
    std::vector<MetadataResponsePartition> partitions;
    int32_t topic_authorized_operations = INT32_MIN;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("error_code", m.error_code);
      v.Field("name", m.name, {.nullable_since = 12});
      v.Field("topic_id", m.topic_id, {.since = 10});
      v.Field("is_internal", m.is_internal, {.since = 1});
      v.Field("partitions", m.partitions);
      v.Field("topic_authorized_operations", m.topic_authorized_operations,
              {.since = 8});
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<MetadataResponseBroker> brokers;
  std::optional<std::string> cluster_id;
  int32_t controller_id = -1;
  std::vector<MetadataResponseTopic> topics;
  int32_t cluster_authorized_operations = INT32_MIN;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms, {.since = 3});
    v.Field("brokers", m.brokers);
    v.Field("cluster_id", m.cluster_id, {.since = 2, .nullable_since = 0});
    v.Field("controller_id", m.controller_id, {.since = 1});
    v.Field("topics", m.topics);
    v.Field("cluster_authorized_operations", m.cluster_authorized_operations,
            {.since = 8, .until = 10});
  }
};

struct DescribeClusterRequest {
  static constexpr MessageInfo kInfo{"DescribeClusterRequest", 60, 0, 1, 0};

  bool include_cluster_authorized_operations = false;
  // 1 = brokers.
  int8_t endpoint_type = 1;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("include_cluster_authorized_operations",
            m.include_cluster_authorized_operations);
    v.Field("endpoint_type", m.endpoint_type, {.since = 1});
  }
};

struct DescribeClusterResponse {
  static constexpr MessageInfo kInfo{"DescribeClusterResponse", 60, 0, 1, 0};

  struct DescribeClusterBroker {
    int32_t broker_id = 0;
    std::string host;
    int32_t port = 0;
    std::optional<std::string> rack;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("broker_id", m.broker_id);
      v.Field("host", m.host);
      v.Field("port", m.port);
      v.Field("rack", m.rack, {.nullable_since = 0});
    }
  };

  int32_t throttle_time_ms = 0;
  int16_t error_code = 0;
  std::optional<std::string> error_message;
  int8_t endpoint_type = 1;
  std::string cluster_id;
  int32_t controller_id = -1;
  std::vector<DescribeClusterBroker> brokers;
  int32_t cluster_authorized_operations = INT32_MIN;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("error_code", m.error_code);
    v.Field("error_message", m.error_message, {.nullable_since = 0});
    v.Field("endpoint_type", m.endpoint_type, {.since = 1});
    v.Field("cluster_id", m.cluster_id);
    v.Field("controller_id", m.controller_id);
    v.Field("brokers", m.brokers);
    v.Field("cluster_authorized_operations", m.cluster_authorized_operations);
  }
};

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_METADATA_H_
