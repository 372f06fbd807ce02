// Where replicas live and lead: DescribeLogDirs (35), ElectLeaders (43),
// AlterPartitionReassignments (45), ListPartitionReassignments (46).
#ifndef SILLOK_PROTO_KAFKA_REPLICA_ADMIN_H_
#define SILLOK_PROTO_KAFKA_REPLICA_ADMIN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/kafka/message.h"

namespace sillok::kafka {

struct DescribeLogDirsRequest {
  static constexpr MessageInfo kInfo{"DescribeLogDirsRequest", 35, 0, 4, 2};

  struct DescribableLogDirTopic {
    std::string topic;
    std::vector<int32_t> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("topic", m.topic);
      v.Field("partitions", m.partitions);
    }
  };

  std::optional<std::vector<DescribableLogDirTopic>> topics{std::in_place};

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("topics", m.topics, {.nullable_since = 0});
  }
};

struct DescribeLogDirsResponse {
  static constexpr MessageInfo kInfo{"DescribeLogDirsResponse", 35, 0, 4, 2};

  struct DescribeLogDirsResult {
    struct DescribeLogDirsTopic {
      struct DescribeLogDirsPartition {
        int32_t partition_index = 0;
        int64_t partition_size = 0;
        int64_t offset_lag = 0;
        bool is_future_key = false;

        template <typename M, typename V>
        static void Describe(M& m, V& v) {
          v.Field("partition_index", m.partition_index);
          v.Field("partition_size", m.partition_size);
          v.Field("offset_lag", m.offset_lag);
          v.Field("is_future_key", m.is_future_key);
        }
      };

      std::string name;
      std::vector<DescribeLogDirsPartition> partitions;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("name", m.name);
        v.Field("partitions", m.partitions);
      }
    };

    int16_t error_code = 0;
    std::string log_dir;
    std::vector<DescribeLogDirsTopic> topics;
    int64_t total_bytes = -1;
    int64_t usable_bytes = -1;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("error_code", m.error_code);
      v.Field("log_dir", m.log_dir);
      v.Field("topics", m.topics);
      v.Field("total_bytes", m.total_bytes, {.since = 4});
      v.Field("usable_bytes", m.usable_bytes, {.since = 4});
    }
  };

  int32_t throttle_time_ms = 0;
  int16_t error_code = 0;
  std::vector<DescribeLogDirsResult> results;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("error_code", m.error_code, {.since = 3});
    v.Field("results", m.results);
  }
};

struct ElectLeadersRequest {
  static constexpr MessageInfo kInfo{"ElectLeadersRequest", 43, 0, 2, 2};

  struct TopicPartitions {
    std::string topic;
    std::vector<int32_t> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("topic", m.topic);
      v.Field("partitions", m.partitions);
    }
  };

  int8_t election_type = 0;
  std::optional<std::vector<TopicPartitions>> topic_partitions{std::in_place};
  int32_t timeout_ms = 60000;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("election_type", m.election_type, {.since = 1});
    v.Field("topic_partitions", m.topic_partitions, {.nullable_since = 0});
    v.Field("timeout_ms", m.timeout_ms);
  }
};

struct ElectLeadersResponse {
  static constexpr MessageInfo kInfo{"ElectLeadersResponse", 43, 0, 2, 2};

  struct ReplicaElectionResult {
    struct PartitionResult {
      int32_t partition_id = 0;
      int16_t error_code = 0;
      std::optional<std::string> error_message{""};

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition_id", m.partition_id);
        v.Field("error_code", m.error_code);
        v.Field("error_message", m.error_message, {.nullable_since = 0});
      }
    };

    std::string topic;
    std::vector<PartitionResult> partition_result;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("topic", m.topic);
      v.Field("partition_result", m.partition_result);
    }
  };

  int32_t throttle_time_ms = 0;
  int16_t error_code = 0;
  std::vector<ReplicaElectionResult> replica_election_results;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("error_code", m.error_code, {.since = 1});
    v.Field("replica_election_results", m.replica_election_results);
  }
};

struct AlterPartitionReassignmentsRequest {
  static constexpr MessageInfo kInfo{"AlterPartitionReassignmentsRequest", 45,
                                     0, 0, 0};

  struct ReassignableTopic {
    struct ReassignablePartition {
      int32_t partition_index = 0;
      std::optional<std::vector<int32_t>> replicas;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition_index", m.partition_index);
        v.Field("replicas", m.replicas, {.nullable_since = 0});
      }
    };

    std::string name;
    std::vector<ReassignablePartition> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partitions", m.partitions);
    }
  };

  int32_t timeout_ms = 60000;
  std::vector<ReassignableTopic> topics;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("timeout_ms", m.timeout_ms);
    v.Field("topics", m.topics);
  }
};

struct AlterPartitionReassignmentsResponse {
  static constexpr MessageInfo kInfo{"AlterPartitionReassignmentsResponse", 45,
                                     0, 0, 0};

  struct ReassignableTopicResponse {
    struct ReassignablePartitionResponse {
      int32_t partition_index = 0;
      int16_t error_code = 0;
      std::optional<std::string> error_message{""};

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition_index", m.partition_index);
        v.Field("error_code", m.error_code);
        v.Field("error_message", m.error_message, {.nullable_since = 0});
      }
    };

    std::string name;
    std::vector<ReassignablePartitionResponse> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partitions", m.partitions);
    }
  };

  int32_t throttle_time_ms = 0;
  int16_t error_code = 0;
  std::optional<std::string> error_message{""};
  std::vector<ReassignableTopicResponse> responses;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("error_code", m.error_code);
    v.Field("error_message", m.error_message, {.nullable_since = 0});
    v.Field("responses", m.responses);
  }
};

struct ListPartitionReassignmentsRequest {
  static constexpr MessageInfo kInfo{"ListPartitionReassignmentsRequest", 46, 0,
                                     0, 0};

  struct ListPartitionReassignmentsTopics {
    std::string name;
    std::vector<int32_t> partition_indexes;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partition_indexes", m.partition_indexes);
    }
  };

  int32_t timeout_ms = 60000;
  std::optional<std::vector<ListPartitionReassignmentsTopics>> topics;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("timeout_ms", m.timeout_ms);
    v.Field("topics", m.topics, {.nullable_since = 0});
  }
};

struct ListPartitionReassignmentsResponse {
  static constexpr MessageInfo kInfo{"ListPartitionReassignmentsResponse", 46,
                                     0, 0, 0};

  struct OngoingTopicReassignment {
    struct OngoingPartitionReassignment {
      int32_t partition_index = 0;
      std::vector<int32_t> replicas;
      std::vector<int32_t> adding_replicas;
      std::vector<int32_t> removing_replicas;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition_index", m.partition_index);
        v.Field("replicas", m.replicas);
        v.Field("adding_replicas", m.adding_replicas);
        v.Field("removing_replicas", m.removing_replicas);
      }
    };

    std::string name;
    std::vector<OngoingPartitionReassignment> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partitions", m.partitions);
    }
  };

  int32_t throttle_time_ms = 0;
  int16_t error_code = 0;
  std::optional<std::string> error_message{""};
  std::vector<OngoingTopicReassignment> topics;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("error_code", m.error_code);
    v.Field("error_message", m.error_message, {.nullable_since = 0});
    v.Field("topics", m.topics);
  }
};

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_REPLICA_ADMIN_H_
