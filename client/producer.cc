#include "client/producer.h"

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <unordered_set>

#include "base/clock.h"
#include "base/error.h"
#include "client/interceptor.h"
#include "client/internal/backoff.h"
#include "client/internal/cluster_client.h"
#include "client/internal/loop.h"
#include "client/internal/produce_sender.h"
#include "client/internal/record_accumulator.h"

namespace sillok::client {
namespace {

AccumulatorOptions ToAccumulatorOptions(const ProducerConfig& config,
                                        bool idempotent) {
  AccumulatorOptions options;
  options.batch_size = static_cast<size_t>(std::max<int64_t>(
      std::min(config.batch_size, config.max_request_size), 1));
  options.linger_ms = config.linger_ms;
  options.buffer_memory = static_cast<size_t>(config.buffer_memory);
  options.max_request_size = static_cast<size_t>(config.max_request_size);
  options.delivery_timeout_ms = config.delivery_timeout_ms;
  options.retries = config.acks == 0 ? 0 : config.retries;
  options.retry_backoff_ms = config.retry_backoff_ms;
  options.retry_backoff_max_ms = config.retry_backoff_max_ms;
  options.max_in_flight = config.max_in_flight;
  options.idempotent = idempotent;
  options.partitioner = PartitionerFromName(config.partitioner);
  options.make_partitioner = config.make_partitioner;
  options.seed = std::random_device()();
  return options;
}

int LevelOf(const ProducerConfig& config) {
  switch (config.compression) {
    case CompressionType::kGzip:
      return config.gzip_level.value_or(record::kDefaultLevel);
    case CompressionType::kLz4:
      return config.lz4_level.value_or(record::kDefaultLevel);
    case CompressionType::kZstd:
      return config.zstd_level.value_or(record::kDefaultLevel);
    default:
      return record::kDefaultLevel;
  }
}

// CompressionType and record::Codec share their numbers' order.
record::Codec ToCodec(CompressionType type) {
  return static_cast<record::Codec>(static_cast<int>(type));
}

// The errors after which other leaders have to be learned.
bool SuggestsStaleMetadata(ErrorCode code) {
  switch (code) {
    case ErrorCode::NOT_LEADER_OR_FOLLOWER:
    case ErrorCode::LEADER_NOT_AVAILABLE:
    case ErrorCode::UNKNOWN_TOPIC_OR_PARTITION:
    case ErrorCode::FENCED_LEADER_EPOCH:
    case ErrorCode::UNKNOWN_LEADER_EPOCH:
    case ErrorCode::REPLICA_NOT_AVAILABLE:
    case ErrorCode::KAFKA_STORAGE_ERROR:
    case ErrorCode::NETWORK_EXCEPTION:
    case ErrorCode::BROKER_NOT_AVAILABLE:
    case ErrorCode::REQUEST_TIMED_OUT:
      return true;
    default:
      return false;
  }
}

// The shell: the application's threads append under one mutex; the loop thread
// sends, receives and runs callbacks.
class ProducerImpl final : public Producer {
 public:
  ProducerImpl(const ProducerConfig& config, bool idempotent);
  ~ProducerImpl() override { (void)Close(absl::ZeroDuration()); }

  absl::Status Send(const ProducerRecord& record,
                    SendCallback callback) override;
  absl::Status Flush(absl::Duration timeout) override;
  absl::Status Close(absl::Duration timeout) override;
  absl::StatusOr<int> PartitionCount(std::string_view topic) override;
  ProducerStats Stats() const override;

 private:
  using Lock = std::unique_lock<std::mutex>;
  using TimePoint = std::chrono::steady_clock::time_point;

  // Send without the interceptors.
  absl::Status Queue(const ProducerRecord& record, SendCallback callback);
  // Waits for the topic's partitions; OK when they are known.
  absl::Status AwaitTopic(const std::string& topic, TimePoint deadline,
                          Lock* lock);
  absl::Status AwaitMemory(TimePoint deadline, Lock* lock);
  // Has the loop look for work by `due_ms`. Needs mutex_.
  void WakeSender(int64_t due_ms);

  // Loop thread.
  void Pump();
  void SendTo(int32_t broker_id, std::vector<BatchPtr> batches);
  ProduceSender* SenderOf(int32_t broker_id);
  void OnMetadata();
  void OnOutcomes(std::vector<ProduceOutcome> outcomes);
  // True when the batch will be sent again.
  bool TryAgain(ProduceOutcome* outcome);
  // Runs the callbacks, then lets go of the batch.
  void Answer(const ProduceOutcome& outcome);
  absl::Status ExpiryStatus(const ProduceBatch& batch) const;
  void FailAll(const absl::Status& why);
  // Asks a broker for a producer id until one is had.
  void WantProducerId();
  void OnProducerId(const grpc::Status& status,
                    const v1::InitProducerIdResponse& response);
  // Nothing can be sent any more: what is queued and what comes fails.
  void Fatal(const absl::Status& why);

  const ProducerConfig config_;
  const record::Codec codec_;
  const int level_;
  const Clock& clock_ = Clock::Real();

  mutable std::mutex mutex_;
  std::condition_variable changed_;  // memory, metadata or answers
  RecordAccumulator accumulator_;
  std::map<std::string, absl::Status> topic_problems_;
  absl::Status cluster_problem_;
  absl::Status producer_id_problem_;  // why there is none yet
  absl::Status fatal_;
  std::unordered_set<std::string> wanted_topics_;
  int64_t wake_at_ms_ = INT64_MAX;  // when the loop will look by itself
  bool pump_posted_ = false;
  bool closed_ = false;
  ProducerStats stats_;

  // Loop thread.
  std::map<int32_t, std::unique_ptr<ProduceSender>> senders_;
  bool timer_armed_ = false;
  Loop::TimerId timer_{};
  bool asking_producer_id_ = false;
  int producer_id_failures_ = 0;
  bool pumping_ = false;
  bool failing_ = false;

  // Last, so that its thread is gone before the rest.
  std::unique_ptr<ClusterClient> cluster_;
  Loop loop_;
};

ProducerImpl::ProducerImpl(const ProducerConfig& config, bool idempotent)
    : config_(config),
      codec_(ToCodec(config.compression)),
      level_(LevelOf(config)),
      accumulator_(ToAccumulatorOptions(config, idempotent)),
      loop_("producer") {
  cluster_ = std::make_unique<ClusterClient>(
      &loop_, config_, config_.allow_auto_create_topics,
      ClusterClient::Observer{[this] { OnMetadata(); },
                              [this](const absl::Status& problem) {
                                Lock lock(mutex_);
                                cluster_problem_ = problem;
                              }});
  loop_.Post([this] { cluster_->Refresh(); });
}

absl::Status ProducerImpl::Send(const ProducerRecord& record,
                                SendCallback callback) {
  if (config_.interceptors.empty()) {
    return Queue(record, std::move(callback));
  }
  ProducerRecord changed = record;
  std::vector<std::shared_ptr<const void>> kept;
  for (const auto& interceptor : config_.interceptors) {
    kept.push_back(interceptor->OnSend(&changed));
  }
  return Queue(changed, [this, topic = std::string(changed.topic),
                         callback = std::move(callback)](
                            const absl::Status& status,
                            const RecordMetadata& metadata) {
    for (const auto& interceptor : config_.interceptors) {
      interceptor->OnAnswer(topic, status, metadata);
    }
    if (callback) callback(status, metadata);
  });
}

absl::Status ProducerImpl::Queue(const ProducerRecord& record,
                                 SendCallback callback) {
  std::optional<TimePoint> deadline;
  absl::Status failure;
  int32_t partition = -1;
  Lock lock(mutex_);
  while (true) {
    if (closed_) {
      failure = ErrorStatus(ErrorCode::INVALID_REQUEST, "the producer is closed");
      break;
    }
    if (!fatal_.ok()) {
      failure = fatal_;
      break;
    }
    auto appended = accumulator_.Append(record, clock_.WallMs(),
                                        clock_.MonotonicMs(), &callback);
    if (appended.tell_sender) WakeSender(appended.due_ms);
    if (appended.result == RecordAccumulator::Result::kAppended) {
      return absl::OkStatus();
    }
    partition = appended.partition;
    if (!deadline) {
      deadline = std::chrono::steady_clock::now() +
                 std::chrono::milliseconds(config_.max_block_ms);
    }
    std::string topic(record.topic);
    switch (appended.result) {
      case RecordAccumulator::Result::kUnknownTopic:
        failure = AwaitTopic(topic, *deadline, &lock);
        break;
      case RecordAccumulator::Result::kFull:
        failure = AwaitMemory(*deadline, &lock);
        break;
      case RecordAccumulator::Result::kUnknownPartition:
        failure = ErrorStatus(
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            "topic '" + topic + "' has " +
                std::to_string(accumulator_.PartitionCount(topic)) +
                " partitions, there is no partition " +
                std::to_string(partition));
        break;
      default:
        failure = ErrorStatus(
            ErrorCode::MESSAGE_TOO_LARGE,
            "a record of " + std::to_string(BatchWriter::SizeBound(record)) +
                " bytes for topic '" + topic + "' passes max.request.size=" +
                std::to_string(config_.max_request_size));
    }
    if (!failure.ok()) break;
  }
  ++stats_.records_failed;
  lock.unlock();
  if (callback) callback(failure, {partition});
  return failure;
}

absl::Status ProducerImpl::AwaitTopic(const std::string& topic,
                                      TimePoint deadline, Lock* lock) {
  if (wanted_topics_.insert(topic).second) {
    loop_.Post([this, topic] {
      cluster_->AddTopic(topic);
      cluster_->Refresh();
    });
  }
  if (loop_.InLoop()) {
    return ErrorStatus(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                       "topic '" + topic +
                           "' is not known yet, and a callback cannot wait");
  }
  auto problem = [&]() -> const absl::Status& {
    auto found = topic_problems_.find(topic);
    return found == topic_problems_.end() ? cluster_problem_ : found->second;
  };
  bool done = changed_.wait_until(*lock, deadline, [&] {
    return closed_ || !fatal_.ok() || accumulator_.PartitionCount(topic) > 0 ||
           (topic_problems_.count(topic) != 0 &&
            !IsRetriable(ErrorCodeOf(topic_problems_[topic])));
  });
  if (accumulator_.PartitionCount(topic) > 0 || closed_ || !fatal_.ok()) {
    return absl::OkStatus();
  }
  if (!done && problem().ok()) {
    return ErrorStatus(ErrorCode::REQUEST_TIMED_OUT,
                       "topic '" + topic + "' was not found within " +
                           std::to_string(config_.max_block_ms) + " ms");
  }
  return problem();
}

absl::Status ProducerImpl::AwaitMemory(TimePoint deadline, Lock* lock) {
  auto full = [&] {
    return ErrorStatus(ErrorCode::REQUEST_TIMED_OUT,
                       "buffer.memory=" + std::to_string(config_.buffer_memory) +
                           " stayed full for " +
                           std::to_string(config_.max_block_ms) + " ms" +
                           (cluster_problem_.ok()
                                ? ""
                                : "; " + std::string(cluster_problem_.message())));
  };
  if (loop_.InLoop()) return full();
  size_t before = accumulator_.buffered_bytes();
  bool done = changed_.wait_until(*lock, deadline, [&] {
    return closed_ || !fatal_.ok() || accumulator_.buffered_bytes() < before;
  });
  return done ? absl::OkStatus() : full();
}

void ProducerImpl::WakeSender(int64_t due_ms) {
  if (pump_posted_ || due_ms >= wake_at_ms_) return;
  pump_posted_ = true;
  loop_.Post([this] {
    {
      Lock lock(mutex_);
      pump_posted_ = false;
    }
    Pump();
  });
}

absl::Status ProducerImpl::Flush(absl::Duration timeout) {
  Lock lock(mutex_);
  accumulator_.Flush();
  uint64_t fence = accumulator_.next_order();
  WakeSender(INT64_MIN);
  bool done = changed_.wait_for(
      lock, std::chrono::milliseconds(absl::ToInt64Milliseconds(timeout)),
      [&] { return accumulator_.AllAnsweredBefore(fence); });
  if (done) return absl::OkStatus();
  return ErrorStatus(
      ErrorCode::REQUEST_TIMED_OUT,
      std::to_string(accumulator_.unanswered()) +
          " batches are still without an answer" +
          (cluster_problem_.ok()
               ? ""
               : "; " + std::string(cluster_problem_.message())));
}

absl::Status ProducerImpl::Close(absl::Duration timeout) {
  {
    Lock lock(mutex_);
    if (closed_) return absl::OkStatus();
  }
  absl::Status flushed = Flush(timeout);
  {
    Lock lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  loop_.Post([this] {
    failing_ = true;
    FailAll(ErrorStatus(ErrorCode::REQUEST_TIMED_OUT,
                        "the producer was closed"));
  });
  loop_.Stop();
  senders_.clear();
  return flushed;
}

void ProducerImpl::FailAll(const absl::Status& why) {
  for (auto& [id, sender] : senders_) sender->Abort(why);
  std::vector<BatchPtr> rest;
  {
    Lock lock(mutex_);
    rest = accumulator_.TakeAll();
  }
  for (BatchPtr& batch : rest) {
    absl::Status status = batch->last_error.ok() ? why : batch->last_error;
    Answer({std::move(batch), status, ErrorCodeOf(status)});
  }
}

absl::StatusOr<int> ProducerImpl::PartitionCount(std::string_view topic) {
  std::string name(topic);
  Lock lock(mutex_);
  if (accumulator_.PartitionCount(name) == 0) {
    absl::Status status =
        AwaitTopic(name,
                   std::chrono::steady_clock::now() +
                       std::chrono::milliseconds(config_.max_block_ms),
                   &lock);
    if (!status.ok()) return status;
  }
  return accumulator_.PartitionCount(name);
}

ProducerStats ProducerImpl::Stats() const {
  Lock lock(mutex_);
  ProducerStats stats = stats_;
  stats.buffered_bytes = accumulator_.buffered_bytes();
  return stats;
}

void ProducerImpl::OnMetadata() {
  const ClusterMetadata& metadata = cluster_->metadata();
  bool incomplete = false;
  {
    Lock lock(mutex_);
    cluster_problem_ = absl::OkStatus();
    for (const auto& [name, topic] : metadata.topics()) {
      if (topic.error != ErrorCode::NONE) {
        topic_problems_[name] = ErrorStatus(
            topic.error,
            "topic '" + name + "': " +
                (topic.error_message.empty()
                     ? std::string(ErrorMessage(topic.error))
                     : topic.error_message));
        incomplete = incomplete || IsRetriable(topic.error);
        continue;
      }
      topic_problems_.erase(name);
      std::vector<int32_t> leaders;
      for (const PartitionLeader& leader : topic.partitions) {
        leaders.push_back(leader.broker_id);
        incomplete = incomplete || leader.broker_id < 0;
      }
      accumulator_.SetLeaders(name, leaders);
    }
    changed_.notify_all();
  }
  if (incomplete) cluster_->Refresh();
  Pump();
}

void ProducerImpl::Pump() {
  // Outcomes inside a pump start no second one.
  if (pumping_ || failing_) return;
  pumping_ = true;
  RecordAccumulator::Work work;
  bool unknown_broker = false;
  do {
    {
      Lock lock(mutex_);
      work = accumulator_.TakeWork(loop_.NowMs(), [&](int32_t broker_id) {
        if (cluster_->metadata().FindBroker(broker_id) == nullptr) {
          unknown_broker = true;
          return false;
        }
        return SenderOf(broker_id)->HasRoom();
      });
      wake_at_ms_ = work.next_ms;
    }
    for (BatchPtr& batch : work.failed) {
      absl::Status status =
          batch->final_error.ok() ? ExpiryStatus(*batch) : batch->final_error;
      Answer({std::move(batch), status, ErrorCodeOf(status)});
    }
    for (auto& [broker_id, batches] : work.sends) {
      SendTo(broker_id, std::move(batches));
    }
  } while (!work.sends.empty() || !work.failed.empty());
  if (work.needs_producer_id) WantProducerId();
  if (work.needs_metadata || unknown_broker) cluster_->Refresh();
  if (timer_armed_) loop_.Cancel(timer_);
  timer_armed_ = work.next_ms != INT64_MAX;
  if (timer_armed_) {
    timer_ = loop_.After(work.next_ms - loop_.NowMs(), [this] {
      timer_armed_ = false;
      Pump();
    });
  }
  pumping_ = false;
}

ProduceSender* ProducerImpl::SenderOf(int32_t broker_id) {
  std::unique_ptr<ProduceSender>& sender = senders_[broker_id];
  if (sender == nullptr) {
    sender = std::make_unique<ProduceSender>(
        &loop_, cluster_.get(), broker_id,
        ProduceSender::Options{config_.acks, config_.max_in_flight,
                               config_.request_timeout_ms, config_.client_id},
        [this](std::vector<ProduceOutcome> outcomes) {
          OnOutcomes(std::move(outcomes));
        });
  }
  return sender.get();
}

void ProducerImpl::SendTo(int32_t broker_id, std::vector<BatchPtr> batches) {
  std::vector<BatchPtr> ready;
  uint64_t bytes = 0;
  for (BatchPtr& batch : batches) {
    // Compression and checksum happen here, off the application's threads.
    if (!batch->finished) {
      absl::Status status = batch->writer.Finish(codec_, level_, batch->stamp);
      if (!status.ok()) {
        Answer({std::move(batch), status, ErrorCodeOf(status)});
        continue;
      }
      batch->finished = true;
    }
    bytes += batch->writer.out_size();
    ready.push_back(std::move(batch));
  }
  if (ready.empty()) return;
  {
    Lock lock(mutex_);
    stats_.batches_sent += ready.size();
    stats_.bytes_sent += bytes;
    ++stats_.requests_sent;
  }
  SenderOf(broker_id)->Send(std::move(ready));
}

void ProducerImpl::OnOutcomes(std::vector<ProduceOutcome> outcomes) {
  for (ProduceOutcome& outcome : outcomes) {
    if (SuggestsStaleMetadata(outcome.code)) cluster_->Refresh();
    if (!outcome.status.ok() && TryAgain(&outcome)) continue;
    Answer(outcome);
  }
  Pump();
}

bool ProducerImpl::TryAgain(ProduceOutcome* outcome) {
  if (failing_) return false;
  {
    Lock lock(mutex_);
    if (accumulator_.Failed(outcome->batch, outcome->code, outcome->status,
                            loop_.NowMs())) {
      ++stats_.retries;
      return true;
    }
  }
  bool passing = IsRetriable(outcome->code) ||
                 outcome->code == ErrorCode::BROKER_NOT_AVAILABLE;
  if (passing && config_.acks != 0 &&
      outcome->batch->attempts < config_.retries) {
    outcome->status = ExpiryStatus(*outcome->batch);
    outcome->code = ErrorCode::REQUEST_TIMED_OUT;
  }
  return false;
}

void ProducerImpl::WantProducerId() {
  if (asking_producer_id_ || failing_) return;
  const int32_t broker = cluster_->AnyBroker();
  if (broker < 0) {
    cluster_->Refresh();  // OnMetadata pumps again
    return;
  }
  asking_producer_id_ = true;
  cluster_->Call(
      broker, &v1::Broker::Stub::AsyncInitProducerId,
      v1::InitProducerIdRequest(), config_.request_timeout_ms,
      [this, broker](const grpc::Status& status,
                     v1::InitProducerIdResponse& response) {
        if (!status.ok() &&
            status.error_code() != grpc::StatusCode::UNIMPLEMENTED) {
          Lock lock(mutex_);
          producer_id_problem_ =
              TransportError("broker " + std::to_string(broker), status);
        }
        OnProducerId(status, response);
      });
}

void ProducerImpl::OnProducerId(const grpc::Status& status,
                                const v1::InitProducerIdResponse& response) {
  const ErrorCode code = FromProto(response.error_code());
  if (status.ok() && code == ErrorCode::NONE) {
    {
      Lock lock(mutex_);
      producer_id_problem_ = absl::OkStatus();
      accumulator_.SetProducerId(response.producer_id());
    }
    producer_id_failures_ = 0;
    asking_producer_id_ = false;
    return Pump();
  }
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
    return Fatal(ErrorStatus(
        ErrorCode::UNSUPPORTED_VERSION,
        "the brokers give no producer ids; set enable.idempotence=false"));
  }
  if (status.ok()) {
    const absl::Status why = ErrorStatus(
        code, "no producer id: " + (response.error_message().empty()
                                        ? std::string(ErrorMessage(code))
                                        : response.error_message()));
    if (!IsRetriable(code)) return Fatal(why);
    Lock lock(mutex_);
    producer_id_problem_ = why;
  }
  cluster_->Refresh();  // the next broker may be better off
  ++producer_id_failures_;
  loop_.After(BackoffMs(config_.retry_backoff_ms, config_.retry_backoff_max_ms,
                        producer_id_failures_,
                        static_cast<uint64_t>(loop_.NowMs())),
              [this] {
                asking_producer_id_ = false;
                Pump();
              });
}

void ProducerImpl::Fatal(const absl::Status& why) {
  {
    Lock lock(mutex_);
    if (fatal_.ok()) fatal_ = why;
    changed_.notify_all();
  }
  FailAll(why);
}

absl::Status ProducerImpl::ExpiryStatus(const ProduceBatch& batch) const {
  absl::Status last = batch.last_error;
  if (last.ok()) {
    Lock lock(mutex_);
    last = !cluster_problem_.ok() ? cluster_problem_ : producer_id_problem_;
  }
  // An unreachable cluster is worth its own code: nothing was delivered because
  // nobody was there.
  ErrorCode code = !last.ok() && batch.last_error.ok()
                       ? ErrorCodeOf(last)
                       : ErrorCode::REQUEST_TIMED_OUT;
  return ErrorStatus(code, batch.partition.ToString() + ": not delivered in " +
                               std::to_string(config_.delivery_timeout_ms) +
                               " ms" +
                               (last.ok() ? ": it has no leader"
                                          : "; last " +
                                                std::string(last.message())));
}

void ProducerImpl::Answer(const ProduceOutcome& outcome) {
  ProduceBatch& batch = *outcome.batch;
  RecordMetadata metadata;
  metadata.partition = batch.partition.partition;
  bool placed = outcome.status.ok() && outcome.base_offset >= 0;
  for (ProduceBatch::Waiter& waiter : batch.waiters) {
    metadata.offset = placed ? outcome.base_offset + waiter.index : -1;
    metadata.timestamp_ms = outcome.log_append_time_ms >= 0
                                ? outcome.log_append_time_ms
                                : waiter.timestamp_ms;
    waiter.callback(outcome.status, metadata);
  }
  batch.waiters.clear();
  auto count = static_cast<uint64_t>(batch.writer.count());
  Lock lock(mutex_);
  (outcome.status.ok() ? stats_.records_sent : stats_.records_failed) += count;
  accumulator_.Complete(outcome.batch, outcome.status.ok());
  // Sole owner: the network has let go of the bytes.
  if (outcome.batch.use_count() == 1) {
    size_t capacity = batch.writer.capacity();
    accumulator_.Recycle(batch.writer.TakeMemory(), capacity);
  }
  changed_.notify_all();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Producer>> Producer::Create(
    ProducerConfig config) {
  if (config.bootstrap_servers.empty()) {
    return ErrorStatus(ErrorCode::INVALID_CONFIG,
                       "bootstrap.servers is empty");
  }
  if (config.delivery_timeout_ms < config.linger_ms) {
    return ErrorStatus(
        ErrorCode::INVALID_CONFIG,
        "delivery.timeout.ms=" + std::to_string(config.delivery_timeout_ms) +
            " is less than linger.ms=" + std::to_string(config.linger_ms));
  }
  absl::StatusOr<bool> idempotent = config.Idempotent();
  if (!idempotent.ok()) return idempotent.status();
  return std::make_unique<ProducerImpl>(config, *idempotent);
}

std::future<absl::StatusOr<RecordMetadata>> Producer::Send(
    const ProducerRecord& record) {
  auto promise =
      std::make_shared<std::promise<absl::StatusOr<RecordMetadata>>>();
  auto future = promise->get_future();
  (void)Send(record, [promise](const absl::Status& status,
                               const RecordMetadata& metadata) {
    if (status.ok()) {
      promise->set_value(metadata);
    } else {
      promise->set_value(status);
    }
  });
  return future;
}

}  // namespace sillok::client
