// Copies the partitions that this broker follows from one leader broker.
#ifndef SILLOK_BROKER_REPLICATION_REPLICA_FETCHER_H_
#define SILLOK_BROKER_REPLICATION_REPLICA_FETCHER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/strand.h"
#include "base/timer.h"
#include "broker/replication/fetch_channel.h"
#include "broker/replication/fetch_planner.h"
#include "broker/replication/partition.h"

namespace sillok {

struct ReplicaFetcherOptions {
  BrokerId self;
  BrokerId source;
  int32_t wait_max_ms = 500;             // replica.fetch.wait.max.ms
  int32_t partition_max_bytes = 1 << 20;  // replica.fetch.max.bytes
  int32_t response_max_bytes = 10 << 20;  // replica.fetch.response.max.bytes
  // Beyond wait_max_ms, for an answer to come: replica.socket.timeout.ms
  int64_t answer_grace_ms = 10'000;
  FetchPlanner::Options planner;
};

// Keeps a few fetches under way (FetchPlanner) and hands each answer to its
// partition. Costs follow what moves: a partition for which the answer has
// nothing new is not even told.
//
// Thread-safe; works on a strand of its own. Held by shared_ptr; Stop before
// letting go.
class ReplicaFetcher : public std::enable_shared_from_this<ReplicaFetcher> {
 public:
  // All outlive the fetcher.
  struct Environment {
    Executor* executor = nullptr;
    Timer* timer = nullptr;
    const Clock* clock = nullptr;
    FetchChannelFactory* channels = nullptr;
  };

  static std::shared_ptr<ReplicaFetcher> Create(
      ReplicaFetcherOptions options, const Environment& environment);

  // Where the source is; until the first call nothing is fetched. Another
  // address opens new channels.
  void SetAddress(const std::string& host, int port);
  // Goes out with every fetch; until the first call nothing is fetched.
  void SetBrokerEpoch(BrokerEpoch epoch);
  // A tenure as follower of the source began. Also to be called for every later
  // one; ends by itself when the partition says that it follows somebody else.
  void Follow(std::shared_ptr<Partition> partition);
  void Unfollow(const TopicPartition& partition);
  // Ends all fetching; answers that are under way are dropped.
  void Stop();

 private:
  struct Lane {
    std::unique_ptr<FetchChannel> channel;
    std::vector<FetchPlanner::Item> sent;
    uint64_t request = 0;  // which one is awaited; answers to others are late
    int carrying_out = 0;  // partitions that have not told their next position
    bool failed = false;
  };
  ReplicaFetcher(ReplicaFetcherOptions options,
                 const Environment& environment);
  // Everything below runs on the strand.
  void Pump();
  void Send(int lane);
  void OnAnswer(int lane, uint64_t request,
                absl::StatusOr<ReplicaFetchResponse> response);
  void CarryOut(int lane, ReplicaFetchResponse response);
  // True when the partition has to be told.
  bool TellPartition(int lane, const FetchPlanner::Item& item,
                     const v1::PartitionFetchResult& result, Bytes batches);
  void OnPosition(FetchPlanner::Slot slot, const FetchPosition& position,
                  bool fresh);
  void FinishLane(int lane);
  void CloseLanes();
  void ArmTimer();
  void RemoveSlot(FetchPlanner::Slot slot);

  const ReplicaFetcherOptions options_;
  const Environment environment_;
  Strand strand_;

  // On the strand.
  FetchPlanner planner_;
  std::vector<Lane> lanes_;
  std::unordered_map<TopicPartition, FetchPlanner::Slot> slots_;
  std::unordered_map<FetchPlanner::Slot, std::shared_ptr<Partition>>
      partitions_;
  FetchPlanner::Slot next_slot_ = 1;
  uint64_t next_request_ = 1;
  std::string host_;
  int port_ = 0;
  BrokerEpoch broker_epoch_{-1};
  Timer::Id timer_ = Timer::kNone;
  int64_t timer_due_ms_ = 0;
  bool stopped_ = false;
  bool source_unreachable_ = false;  // told in the log already
};

}  // namespace sillok

#endif  // SILLOK_BROKER_REPLICATION_REPLICA_FETCHER_H_
