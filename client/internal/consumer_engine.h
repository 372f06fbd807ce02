// ConsumerEngine: the background half of a consumer. One loop thread that fetches,
// keeps the group membership and talks to the coordinator; the application's half
// (client/consumer.cc) takes what it leaves in ConsumerShared.
//
// Here: what to do next, positions, fetches. The membership is GroupDriver's, the
// questions to leaders are LeaderCalls', those to the coordinator
// CoordinatorClient's.
#ifndef SILLOK_CLIENT_INTERNAL_CONSUMER_ENGINE_H_
#define SILLOK_CLIENT_INTERNAL_CONSUMER_ENGINE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/consumer.h"
#include "client/internal/cluster_client.h"
#include "client/internal/consumer_shared.h"
#include "client/internal/fetcher.h"
#include "client/internal/group_driver.h"
#include "client/internal/leader_calls.h"
#include "client/internal/loop.h"

namespace sillok::client {

class ConsumerEngine {
 public:
  ConsumerEngine(const ConsumerConfig& config, ConsumerShared* shared);
  ~ConsumerEngine();

  // Any thread; each takes effect in the background. Callbacks run on the loop
  // thread.
  void Subscribe(std::vector<std::string> topics);
  void SubscribePattern(std::shared_ptr<const re2::RE2> pattern);
  // Returns when it has taken effect: no event of the old subscription follows.
  void Unsubscribe();
  void EnforceRebalance(std::string reason);
  // The topics to know leaders of, outside a subscription.
  void SetTopics(std::set<std::string> topics);
  // The positions changed, or memory became free: look for something to do.
  void Poke();
  void OnPoll();
  void OnReleased();
  using Done = std::function<void(const absl::Status&)>;
  void Commit(PartitionOffsets offsets, int64_t timeout_ms, Done done);
  using OffsetsCallback =
      std::function<void(const absl::Status&, PartitionOffsets)>;
  void FetchCommitted(std::vector<TopicPartition> partitions,
                      int64_t timeout_ms, OffsetsCallback done);
  using LookupResults = std::map<TopicPartition, OffsetAndTimestamp>;
  void Lookup(std::map<TopicPartition, int64_t> times, int64_t timeout_ms,
              std::function<void(const absl::Status&, LookupResults)> done);
  void CountPartitions(std::string topic, int64_t timeout_ms,
                       std::function<void(const absl::Status&, int)> done);
  // Leaves the group, as far as that goes in `timeout_ms`, and stops.
  void Stop(int64_t timeout_ms);

 private:
  // Loop thread.
  void Work();
  void ArmTimer();
  void UpdateTopics();
  void OnMetadata();
  void SetProblem(const absl::Status& problem);

  void FindPositions();
  void TakeCommitted(const std::vector<TopicPartition>& asked,
                     const absl::Status& status,
                     const PartitionOffsets& offsets);
  void ResetPositions(const std::map<TopicPartition, int64_t>& lookups);
  void ValidatePositions(const std::vector<FetchPositions::Validation>& asked);

  Fetcher* FetcherOf(int32_t broker_id);
  void RunFetches();
  void OnFetchResults(std::vector<Fetcher::Result> results,
                      const absl::Status& status);

  // Tries `attempt` until it succeeds, fails for good or time is up.
  void Retry(int64_t deadline_ms, std::function<void(Done)> attempt, Done done);

  const ConsumerConfig config_;
  ConsumerShared* const shared_;
  std::set<std::string> topics_;        // by Assign
  std::set<std::string> extra_topics_;  // asked about otherwise
  bool committed_out_ = false;
  int64_t committed_not_before_ms_ = 0;
  bool lookup_out_ = false;
  bool validation_out_ = false;
  std::map<int32_t, std::unique_ptr<Fetcher>> fetchers_;
  bool timer_armed_ = false;
  Loop::TimerId timer_{};
  bool working_ = false;
  bool work_again_ = false;

  std::unique_ptr<ClusterClient> cluster_;
  std::unique_ptr<GroupDriver> group_;
  std::unique_ptr<LeaderCalls> leaders_;
  Loop loop_;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_CONSUMER_ENGINE_H_
