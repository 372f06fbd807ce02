#include "client/internal/group_driver.h"

#include <glog/logging.h>
#include <re2/re2.h>

#include <algorithm>
#include <utility>

namespace sillok::client {
namespace {

using Stub = v1::Broker::Stub;

// The coordinator answers when the whole group has joined or synced, which it
// gives the rebalance timeout for; this is for the way.
constexpr int64_t kWayMs = 5'000;

GroupMemberOptions ToMemberOptions(const ConsumerConfig& config) {
  GroupMemberOptions options;
  options.group_id = config.group_id;
  options.instance_id = config.group_instance_id;
  options.client_id = config.client_id;
  options.rack = config.client_rack;
  options.session_timeout_ms = config.session_timeout_ms;
  options.heartbeat_interval_ms = config.heartbeat_interval_ms;
  options.max_poll_interval_ms = config.max_poll_interval_ms;
  options.retry_backoff_ms = config.retry_backoff_ms;
  options.assignors = config.assignors;
  return options;
}

}  // namespace

GroupDriver::GroupDriver(Loop* loop, ClusterClient* cluster,
                         const ConsumerConfig& config, ConsumerShared* shared,
                         std::function<void()> on_topics,
                         std::function<void()> on_change)
    : loop_(loop),
      cluster_(cluster),
      config_(config),
      shared_(shared),
      on_topics_(std::move(on_topics)),
      on_change_(std::move(on_change)),
      coordinator_(loop, cluster, config,
                   [this](ErrorCode code) {
                     member_.OnCoordinator(code, loop_->NowMs());
                     on_change_();
                   }),
      member_(ToMemberOptions(config)) {}

// ---- the subscription

void GroupDriver::Subscribe(std::vector<std::string> topics) {
  pattern_ = nullptr;
  topics_ = {topics.begin(), topics.end()};
  on_topics_();
  member_.Subscribe(std::move(topics), loop_->NowMs());
}

void GroupDriver::SubscribePattern(std::shared_ptr<const re2::RE2> pattern) {
  pattern_ = std::move(pattern);
  pattern_after_ = cluster_->updates();
  on_topics_();
}

void GroupDriver::Unsubscribe() {
  member_.Unsubscribe();
  pattern_ = nullptr;
  topics_.clear();
  on_topics_();
}

void GroupDriver::MatchPattern() {
  if (pattern_ == nullptr || cluster_->updates() <= pattern_after_) return;
  std::vector<std::string> matches;
  for (const auto& [name, topic] : cluster_->metadata().topics()) {
    if (topic.error == ErrorCode::NONE && !topic.internal &&
        re2::RE2::FullMatch(name, *pattern_)) {
      matches.push_back(name);
    }
  }
  topics_ = {matches.begin(), matches.end()};
  // Not a poll, so the time of the last one stays if nothing changes.
  member_.ChangeTopics(std::move(matches), loop_->NowMs());
}

std::set<std::string> GroupDriver::Topics() const {
  std::set<std::string> all = topics_;
  all.insert(member_.group_topics().begin(), member_.group_topics().end());
  return all;
}

// ---- the application

void GroupDriver::OnPoll() { member_.OnPoll(loop_->NowMs()); }

void GroupDriver::OnReleased() { member_.OnReleased(loop_->NowMs()); }

void GroupDriver::EnforceRebalance(const std::string& reason) {
  member_.EnforceRebalance(reason);
}

CoordinatorClient::Identity GroupDriver::identity() const {
  if (!member_.subscribed()) return {};
  return {member_.generation(), member_.member_id(),
          config_.group_instance_id};
}

void GroupDriver::OnCommit(ErrorCode code) {
  member_.OnCommit(code, loop_->NowMs());
}

void GroupDriver::Leave(std::function<void()> done) {
  member_.Unsubscribe();
  auto step = member_.Next(loop_->NowMs());
  if (!step || step->kind != GroupMember::Step::kLeave ||
      !coordinator_.known()) {
    done();
    return;
  }
  coordinator_.Call(&Stub::AsyncLeaveGroup, step->leave,
                    config_.request_timeout_ms,
                    UnaryCall<v1::LeaveGroupResponse>::Callback(
                        [done](const grpc::Status&, v1::LeaveGroupResponse&) {
                          done();
                        }));
}

void GroupDriver::PublishNews() {
  std::lock_guard lock(shared_->mutex);
  bool news = false;
  while (auto event = member_.TakeEvent()) {
    shared_->events.push_back(std::move(*event));
    news = true;
  }
  while (auto trouble = member_.TakeTrouble()) {
    LOG(WARNING) << trouble->message();
    shared_->problem = std::move(*trouble);
  }
  news = news || shared_->failure != member_.failure();
  shared_->failure = member_.failure();
  shared_->member_id = member_.member_id();
  shared_->stats.rebalances = member_.rebalances();
  if (news) shared_->changed.notify_all();
}

// ---- requests

void GroupDriver::Run() {
  while (auto step = member_.Next(loop_->NowMs())) Do(std::move(*step));
  PublishNews();
}

void GroupDriver::Do(GroupMember::Step step) {
  using Kind = GroupMember::Step;
  switch (step.kind) {
    case Kind::kFindCoordinator:
      coordinator_.Find();
      break;
    case Kind::kJoin:
      Join(step);
      break;
    case Kind::kSync:
      Sync(step);
      break;
    case Kind::kHeartbeat:
      Heartbeat(step);
      break;
    case Kind::kLeave:
      coordinator_.Call(
          &Stub::AsyncLeaveGroup, step.leave, config_.request_timeout_ms,
          UnaryCall<v1::LeaveGroupResponse>::Callback(
              [](const grpc::Status&, v1::LeaveGroupResponse&) {}));
      break;
    case Kind::kPartitionCounts:
      CountPartitions(step.topics);
      break;
  }
}

void GroupDriver::Join(const GroupMember::Step& step) {
  coordinator_.Call(
      &Stub::AsyncJoinGroup, step.join, config_.max_poll_interval_ms + kWayMs,
      UnaryCall<v1::JoinGroupResponse>::Callback(
          [this, round = step.round](const grpc::Status& status,
                                     v1::JoinGroupResponse& response) {
            member_.OnJoin(round, CodeOf(status, response.error_code()),
                           response, loop_->NowMs());
            on_change_();
          }));
}

void GroupDriver::Sync(const GroupMember::Step& step) {
  coordinator_.Call(
      &Stub::AsyncSyncGroup, step.sync, config_.max_poll_interval_ms + kWayMs,
      UnaryCall<v1::SyncGroupResponse>::Callback(
          [this, round = step.round](const grpc::Status& status,
                                     v1::SyncGroupResponse& response) {
            member_.OnSync(round, CodeOf(status, response.error_code()),
                           response, loop_->NowMs());
            on_change_();
          }));
}

void GroupDriver::Heartbeat(const GroupMember::Step& step) {
  coordinator_.Call(
      &Stub::AsyncHeartbeat, step.heartbeat,
      std::min(config_.request_timeout_ms, config_.session_timeout_ms),
      UnaryCall<v1::HeartbeatResponse>::Callback(
          [this, round = step.round](const grpc::Status& status,
                                     v1::HeartbeatResponse& response) {
            member_.OnHeartbeat(round, CodeOf(status, response.error_code()),
                                loop_->NowMs());
            on_change_();
          }));
}

// ---- partition counts, for the leader

void GroupDriver::CountPartitions(const std::set<std::string>& topics) {
  on_topics_();
  counts_wanted_ = !HaveAnswerFor(topics);
  if (counts_wanted_) {
    counts_after_ = cluster_->updates() + 1;
    cluster_->Refresh();
    return;
  }
  member_.OnPartitionCounts(Counts(topics), loop_->NowMs());
}

std::map<std::string, int> GroupDriver::Counts(
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

bool GroupDriver::HaveAnswerFor(const std::set<std::string>& topics) const {
  return std::all_of(topics.begin(), topics.end(), [&](const auto& name) {
    return cluster_->metadata().FindTopic(name) != nullptr;
  });
}

void GroupDriver::OnMetadata() {
  MatchPattern();
  bool wanted = counts_wanted_ ? cluster_->updates() >= counts_after_
                               : member_.stable() && member_.is_leader();
  if (!wanted) return;
  counts_wanted_ = false;
  member_.OnPartitionCounts(Counts(member_.group_topics()), loop_->NowMs());
}

}  // namespace sillok::client
