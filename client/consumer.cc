#include "client/consumer.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <set>
#include <utility>

#include <re2/re2.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/internal/consumer_engine.h"
#include "client/internal/record_taker.h"

namespace sillok::client {
namespace {

FetchPositionsOptions ToPositionsOptions(const ConsumerConfig& config) {
  FetchPositionsOptions options;
  options.has_group = !config.group_id.empty();
  options.read_committed =
      config.isolation_level == IsolationLevel::kReadCommitted;
  options.reset = config.auto_offset_reset;
  options.retry_backoff_ms = config.retry_backoff_ms;
  options.max_partition_bytes = config.max_partition_fetch_bytes;
  options.max_bytes = config.fetch_max_bytes;
  return options;
}

// What an asynchronous call of the engine answers, waited for.
template <typename T>
class Answer {
 public:
  std::function<void(const absl::Status&, T)> Taker() const {
    return [promise = promise_](const absl::Status& status, T value) {
      if (status.ok()) {
        promise->set_value(std::move(value));
      } else {
        promise->set_value(status);
      }
    };
  }
  absl::StatusOr<T> Wait() { return promise_->get_future().get(); }

 private:
  std::shared_ptr<std::promise<absl::StatusOr<T>>> promise_ =
      std::make_shared<std::promise<absl::StatusOr<T>>>();
};

// The application's half. Its own members belong to the one thread that uses the
// consumer.
class ConsumerImpl final : public Consumer {
 public:
  explicit ConsumerImpl(const ConsumerConfig& config)
      : config_(config),
        shared_(ToPositionsOptions(config)),
        taker_(config, &shared_),
        engine_(config, &shared_) {}
  ~ConsumerImpl() override { (void)Close(absl::Seconds(5)); }

  absl::Status Subscribe(std::vector<std::string> topics,
                         RebalanceListener* listener) override;
  absl::Status SubscribePattern(const std::string& pattern,
                                RebalanceListener* listener) override;
  void Unsubscribe() override;
  void EnforceRebalance(const std::string& reason) override {
    if (subscribed_) engine_.EnforceRebalance(reason);
  }
  absl::Status Assign(std::vector<TopicPartition> partitions) override;
  std::vector<TopicPartition> Assignment() const override;
  absl::StatusOr<ConsumerRecords> Poll(absl::Duration timeout) override;
  void Wakeup() override;
  absl::Status CommitSync() override { return CommitSync(Consumed()); }
  absl::Status CommitSync(const PartitionOffsets& offsets) override;
  void CommitAsync(std::function<void(const absl::Status&)> done) override {
    CommitAsync(Consumed(), std::move(done));
  }
  void CommitAsync(const PartitionOffsets& offsets,
                   std::function<void(const absl::Status&)> done) override;
  absl::StatusOr<PartitionOffsets> Committed(
      const std::vector<TopicPartition>& partitions) override;
  absl::Status Seek(const TopicPartition& partition, int64_t offset) override;
  absl::Status SeekToBeginning(
      const std::vector<TopicPartition>& partitions) override;
  absl::Status SeekToEnd(
      const std::vector<TopicPartition>& partitions) override;
  absl::StatusOr<int64_t> Position(const TopicPartition& partition) override;
  void Pause(const std::vector<TopicPartition>& partitions) override;
  void Resume(const std::vector<TopicPartition>& partitions) override;
  std::vector<TopicPartition> Paused() const override;
  absl::StatusOr<std::map<TopicPartition, OffsetAndTimestamp>> OffsetsForTimes(
      const std::map<TopicPartition, int64_t>& times) override;
  absl::StatusOr<std::vector<int32_t>> Partitions(
      const std::string& topic) override;
  std::optional<int64_t> HighWatermark(
      const TopicPartition& partition) const override;
  std::optional<int64_t> CurrentLag(
      const TopicPartition& partition) const override;
  absl::Status LastProblem() const override;
  std::string MemberId() const override;
  ConsumerStats Stats() const override;
  absl::Status Close(absl::Duration timeout) override;

 private:
  using Lock = std::unique_lock<std::mutex>;

  PartitionOffsets Consumed() const;
  absl::Status SeekAll(const std::vector<TopicPartition>& partitions,
                       int64_t offset);
  absl::Status NeedGroup() const;
  void BeginSubscription(RebalanceListener* listener);
  // Rebalance events and finished commits. Without the mutex.
  void RunEvents();
  void RunCallbacks();
  void Handle(const GroupMember::Event& event);
  void AutoCommit(int64_t now_ms);
  void TellOfPoll();
  int64_t TellEveryMs() const;
  absl::Status CommitWithin(const PartitionOffsets& offsets,
                            int64_t timeout_ms);
  int64_t NowMs() const { return Clock::Real().MonotonicMs(); }

  const ConsumerConfig config_;
  mutable ConsumerShared shared_;
  RebalanceListener* listener_ = nullptr;
  bool subscribed_ = false;
  bool closed_ = false;
  RecordTaker taker_;
  int64_t next_auto_commit_ms_ = 0;
  int64_t last_poll_told_ms_ = 0;
  ConsumerEngine engine_;  // last: its thread ends first
};

absl::Status ConsumerImpl::NeedGroup() const {
  if (!config_.group_id.empty()) return absl::OkStatus();
  return ErrorStatus(ErrorCode::INVALID_GROUP_ID, "group.id is not set");
}

void ConsumerImpl::BeginSubscription(RebalanceListener* listener) {
  listener_ = listener;
  if (!subscribed_) {
    Lock lock(shared_.mutex);
    shared_.positions.Assign({});
  }
  subscribed_ = true;
  next_auto_commit_ms_ = NowMs() + config_.auto_commit_interval_ms;
}

absl::Status ConsumerImpl::Subscribe(std::vector<std::string> topics,
                                     RebalanceListener* listener) {
  if (absl::Status status = NeedGroup(); !status.ok()) return status;
  BeginSubscription(listener);
  engine_.Subscribe(std::move(topics));
  return absl::OkStatus();
}

absl::Status ConsumerImpl::SubscribePattern(const std::string& pattern,
                                            RebalanceListener* listener) {
  if (absl::Status status = NeedGroup(); !status.ok()) return status;
  auto compiled = std::make_shared<const re2::RE2>(pattern, re2::RE2::Quiet);
  if (!compiled->ok()) {
    return ErrorStatus(ErrorCode::INVALID_REGULAR_EXPRESSION,
                       "'" + pattern + "': " + compiled->error());
  }
  BeginSubscription(listener);
  engine_.SubscribePattern(std::move(compiled));
  return absl::OkStatus();
}

void ConsumerImpl::Unsubscribe() {
  if (subscribed_) {
    std::vector<TopicPartition> owned = Assignment();
    if (config_.enable_auto_commit) {
      (void)CommitWithin(Consumed(), config_.request_timeout_ms);
    }
    if (listener_ != nullptr && !owned.empty()) listener_->OnRevoked(owned);
    engine_.Unsubscribe();
  }
  subscribed_ = false;
  Lock lock(shared_.mutex);
  shared_.events.clear();
  shared_.positions.Assign({});
  taker_.Reset();
}

absl::Status ConsumerImpl::Assign(std::vector<TopicPartition> partitions) {
  if (subscribed_) Unsubscribe();
  std::set<std::string> topics;
  for (const TopicPartition& id : partitions) topics.insert(id.topic);
  {
    Lock lock(shared_.mutex);
    shared_.positions.Assign(partitions);
  }
  next_auto_commit_ms_ = NowMs() + config_.auto_commit_interval_ms;
  engine_.SetTopics(std::move(topics));
  return absl::OkStatus();
}

std::vector<TopicPartition> ConsumerImpl::Assignment() const {
  Lock lock(shared_.mutex);
  return shared_.positions.Assignment();
}

absl::StatusOr<ConsumerRecords> ConsumerImpl::Poll(absl::Duration timeout) {
  auto deadline =
      std::chrono::steady_clock::now() +
      std::chrono::milliseconds(absl::ToInt64Milliseconds(timeout));
  ConsumerRecords records;
  AutoCommit(NowMs());
  while (true) {
    TellOfPoll();
    RunCallbacks();
    RunEvents();
    bool room = false;
    absl::Status status = taker_.Take(&records, &room);
    if (room) engine_.Poke();
    if (!records.empty()) return records;
    if (!status.ok()) return status;
    Lock lock(shared_.mutex);
    if (!shared_.error.ok()) return std::exchange(shared_.error, {});
    if (!shared_.failure.ok()) return shared_.failure;
    if (absl::Status stuck = shared_.positions.Stuck(); !stuck.ok()) {
      return stuck;
    }
    if (std::exchange(shared_.wakeup, false)) return records;
    if (!shared_.events.empty() || !shared_.callbacks.empty() ||
        shared_.positions.HasChunk()) {
      continue;
    }
    // In slices, since waiting in Poll counts as polling.
    auto now = std::chrono::steady_clock::now();
    if (now >= deadline) return records;
    shared_.changed.wait_until(
        lock, std::min(deadline, now + std::chrono::milliseconds(TellEveryMs())));
  }
}

// Telling the loop of every poll would cost a wake-up each; a tenth of the
// interval is close enough.
int64_t ConsumerImpl::TellEveryMs() const {
  return std::clamp<int64_t>(config_.max_poll_interval_ms / 10, 1, 1'000);
}

void ConsumerImpl::TellOfPoll() {
  int64_t now_ms = NowMs();
  if (!subscribed_ || now_ms - last_poll_told_ms_ < TellEveryMs()) return;
  last_poll_told_ms_ = now_ms;
  engine_.OnPoll();
}

void ConsumerImpl::RunCallbacks() {
  while (true) {
    std::function<void()> callback;
    {
      Lock lock(shared_.mutex);
      if (shared_.callbacks.empty()) return;
      callback = std::move(shared_.callbacks.front());
      shared_.callbacks.pop_front();
    }
    callback();
  }
}

void ConsumerImpl::RunEvents() {
  while (true) {
    GroupMember::Event event;
    {
      Lock lock(shared_.mutex);
      if (shared_.events.empty()) return;
      event = std::move(shared_.events.front());
      shared_.events.pop_front();
    }
    Handle(event);
  }
}

void ConsumerImpl::Handle(const GroupMember::Event& event) {
  std::vector<TopicPartition> all = Assignment();
  if (event.kind == GroupMember::Event::kAssigned) {
    all.insert(all.end(), event.partitions.begin(), event.partitions.end());
    {
      Lock lock(shared_.mutex);
      shared_.positions.Assign(all);
    }
    if (listener_ != nullptr) listener_->OnAssigned(event.partitions);
    engine_.Poke();
    return;
  }
  std::set<TopicPartition> going(event.partitions.begin(),
                                 event.partitions.end());
  bool lost = event.kind == GroupMember::Event::kLost;
  if (!lost && config_.enable_auto_commit) {
    PartitionOffsets consumed = Consumed();
    std::erase_if(consumed,
                  [&](const auto& entry) { return !going.count(entry.first); });
    (void)CommitWithin(consumed, config_.request_timeout_ms);
  }
  if (listener_ != nullptr && lost) listener_->OnLost(event.partitions);
  if (listener_ != nullptr && !lost) listener_->OnRevoked(event.partitions);
  std::erase_if(all, [&](const auto& id) { return going.count(id) != 0; });
  {
    Lock lock(shared_.mutex);
    shared_.positions.Assign(all);
  }
  engine_.OnReleased();
}

void ConsumerImpl::Wakeup() {
  Lock lock(shared_.mutex);
  shared_.wakeup = true;
  shared_.changed.notify_all();
}

PartitionOffsets ConsumerImpl::Consumed() const {
  Lock lock(shared_.mutex);
  return shared_.positions.Consumed();
}

// Commits what earlier polls returned: by calling Poll again the application says
// that it is done with those.
void ConsumerImpl::AutoCommit(int64_t now_ms) {
  if (!config_.enable_auto_commit || config_.group_id.empty() ||
      now_ms < next_auto_commit_ms_) {
    return;
  }
  next_auto_commit_ms_ = now_ms + config_.auto_commit_interval_ms;
  PartitionOffsets offsets = Consumed();
  if (offsets.empty()) return;
  engine_.Commit(std::move(offsets), config_.request_timeout_ms,
                 [](const absl::Status&) {});
}

absl::Status ConsumerImpl::CommitWithin(const PartitionOffsets& offsets,
                                        int64_t timeout_ms) {
  if (absl::Status status = NeedGroup(); !status.ok()) return status;
  if (offsets.empty()) return absl::OkStatus();
  auto promise = std::make_shared<std::promise<absl::Status>>();
  auto future = promise->get_future();
  engine_.Commit(offsets, timeout_ms, [promise](const absl::Status& status) {
    promise->set_value(status);
  });
  return future.get();
}

absl::Status ConsumerImpl::CommitSync(const PartitionOffsets& offsets) {
  absl::Status status = CommitWithin(offsets, config_.default_api_timeout_ms);
  RunCallbacks();
  return status;
}

void ConsumerImpl::CommitAsync(
    const PartitionOffsets& offsets,
    std::function<void(const absl::Status&)> done) {
  auto finish = [this, done = std::move(done)](const absl::Status& status) {
    if (!done) return;
    Lock lock(shared_.mutex);
    shared_.callbacks.push_back([done, status] { done(status); });
    shared_.changed.notify_all();
  };
  absl::Status status = NeedGroup();
  if (!status.ok() || offsets.empty()) {
    finish(status);
    return;
  }
  engine_.Commit(offsets, config_.default_api_timeout_ms, std::move(finish));
}

absl::StatusOr<PartitionOffsets> ConsumerImpl::Committed(
    const std::vector<TopicPartition>& partitions) {
  if (absl::Status status = NeedGroup(); !status.ok()) return status;
  Answer<PartitionOffsets> answer;
  engine_.FetchCommitted(partitions, config_.default_api_timeout_ms,
                         answer.Taker());
  return answer.Wait();
}

absl::Status ConsumerImpl::Seek(const TopicPartition& partition,
                                int64_t offset) {
  if (offset < 0) {
    return ErrorStatus(ErrorCode::INVALID_REQUEST,
                       "cannot seek to offset " + std::to_string(offset));
  }
  return SeekAll({partition}, offset);
}

absl::Status ConsumerImpl::SeekAll(
    const std::vector<TopicPartition>& partitions, int64_t offset) {
  for (const TopicPartition& id : partitions) {
    Lock lock(shared_.mutex);
    if (!shared_.positions.Seek(id, offset)) {
      return ErrorStatus(ErrorCode::INVALID_REQUEST,
                         id.ToString() + " is not assigned to this consumer");
    }
  }
  engine_.Poke();
  return absl::OkStatus();
}

absl::Status ConsumerImpl::SeekToBeginning(
    const std::vector<TopicPartition>& partitions) {
  return SeekAll(partitions, kEarliestTimestamp);
}

absl::Status ConsumerImpl::SeekToEnd(
    const std::vector<TopicPartition>& partitions) {
  return SeekAll(partitions, kLatestTimestamp);
}

absl::StatusOr<int64_t> ConsumerImpl::Position(
    const TopicPartition& partition) {
  Lock lock(shared_.mutex);
  if (!shared_.positions.IsAssigned(partition)) {
    return ErrorStatus(
        ErrorCode::INVALID_REQUEST,
        partition.ToString() + " is not assigned to this consumer");
  }
  bool known = shared_.changed.wait_for(
      lock, std::chrono::milliseconds(config_.default_api_timeout_ms), [&] {
        return shared_.positions.Position(partition).has_value() ||
               !shared_.positions.Stuck().ok() || !shared_.failure.ok();
      });
  auto position = shared_.positions.Position(partition);
  if (position) return *position;
  if (!shared_.positions.Stuck().ok()) return shared_.positions.Stuck();
  if (!shared_.failure.ok()) return shared_.failure;
  if (!known && !shared_.problem.ok()) return shared_.problem;
  return ErrorStatus(ErrorCode::REQUEST_TIMED_OUT,
                     "the position of " + partition.ToString() +
                         " is not known yet");
}

void ConsumerImpl::Pause(const std::vector<TopicPartition>& partitions) {
  Lock lock(shared_.mutex);
  for (const TopicPartition& id : partitions) {
    shared_.positions.SetPaused(id, true);
  }
}

void ConsumerImpl::Resume(const std::vector<TopicPartition>& partitions) {
  {
    Lock lock(shared_.mutex);
    for (const TopicPartition& id : partitions) {
      shared_.positions.SetPaused(id, false);
    }
  }
  engine_.Poke();
}

std::vector<TopicPartition> ConsumerImpl::Paused() const {
  Lock lock(shared_.mutex);
  return shared_.positions.Paused();
}

absl::StatusOr<std::map<TopicPartition, OffsetAndTimestamp>>
ConsumerImpl::OffsetsForTimes(const std::map<TopicPartition, int64_t>& times) {
  Answer<std::map<TopicPartition, OffsetAndTimestamp>> answer;
  engine_.Lookup(times, config_.default_api_timeout_ms, answer.Taker());
  return answer.Wait();
}

absl::StatusOr<std::vector<int32_t>> ConsumerImpl::Partitions(
    const std::string& topic) {
  Answer<int> answer;
  engine_.CountPartitions(topic, config_.default_api_timeout_ms,
                          answer.Taker());
  absl::StatusOr<int> count = answer.Wait();
  if (!count.ok()) return count.status();
  std::vector<int32_t> numbers;
  for (int32_t i = 0; i < *count; ++i) numbers.push_back(i);
  return numbers;
}

std::optional<int64_t> ConsumerImpl::HighWatermark(
    const TopicPartition& partition) const {
  Lock lock(shared_.mutex);
  return shared_.positions.HighWatermark(partition);
}

std::optional<int64_t> ConsumerImpl::CurrentLag(
    const TopicPartition& partition) const {
  Lock lock(shared_.mutex);
  return shared_.positions.Lag(partition);
}

absl::Status ConsumerImpl::LastProblem() const {
  Lock lock(shared_.mutex);
  return shared_.problem;
}

std::string ConsumerImpl::MemberId() const {
  Lock lock(shared_.mutex);
  return shared_.member_id;
}

ConsumerStats ConsumerImpl::Stats() const {
  Lock lock(shared_.mutex);
  ConsumerStats stats = shared_.stats;
  for (const TopicPartition& id : shared_.positions.Assignment()) {
    auto lag = shared_.positions.Lag(id);
    if (!lag) continue;
    stats.records_lag[id] = *lag;
    stats.records_lag_max = std::max(stats.records_lag_max, *lag);
  }
  return stats;
}

absl::Status ConsumerImpl::Close(absl::Duration timeout) {
  if (closed_) return absl::OkStatus();
  closed_ = true;
  int64_t timeout_ms = absl::ToInt64Milliseconds(timeout);
  int64_t end_ms = NowMs() + timeout_ms;
  absl::Status status;
  bool reachable = LastProblem().ok();
  if (config_.enable_auto_commit && !config_.group_id.empty() && reachable) {
    status = CommitWithin(Consumed(), timeout_ms);
  }
  RunCallbacks();
  engine_.Stop(std::max<int64_t>(end_ms - NowMs(), 0));
  return status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Consumer>> Consumer::Create(
    ConsumerConfig config) {
  if (config.bootstrap_servers.empty()) {
    return ErrorStatus(ErrorCode::INVALID_CONFIG,
                       "bootstrap.servers is empty");
  }
  if (config.heartbeat_interval_ms >= config.session_timeout_ms) {
    return ErrorStatus(
        ErrorCode::INVALID_CONFIG,
        "heartbeat.interval.ms=" +
            std::to_string(config.heartbeat_interval_ms) +
            " must be less than session.timeout.ms=" +
            std::to_string(config.session_timeout_ms));
  }
  return std::make_unique<ConsumerImpl>(config);
}

}  // namespace sillok::client
