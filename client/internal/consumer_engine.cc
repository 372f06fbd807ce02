#include "client/internal/consumer_engine.h"

#include <algorithm>
#include <future>
#include <utility>

#include "base/error.h"

namespace sillok::client {
namespace {

Fetcher::Options ToFetcherOptions(const ConsumerConfig& config) {
  Fetcher::Options options;
  options.max_wait_ms = config.fetch_max_wait_ms;
  options.min_bytes = config.fetch_min_bytes;
  options.max_bytes = config.fetch_max_bytes;
  options.max_partition_bytes = config.max_partition_fetch_bytes;
  options.request_timeout_ms = config.request_timeout_ms;
  options.read_committed =
      config.isolation_level == IsolationLevel::kReadCommitted;
  options.client_id = config.client_id;
  return options;
}

// How often to look again for a topic that does not exist.
constexpr int64_t kMissingTopicMs = 1'000;

}  // namespace

ConsumerEngine::ConsumerEngine(const ConsumerConfig& config,
                               ConsumerShared* shared)
    : config_(config), shared_(shared), loop_("consumer") {
  cluster_ = std::make_unique<ClusterClient>(
      &loop_, config_, config_.allow_auto_create_topics,
      ClusterClient::Observer{
          [this] { OnMetadata(); },
          [this](const absl::Status& problem) { SetProblem(problem); }});
  group_ = std::make_unique<GroupDriver>(
      &loop_, cluster_.get(), config_, shared_, [this] { UpdateTopics(); },
      [this] { Work(); });
  leaders_ = std::make_unique<LeaderCalls>(cluster_.get(), config_);
  loop_.Post([this] { cluster_->Refresh(); });
}

ConsumerEngine::~ConsumerEngine() { Stop(0); }

// ---- from the application

void ConsumerEngine::Subscribe(std::vector<std::string> topics) {
  loop_.Post([this, topics = std::move(topics)] {
    topics_.clear();
    group_->Subscribe(topics);
    cluster_->Refresh();
    Work();
  });
}

void ConsumerEngine::SubscribePattern(std::shared_ptr<const re2::RE2> pattern) {
  loop_.Post([this, pattern = std::move(pattern)] {
    topics_.clear();
    group_->SubscribePattern(pattern);
    cluster_->Refresh();
    Work();
  });
}

void ConsumerEngine::Unsubscribe() {
  auto done = std::make_shared<std::promise<void>>();
  loop_.Post([this, done] {
    group_->Unsubscribe();
    Work();
    done->set_value();
  });
  done->get_future().wait();
}

void ConsumerEngine::EnforceRebalance(std::string reason) {
  loop_.Post([this, reason = std::move(reason)] {
    group_->EnforceRebalance(reason);
    Work();
  });
}

void ConsumerEngine::SetTopics(std::set<std::string> topics) {
  loop_.Post([this, topics = std::move(topics)] {
    topics_ = topics;
    UpdateTopics();
    cluster_->Refresh();
    Work();
  });
}

void ConsumerEngine::Poke() {
  loop_.Post([this] { Work(); });
}

void ConsumerEngine::OnPoll() {
  loop_.Post([this] {
    group_->OnPoll();
    Work();
  });
}

void ConsumerEngine::OnReleased() {
  loop_.Post([this] {
    group_->OnReleased();
    Work();
  });
}

void ConsumerEngine::Commit(PartitionOffsets offsets, int64_t timeout_ms,
                            Done done) {
  loop_.Post([this, offsets = std::move(offsets), timeout_ms,
              done = std::move(done)] {
    Retry(loop_.NowMs() + timeout_ms,
          [this, offsets](Done then) {
            group_->coordinator().Commit(
                offsets, group_->identity(),
                [this, then](ErrorCode code, const absl::Status& status) {
                  group_->OnCommit(code);
                  then(status);
                  Work();
                });
          },
          done);
  });
}

void ConsumerEngine::FetchCommitted(std::vector<TopicPartition> partitions,
                                    int64_t timeout_ms, OffsetsCallback done) {
  loop_.Post([this, partitions = std::move(partitions), timeout_ms,
              done = std::move(done)] {
    auto result = std::make_shared<PartitionOffsets>();
    Retry(loop_.NowMs() + timeout_ms,
          [this, partitions, result](Done then) {
            group_->coordinator().FetchCommitted(
                partitions, [result, then](const absl::Status& status,
                                           PartitionOffsets offsets) {
                  *result = std::move(offsets);
                  then(status);
                });
          },
          [result, done](const absl::Status& status) {
            done(status, std::move(*result));
          });
  });
}

void ConsumerEngine::Lookup(
    std::map<TopicPartition, int64_t> times, int64_t timeout_ms,
    std::function<void(const absl::Status&, LookupResults)> done) {
  loop_.Post([this, times = std::move(times), timeout_ms,
              done = std::move(done)] {
    for (const auto& [id, time] : times) extra_topics_.insert(id.topic);
    UpdateTopics();
    auto results = std::make_shared<LookupResults>();
    Retry(loop_.NowMs() + timeout_ms,
          [this, times, results](Done then) {
            leaders_->ListOffsets(times, [results, then](auto answers) {
              absl::Status status;
              for (const auto& [id, answer] : answers) {
                if (answer.first == ErrorCode::NONE) {
                  (*results)[id] = answer.second;
                } else {
                  status = ErrorStatus(answer.first, id.ToString());
                }
              }
              then(status);
            });
          },
          [results, done](const absl::Status& status) {
            done(status, std::move(*results));
          });
  });
}

void ConsumerEngine::CountPartitions(
    std::string topic, int64_t timeout_ms,
    std::function<void(const absl::Status&, int)> done) {
  loop_.Post([this, topic = std::move(topic), timeout_ms,
              done = std::move(done)] {
    extra_topics_.insert(topic);
    UpdateTopics();
    uint64_t asked_at = cluster_->updates();
    cluster_->Refresh();
    auto count = std::make_shared<int>(0);
    Retry(loop_.NowMs() + timeout_ms,
          [this, topic, count, asked_at](Done then) {
            const ClusterMetadata::Topic* found =
                cluster_->metadata().FindTopic(topic);
            if (found == nullptr || cluster_->updates() == asked_at) {
              then(cluster_->problem().ok()
                       ? ErrorStatus(ErrorCode::LEADER_NOT_AVAILABLE,
                                     "no metadata of topic '" + topic + "'")
                       : cluster_->problem());
              return;
            }
            *count = static_cast<int>(found->partitions.size());
            if (found->error == ErrorCode::NONE) {
              then(absl::OkStatus());
              return;
            }
            // Missing is an answer here, even if it may come to be.
            *count = -static_cast<int>(found->error);
            then(absl::OkStatus());
          },
          [topic, count, done](const absl::Status& status) {
            if (status.ok() && *count < 0) {
              done(ErrorStatus(ErrorCodeFromNumber(-*count),
                               "topic '" + topic + "'"),
                   0);
            } else {
              done(status, *count);
            }
          });
  });
}

void ConsumerEngine::Stop(int64_t timeout_ms) {
  auto left = std::make_shared<std::promise<void>>();
  auto future = left->get_future();
  loop_.Post([this, left] { group_->Leave([left] { left->set_value(); }); });
  (void)future.wait_for(std::chrono::milliseconds(timeout_ms));
  loop_.Post([this] {
    for (auto& [id, fetcher] : fetchers_) fetcher->Abandon();
  });
  loop_.Stop();
  fetchers_.clear();  // they know the loop, which goes before them
}

void ConsumerEngine::Retry(int64_t deadline_ms,
                           std::function<void(Done)> attempt, Done done) {
  attempt([this, deadline_ms, attempt, done](const absl::Status& status) {
    if (status.ok() || !IsPassing(ErrorCodeOf(status)) ||
        loop_.NowMs() + config_.retry_backoff_ms >= deadline_ms) {
      done(status);
      return;
    }
    loop_.After(config_.retry_backoff_ms, [this, deadline_ms, attempt, done] {
      Retry(deadline_ms, attempt, done);
    });
  });
}

// ---- the loop

void ConsumerEngine::Work() {
  if (loop_.stopping()) return;
  if (working_) {
    work_again_ = true;
    return;
  }
  working_ = true;
  do {
    work_again_ = false;
    group_->Run();
    RunFetches();  // may find positions that have to be validated
    FindPositions();
  } while (work_again_);
  working_ = false;
  ArmTimer();
}

void ConsumerEngine::ArmTimer() {
  int64_t now_ms = loop_.NowMs();
  int64_t next_ms = group_->NextMs();
  {
    std::lock_guard lock(shared_->mutex);
    next_ms = std::min(next_ms, shared_->positions.NextMs(now_ms));
  }
  if (committed_not_before_ms_ > now_ms) {
    next_ms = std::min(next_ms, committed_not_before_ms_);
  }
  if (timer_armed_) loop_.Cancel(timer_);
  timer_armed_ = next_ms != INT64_MAX;
  if (!timer_armed_) return;
  // At least 1 ms: something that cannot go on now must not spin.
  timer_ = loop_.After(std::max<int64_t>(next_ms - now_ms, 1), [this] {
    timer_armed_ = false;
    Work();
  });
}

void ConsumerEngine::UpdateTopics() {
  std::set<std::string> all = group_->Topics();
  all.insert(topics_.begin(), topics_.end());
  all.insert(extra_topics_.begin(), extra_topics_.end());
  cluster_->SetTopics(std::move(all));
  cluster_->SetAllTopics(group_->wants_all_topics());
}

void ConsumerEngine::OnMetadata() {
  bool leaderless = false;
  bool missing = false;
  absl::Status problem;
  std::set<std::string> wanted = topics_;
  wanted.insert(group_->subscription().begin(), group_->subscription().end());
  for (const std::string& name : wanted) {
    const ClusterMetadata::Topic* topic = cluster_->metadata().FindTopic(name);
    if (topic == nullptr) continue;
    for (const PartitionLeader& leader : topic->partitions) {
      leaderless = leaderless || leader.broker_id < 0;
    }
    if (topic->error != ErrorCode::NONE) {
      missing = true;
      problem = ErrorStatus(topic->error, "topic '" + name + "'");
    }
  }
  SetProblem(problem);
  {
    std::lock_guard lock(shared_->mutex);
    shared_->positions.ClearBackoff();
  }
  if (leaderless) cluster_->Refresh();
  if (missing) {
    loop_.After(kMissingTopicMs, [this] { cluster_->Refresh(); });
  }
  group_->OnMetadata();
  Work();
}

void ConsumerEngine::SetProblem(const absl::Status& problem) {
  std::lock_guard lock(shared_->mutex);
  shared_->problem = problem;
}

// ---- positions

void ConsumerEngine::FindPositions() {
  int64_t now_ms = loop_.NowMs();
  std::vector<TopicPartition> committed;
  std::map<TopicPartition, int64_t> lookups;
  std::vector<FetchPositions::Validation> validations;
  {
    std::lock_guard lock(shared_->mutex);
    committed = shared_->positions.NeedCommitted();
    lookups = shared_->positions.NeedLookup(now_ms);
    validations = shared_->positions.NeedValidation(now_ms);
  }
  if (!committed.empty() && !committed_out_ &&
      now_ms >= committed_not_before_ms_) {
    committed_out_ = true;
    group_->coordinator().FetchCommitted(
        committed, [this, committed](const absl::Status& status,
                                     PartitionOffsets offsets) {
          committed_out_ = false;
          TakeCommitted(committed, status, offsets);
          Work();
        });
  }
  if (!lookups.empty() && !lookup_out_) ResetPositions(lookups);
  if (!validations.empty() && !validation_out_) ValidatePositions(validations);
}

void ConsumerEngine::TakeCommitted(const std::vector<TopicPartition>& asked,
                                   const absl::Status& status,
                                   const PartitionOffsets& offsets) {
  std::lock_guard lock(shared_->mutex);
  if (!status.ok()) {
    committed_not_before_ms_ = loop_.NowMs() + config_.retry_backoff_ms;
    if (IsPassing(ErrorCodeOf(status))) {
      shared_->problem = status;
    } else {
      shared_->error = status;
      shared_->changed.notify_all();
    }
    return;
  }
  for (const TopicPartition& id : asked) {
    auto found = offsets.find(id);
    bool has = found != offsets.end();
    shared_->positions.OnCommitted(id, has ? found->second.offset : -1,
                                   has ? found->second.leader_epoch : -1);
  }
  shared_->changed.notify_all();
}

void ConsumerEngine::ResetPositions(
    const std::map<TopicPartition, int64_t>& lookups) {
  lookup_out_ = true;
  leaders_->ListOffsets(lookups, [this](auto answers) {
    lookup_out_ = false;
    {
      std::lock_guard lock(shared_->mutex);
      for (const auto& [id, answer] : answers) {
        shared_->positions.OnLookup(id, answer.first, answer.second.offset,
                                    answer.second.leader_epoch, loop_.NowMs());
      }
      shared_->changed.notify_all();
    }
    Work();
  });
}

void ConsumerEngine::ValidatePositions(
    const std::vector<FetchPositions::Validation>& asked) {
  validation_out_ = true;
  leaders_->EpochEnds(asked, [this, asked](auto answers) {
    validation_out_ = false;
    {
      std::lock_guard lock(shared_->mutex);
      for (const FetchPositions::Validation& validation : asked) {
        absl::Status error = shared_->positions.OnEpochEnd(
            validation, answers[validation.id], loop_.NowMs());
        if (!error.ok()) shared_->error = error;
      }
      shared_->stats.truncations = shared_->positions.truncations();
      shared_->changed.notify_all();
    }
    Work();
  });
}

// ---- fetching

Fetcher* ConsumerEngine::FetcherOf(int32_t broker_id) {
  std::unique_ptr<Fetcher>& fetcher = fetchers_[broker_id];
  if (fetcher == nullptr) {
    fetcher = std::make_unique<Fetcher>(
        &loop_, cluster_.get(), broker_id, ToFetcherOptions(config_),
        [this](std::vector<Fetcher::Result> results,
               const absl::Status& status) {
          OnFetchResults(std::move(results), status);
        });
  }
  return fetcher.get();
}

void ConsumerEngine::RunFetches() {
  bool needs_metadata = false;
  std::map<int32_t, std::vector<FetchPositions::Fetch>> fetches;
  {
    std::lock_guard lock(shared_->mutex);
    fetches = shared_->positions.TakeFetches(
        cluster_->metadata(), loop_.NowMs(),
        [this](int32_t broker) { return !FetcherOf(broker)->HasRoom(); },
        &needs_metadata);
    shared_->stats.fetches += fetches.size();
  }
  for (auto& [broker, list] : fetches) {
    FetcherOf(broker)->Send(std::move(list));
  }
  if (needs_metadata) cluster_->Refresh();
}

void ConsumerEngine::OnFetchResults(std::vector<Fetcher::Result> results,
                                    const absl::Status& status) {
  bool stale = !status.ok();
  {
    std::lock_guard lock(shared_->mutex);
    if (!status.ok()) shared_->problem = status;
    for (Fetcher::Result& result : results) {
      ErrorCode code = result.outcome.code;
      if (code == ErrorCode::NONE && shared_->problem.ok() == false &&
          status.ok()) {
        shared_->problem = absl::OkStatus();
      }
      if (code != ErrorCode::NONE && code != ErrorCode::OFFSET_OUT_OF_RANGE) {
        stale = true;
        if (status.ok()) {
          shared_->problem = ErrorStatus(code, result.fetch.id.ToString());
        }
      }
      if (result.outcome.chunk != nullptr) {
        shared_->stats.fetched_bytes += result.outcome.chunk->batches.size();
      }
      absl::Status error = shared_->positions.OnFetched(
          result.fetch, std::move(result.outcome), loop_.NowMs());
      if (!error.ok()) shared_->error = error;
    }
    shared_->changed.notify_all();
  }
  if (stale) cluster_->Refresh();
  Work();
}

}  // namespace sillok::client
