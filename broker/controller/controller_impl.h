// The controller's inside, in three parts: who is in office (controller_office),
// rounds of writes (controller_rounds), requests and their answers
// (controller_requests). All of it runs on one strand.
#ifndef SILLOK_BROKER_CONTROLLER_CONTROLLER_IMPL_H_
#define SILLOK_BROKER_CONTROLLER_CONTROLLER_IMPL_H_

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "broker/controller/controller.h"
#include "broker/controller/decisions.h"
#include "broker/controller/election.h"
#include "broker/controller/parked_request.h"
#include "broker/controller/state_loader.h"
#include "broker/controller/store_gate.h"
#include "broker/controller/update_streams.h"

namespace sillok {

class Controller::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(ControllerOptions options, MetadataStore* store, Executor* executor,
       Timer* timer, const Clock* clock);
  void Init();

  // ---- from any thread

  void Post(std::function<void(Impl*)> task) {
    strand_->Post([self = shared_from_this(), task = std::move(task)] {
      task(self.get());
    });
  }
  bool active() const { return active_.load(); }
  int32_t epoch() const { return epoch_.load(); }
  Stats stats() const;
  StreamId NextStream() { return next_stream_.fetch_add(1); }
  // What runs later does not reach the store any more.
  void CloseStore() { store_->Close(); }

  // ---- on the strand

  void Start();
  void Stop(std::function<void()> done);
  // The broker is going away: no callback may touch it, but those who wait are
  // answered.
  void Abandon();

  void CreateTopics(v1::CreateTopicsRequest request,
                    Done<v1::CreateTopicsResponse> done);
  void DeleteTopics(v1::DeleteTopicsRequest request,
                    Done<v1::DeleteTopicsResponse> done);
  void CreatePartitions(v1::CreatePartitionsRequest request,
                        Done<v1::CreatePartitionsResponse> done);
  void ElectLeaders(v1::ElectLeadersRequest request,
                    Done<v1::ElectLeadersResponse> done);
  void AlterConfigs(v1::AlterConfigsRequest request,
                    Done<v1::AlterConfigsResponse> done);
  void AlterPartition(v1::AlterPartitionRequest request,
                      Done<v1::AlterPartitionResponse> done);
  void ControlledShutdown(v1::ControlledShutdownRequest request,
                          Done<v1::ControlledShutdownResponse> done);

  void OpenStream(StreamId id, const v1::BrokerReport& hello,
                  std::shared_ptr<UpdateSink> sink);
  void OnReport(StreamId id, const v1::BrokerReport& report);
  void OnSent(StreamId id);
  void CloseStream(StreamId id);

 private:
  enum class Phase { kIdle, kElecting, kFollowing, kLoading, kActive };
  enum class Outcome {
    kCommitted,
    kNotExecuted,  // it never came to a round: another controller may do it
    kUnknown,      // in a round that failed
  };

  // An event for the core: `decide` runs when no round is under way, `answer`
  // when what it decided is committed, or is known not to be.
  struct Input {
    std::function<void()> decide;
    std::function<void(Outcome)> answer;
  };

  // ---- office

  void OnEvent(const MetadataStore::Event& event);
  void OnWatch(const v1::WatchEvent& watch);
  void Elect();
  void OnElection(const ElectionResult& result);
  void RetryLater(std::function<void(Impl*)> task);
  void Load();
  void OnLoaded(absl::StatusOr<std::shared_ptr<LoadedState>> loaded);
  void Depose(const char* why);
  void Reload(const char* why);
  void ScheduleRebalance(int64_t delay_ms);

  // ---- rounds

  void AddInput(Input input);
  void MaybeStartRound();
  void WriteRound();
  void OnMultiAnswered(const v1::CoordResponse& response);
  void OnRoundCommitted();
  void LogRound();
  void RefreshBrokers();
  void OnBrokersRead(absl::StatusOr<std::map<int32_t, LiveBroker>> brokers);
  void ReadListing();
  void OnListing(absl::StatusOr<TopicListing> listing);
  void PumpStreams();
  void UpdateStats();

  // ---- requests

  uint64_t Random();
  // False, and answered, when not in office.
  bool Accept(const std::shared_ptr<Parked>& parked);
  // REQUEST_TIMED_OUT after that long (0 = 30 s).
  void StartTimeout(const std::shared_ptr<Parked>& parked, int32_t timeout_ms);
  // Fails it unless the round was committed; true when it is to go on.
  bool Goes(const std::shared_ptr<Parked>& parked, Outcome outcome);
  template <typename Response>
  void Simple(Done<Response> done, std::function<Response()> decide);
  void AddLeaders(const v1::TopicResult& result, Parked* parked) const;
  void AwaitApplied(std::shared_ptr<Parked> parked);
  void CheckApplyWaiters();
  void CheckDeleteWaiters();

  const ControllerOptions options_;
  const std::shared_ptr<StoreGate> store_;
  const std::shared_ptr<Strand> strand_;
  Timer* const timer_;
  const Clock* const clock_;

  std::atomic<bool> active_{false};
  std::atomic<int32_t> epoch_{-1};
  std::atomic<uint64_t> next_stream_{1};
  mutable std::mutex stats_mutex_;
  Stats stats_;

  // All below: on the strand.
  std::random_device device_;
  std::mt19937_64 generator_;
  bool running_ = false;
  Phase phase_ = Phase::kIdle;
  // Raised whenever what is under way is void; answers carry the term they were
  // asked in.
  uint64_t term_ = 0;
  int32_t epoch_version_ = 0;
  int64_t load_started_ms_ = 0;
  bool changed_while_loading_ = false;

  ClusterState state_;
  std::unique_ptr<Decisions> decisions_;
  UpdateStreams streams_;
  std::map<StreamId, std::shared_ptr<UpdateSink>> sinks_;

  // What arrived and is not decided. Bounded by the requests in flight of the
  // brokers, which wait for their answers.
  std::deque<Input> inputs_;
  std::vector<Input> round_;  // decided, being written
  Effects effects_;           // of that round
  bool round_under_way_ = false;
  bool served_ = false;  // the first round after loading is committed
  int64_t round_started_ms_ = 0;
  size_t unanswered_ = 0;
  v1::CoordCode round_failure_ = v1::OK;
  bool fenced_ = false;
  bool refreshing_brokers_ = false;
  bool refresh_again_ = false;
  bool listing_changed_ = false;
  // Committed, and waiting for brokers to carry it out.
  std::vector<std::shared_ptr<Parked>> apply_waiters_;
  std::vector<std::shared_ptr<ParkedRequest<v1::DeleteTopicsResponse>>>
      delete_waiters_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_CONTROLLER_CONTROLLER_IMPL_H_
