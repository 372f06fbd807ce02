// Produce (0).
#ifndef SILLOK_PROTO_KAFKA_PRODUCE_H_
#define SILLOK_PROTO_KAFKA_PRODUCE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "proto/kafka/message.h"

namespace sillok::kafka {

struct ProduceRequest {
  static constexpr MessageInfo kInfo{"ProduceRequest", 0, 0, 11, 9};

  struct TopicProduceData {
    struct PartitionProduceData {
      int32_t index = 0;
      std::optional<Bytes> records{std::in_place};

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("index", m.index);
        v.Field("records", m.records, {.nullable_since = 0});
      }
    };

    std::string name;
    std::vector<PartitionProduceData> partition_data;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partition_data", m.partition_data);
    }
  };

  std::optional<std::string> transactional_id;
  // 0: no answer is sent at all.
  int16_t acks = 0;
  int32_t timeout_ms = 0;
  std::vector<TopicProduceData> topic_data;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("transactional_id", m.transactional_id,
            {.since = 3, .nullable_since = 0});
    v.Field("acks", m.acks);
    v.Field("timeout_ms", m.timeout_ms);
    v.Field("topic_data", m.topic_data);
  }
};

struct ProduceResponse {
  static constexpr MessageInfo kInfo{"ProduceResponse", 0, 0, 11, 9};

  struct TopicProduceResponse {
    struct PartitionProduceResponse {
      struct BatchIndexAndErrorMessage {
        int32_t batch_index = 0;
        std::optional<std::string> batch_index_error_message;

        template <typename M, typename V>
        static void Describe(M& m, V& v) {
          v.Field("batch_index", m.batch_index);
          v.Field("batch_index_error_message", m.batch_index_error_message,
                  {.nullable_since = 0});
        }
      };

      struct LeaderIdAndEpoch {
        int32_t leader_id = -1;
        int32_t leader_epoch = -1;

        template <typename M, typename V>
        static void Describe(M& m, V& v) {
          v.Field("leader_id", m.leader_id);
          v.Field("leader_epoch", m.leader_epoch);
        }
        bool operator==(const LeaderIdAndEpoch&) const = default;
      };

      int32_t index = 0;
      int16_t error_code = 0;
      int64_t base_offset = 0;
      int64_t log_append_time_ms = -1;
      int64_t log_start_offset = -1;
      std::vector<BatchIndexAndErrorMessage> record_errors;
      std::optional<std::string> error_message;
      LeaderIdAndEpoch current_leader;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("index", m.index);
        v.Field("error_code", m.error_code);
        v.Field("base_offset", m.base_offset);
        v.Field("log_append_time_ms", m.log_append_time_ms, {.since = 2});
        v.Field("log_start_offset", m.log_start_offset, {.since = 5});
        v.Field("record_errors", m.record_errors, {.since = 8});
        v.Field("error_message", m.error_message,
                {.since = 8, .nullable_since = 0});
        v.Tagged(0, "current_leader", m.current_leader, {.since = 10});
      }
    };

    std::string name;
    std::vector<PartitionProduceResponse> partition_responses;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partition_responses", m.partition_responses);
    }
  };

  struct NodeEndpoint {
    int32_t node_id = 0;
    std::string host;
    int32_t port = 0;
    std::optional<std::string> rack;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("node_id", m.node_id);
      v.Field("host", m.host);
      v.Field("port", m.port);
      v.Field("rack", m.rack, {.nullable_since = 0});
    }
  };

  std::vector<TopicProduceResponse> responses;
  int32_t throttle_time_ms = 0;
  std::vector<NodeEndpoint> node_endpoints;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("responses", m.responses);
    v.Field("throttle_time_ms", m.throttle_time_ms, {.since = 1});
    v.Tagged(0, "node_endpoints", m.node_endpoints, {.since = 10});
  }
};

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_PRODUCE_H_
