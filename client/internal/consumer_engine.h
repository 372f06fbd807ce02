// ConsumerEngine: the background half of a consumer. One loop thread that fetches,
// keeps the group membership and talks to the coordinator; the application's half
// (client/consumer.cc) takes what it leaves in ConsumerShared.
#ifndef SILLOK_CLIENT_INTERNAL_CONSUMER_ENGINE_H_
#define SILLOK_CLIENT_INTERNAL_CONSUMER_ENGINE_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/consumer.h"
#include "client/internal/cluster_client.h"
#include "client/internal/fetch_positions.h"
#include "client/internal/fetcher.h"
#include "client/internal/group_member.h"
#include "client/internal/loop.h"

namespace sillok::client {

// What both halves see, under one mutex that is held for short steps only.
struct ConsumerShared {
  explicit ConsumerShared(const FetchPositionsOptions& options)
      : positions(options) {}

  std::mutex mutex;
  std::condition_variable changed;  // anything below
  FetchPositions positions;
  std::deque<GroupMember::Event> events;
  absl::Status error;    // for the next Poll, which takes it
  absl::Status failure;  // of the group membership; stays
  absl::Status problem;  // being retried
  std::deque<std::function<void()>> callbacks;  // to run inside Poll
  std::string member_id;
  ConsumerStats stats;
  bool wakeup = false;
};

class ConsumerEngine {
 public:
  ConsumerEngine(const ConsumerConfig& config, ConsumerShared* shared);
  ~ConsumerEngine();

  // Any thread; each takes effect in the background. Callbacks run on the loop
  // thread.
  void Subscribe(std::vector<std::string> topics);
  // Returns when it has taken effect: no event of the old subscription follows.
  void Unsubscribe();
  // The topics to know leaders of, outside a subscription.
  void SetTopics(std::set<std::string> topics);
  // The positions changed, or memory became free: look for something to do.
  void Poke();
  void OnPoll();
  void OnReleased();
  void Commit(PartitionOffsets offsets, int64_t timeout_ms,
              std::function<void(const absl::Status&)> done);
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
  using Done = std::function<void(const absl::Status&)>;
  using LookupDone = std::function<void(
      std::map<TopicPartition, std::pair<ErrorCode, OffsetAndTimestamp>>)>;

  // Loop thread.
  void Work();
  void RunGroup();
  void RunOffsets();
  void RunFetches();
  void ArmTimer();
  void Do(GroupMember::Step step);
  void PublishEvents();
  void UpdateTopics();
  void OnMetadata();
  void SetProblem(const absl::Status& problem);
  void FindCoordinator();
  void OnCoordinatorLost();
  std::map<std::string, int> Counts(const std::set<std::string>& topics) const;
  bool HaveAnswerFor(const std::set<std::string>& topics) const;
  Fetcher* FetcherOf(int32_t broker_id);
  void OnFetchResults(std::vector<Fetcher::Result> results,
                      const absl::Status& status);

  // Tries `attempt` until it succeeds, fails for good or time is up.
  void Retry(int64_t deadline_ms, std::function<void(Done)> attempt, Done done);
  void CommitOnce(const PartitionOffsets& offsets, Done done);
  void FetchCommittedOnce(const std::vector<TopicPartition>& partitions,
                          OffsetsCallback done);
  void LookupOnce(const std::map<TopicPartition, int64_t>& times,
                  LookupDone done);

  const ConsumerConfig config_;
  ConsumerShared* const shared_;
  GroupMember member_;
  std::set<std::string> topics_;        // by Assign or Subscribe
  std::set<std::string> extra_topics_;  // asked about otherwise
  int32_t coordinator_ = -1;
  bool finding_ = false;
  int64_t find_not_before_ms_ = 0;
  bool committed_out_ = false;
  int64_t committed_not_before_ms_ = 0;
  bool lookup_out_ = false;
  // The leader's question for partition counts, until metadata has an answer
  // newer than this.
  bool counts_wanted_ = false;
  uint64_t counts_after_ = 0;
  std::map<int32_t, std::unique_ptr<Fetcher>> fetchers_;
  bool timer_armed_ = false;
  Loop::TimerId timer_{};
  bool working_ = false;
  bool work_again_ = false;
  bool leave_out_ = false;

  std::unique_ptr<ClusterClient> cluster_;
  Loop loop_;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_CONSUMER_ENGINE_H_
