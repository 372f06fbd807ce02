// Fetch (1).
#ifndef SILLOK_PROTO_KAFKA_FETCH_H_
#define SILLOK_PROTO_KAFKA_FETCH_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "proto/kafka/message.h"

namespace sillok::kafka {

// From v13 on topics are named by id alone.
struct FetchRequest {
  static constexpr MessageInfo kInfo{"FetchRequest", 1, 4, 16, 12};

  struct ReplicaState {
    int32_t replica_id = -1;
    int64_t replica_epoch = -1;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("replica_id", m.replica_id);
      v.Field("replica_epoch", m.replica_epoch);
    }
    bool operator==(const ReplicaState&) const = default;
  };

  struct FetchTopic {
    struct FetchPartition {
      int32_t partition = 0;
      int32_t current_leader_epoch = -1;
      int64_t fetch_offset = 0;
      int32_t last_fetched_epoch = -1;
      int64_t log_start_offset = -1;
      int32_t partition_max_bytes = 0;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition", m.partition);
        v.Field("current_leader_epoch", m.current_leader_epoch, {.since = 9});
        v.Field("fetch_offset", m.fetch_offset);
        v.Field("last_fetched_epoch", m.last_fetched_epoch, {.since = 12});
        v.Field("log_start_offset", m.log_start_offset, {.since = 5});
        v.Field("partition_max_bytes", m.partition_max_bytes);
      }
    };

    std::string topic;
    Uuid topic_id{};
    std::vector<FetchPartition> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("topic", m.topic, {.until = 12});
      v.Field("topic_id", m.topic_id, {.since = 13});
      v.Field("partitions", m.partitions);
    }
  };

  struct ForgottenTopic {
    std::string topic;
    Uuid topic_id{};
    std::vector<int32_t> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("topic", m.topic, {.until = 12});
      v.Field("topic_id", m.topic_id, {.since = 13});
      v.Field("partitions", m.partitions);
    }
  };

  int32_t replica_id = -1;
  int32_t max_wait_ms = 0;
  int32_t min_bytes = 0;
  int32_t max_bytes = INT32_MAX;
  int8_t isolation_level = 0;
  int32_t session_id = 0;
  int32_t session_epoch = -1;
  std::vector<FetchTopic> topics;
  std::vector<ForgottenTopic> forgotten_topics_data;
  std::string rack_id;
  std::optional<std::string> cluster_id;
  ReplicaState replica_state;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("replica_id", m.replica_id, {.until = 14});
    v.Field("max_wait_ms", m.max_wait_ms);
    v.Field("min_bytes", m.min_bytes);
    v.Field("max_bytes", m.max_bytes);
    v.Field("isolation_level", m.isolation_level);
    v.Field("session_id", m.session_id, {.since = 7});
    v.Field("session_epoch", m.session_epoch, {.since = 7});
    v.Field("topics", m.topics);
    v.Field("forgotten_topics_data", m.forgotten_topics_data, {.since = 7});
    v.Field("rack_id", m.rack_id, {.since = 11});
    v.Tagged(0, "cluster_id", m.cluster_id, {.since = 12, .nullable_since = 0});
    v.Tagged(1, "replica_state", m.replica_state, {.since = 15});
  }
};

// A partition's records may be null or empty; its last batch may be cut off.
struct FetchResponse {
  static constexpr MessageInfo kInfo{"FetchResponse", 1, 4, 16, 12};

  struct FetchableTopicResponse {
    struct PartitionData {
      struct EpochEndOffset {
        int32_t epoch = -1;
        int64_t end_offset = -1;

        template <typename M, typename V>
        static void Describe(M& m, V& v) {
          v.Field("epoch", m.epoch);
          v.Field("end_offset", m.end_offset);
        }
        bool operator==(const EpochEndOffset&) const = default;
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

      struct SnapshotId {
        int64_t end_offset = -1;
        int32_t epoch = -1;

        template <typename M, typename V>
        static void Describe(M& m, V& v) {
          v.Field("end_offset", m.end_offset);
          v.Field("epoch", m.epoch);
        }
        bool operator==(const SnapshotId&) const = default;
      };

      struct AbortedTransaction {
        int64_t producer_id = 0;
        int64_t first_offset = 0;

        template <typename M, typename V>
        static void Describe(M& m, V& v) {
          v.Field("producer_id", m.producer_id);
          v.Field("first_offset", m.first_offset);
        }
      };

      int32_t partition_index = 0;
      int16_t error_code = 0;
      int64_t high_watermark = 0;
      int64_t last_stable_offset = -1;
      int64_t log_start_offset = -1;
      std::optional<std::vector<AbortedTransaction>> aborted_transactions{
          std::in_place};
      int32_t preferred_read_replica = -1;
      std::optional<Bytes> records{std::in_place};
      EpochEndOffset diverging_epoch;
      LeaderIdAndEpoch current_leader;
      SnapshotId snapshot_id;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition_index", m.partition_index);
        v.Field("error_code", m.error_code);
        v.Field("high_watermark", m.high_watermark);
        v.Field("last_stable_offset", m.last_stable_offset);
        v.Field("log_start_offset", m.log_start_offset, {.since = 5});
        v.Field("aborted_transactions", m.aborted_transactions,
                {.nullable_since = 0});
        v.Field("preferred_read_replica", m.preferred_read_replica,
                {.since = 11});
        v.Field("records", m.records, {.nullable_since = 0});
        v.Tagged(0, "diverging_epoch", m.diverging_epoch, {.since = 12});
        v.Tagged(1, "current_leader", m.current_leader, {.since = 12});
        v.Tagged(2, "snapshot_id", m.snapshot_id, {.since = 12});
      }
    };

    std::string topic;
    Uuid topic_id{};
    std::vector<PartitionData> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("topic", m.topic, {.until = 12});
      v.Field("topic_id", m.topic_id, {.since = 13});
      v.Field("partitions", m.partitions);
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

  int32_t throttle_time_ms = 0;
  int16_t error_code = 0;
  // 0 = no fetch session.
  int32_t session_id = 0;
  std::vector<FetchableTopicResponse> responses;
  std::vector<NodeEndpoint> node_endpoints;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("error_code", m.error_code, {.since = 7});
    v.Field("session_id", m.session_id, {.since = 7});
    v.Field("responses", m.responses);
    v.Tagged(0, "node_endpoints", m.node_endpoints, {.since = 16});
  }
};

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_FETCH_H_
