#include "client/internal/consumer_engine.h"

#include <algorithm>
#include <future>
#include <utility>

#include "base/error.h"

namespace sillok::client {
namespace {

GroupMemberOptions ToMemberOptions(const ConsumerConfig& config) {
  GroupMemberOptions options;
  options.group_id = config.group_id;
  options.instance_id = config.group_instance_id;
  options.client_id = config.client_id;
  options.session_timeout_ms = config.session_timeout_ms;
  options.heartbeat_interval_ms = config.heartbeat_interval_ms;
  options.max_poll_interval_ms = config.max_poll_interval_ms;
  options.retry_backoff_ms = config.retry_backoff_ms;
  options.assignors = config.assignors;
  return options;
}

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

bool IsPassing(ErrorCode code) {
  return IsRetriable(code) || code == ErrorCode::BROKER_NOT_AVAILABLE;
}

// The code of an answer, or of the trouble that kept it away.
ErrorCode CodeOf(const grpc::Status& status, v1::ErrorCode answer) {
  return status.ok() ? FromProto(answer)
                     : ErrorCodeOf(TransportError("coordinator", status));
}

// How often to look again for a topic that does not exist.
constexpr int64_t kMissingTopicMs = 1'000;

}  // namespace

ConsumerEngine::ConsumerEngine(const ConsumerConfig& config,
                               ConsumerShared* shared)
    : config_(config),
      shared_(shared),
      member_(ToMemberOptions(config)),
      loop_("consumer") {
  cluster_ = std::make_unique<ClusterClient>(
      &loop_, config_, config_.allow_auto_create_topics,
      ClusterClient::Observer{
          [this] { OnMetadata(); },
          [this](const absl::Status& problem) { SetProblem(problem); }});
  loop_.Post([this] { cluster_->Refresh(); });
}

ConsumerEngine::~ConsumerEngine() { Stop(0); }

// ---- from the application

void ConsumerEngine::Subscribe(std::vector<std::string> topics) {
  loop_.Post([this, topics = std::move(topics)] {
    topics_ = {topics.begin(), topics.end()};
    UpdateTopics();
    cluster_->Refresh();
    member_.Subscribe(topics, loop_.NowMs());
    Work();
  });
}

void ConsumerEngine::Unsubscribe() {
  auto done = std::make_shared<std::promise<void>>();
  loop_.Post([this, done] {
    member_.Unsubscribe();
    topics_.clear();
    UpdateTopics();
    Work();
    done->set_value();
  });
  done->get_future().wait();
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
    member_.OnPoll(loop_.NowMs());
    Work();
  });
}

void ConsumerEngine::OnReleased() {
  loop_.Post([this] {
    member_.OnReleased(loop_.NowMs());
    Work();
  });
}

void ConsumerEngine::Commit(PartitionOffsets offsets, int64_t timeout_ms,
                            Done done) {
  loop_.Post([this, offsets = std::move(offsets), timeout_ms,
              done = std::move(done)] {
    Retry(loop_.NowMs() + timeout_ms,
          [this, offsets](Done then) { CommitOnce(offsets, std::move(then)); },
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
            FetchCommittedOnce(
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
            LookupOnce(times, [results, then](auto answers) {
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
  loop_.Post([this, left] {
    member_.Unsubscribe();
    auto step = member_.Next(loop_.NowMs());
    if (!step || step->kind != GroupMember::Step::kLeave || coordinator_ < 0) {
      left->set_value();
      return;
    }
    cluster_->Call(coordinator_, &v1::Broker::Stub::AsyncLeaveGroup,
                   step->leave, config_.request_timeout_ms,
                   UnaryCall<v1::LeaveGroupResponse>::Callback(
                       [left](const grpc::Status&, v1::LeaveGroupResponse&) {
                         left->set_value();
                       }));
  });
  (void)future.wait_for(std::chrono::milliseconds(timeout_ms));
  loop_.Post([this] {
    for (auto& [id, fetcher] : fetchers_) fetcher->Abandon();
  });
  loop_.Stop();
  fetchers_.clear();  // they know the loop, which goes before them
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
    RunGroup();
    RunOffsets();
    RunFetches();
  } while (work_again_);
  working_ = false;
  ArmTimer();
}

void ConsumerEngine::ArmTimer() {
  int64_t now_ms = loop_.NowMs();
  int64_t next_ms = member_.NextMs();
  {
    std::lock_guard lock(shared_->mutex);
    next_ms = std::min(next_ms, shared_->positions.NextMs(now_ms));
  }
  if (find_not_before_ms_ > now_ms) {
    next_ms = std::min(next_ms, find_not_before_ms_);
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

void ConsumerEngine::RunGroup() {
  while (auto step = member_.Next(loop_.NowMs())) Do(std::move(*step));
  PublishEvents();
}

void ConsumerEngine::PublishEvents() {
  std::lock_guard lock(shared_->mutex);
  bool news = false;
  while (auto event = member_.TakeEvent()) {
    shared_->events.push_back(std::move(*event));
    news = true;
  }
  news = news || shared_->failure != member_.failure();
  shared_->failure = member_.failure();
  shared_->member_id = member_.member_id();
  shared_->stats.rebalances = member_.rebalances();
  if (news) shared_->changed.notify_all();
}

void ConsumerEngine::Do(GroupMember::Step step) {
  using Kind = GroupMember::Step;
  using Stub = v1::Broker::Stub;
  uint64_t round = step.round;
  switch (step.kind) {
    case Kind::kFindCoordinator:
      coordinator_ = -1;
      FindCoordinator();
      break;
    case Kind::kJoin:
      // The coordinator answers when the whole group has joined.
      cluster_->Call(coordinator_, &Stub::AsyncJoinGroup, step.join,
                     config_.max_poll_interval_ms + 5'000,
                     UnaryCall<v1::JoinGroupResponse>::Callback(
                         [this, round](const grpc::Status& status,
                                       v1::JoinGroupResponse& response) {
                           member_.OnJoin(round,
                                          CodeOf(status, response.error_code()),
                                          response, loop_.NowMs());
                           Work();
                         }));
      break;
    case Kind::kSync:
      cluster_->Call(coordinator_, &Stub::AsyncSyncGroup, step.sync,
                     config_.max_poll_interval_ms + 5'000,
                     UnaryCall<v1::SyncGroupResponse>::Callback(
                         [this, round](const grpc::Status& status,
                                       v1::SyncGroupResponse& response) {
                           member_.OnSync(round,
                                          CodeOf(status, response.error_code()),
                                          response, loop_.NowMs());
                           Work();
                         }));
      break;
    case Kind::kHeartbeat:
      cluster_->Call(
          coordinator_, &Stub::AsyncHeartbeat, step.heartbeat,
          std::min(config_.request_timeout_ms, config_.session_timeout_ms),
          UnaryCall<v1::HeartbeatResponse>::Callback(
              [this, round](const grpc::Status& status,
                            v1::HeartbeatResponse& response) {
                member_.OnHeartbeat(
                    round, CodeOf(status, response.error_code()),
                    loop_.NowMs());
                Work();
              }));
      break;
    case Kind::kLeave:
      cluster_->Call(coordinator_, &Stub::AsyncLeaveGroup, step.leave,
                     config_.request_timeout_ms,
                     UnaryCall<v1::LeaveGroupResponse>::Callback(
                         [](const grpc::Status&, v1::LeaveGroupResponse&) {}));
      break;
    case Kind::kPartitionCounts:
      UpdateTopics();
      counts_wanted_ = true;
      counts_after_ = HaveAnswerFor(step.topics) ? 0 : cluster_->updates() + 1;
      if (counts_after_ == 0) {
        counts_wanted_ = false;
        member_.OnPartitionCounts(Counts(step.topics), loop_.NowMs());
      } else {
        cluster_->Refresh();
      }
      break;
  }
}

void ConsumerEngine::FindCoordinator() {
  if (finding_ || loop_.NowMs() < find_not_before_ms_) return;
  int32_t broker = cluster_->AnyBroker();
  if (broker < 0) {
    cluster_->Refresh();
    find_not_before_ms_ = loop_.NowMs() + config_.retry_backoff_ms;
    member_.OnCoordinator(ErrorCode::COORDINATOR_NOT_AVAILABLE, loop_.NowMs());
    return;
  }
  finding_ = true;
  v1::FindCoordinatorRequest request;
  request.set_key(config_.group_id);
  cluster_->Call(
      broker, &v1::Broker::Stub::AsyncFindCoordinator, request,
      std::min<int64_t>(config_.request_timeout_ms, 10'000),
      UnaryCall<v1::FindCoordinatorResponse>::Callback(
          [this](const grpc::Status& status,
                 v1::FindCoordinatorResponse& response) {
            finding_ = false;
            ErrorCode code = CodeOf(status, response.error_code());
            int32_t id = response.coordinator().broker_id();
            if (code == ErrorCode::NONE &&
                cluster_->metadata().FindBroker(id) == nullptr) {
              code = ErrorCode::COORDINATOR_NOT_AVAILABLE;
            }
            coordinator_ = code == ErrorCode::NONE ? id : -1;
            if (code != ErrorCode::NONE) {
              find_not_before_ms_ = loop_.NowMs() + config_.retry_backoff_ms;
              cluster_->Refresh();
            }
            member_.OnCoordinator(code, loop_.NowMs());
            Work();
          }));
}

void ConsumerEngine::OnCoordinatorLost() {
  coordinator_ = -1;
  cluster_->Refresh();
}

void ConsumerEngine::UpdateTopics() {
  std::set<std::string> all = topics_;
  all.insert(extra_topics_.begin(), extra_topics_.end());
  all.insert(member_.group_topics().begin(), member_.group_topics().end());
  cluster_->SetTopics(std::move(all));
}

std::map<std::string, int> ConsumerEngine::Counts(
    const std::set<std::string>& topics) const {
  std::map<std::string, int> counts;
  for (const std::string& name : topics) {
    const ClusterMetadata::Topic* topic = cluster_->metadata().FindTopic(name);
    if (topic != nullptr && topic->error == ErrorCode::NONE) {
      counts[name] = static_cast<int>(topic->partitions.size());
    }
  }
  return counts;
}

bool ConsumerEngine::HaveAnswerFor(const std::set<std::string>& topics) const {
  return std::all_of(topics.begin(), topics.end(), [&](const auto& name) {
    return cluster_->metadata().FindTopic(name) != nullptr;
  });
}

void ConsumerEngine::OnMetadata() {
  bool leaderless = false;
  bool missing = false;
  absl::Status problem;
  for (const std::string& name : topics_) {
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
  if (counts_wanted_ ? cluster_->updates() >= counts_after_
                     : member_.stable() && member_.is_leader()) {
    counts_wanted_ = false;
    member_.OnPartitionCounts(Counts(member_.group_topics()), loop_.NowMs());
  }
  Work();
}

void ConsumerEngine::SetProblem(const absl::Status& problem) {
  std::lock_guard lock(shared_->mutex);
  shared_->problem = problem;
}

// ---- positions

void ConsumerEngine::RunOffsets() {
  int64_t now_ms = loop_.NowMs();
  std::vector<TopicPartition> committed;
  std::map<TopicPartition, int64_t> lookups;
  {
    std::lock_guard lock(shared_->mutex);
    committed = shared_->positions.NeedCommitted();
    lookups = shared_->positions.NeedLookup(now_ms);
  }
  if (!committed.empty() && !committed_out_ &&
      now_ms >= committed_not_before_ms_) {
    committed_out_ = true;
    FetchCommittedOnce(committed, [this, committed](const absl::Status& status,
                                                    PartitionOffsets offsets) {
      committed_out_ = false;
      if (!status.ok()) {
        committed_not_before_ms_ = loop_.NowMs() + config_.retry_backoff_ms;
        std::lock_guard lock(shared_->mutex);
        if (IsPassing(ErrorCodeOf(status))) {
          shared_->problem = status;
        } else {
          shared_->error = status;
          shared_->changed.notify_all();
        }
      } else {
        std::lock_guard lock(shared_->mutex);
        for (const TopicPartition& id : committed) {
          auto found = offsets.find(id);
          bool has = found != offsets.end();
          shared_->positions.OnCommitted(
              id, has ? found->second.offset : -1,
              has ? found->second.leader_epoch : -1);
        }
        shared_->changed.notify_all();
      }
      Work();
    });
  }
  if (!lookups.empty() && !lookup_out_) {
    lookup_out_ = true;
    LookupOnce(lookups, [this](auto answers) {
      lookup_out_ = false;
      {
        std::lock_guard lock(shared_->mutex);
        for (const auto& [id, answer] : answers) {
          shared_->positions.OnLookup(id, answer.first, answer.second.offset,
                                      loop_.NowMs());
        }
        shared_->changed.notify_all();
      }
      Work();
    });
  }
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

void ConsumerEngine::CommitOnce(const PartitionOffsets& offsets, Done done) {
  if (coordinator_ < 0) {
    FindCoordinator();
    done(cluster_->problem().ok()
             ? ErrorStatus(ErrorCode::COORDINATOR_NOT_AVAILABLE,
                           "group '" + config_.group_id + "'")
             : cluster_->problem());
    return;
  }
  v1::OffsetCommitRequest request;
  request.set_group_id(config_.group_id);
  request.set_generation_id(member_.subscribed() ? member_.generation() : -1);
  if (member_.subscribed()) {
    request.set_member_id(member_.member_id());
    request.set_group_instance_id(config_.group_instance_id);
  }
  for (const auto& [id, offset] : offsets) {
    v1::CommittedOffset* entry = request.add_offsets();
    entry->set_topic(id.topic);
    entry->set_partition(id.partition);
    entry->set_offset(offset.offset);
    entry->set_leader_epoch(offset.leader_epoch);
    entry->set_metadata(offset.metadata);
  }
  cluster_->Call(
      coordinator_, &v1::Broker::Stub::AsyncOffsetCommit, request,
      config_.request_timeout_ms,
      UnaryCall<v1::OffsetCommitResponse>::Callback(
          [this, done](const grpc::Status& status,
                       v1::OffsetCommitResponse& response) {
            ErrorCode code = CodeOf(status, response.error_code());
            std::string where = "group '" + config_.group_id + "'";
            for (const v1::CommittedOffset& offset : response.offsets()) {
              if (code != ErrorCode::NONE) break;
              code = FromProto(offset.error_code());
              where += ", " + offset.topic() + "-" +
                       std::to_string(offset.partition());
            }
            member_.OnCommit(code, loop_.NowMs());
            if (code == ErrorCode::NOT_COORDINATOR ||
                code == ErrorCode::COORDINATOR_NOT_AVAILABLE ||
                !status.ok()) {
              OnCoordinatorLost();
            }
            done(code == ErrorCode::NONE
                     ? absl::OkStatus()
                     : ErrorStatus(code, where + ": " +
                                             std::string(ErrorMessage(code))));
            Work();
          }));
}

void ConsumerEngine::FetchCommittedOnce(
    const std::vector<TopicPartition>& partitions, OffsetsCallback done) {
  if (coordinator_ < 0) {
    FindCoordinator();
    done(cluster_->problem().ok()
             ? ErrorStatus(ErrorCode::COORDINATOR_NOT_AVAILABLE,
                           "group '" + config_.group_id + "'")
             : cluster_->problem(),
         {});
    return;
  }
  v1::OffsetFetchRequest request;
  request.set_group_id(config_.group_id);
  request.set_require_stable(config_.isolation_level ==
                             IsolationLevel::kReadCommitted);
  for (const TopicPartition& id : partitions) {
    v1::PartitionRef* ref = request.add_partitions();
    ref->set_topic(id.topic);
    ref->set_partition(id.partition);
  }
  cluster_->Call(
      coordinator_, &v1::Broker::Stub::AsyncOffsetFetch, request,
      config_.request_timeout_ms,
      UnaryCall<v1::OffsetFetchResponse>::Callback(
          [this, done](const grpc::Status& status,
                       v1::OffsetFetchResponse& response) {
            ErrorCode code = CodeOf(status, response.error_code());
            PartitionOffsets offsets;
            for (const v1::CommittedOffset& offset : response.offsets()) {
              if (code == ErrorCode::NONE) code = FromProto(offset.error_code());
              if (offset.offset() < 0) continue;
              offsets[{offset.topic(), offset.partition()}] = {
                  offset.offset(), offset.leader_epoch(), offset.metadata()};
            }
            if (code == ErrorCode::NOT_COORDINATOR ||
                code == ErrorCode::COORDINATOR_NOT_AVAILABLE ||
                !status.ok()) {
              OnCoordinatorLost();
            }
            done(code == ErrorCode::NONE
                     ? absl::OkStatus()
                     : ErrorStatus(code, "offsets of group '" +
                                             config_.group_id + "'"),
                 std::move(offsets));
          }));
}

void ConsumerEngine::LookupOnce(const std::map<TopicPartition, int64_t>& times,
                                LookupDone done) {
  using Answers = std::map<TopicPartition, std::pair<ErrorCode, OffsetAndTimestamp>>;
  struct Join {
    Answers answers;
    int open = 1;
    LookupDone done;
  };
  auto join = std::make_shared<Join>();
  join->done = std::move(done);
  auto finish = [this, join] {
    if (--join->open > 0) return;
    for (const auto& [id, answer] : join->answers) {
      if (IsPassing(answer.first)) cluster_->Refresh();
    }
    join->done(std::move(join->answers));
  };
  std::map<int32_t, v1::ListOffsetsRequest> requests;
  for (const auto& [id, time] : times) {
    PartitionLeader leader = cluster_->metadata().Leader(id);
    // Until an answer says otherwise.
    join->answers[id] = {leader.broker_id < 0 ? ErrorCode::LEADER_NOT_AVAILABLE
                                              : ErrorCode::NETWORK_EXCEPTION,
                         {}};
    if (leader.broker_id < 0) continue;
    v1::ListOffsetsRequest& request = requests[leader.broker_id];
    request.set_isolation_level(
        config_.isolation_level == IsolationLevel::kReadCommitted ? 1 : 0);
    v1::PartitionListOffset* entry = request.add_partitions();
    entry->set_topic(id.topic);
    entry->set_partition(id.partition);
    entry->set_timestamp_ms(time);
    entry->set_current_leader_epoch_plus_one(leader.epoch + 1);
  }
  join->open += static_cast<int>(requests.size());
  for (const auto& [broker, request] : requests) {
    cluster_->Call(
        broker, &v1::Broker::Stub::AsyncListOffsets, request,
        config_.request_timeout_ms,
        UnaryCall<v1::ListOffsetsResponse>::Callback(
            [join, finish](const grpc::Status& status,
                           v1::ListOffsetsResponse& response) {
              for (const auto& answer : response.partitions()) {
                join->answers[{answer.topic(), answer.partition()}] = {
                    FromProto(answer.error_code()),
                    {answer.offset(), answer.timestamp_ms(),
                     answer.leader_epoch()}};
              }
              finish();
            }));
  }
  finish();
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
