// The controller: the one writer of partition state.
//
// Runs on every broker; the one that holds /controller is active. It watches
// brokers come and go, elects leaders from in-sync sets, carries out topic
// creation and deletion and the leaders' ISR changes, commits each change in the
// coordinator under a check of /controller_epoch (a deposed controller's writes
// fail), and only then tells the brokers through their update streams.
//
// The decisions are in decisions.h, the brokers' streams in update_streams.h;
// this is the shell that feeds them. All of it is on one strand, and one round
// of writes is under way at a time: what arrives meanwhile makes the next round,
// so that under load many changes share a multi.
#ifndef SILLOK_BROKER_CONTROLLER_CONTROLLER_H_
#define SILLOK_BROKER_CONTROLLER_CONTROLLER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/strand.h"
#include "base/timer.h"
#include "broker/metadata/metadata_store.h"
#include "proto/cluster.pb.h"

namespace sillok {

struct ControllerOptions {
  BrokerId broker_id;                      // broker.id
  int32_t num_partitions = 1;              // num.partitions
  int32_t default_replication_factor = 1;  // default.replication.factor
  // unclean.leader.election.enable, for topics that do not set it.
  bool unclean_leader_election_enable = false;
  bool delete_topic_enable = true;          // delete.topic.enable
  bool auto_leader_rebalance_enable = true;  // auto.leader.rebalance.enable
  // leader.imbalance.check.interval.seconds, ..per.broker.percentage
  int64_t leader_imbalance_check_interval_ms = 300'000;
  int32_t leader_imbalance_per_broker_percentage = 10;
  // The coordinator takes 1 MiB in one request; half leaves room.
  size_t max_multi_bytes = 512 * 1024;
  // A broker that lets this much wait gets a fresh snapshot instead.
  size_t max_stream_backlog_bytes = 8 * 1024 * 1024;
  // Between tries to be elected or to read the state again.
  int64_t retry_ms = 200;
  // Placement of new topics, topic ids.
  uint64_t random_seed = 0;
};

// Where a broker's updates go. Calls come from the controller's strand, one
// after another; none after Close or CloseStream.
class UpdateSink {
 public:
  virtual ~UpdateSink() = default;
  // Sends one update; when it is on its way the sink calls OnSent. Not called
  // again before that.
  virtual void Send(std::shared_ptr<const v1::ClusterUpdate> update) = 0;
  // The controller ends the stream: deposed, or the broker's epoch is over.
  virtual void Close(const absl::Status& status) = 0;
};

// Thread-safe. Every `done` runs exactly once, on the controller's strand.
class Controller {
 public:
  using StreamId = uint64_t;
  template <typename Response>
  using Done = std::function<void(const Response& response)>;

  // `store`, `executor`, `timer` and `clock` must outlive it.
  Controller(ControllerOptions options, MetadataStore* store,
             Executor* executor, Timer* timer, const Clock* clock);
  // As Stop without waiting; requests under way end with NOT_CONTROLLER.
  ~Controller();
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;

  // Stands for election from now on. The broker should be registered.
  void Start();
  // Gives /controller up, when it has it, and stands no more.
  void Stop(std::function<void()> done);

  // Active and past loading: the requests below are served.
  bool IsActive() const;
  // Of the election this broker won last; -1 = none yet.
  int32_t Epoch() const;

  // NOT_CONTROLLER in each topic's answer when not active. Answered when the
  // topics are committed and their leaders have carried it out, with
  // REQUEST_TIMED_OUT after `timeout_ms` (the topics do exist then).
  void CreateTopics(v1::CreateTopicsRequest request,
                    Done<v1::CreateTopicsResponse> done);
  // Answered when replicas on live brokers and the znodes are gone.
  // REQUEST_TIMED_OUT: deletion goes on.
  void DeleteTopics(v1::DeleteTopicsRequest request,
                    Done<v1::DeleteTopicsResponse> done);
  // As CreateTopics.
  void CreatePartitions(v1::CreatePartitionsRequest request,
                        Done<v1::CreatePartitionsResponse> done);
  // Answered when the new leaders lead. NOT_CONTROLLER in the whole answer.
  void ElectLeaders(v1::ElectLeadersRequest request,
                    Done<v1::ElectLeadersResponse> done);
  // Answered when committed, and in force on the live brokers or 2 s have passed.
  void AlterConfigs(v1::AlterConfigsRequest request,
                    Done<v1::AlterConfigsResponse> done);
  // Answered when committed.
  void AlterPartition(v1::AlterPartitionRequest request,
                      Done<v1::AlterPartitionResponse> done);
  void ControlledShutdown(v1::ControlledShutdownRequest request,
                          Done<v1::ControlledShutdownResponse> done);

  // A broker opened its update stream; `hello` names it and its epoch. When this
  // broker is not the active controller the sink is closed at once
  // (FAILED_PRECONDITION). A second stream of a broker replaces the first.
  StreamId OpenStream(const v1::BrokerReport& hello,
                      std::shared_ptr<UpdateSink> sink);
  void OnReport(StreamId stream, v1::BrokerReport report);
  void OnSent(StreamId stream);
  void CloseStream(StreamId stream);

  struct Stats {
    bool active = false;
    int32_t epoch = -1;
    int64_t brokers = 0;
    int64_t topics = 0;
    int64_t partitions = 0;
    int64_t offline_partitions = 0;  // without a leader
    int64_t rounds = 0;              // write rounds committed
    int64_t partition_writes = 0;    // partition states committed
    int64_t last_round_ms = 0;
    int64_t last_load_ms = 0;        // reading the state after an election
    int64_t update_streams = 0;
  };
  Stats stats() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_CONTROLLER_CONTROLLER_H_
