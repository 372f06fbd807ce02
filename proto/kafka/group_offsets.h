// A group's offsets: OffsetCommit (8), OffsetFetch (9), OffsetDelete (47).
#ifndef SILLOK_PROTO_KAFKA_GROUP_OFFSETS_H_
#define SILLOK_PROTO_KAFKA_GROUP_OFFSETS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/kafka/message.h"

namespace sillok::kafka {

struct OffsetCommitRequest {
  static constexpr MessageInfo kInfo{"OffsetCommitRequest", 8, 2, 9, 8};

  struct OffsetCommitRequestTopic {
    struct OffsetCommitRequestPartition {
      int32_t partition_index = 0;
      int64_t committed_offset = 0;
      int32_t committed_leader_epoch = -1;
      std::optional<std::string> committed_metadata{""};

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition_index", m.partition_index);
        v.Field("committed_offset", m.committed_offset);
        v.Field("committed_leader_epoch", m.committed_leader_epoch,
                {.since = 6});
        v.Field("committed_metadata", m.committed_metadata,
                {.nullable_since = 0});
      }
    };

    std::string name;
    std::vector<OffsetCommitRequestPartition> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partitions", m.partitions);
    }
  };

  std::string group_id;
  int32_t generation_id_or_member_epoch = -1;
  std::string member_id;
  std::optional<std::string> group_instance_id;
  // -1: the broker decides.
  int64_t retention_time_ms = -1;
  std::vector<OffsetCommitRequestTopic> topics;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("group_id", m.group_id);
    v.Field("generation_id_or_member_epoch", m.generation_id_or_member_epoch);
    v.Field("member_id", m.member_id);
    v.Field("group_instance_id", m.group_instance_id,
            {.since = 7, .nullable_since = 0});
    v.Field("retention_time_ms", m.retention_time_ms, {.until = 4});
    v.Field("topics", m.topics);
  }
};

struct OffsetCommitResponse {
  static constexpr MessageInfo kInfo{"OffsetCommitResponse", 8, 2, 9, 8};

  struct OffsetCommitResponseTopic {
    struct OffsetCommitResponsePartition {
      int32_t partition_index = 0;
      int16_t error_code = 0;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition_index", m.partition_index);
        v.Field("error_code", m.error_code);
      }
    };

    std::string name;
    std::vector<OffsetCommitResponsePartition> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partitions", m.partitions);
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<OffsetCommitResponseTopic> topics;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms, {.since = 3});
    v.Field("topics", m.topics);
  }
};

struct OffsetFetchRequest {
  static constexpr MessageInfo kInfo{"OffsetFetchRequest", 9, 1, 9, 6};

  struct OffsetFetchRequestTopic {
    std::string name;
    std::vector<int32_t> partition_indexes;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partition_indexes", m.partition_indexes);
    }
  };

  struct OffsetFetchRequestGroup {
    struct OffsetFetchRequestTopics {
      std::string name;
      std::vector<int32_t> partition_indexes;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("name", m.name);
        v.Field("partition_indexes", m.partition_indexes);
      }
    };

    std::string group_id;
    std::optional<std::string> member_id;
    int32_t member_epoch = -1;
    // Null = all the group has.
    std::optional<std::vector<OffsetFetchRequestTopics>> topics{std::in_place};

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("group_id", m.group_id);
      v.Field("member_id", m.member_id, {.since = 9, .nullable_since = 0});
      v.Field("member_epoch", m.member_epoch, {.since = 9});
      v.Field("topics", m.topics, {.nullable_since = 0});
    }
  };

  std::string group_id;
  // Null = all the group has.
  std::optional<std::vector<OffsetFetchRequestTopic>> topics{std::in_place};
  std::vector<OffsetFetchRequestGroup> groups;
  bool require_stable = false;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("group_id", m.group_id, {.until = 7});
    v.Field("topics", m.topics, {.until = 7, .nullable_since = 2});
    v.Field("groups", m.groups, {.since = 8});
    v.Field("require_stable", m.require_stable, {.since = 7});
  }
};

struct OffsetFetchResponse {
  static constexpr MessageInfo kInfo{"OffsetFetchResponse", 9, 1, 9, 6};

  struct OffsetFetchResponseTopic {
    struct OffsetFetchResponsePartition {
      int32_t partition_index = 0;
      int64_t committed_offset = 0;
      int32_t committed_leader_epoch = -1;
      std::optional<std::string> metadata{""};
      int16_t error_code = 0;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition_index", m.partition_index);
        v.Field("committed_offset", m.committed_offset);
        v.Field("committed_leader_epoch", m.committed_leader_epoch,
                {.since = 5});
        v.Field("metadata", m.metadata, {.nullable_since = 0});
        v.Field("error_code", m.error_code);
      }
    };

    std::string name;
    std::vector<OffsetFetchResponsePartition> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partitions", m.partitions);
    }
  };

  struct OffsetFetchResponseGroup {
    struct OffsetFetchResponseTopics {
      struct OffsetFetchResponsePartitions {
        int32_t partition_index = 0;
        int64_t committed_offset = 0;
        int32_t committed_leader_epoch = -1;
        std::optional<std::string> metadata{""};
        int16_t error_code = 0;

        template <typename M, typename V>
        static void Describe(M& m, V& v) {
          v.Field("partition_index", m.partition_index);
          v.Field("committed_offset", m.committed_offset);
          v.Field("committed_leader_epoch", m.committed_leader_epoch);
          v.Field("metadata", m.metadata, {.nullable_since = 0});
          v.Field("error_code", m.error_code);
        }
      };

      std::string name;
      std::vector<OffsetFetchResponsePartitions> partitions;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("name", m.name);
        v.Field("partitions", m.partitions);
      }
    };

    std::string group_id;
    std::vector<OffsetFetchResponseTopics> topics;
    int16_t error_code = 0;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("group_id", m.group_id);
      v.Field("topics", m.topics);
      v.Field("error_code", m.error_code);
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<OffsetFetchResponseTopic> topics;
  int16_t error_code = 0;
  std::vector<OffsetFetchResponseGroup> groups;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms, {.since = 3});
    v.Field("topics", m.topics, {.until = 7});
    v.Field("error_code", m.error_code, {.since = 2, .until = 7});
    v.Field("groups", m.groups, {.since = 8});
  }
};

struct OffsetDeleteRequest {
  static constexpr MessageInfo kInfo{"OffsetDeleteRequest", 47, 0, 0, kNever};

  struct OffsetDeleteRequestTopic {
    struct OffsetDeleteRequestPartition {
      int32_t partition_index = 0;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition_index", m.partition_index);
      }
    };

    std::string name;
    std::vector<OffsetDeleteRequestPartition> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partitions", m.partitions);
    }
  };

  std::string group_id;
  std::vector<OffsetDeleteRequestTopic> topics;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("group_id", m.group_id);
    v.Field("topics", m.topics);
  }
};

struct OffsetDeleteResponse {
  static constexpr MessageInfo kInfo{"OffsetDeleteResponse", 47, 0, 0, kNever};

  struct OffsetDeleteResponseTopic {
    struct OffsetDeleteResponsePartition {
      int32_t partition_index = 0;
      int16_t error_code = 0;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition_index", m.partition_index);
        v.Field("error_code", m.error_code);
      }
    };

    std::string name;
    std::vector<OffsetDeleteResponsePartition> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partitions", m.partitions);
    }
  };

  int16_t error_code = 0;
  int32_t throttle_time_ms = 0;
  std::vector<OffsetDeleteResponseTopic> topics;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("error_code", m.error_code);
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("topics", m.topics);
  }
};

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_GROUP_OFFSETS_H_
