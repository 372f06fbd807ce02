// What a transactional producer sends: InitProducerId (22), AddPartitionsToTxn
// (24), AddOffsetsToTxn (25), EndTxn (26), TxnOffsetCommit (28).
#ifndef SILLOK_PROTO_KAFKA_TRANSACTIONS_H_
#define SILLOK_PROTO_KAFKA_TRANSACTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/kafka/message.h"

namespace sillok::kafka {

struct InitProducerIdRequest {
  static constexpr MessageInfo kInfo{"InitProducerIdRequest", 22, 0, 4, 2};

  std::optional<std::string> transactional_id{""};
  int32_t transaction_timeout_ms = 0;
  int64_t producer_id = -1;
  int16_t producer_epoch = -1;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("transactional_id", m.transactional_id, {.nullable_since = 0});
    v.Field("transaction_timeout_ms", m.transaction_timeout_ms);
    v.Field("producer_id", m.producer_id, {.since = 3});
    v.Field("producer_epoch", m.producer_epoch, {.since = 3});
  }
};

struct InitProducerIdResponse {
  static constexpr MessageInfo kInfo{"InitProducerIdResponse", 22, 0, 4, 2};

  int32_t throttle_time_ms = 0;
  int16_t error_code = 0;
  int64_t producer_id = -1;
  int16_t producer_epoch = 0;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("error_code", m.error_code);
    v.Field("producer_id", m.producer_id);
    v.Field("producer_epoch", m.producer_epoch);
  }
};

struct AddPartitionsToTxnRequest {
  static constexpr MessageInfo kInfo{"AddPartitionsToTxnRequest", 24, 0, 3, 3};

  struct AddPartitionsToTxnTopic {
    std::string name;
    std::vector<int32_t> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partitions", m.partitions);
    }
  };

  std::string v3_and_below_transactional_id;
  int64_t v3_and_below_producer_id = 0;
  int16_t v3_and_below_producer_epoch = 0;
  std::vector<AddPartitionsToTxnTopic> v3_and_below_topics;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("v3_and_below_transactional_id", m.v3_and_below_transactional_id);
    v.Field("v3_and_below_producer_id", m.v3_and_below_producer_id);
    v.Field("v3_and_below_producer_epoch", m.v3_and_below_producer_epoch);
    v.Field("v3_and_below_topics", m.v3_and_below_topics);
  }
};

struct AddPartitionsToTxnResponse {
  static constexpr MessageInfo kInfo{"AddPartitionsToTxnResponse", 24, 0, 3, 3};

  struct AddPartitionsToTxnPartitionResult {
    int32_t partition_index = 0;
    int16_t partition_error_code = 0;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("partition_index", m.partition_index);
      v.Field("partition_error_code", m.partition_error_code);
    }
  };

  struct AddPartitionsToTxnTopicResult {
    std::string name;
    std::vector<AddPartitionsToTxnPartitionResult> results_by_partition;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("results_by_partition", m.results_by_partition);
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<AddPartitionsToTxnTopicResult> results_by_topic_v3_and_below;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("results_by_topic_v3_and_below", m.results_by_topic_v3_and_below);
  }
};

struct AddOffsetsToTxnRequest {
  static constexpr MessageInfo kInfo{"AddOffsetsToTxnRequest", 25, 0, 3, 3};

  std::string transactional_id;
  int64_t producer_id = 0;
  int16_t producer_epoch = 0;
  std::string group_id;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("transactional_id", m.transactional_id);
    v.Field("producer_id", m.producer_id);
    v.Field("producer_epoch", m.producer_epoch);
    v.Field("group_id", m.group_id);
  }
};

struct AddOffsetsToTxnResponse {
  static constexpr MessageInfo kInfo{"AddOffsetsToTxnResponse", 25, 0, 3, 3};

  int32_t throttle_time_ms = 0;
  int16_t error_code = 0;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("error_code", m.error_code);
  }
};

struct EndTxnRequest {
  static constexpr MessageInfo kInfo{"EndTxnRequest", 26, 0, 3, 3};

  std::string transactional_id;
  int64_t producer_id = 0;
  int16_t producer_epoch = 0;
  bool committed = false;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("transactional_id", m.transactional_id);
    v.Field("producer_id", m.producer_id);
    v.Field("producer_epoch", m.producer_epoch);
    v.Field("committed", m.committed);
  }
};

struct EndTxnResponse {
  static constexpr MessageInfo kInfo{"EndTxnResponse", 26, 0, 3, 3};

  int32_t throttle_time_ms = 0;
  int16_t error_code = 0;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("error_code", m.error_code);
  }
};

struct TxnOffsetCommitRequest {
  static constexpr MessageInfo kInfo{"TxnOffsetCommitRequest", 28, 0, 3, 3};

  struct TxnOffsetCommitRequestTopic {
    struct TxnOffsetCommitRequestPartition {
      int32_t partition_index = 0;
      int64_t committed_offset = 0;
      int32_t committed_leader_epoch = -1;
      std::optional<std::string> committed_metadata{""};

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition_index", m.partition_index);
        v.Field("committed_offset", m.committed_offset);
        v.Field("committed_leader_epoch", m.committed_leader_epoch,
                {.since = 2});
        v.Field("committed_metadata", m.committed_metadata,
                {.nullable_since = 0});
      }
    };

    std::string name;
    std::vector<TxnOffsetCommitRequestPartition> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partitions", m.partitions);
    }
  };

  std::string transactional_id;
  std::string group_id;
  int64_t producer_id = 0;
  int16_t producer_epoch = 0;
  int32_t generation_id = -1;
  std::string member_id;
  std::optional<std::string> group_instance_id;
  std::vector<TxnOffsetCommitRequestTopic> topics;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("transactional_id", m.transactional_id);
    v.Field("group_id", m.group_id);
    v.Field("producer_id", m.producer_id);
    v.Field("producer_epoch", m.producer_epoch);
    v.Field("generation_id", m.generation_id, {.since = 3});
    v.Field("member_id", m.member_id, {.since = 3});
    v.Field("group_instance_id", m.group_instance_id,
            {.since = 3, .nullable_since = 0});
    v.Field("topics", m.topics);
  }
};

struct TxnOffsetCommitResponse {
  static constexpr MessageInfo kInfo{"TxnOffsetCommitResponse", 28, 0, 3, 3};

  struct TxnOffsetCommitResponseTopic {
    struct TxnOffsetCommitResponsePartition {
      int32_t partition_index = 0;
      int16_t error_code = 0;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition_index", m.partition_index);
        v.Field("error_code", m.error_code);
      }
    };

    std::string name;
    std::vector<TxnOffsetCommitResponsePartition> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partitions", m.partitions);
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<TxnOffsetCommitResponseTopic> topics;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("topics", m.topics);
  }
};

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_TRANSACTIONS_H_
