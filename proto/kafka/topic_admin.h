// CreateTopics (19), DeleteTopics (20), DeleteRecords (21), CreatePartitions
// (37).
#ifndef SILLOK_PROTO_KAFKA_TOPIC_ADMIN_H_
#define SILLOK_PROTO_KAFKA_TOPIC_ADMIN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/kafka/message.h"

namespace sillok::kafka {

struct CreateTopicsRequest {
  static constexpr MessageInfo kInfo{"CreateTopicsRequest", 19, 0, 7, 5};

  struct CreatableTopic {
    struct CreatableReplicaAssignment {
      int32_t partition_index = 0;
      std::vector<int32_t> broker_ids;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition_index", m.partition_index);
        v.Field("broker_ids", m.broker_ids);
      }
    };

    struct CreatableTopicConfig {
      std::string name;
      std::optional<std::string> value{""};

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("name", m.name);
        v.Field("value", m.value, {.nullable_since = 0});
      }
    };

    std::string name;
    int32_t num_partitions = 0;
    int16_t replication_factor = 0;
    std::vector<CreatableReplicaAssignment> assignments;
    std::vector<CreatableTopicConfig> configs;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("num_partitions", m.num_partitions);
      v.Field("replication_factor", m.replication_factor);
      v.Field("assignments", m.assignments);
      v.Field("configs", m.configs);
    }
  };

  std::vector<CreatableTopic> topics;
  int32_t timeout_ms = 60000;
  bool validate_only = false;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("topics", m.topics);
    v.Field("timeout_ms", m.timeout_ms);
    v.Field("validate_only", m.validate_only, {.since = 1});
  }
};

struct CreateTopicsResponse {
  static constexpr MessageInfo kInfo{"CreateTopicsResponse", 19, 0, 7, 5};

  struct CreatableTopicResult {
    struct CreatableTopicConfigs {
      std::string name;
      std::optional<std::string> value{""};
      bool read_only = false;
      int8_t config_source = -1;
      bool is_sensitive = false;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("name", m.name);
        v.Field("value", m.value, {.nullable_since = 0});
        v.Field("read_only", m.read_only);
        v.Field("config_source", m.config_source);
        v.Field("is_sensitive", m.is_sensitive);
      }
    };

    std::string name;
    Uuid topic_id{};
    int16_t error_code = 0;
    std::optional<std::string> error_message{""};
    int32_t num_partitions = -1;
    int16_t replication_factor = -1;
    std::optional<std::vector<CreatableTopicConfigs>> configs{std::in_place};
    int16_t topic_config_error_code = 0;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("topic_id", m.topic_id, {.since = 7});
      v.Field("error_code", m.error_code);
      v.Field("error_message", m.error_message,
              {.since = 1, .nullable_since = 0});
      v.Field("num_partitions", m.num_partitions, {.since = 5});
      v.Field("replication_factor", m.replication_factor, {.since = 5});
      v.Field("configs", m.configs, {.since = 5, .nullable_since = 0});
      v.Tagged(0, "topic_config_error_code", m.topic_config_error_code,
               {.since = 5});
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<CreatableTopicResult> topics;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms, {.since = 2});
    v.Field("topics", m.topics);
  }
};

struct DeleteTopicsRequest {
  static constexpr MessageInfo kInfo{"DeleteTopicsRequest", 20, 0, 6, 4};

  struct DeleteTopicState {
    std::optional<std::string> name;
    Uuid topic_id{};

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name, {.nullable_since = 0});
      v.Field("topic_id", m.topic_id);
    }
  };

  std::vector<DeleteTopicState> topics;
  std::vector<std::string> topic_names;
  int32_t timeout_ms = 0;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("topics", m.topics, {.since = 6});
    v.Field("topic_names", m.topic_names, {.until = 5});
    v.Field("timeout_ms", m.timeout_ms);
  }
};

struct DeleteTopicsResponse {
  static constexpr MessageInfo kInfo{"DeleteTopicsResponse", 20, 0, 6, 4};

  struct DeletableTopicResult {
    std::optional<std::string> name{""};
    Uuid topic_id{};
    int16_t error_code = 0;
    std::optional<std::string> error_message;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name, {.nullable_since = 6});
      v.Field("topic_id", m.topic_id, {.since = 6});
      v.Field("error_code", m.error_code);
      v.Field("error_message", m.error_message,
              {.since = 5, .nullable_since = 0});
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<DeletableTopicResult> responses;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms, {.since = 1});
    v.Field("responses", m.responses);
  }
};

struct DeleteRecordsRequest {
  static constexpr MessageInfo kInfo{"DeleteRecordsRequest", 21, 0, 2, 2};

  struct DeleteRecordsTopic {
    struct DeleteRecordsPartition {
      int32_t partition_index = 0;
      int64_t offset = 0;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition_index", m.partition_index);
        v.Field("offset", m.offset);
      }
    };

    std::string name;
    std::vector<DeleteRecordsPartition> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partitions", m.partitions);
    }
  };

  std::vector<DeleteRecordsTopic> topics;
  int32_t timeout_ms = 0;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("topics", m.topics);
    v.Field("timeout_ms", m.timeout_ms);
  }
};

struct DeleteRecordsResponse {
  static constexpr MessageInfo kInfo{"DeleteRecordsResponse", 21, 0, 2, 2};

  struct DeleteRecordsTopicResult {
    struct DeleteRecordsPartitionResult {
      int32_t partition_index = 0;
      int64_t low_watermark = 0;
      int16_t error_code = 0;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition_index", m.partition_index);
        v.Field("low_watermark", m.low_watermark);
        v.Field("error_code", m.error_code);
      }
    };

    std::string name;
    std::vector<DeleteRecordsPartitionResult> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partitions", m.partitions);
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<DeleteRecordsTopicResult> topics;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("topics", m.topics);
  }
};

struct CreatePartitionsRequest {
  static constexpr MessageInfo kInfo{"CreatePartitionsRequest", 37, 0, 3, 2};

  struct CreatePartitionsTopic {
    struct CreatePartitionsAssignment {
      std::vector<int32_t> broker_ids;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("broker_ids", m.broker_ids);
      }
    };

    std::string name;
    int32_t count = 0;
    std::optional<std::vector<CreatePartitionsAssignment>> assignments{
        std::in_place};

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("count", m.count);
      v.Field("assignments", m.assignments, {.nullable_since = 0});
    }
  };

  std::vector<CreatePartitionsTopic> topics;
  int32_t timeout_ms = 0;
  bool validate_only = false;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("topics", m.topics);
    v.Field("timeout_ms", m.timeout_ms);
    v.Field("validate_only", m.validate_only);
  }
};

struct CreatePartitionsResponse {
  static constexpr MessageInfo kInfo{"CreatePartitionsResponse", 37, 0, 3, 2};

  struct CreatePartitionsTopicResult {
    std::string name;
    int16_t error_code = 0;
    std::optional<std::string> error_message;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("error_code", m.error_code);
      v.Field("error_message", m.error_message, {.nullable_since = 0});
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<CreatePartitionsTopicResult> results;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("results", m.results);
  }
};

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_TOPIC_ADMIN_H_
