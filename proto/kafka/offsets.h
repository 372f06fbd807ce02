// Offsets by time and by leader epoch: ListOffsets (2), OffsetForLeaderEpoch
// (23).
#ifndef SILLOK_PROTO_KAFKA_OFFSETS_H_
#define SILLOK_PROTO_KAFKA_OFFSETS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "proto/kafka/message.h"

namespace sillok::kafka {

struct ListOffsetsRequest {
  static constexpr MessageInfo kInfo{"ListOffsetsRequest", 2, 1, 7, 6};

  struct ListOffsetsTopic {
    struct ListOffsetsPartition {
      int32_t partition_index = 0;
      int32_t current_leader_epoch = -1;
      // -1 latest, -2 earliest, -3 the record of the largest timestamp.
      int64_t timestamp = 0;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition_index", m.partition_index);
        v.Field("current_leader_epoch", m.current_leader_epoch, {.since = 4});
        v.Field("timestamp", m.timestamp);
      }
    };

    std::string name;
    std::vector<ListOffsetsPartition> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partitions", m.partitions);
    }
  };

  int32_t replica_id = 0;
  int8_t isolation_level = 0;
  std::vector<ListOffsetsTopic> topics;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("replica_id", m.replica_id);
    v.Field("isolation_level", m.isolation_level, {.since = 2});
    v.Field("topics", m.topics);
  }
};

struct ListOffsetsResponse {
  static constexpr MessageInfo kInfo{"ListOffsetsResponse", 2, 1, 7, 6};

  struct ListOffsetsTopicResponse {
    struct ListOffsetsPartitionResponse {
      int32_t partition_index = 0;
      int16_t error_code = 0;
      int64_t timestamp = -1;
      int64_t offset = -1;
      int32_t leader_epoch = -1;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition_index", m.partition_index);
        v.Field("error_code", m.error_code);
        v.Field("timestamp", m.timestamp);
        v.Field("offset", m.offset);
        v.Field("leader_epoch", m.leader_epoch, {.since = 4});
      }
    };

    std::string name;
    std::vector<ListOffsetsPartitionResponse> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partitions", m.partitions);
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<ListOffsetsTopicResponse> topics;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms, {.since = 2});
    v.Field("topics", m.topics);
  }
};

struct OffsetForLeaderEpochRequest {
  static constexpr MessageInfo kInfo{"OffsetForLeaderEpochRequest", 23, 2, 4,
                                     4};

  struct OffsetForLeaderTopic {
    struct OffsetForLeaderPartition {
      int32_t partition = 0;
      int32_t current_leader_epoch = -1;
      int32_t leader_epoch = 0;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition", m.partition);
        v.Field("current_leader_epoch", m.current_leader_epoch);
        v.Field("leader_epoch", m.leader_epoch);
      }
    };

    std::string topic;
    std::vector<OffsetForLeaderPartition> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("topic", m.topic);
      v.Field("partitions", m.partitions);
    }
  };

  int32_t replica_id = -2;
  std::vector<OffsetForLeaderTopic> topics;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("replica_id", m.replica_id, {.since = 3});
    v.Field("topics", m.topics);
  }
};

struct OffsetForLeaderEpochResponse {
  static constexpr MessageInfo kInfo{"OffsetForLeaderEpochResponse", 23, 2, 4,
                                     4};

  struct OffsetForLeaderTopicResult {
    struct EpochEndOffset {
      int16_t error_code = 0;
      int32_t partition = 0;
      int32_t leader_epoch = -1;
      int64_t end_offset = -1;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("error_code", m.error_code);
        v.Field("partition", m.partition);
        v.Field("leader_epoch", m.leader_epoch);
        v.Field("end_offset", m.end_offset);
      }
    };

    std::string topic;
    std::vector<EpochEndOffset> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("topic", m.topic);
      v.Field("partitions", m.partitions);
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<OffsetForLeaderTopicResult> topics;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("topics", m.topics);
  }
};

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_OFFSETS_H_
