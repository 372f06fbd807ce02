// LeaderCalls: questions about partitions that only their leaders can answer. One
// request to each leader; the answers come together. Loop thread only.
#ifndef SILLOK_CLIENT_INTERNAL_LEADER_CALLS_H_
#define SILLOK_CLIENT_INTERNAL_LEADER_CALLS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/ids.h"
#include "client/consumer.h"
#include "client/internal/cluster_client.h"
#include "client/internal/fetch_positions.h"

namespace sillok::client {

class LeaderCalls {
 public:
  LeaderCalls(ClusterClient* cluster, const ConsumerConfig& config)
      : cluster_(cluster), config_(config) {}

  // Every partition asked for has an answer: LEADER_NOT_AVAILABLE and
  // NETWORK_EXCEPTION where none could be had. Stale metadata is refreshed.
  using OffsetAnswers =
      std::map<TopicPartition, std::pair<ErrorCode, OffsetAndTimestamp>>;
  void ListOffsets(const std::map<TopicPartition, int64_t>& times,
                   std::function<void(OffsetAnswers)> done);

  using EpochAnswers = std::map<TopicPartition, FetchPositions::EpochEnd>;
  void EpochEnds(const std::vector<FetchPositions::Validation>& asked,
                 std::function<void(EpochAnswers)> done);

 private:
  ClusterClient* const cluster_;
  const ConsumerConfig config_;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_LEADER_CALLS_H_
