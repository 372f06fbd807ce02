#include "broker/group/group_shard.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/escaping.h"
#include "broker/group/failed_answers.h"
#include "glog/logging.h"

namespace sillok {

std::shared_ptr<GroupCoordinator::Shard> GroupCoordinator::Shard::Create(
    int32_t partition, const GroupOptions& options,
    const Environment& environment) {
  std::shared_ptr<Shard> shard(new Shard(partition, options, environment));
  JournaledMachine* const machine = shard.get();
  JournalOptions journal;
  journal.commit_timeout_ms = options.offsets_commit_timeout_ms;
  journal.load_step_bytes = options.offsets_load_buffer_bytes;
  shard->journal_ = std::make_unique<JournaledState>(
      "__consumer_offsets-" + std::to_string(partition), journal,
      environment.clock,
      [weak = std::weak_ptr<Shard>(shard)](Task task) {
        if (auto alive = weak.lock()) alive->Run(std::move(task));
      },
      machine);
  return shard;
}

GroupCoordinator::Shard::Shard(int32_t partition, const GroupOptions& options,
                               const Environment& environment)
    : options_(options),
      environment_(environment),
      strand_(environment.executor),
      table_(&options_) {}

void GroupCoordinator::Shard::Run(Task task) {
  strand_.Post([self = shared_from_this(), task = std::move(task)] {
    task();
    self->Publish();
    self->SetTimer();
  });
}

GroupTime GroupCoordinator::Shard::Now() const {
  return {environment_.clock->MonotonicMs(), environment_.clock->WallMs()};
}

// ---- leadership

void GroupCoordinator::Shard::Lead(LeaderEpoch epoch,
                                   std::shared_ptr<JournalPartition> journal) {
  Run([this, epoch, journal = std::move(journal)] {
    journal_->Lead(epoch, journal);
  });
}

void GroupCoordinator::Shard::Resign(LeaderEpoch epoch) {
  Run([this, epoch] { journal_->Resign(epoch); });
}

void GroupCoordinator::Shard::Stop(std::function<void()> done) {
  Run([this, done = std::move(done)] {
    journal_->Resign(LeaderEpoch(std::numeric_limits<int32_t>::max()));
    if (timer_ != Timer::kNone) environment_.timer->Cancel(timer_);
    timer_ = Timer::kNone;
    stopped_ = true;
    done();
  });
}

void GroupCoordinator::Shard::Drop(ErrorCode reason) {
  next_retention_check_ms_ = kNeverMs;
  TableOutput out;
  table_.Drop(reason, &out);
  out.writes.clear();  // of a state that is gone
  Carry(std::move(out));
}

void GroupCoordinator::Shard::Replay(const ReplayedRecord& record) {
  table_.Replay(record);
}

void GroupCoordinator::Shard::ReplayMarker(ProducerId producer,
                                           bool committed) {
  table_.EndTransaction(producer, committed);
}

void GroupCoordinator::Shard::OnLoaded() {
  const GroupTime now = Now();
  table_.OnLoaded(now);
  next_retention_check_ms_ =
      now.now_ms + options_.offsets_retention_check_interval_ms;
}

// ---- calls

std::string GroupCoordinator::Shard::NewMemberId(
    const v1::JoinGroupRequest& request) const {
  const std::string& prefix = request.group_instance_id().empty()
                                  ? request.client_id()
                                  : request.group_instance_id();
  return prefix + "-" + environment_.make_uuid();
}

void GroupCoordinator::Shard::Join(v1::JoinGroupRequest request,
                                   GroupCaller caller,
                                   Done<v1::JoinGroupResponse> done) {
  Run([this, request = std::move(request), caller = std::move(caller),
       done = std::move(done)] {
    const ErrorCode error = journal_->Check();
    if (error != ErrorCode::NONE) return done(FailedJoin(request, error));
    JoinInput input;
    input.call = next_call_++;
    input.request = &request;
    input.client_host = caller.client_host;
    input.require_known_member_id = caller.require_known_member_id;
    input.supports_skip_assignment = caller.supports_skip_assignment;
    if (request.member_id().empty()) {
      input.new_member_id = NewMemberId(request);
    }
    joins_.emplace(input.call, done);
    TableOutput out;
    table_.Join(input, Now(), &out);
    Carry(std::move(out));
  });
}

void GroupCoordinator::Shard::Sync(v1::SyncGroupRequest request,
                                   Done<v1::SyncGroupResponse> done) {
  Run([this, request = std::move(request), done = std::move(done)] {
    const ErrorCode error = journal_->Check();
    if (error != ErrorCode::NONE) {
      return done(Failed<v1::SyncGroupResponse>(error));
    }
    const CallId call = next_call_++;
    syncs_.emplace(call, done);
    TableOutput out;
    table_.Sync(call, request, Now(), &out);
    Carry(std::move(out));
  });
}

void GroupCoordinator::Shard::Heartbeat(v1::HeartbeatRequest request,
                                        Done<v1::HeartbeatResponse> done) {
  Run([this, request = std::move(request), done = std::move(done)] {
    const ErrorCode error = journal_->Check();
    done(error != ErrorCode::NONE ? Failed<v1::HeartbeatResponse>(error)
                                  : table_.Heartbeat(request, Now()));
  });
}

void GroupCoordinator::Shard::Leave(v1::LeaveGroupRequest request,
                                    Done<v1::LeaveGroupResponse> done) {
  Run([this, request = std::move(request), done = std::move(done)] {
    const ErrorCode error = journal_->Check();
    if (error != ErrorCode::NONE) {
      return done(Failed<v1::LeaveGroupResponse>(error));
    }
    TableOutput out;
    v1::LeaveGroupResponse response = table_.Leave(request, Now(), &out);
    Carry(std::move(out));
    done(std::move(response));
  });
}

void GroupCoordinator::Shard::Commit(v1::OffsetCommitRequest request,
                                     int64_t retention_ms,
                                     Done<v1::OffsetCommitResponse> done) {
  Run([this, request = std::move(request), retention_ms,
       done = std::move(done)] {
    const ErrorCode error = journal_->Check();
    if (error != ErrorCode::NONE) return done(FailedCommit(request, error));
    const CallId call = next_call_++;
    commits_.emplace(call, done);
    CommitInput input;
    input.call = call;
    input.request = &request;
    input.retention_ms = retention_ms;
    input.topic_exists = &environment_.topic_exists;
    TableOutput out;
    table_.Commit(input, Now(), &out);
    Carry(std::move(out));
  });
}

void GroupCoordinator::Shard::FetchOffsets(
    v1::OffsetFetchRequest request, Done<v1::OffsetFetchResponse> done) {
  Run([this, request = std::move(request), done = std::move(done)] {
    const ErrorCode error = journal_->Check();
    done(error != ErrorCode::NONE ? FailedFetch(request, error)
                                  : table_.FetchOffsets(request));
  });
}

void GroupCoordinator::Shard::List(v1::ListGroupsRequest request,
                                   Done<v1::ListGroupsResponse> done) {
  Run([this, request = std::move(request), done = std::move(done)] {
    v1::ListGroupsResponse response;
    const ErrorCode error = journal_->Check();
    response.set_error_code(AsProto(error));
    if (error == ErrorCode::NONE) table_.List(request, &response);
    done(std::move(response));
  });
}

void GroupCoordinator::Shard::Describe(std::string group_id,
                                       Done<v1::DescribedGroup> done) {
  Run([this, group_id = std::move(group_id), done = std::move(done)] {
    const ErrorCode error = journal_->Check();
    done(error != ErrorCode::NONE ? FailedDescribe(group_id, error)
                                  : table_.Describe(group_id));
  });
}

void GroupCoordinator::Shard::Delete(std::string group_id,
                                     Done<ErrorCode> done) {
  Run([this, group_id = std::move(group_id), done = std::move(done)] {
    const ErrorCode error = journal_->Check();
    if (error != ErrorCode::NONE) return done(error);
    const CallId call = next_call_++;
    deletions_.emplace(call, done);
    TableOutput out;
    table_.Delete(call, group_id, &out);
    Carry(std::move(out));
  });
}

void GroupCoordinator::Shard::DeleteOffsets(
    v1::OffsetDeleteRequest request, Done<v1::OffsetDeleteResponse> done) {
  Run([this, request = std::move(request), done = std::move(done)] {
    const ErrorCode error = journal_->Check();
    if (error != ErrorCode::NONE) {
      return done(FailedOffsetDelete(request, error));
    }
    const CallId call = next_call_++;
    offset_deletions_.emplace(call, done);
    TableOutput out;
    table_.DeleteOffsets(call, request, environment_.topic_exists, &out);
    Carry(std::move(out));
  });
}

void GroupCoordinator::Shard::OnTopicsDeleted(
    std::shared_ptr<const std::set<std::string>> topics) {
  Run([this, topics = std::move(topics)] {
    if (journal_->Check() != ErrorCode::NONE) return;
    TableOutput out;
    table_.OnTopicsDeleted(*topics, &out);
    Carry(std::move(out));
  });
}

// ---- carrying out

namespace {

// Clients choose these words: on one line, and not too long.
std::string Shown(std::string_view text) {
  constexpr size_t kMostShown = 200;
  return absl::CHexEscape(
      absl::string_view(text.data(), std::min(text.size(), kMostShown)));
}

void LogEvent(const std::string& group_id, const GroupEvent& event) {
  const bool begins = event.kind == GroupEvent::Kind::kRebalance;
  LOG(INFO) << (begins ? "rebalance" : "member put out")
            << " group=" << Shown(group_id)
            << " generation=" << event.generation
            << " members=" << event.members
            << " member=" << Shown(event.member_id)
            << " instance=" << Shown(event.instance_id) << " why=\""
            << event.why << "\" reason=\"" << Shown(event.client_reason)
            << "\"";
}

template <typename Calls, typename Answers>
void AnswerAll(Answers& answers, Calls& calls) {
  for (auto& [call, response] : answers) {
    auto node = calls.extract(call);
    if (!node.empty()) node.mapped()(std::move(response));
  }
}

}  // namespace

void GroupCoordinator::Shard::Carry(TableOutput out) {
  for (const auto& [group_id, event] : out.events) LogEvent(group_id, event);
  for (TableWrite& write : out.writes) {
    // Once the leadership is over, the table hears so by Drop.
    if (journal_->Check() != ErrorCode::NONE) break;
    JournalEntry entry;
    entry.records = std::move(write.records);
    entry.settle = [this, id = write.id](Offset base_offset) {
      table_.OnSettled(id, base_offset);
    };
    entry.reply = [this, id = write.id](ErrorCode error) {
      TableOutput more;
      table_.OnReply(id, error, Now(), &more);
      Carry(std::move(more));
    };
    journal_->Append(std::move(entry));
  }
  AnswerAll(out.joins, joins_);
  AnswerAll(out.syncs, syncs_);
  AnswerAll(out.commits, commits_);
  AnswerAll(out.deletions, deletions_);
  AnswerAll(out.offset_deletions, offset_deletions_);
}

void GroupCoordinator::Shard::OnTimer() {
  timer_ = Timer::kNone;
  timer_at_ms_ = kNeverMs;
  journal_->OnTime();
  if (journal_->Check() != ErrorCode::NONE) return;
  const GroupTime now = Now();
  TableOutput out;
  table_.OnTime(now, &out);
  if (next_retention_check_ms_ <= now.now_ms) {
    table_.ExpireOffsets(now, &out);
    next_retention_check_ms_ =
        now.now_ms + options_.offsets_retention_check_interval_ms;
  }
  Carry(std::move(out));
}

void GroupCoordinator::Shard::SetTimer() {
  if (stopped_) return;
  int64_t at_ms =
      std::min(journal_->next_deadline_ms(), next_retention_check_ms_);
  if (journal_->Check() == ErrorCode::NONE) {
    at_ms = std::min(at_ms, table_.next_deadline_ms());
  }
  // A timer that is set too early fires for nothing and is set anew: cheaper
  // than moving it at every heartbeat.
  if (at_ms >= timer_at_ms_) return;
  if (timer_ != Timer::kNone) environment_.timer->Cancel(timer_);
  timer_at_ms_ = at_ms;
  const int64_t delay_ms = at_ms - environment_.clock->MonotonicMs();
  timer_ = environment_.timer->After(
      delay_ms, [weak = weak_from_this()] {
        auto self = weak.lock();
        if (self != nullptr) self->Run([shard = self.get()] { shard->OnTimer(); });
      });
}

void GroupCoordinator::Shard::Publish() {
  const GroupTable::Stats& stats = table_.stats();
  published_.check.store(journal_->Check(), std::memory_order_relaxed);
  published_.groups.store(stats.groups, std::memory_order_relaxed);
  published_.offsets.store(stats.offsets, std::memory_order_relaxed);
  published_.rebalances.store(stats.rebalances, std::memory_order_relaxed);
  published_.commits.store(stats.commits, std::memory_order_relaxed);
  published_.sessions_expired.store(stats.sessions_expired,
                                    std::memory_order_relaxed);
}

void GroupCoordinator::Shard::AddStats(Stats* stats) const {
  const ErrorCode check = published_.check.load(std::memory_order_relaxed);
  stats->shards_active += check == ErrorCode::NONE;
  stats->shards_loading += check == ErrorCode::COORDINATOR_LOAD_IN_PROGRESS;
  stats->groups += published_.groups.load(std::memory_order_relaxed);
  stats->offsets += published_.offsets.load(std::memory_order_relaxed);
  stats->rebalances += published_.rebalances.load(std::memory_order_relaxed);
  stats->commits += published_.commits.load(std::memory_order_relaxed);
  stats->sessions_expired +=
      published_.sessions_expired.load(std::memory_order_relaxed);
}

}  // namespace sillok
