// DescribeProducers (61), DescribeTransactions (65), ListTransactions (66).
#ifndef SILLOK_PROTO_KAFKA_TRANSACTION_ADMIN_H_
#define SILLOK_PROTO_KAFKA_TRANSACTION_ADMIN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/kafka/message.h"

namespace sillok::kafka {

struct DescribeProducersRequest {
  static constexpr MessageInfo kInfo{"DescribeProducersRequest", 61, 0, 0, 0};

  struct TopicRequest {
    std::string name;
    std::vector<int32_t> partition_indexes;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partition_indexes", m.partition_indexes);
    }
  };

  std::vector<TopicRequest> topics;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("topics", m.topics);
  }
};

struct DescribeProducersResponse {
  static constexpr MessageInfo kInfo{"DescribeProducersResponse", 61, 0, 0, 0};

  struct TopicResponse {
    struct PartitionResponse {
      struct ProducerState {
        int64_t producer_id = 0;
        int32_t producer_epoch = 0;
        int32_t last_sequence = -1;
        int64_t last_timestamp = -1;
        int32_t coordinator_epoch = 0;
        int64_t current_txn_start_offset = -1;

        template <typename M, typename V>
        static void Describe(M& m, V& v) {
          v.Field("producer_id", m.producer_id);
          v.Field("producer_epoch", m.producer_epoch);
          v.Field("last_sequence", m.last_sequence);
          v.Field("last_timestamp", m.last_timestamp);
          v.Field("coordinator_epoch", m.coordinator_epoch);
          v.Field("current_txn_start_offset", m.current_txn_start_offset);
        }
      };

      int32_t partition_index = 0;
      int16_t error_code = 0;
      std::optional<std::string> error_message;
      std::vector<ProducerState> active_producers;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("partition_index", m.partition_index);
        v.Field("error_code", m.error_code);
        v.Field("error_message", m.error_message, {.nullable_since = 0});
        v.Field("active_producers", m.active_producers);
      }
    };

    std::string name;
    std::vector<PartitionResponse> partitions;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("partitions", m.partitions);
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<TopicResponse> topics;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("topics", m.topics);
  }
};

struct DescribeTransactionsRequest {
  static constexpr MessageInfo kInfo{"DescribeTransactionsRequest", 65, 0, 0,
                                     0};

  std::vector<std::string> transactional_ids;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("transactional_ids", m.transactional_ids);
  }
};

struct DescribeTransactionsResponse {
  static constexpr MessageInfo kInfo{"DescribeTransactionsResponse", 65, 0, 0,
                                     0};

  struct TransactionState {
    struct TopicData {
      std::string topic;
      std::vector<int32_t> partitions;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("topic", m.topic);
        v.Field("partitions", m.partitions);
      }
    };

    int16_t error_code = 0;
    std::string transactional_id;
    std::string transaction_state;
    int32_t transaction_timeout_ms = 0;
    int64_t transaction_start_time_ms = 0;
    int64_t producer_id = 0;
    int16_t producer_epoch = 0;
    std::vector<TopicData> topics;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("error_code", m.error_code);
      v.Field("transactional_id", m.transactional_id);
      v.Field("transaction_state", m.transaction_state);
      v.Field("transaction_timeout_ms", m.transaction_timeout_ms);
      v.Field("transaction_start_time_ms", m.transaction_start_time_ms);
      v.Field("producer_id", m.producer_id);
      v.Field("producer_epoch", m.producer_epoch);
      v.Field("topics", m.topics);
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<TransactionState> transaction_states;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("transaction_states", m.transaction_states);
  }
};

struct ListTransactionsRequest {
  static constexpr MessageInfo kInfo{"ListTransactionsRequest", 66, 0, 1, 0};

  std::vector<std::string> state_filters;
  std::vector<int64_t> producer_id_filters;
  int64_t duration_filter = -1;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("state_filters", m.state_filters);
    v.Field("producer_id_filters", m.producer_id_filters);
    v.Field("duration_filter", m.duration_filter, {.since = 1});
  }
};

struct ListTransactionsResponse {
  static constexpr MessageInfo kInfo{"ListTransactionsResponse", 66, 0, 1, 0};

  struct TransactionState {
    std::string transactional_id;
    int64_t producer_id = 0;
    std::string transaction_state;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("transactional_id", m.transactional_id);
      v.Field("producer_id", m.producer_id);
      v.Field("transaction_state", m.transaction_state);
    }
  };

  int32_t throttle_time_ms = 0;
  int16_t error_code = 0;
  std::vector<std::string> unknown_state_filters;
  std::vector<TransactionState> transaction_states;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("error_code", m.error_code);
    v.Field("unknown_state_filters", m.unknown_state_filters);
    v.Field("transaction_states", m.transaction_states);
  }
};

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_TRANSACTION_ADMIN_H_
