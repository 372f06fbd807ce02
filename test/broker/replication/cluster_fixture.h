// Several PartitionTables with real logs in one process: fetches go straight to
// the leader's partition, ISR changes to a controller of a few lines.
#ifndef SILLOK_TEST_BROKER_REPLICATION_CLUSTER_FIXTURE_H_
#define SILLOK_TEST_BROKER_REPLICATION_CLUSTER_FIXTURE_H_

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "broker/replication/partition_table.h"
#include "gtest/gtest.h"
#include "proto/record/record_batch.h"

namespace sillok {

// One batch with one record.
inline Bytes OneRecord(const std::string& value) {
  record::BatchBuilder builder;
  builder.Append(1'700'000'000'000, std::nullopt, value);
  return Bytes::FromString(builder.Build().value());
}

class ReplicaCluster;

// Long-polls one partition after another as broker/api does, in small.
class DirectChannel final : public FetchChannel {
 public:
  DirectChannel(ReplicaCluster* cluster, BrokerId source)
      : cluster_(cluster), source_(source) {}
  ~DirectChannel() override {
    std::lock_guard lock(gate_->mutex);
    gate_->open = false;
  }
  void Send(const v1::FetchRequest& request, int64_t timeout_ms,
            Callback done) override;

 private:
  struct Gate {
    std::mutex mutex;
    bool open = true;
  };
  ReplicaCluster* const cluster_;
  const BrokerId source_;
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
};

class ReplicaCluster : public FetchChannelFactory {
 public:
  explicit ReplicaCluster(int brokers, TopicSettings settings = {})
      : settings_(std::move(settings)) {
    static std::atomic<int> runs{0};
    dir_ = testing::TempDir() + "/cluster-" + std::to_string(getpid()) + "-" +
           std::to_string(runs++);
    std::filesystem::remove_all(dir_);
    nodes_.resize(brokers);
    for (int i = 0; i < brokers; ++i) StartBroker(i);
  }
  ~ReplicaCluster() override {
    for (size_t i = 0; i < nodes_.size(); ++i) StopBroker(static_cast<int>(i));
    std::filesystem::remove_all(dir_);
  }

  void StartBroker(int id) {
    Node& node = nodes_[id];
    LogDirectory::Options options;
    options.path = dir_ + "/broker-" + std::to_string(id);
    options.broker_id = BrokerId(id);
    options.cluster_id = "test-cluster";
    options.now_ms = Clock::Real().WallMs();
    std::filesystem::create_directories(options.path);
    node.logs = LogDirectory::Open(options).value();
    node.isr_channel = std::make_unique<Controller>(this);
    PartitionTableOptions table;
    table.broker_id = BrokerId(id);
    table.replica_lag_time_max_ms = 600;
    table.replica_fetch_wait_max_ms = 50;
    table.replica_fetch_backoff_ms = 20;
    table.high_watermark_checkpoint_interval_ms = 50;
    PartitionTable::Environment environment;
    environment.logs = node.logs.get();
    environment.timer = &timer_;
    environment.clock = &Clock::Real();
    environment.isr_channel = node.isr_channel.get();
    environment.fetch_channels = this;
    environment.settings = [this](const std::string&, const auto&) {
      return settings_;
    };
    environment.on_deleted = [this](const v1::DeletedReplica& deleted) {
      std::lock_guard lock(mutex_);
      deleted_.push_back(deleted.topic_id() + "/" +
                         std::to_string(deleted.partition()));
    };
    auto started = std::make_shared<PartitionTable>(table, environment);
    started->SetBrokerEpoch(BrokerEpoch(100 + next_epoch_++));
    started->Start();
    std::lock_guard lock(mutex_);
    node.table = std::move(started);
  }
  void StopBroker(int id) {
    Node& node = nodes_[id];
    std::shared_ptr<PartitionTable> gone;
    {
      std::lock_guard lock(mutex_);
      gone = std::move(node.table);
    }
    if (gone == nullptr) return;
    std::promise<void> stopped;
    gone->Stop([&] { stopped.set_value(); });
    stopped.get_future().wait();
    const auto high_watermarks = gone->HighWatermarks();
    // A fetch of another broker may hold it for a moment.
    while (gone.use_count() > 1) std::this_thread::yield();
    gone.reset();
    EXPECT_TRUE(node.logs->CloseCleanly(high_watermarks, 1).ok());
    node.logs.reset();
  }
  std::shared_ptr<PartitionTable> Table(int id) const {
    std::lock_guard lock(mutex_);
    return nodes_[id].table;
  }
  std::shared_ptr<Partition> Find(int id) const {
    const std::shared_ptr<PartitionTable> table = Table(id);
    return table == nullptr ? nullptr : table->Find("orders", 0);
  }

  // Makes `leader` lead in the next epoch and tells everybody.
  void Elect(int leader, std::vector<int> isr) {
    {
      std::lock_guard lock(mutex_);
      state_.set_partition(0);
      state_.set_leader(leader);
      state_.set_leader_epoch(++leader_epoch_);
      state_.set_partition_epoch(++partition_epoch_);
      state_.clear_isr();
      for (int id : isr) state_.add_isr(id);
      state_.clear_replicas();
      for (size_t i = 0; i < nodes_.size(); ++i) state_.add_replicas(i);
      state_.set_is_new(leader_epoch_ == 1);
    }
    TellAll();
  }
  v1::ClusterUpdate Update(const std::string& topic_id = "topic-id-1") const {
    std::lock_guard lock(mutex_);
    v1::ClusterUpdate update;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      v1::BrokerAddress* broker = update.add_brokers();
      broker->set_broker_id(static_cast<int>(i));
      broker->set_host("direct");
      broker->set_port(1);
    }
    v1::TopicState* topic = update.add_topics();
    topic->set_name("orders");
    topic->set_topic_id(topic_id);
    *topic->add_partitions() = state_;
    return update;
  }
  void TellAll() {
    for (size_t i = 0; i < nodes_.size(); ++i) Tell(static_cast<int>(i));
  }
  void Tell(int id) { Tell(id, Update()); }
  void Tell(int id, const v1::ClusterUpdate& update) {
    const std::shared_ptr<PartitionTable> table = Table(id);
    if (table == nullptr) return;
    std::promise<void> done;
    table->Apply(update, [&] { done.set_value(); });
    done.get_future().wait();
  }

  AppendOutcome Append(int id, const std::string& value, int acks = -1,
                       int64_t timeout_ms = 20'000) {
    std::promise<AppendOutcome> promise;
    AppendRequest request;
    request.batch = OneRecord(value);
    request.acks = acks;
    request.timeout_ms = timeout_ms;
    Find(id)->Append(std::move(request), [&](AppendOutcome outcome) {
      promise.set_value(std::move(outcome));
    });
    return promise.get_future().get();
  }
  // Waits until `holds`; the test's own time limit is the only one.
  template <typename Condition>
  void Await(Condition holds) const {
    while (!holds()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  std::string Values(int id) const {
    ReadRequest read;
    read.max_bytes = 1 << 20;
    std::string text;
    const ReadOutcome outcome = Find(id)->Read(read);
    record::BatchWalker walker(outcome.batches);
    std::string scratch;
    while (walker.Next()) {
      const Bytes batch = walker.batch();
      auto reader = record::BatchReader::Open(batch.Flat(&scratch)).value();
      record::RecordView view;
      while (reader.Next(&view)) text += std::string(*view.value) + " ";
    }
    return text;
  }
  std::vector<std::string> deleted() const {
    std::lock_guard lock(mutex_);
    return deleted_;
  }
  size_t isr_size() const {
    std::lock_guard lock(mutex_);
    return state_.isr_size();
  }
  void CutOff(int id, bool cut) { nodes_[id].cut = cut; }
  bool IsCutOff(int id) const { return nodes_[id].cut; }
  Timer* timer() { return &timer_; }

  std::unique_ptr<FetchChannel> Open(BrokerId source, const std::string&,
                                     int) override {
    return std::make_unique<DirectChannel>(this, source);
  }

 private:
  class Controller final : public IsrChannel {
   public:
    explicit Controller(ReplicaCluster* cluster) : cluster_(cluster) {}
    void AlterPartition(
        v1::AlterPartitionRequest request, int64_t,
        std::function<void(absl::StatusOr<v1::AlterPartitionResponse>)> done)
        override {
      v1::AlterPartitionResponse response;
      for (const v1::AlterPartition& wanted : request.partitions()) {
        v1::AlteredPartition* answer = response.add_partitions();
        answer->set_topic_id(wanted.topic_id());
        answer->set_partition(wanted.partition());
        std::lock_guard lock(cluster_->mutex_);
        if (wanted.partition_epoch() != cluster_->partition_epoch_) {
          answer->set_error_code(v1::INVALID_UPDATE_VERSION);
          continue;
        }
        cluster_->state_.clear_isr();
        for (const v1::IsrMember& member : wanted.isr()) {
          cluster_->state_.add_isr(member.broker_id());
        }
        cluster_->state_.set_partition_epoch(++cluster_->partition_epoch_);
        *answer->mutable_state() = cluster_->state_;
      }
      done(std::move(response));
    }

   private:
    ReplicaCluster* const cluster_;
  };
  struct Node {
    std::unique_ptr<LogDirectory> logs;
    std::unique_ptr<IsrChannel> isr_channel;
    std::shared_ptr<PartitionTable> table;
    std::atomic<bool> cut{false};
    Node() = default;
    Node(Node&& other) noexcept
        : logs(std::move(other.logs)),
          isr_channel(std::move(other.isr_channel)),
          table(std::move(other.table)) {}
  };

  TopicSettings settings_;
  Timer timer_;
  std::string dir_;
  std::vector<Node> nodes_;
  mutable std::mutex mutex_;
  v1::PartitionState state_;
  int leader_epoch_ = 0;
  int partition_epoch_ = 0;
  int64_t next_epoch_ = 1;
  std::vector<std::string> deleted_;
};

inline void DirectChannel::Send(const v1::FetchRequest& request, int64_t,
                                Callback done) {
  // From the timer, so never inside Send; polls until something came.
  const int64_t deadline =
      Clock::Real().MonotonicMs() + request.max_wait_ms();
  auto attempt = std::make_shared<std::function<void()>>();
  const auto finish = [gate = gate_, done,
                       attempt](absl::StatusOr<ReplicaFetchResponse> answer) {
    {
      std::lock_guard lock(gate->mutex);
      if (gate->open) done(std::move(answer));
    }
    *attempt = nullptr;
  };
  *attempt = [this_cluster = cluster_, source = source_, request, deadline,
              finish, attempt] {
    const auto keep = attempt;
    if (this_cluster->IsCutOff(source.value()) ||
        this_cluster->IsCutOff(request.replica_id_plus_one() - 1)) {
      finish(absl::UnavailableError("cut off"));
      return;
    }
    ReplicaFetchResponse answer;
    bool urgent = false;
    for (const v1::PartitionFetch& wanted : request.partitions()) {
      v1::PartitionFetchResult* result = answer.header.add_partitions();
      result->set_topic(wanted.topic());
      result->set_partition(wanted.partition());
      answer.batches.emplace_back();
      const std::shared_ptr<PartitionTable> table =
          this_cluster->Table(source.value());
      const std::shared_ptr<Partition> partition =
          table == nullptr ? nullptr
                           : table->Find(wanted.topic(), wanted.partition());
      if (partition == nullptr) {
        result->set_error_code(v1::UNKNOWN_TOPIC_OR_PARTITION);
        urgent = true;
        continue;
      }
      ReadRequest read;
      read.offset = Offset(wanted.fetch_offset());
      read.max_bytes = wanted.max_bytes();
      read.bound = ReadBound::kLogEnd;
      read.expected_epoch =
          LeaderEpoch(wanted.current_leader_epoch_plus_one() - 1);
      read.replica = BrokerId(request.replica_id_plus_one() - 1);
      read.replica_epoch = BrokerEpoch(request.replica_epoch());
      read.last_fetched_epoch =
          LeaderEpoch(wanted.last_fetched_epoch_plus_one() - 1);
      ReadOutcome outcome = partition->Read(read);
      result->set_error_code(static_cast<v1::ErrorCode>(outcome.error));
      result->set_high_watermark(outcome.high_watermark.value());
      result->set_log_start_offset(outcome.log_start_offset.value());
      if (outcome.diverging.has_value()) {
        result->mutable_diverging_epoch()->set_leader_epoch(
            outcome.diverging->epoch.value());
        result->mutable_diverging_epoch()->set_end_offset(
            outcome.diverging->end_offset.value());
      }
      urgent = urgent || outcome.error != ErrorCode::NONE ||
               outcome.diverging.has_value() || outcome.size_bytes > 0;
      answer.batches.back() = std::move(outcome.batches);
    }
    if (urgent || Clock::Real().MonotonicMs() >= deadline) {
      finish(std::move(answer));
    } else {
      this_cluster->timer()->After(1, *attempt);
    }
  };
  cluster_->timer()->After(0, *attempt);
}

}  // namespace sillok

#endif  // SILLOK_TEST_BROKER_REPLICATION_CLUSTER_FIXTURE_H_
