// The coordinator of the simulation: the real table, and a journal whose log may
// lose its uncommitted end in a failover.
#ifndef SILLOK_TEST_BROKER_GROUP_SIMULATION_SERVER_H_
#define SILLOK_TEST_BROKER_GROUP_SIMULATION_SERVER_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "broker/group/group_table.h"
#include "test/broker/group/simulation/agenda.h"
#include "test/broker/group/simulation/checker.h"
#include "test/broker/group/simulation/watcher.h"

namespace sillok::group_sim {

class Server {
 public:
  Server(Agenda* agenda, Random* random, Checker* checker)
      : agenda_(agenda), random_(random), checker_(checker) {
    options_.initial_rebalance_delay_ms = random->Chance(50) ? 100 : 0;
    options_.min_session_timeout_ms = 1'000;
    options_.offsets_retention_minutes = kRetentionMs / 60'000;
    table_ = std::make_unique<GroupTable>(&options_);
    watcher_.OnLoaded(agenda_->now_ms());
    ExpireNowAndThen();
  }

  bool trouble = true;
  using JoinDone = std::function<void(v1::JoinGroupResponse)>;
  using SyncDone = std::function<void(v1::SyncGroupResponse)>;
  using CommitDone = std::function<void(v1::OffsetCommitResponse)>;

  void Join(const v1::JoinGroupRequest& request, bool can_skip,
            JoinDone done) {
    if (loading_) return;  // the client asks again
    JoinInput input;
    input.call = ++next_call_;
    input.request = &request;
    input.supports_skip_assignment = can_skip;
    input.new_member_id =
        request.client_id() + "." + std::to_string(++next_member_);
    checker_->OnCall(input.call);
    joins_[input.call] = std::move(done);
    if (request.member_id().empty()) {
      new_ids_[input.call] = input.new_member_id;
      watcher_.OnCall(input.new_member_id, agenda_->now_ms());
      // Should it not get the place, who has it begins a session too.
      for (const auto& [id, member] : Members()) {
        if (member.is_static() &&
            member.instance_id == request.group_instance_id()) {
          watcher_.OnCall(id, agenda_->now_ms());
        }
      }
    } else {
      watcher_.OnCall(request.member_id(), agenda_->now_ms());
    }
    Do([&](TableOutput* out) { table_->Join(input, Now(), out); });
  }
  void Sync(const v1::SyncGroupRequest& request, SyncDone done) {
    if (loading_) return;
    const CallId call = ++next_call_;
    checker_->OnCall(call);
    syncs_[call] = std::move(done);
    syncing_[call] = request.member_id();
    watcher_.OnCall(request.member_id(), agenda_->now_ms());
    watcher_.OnSync(request.member_id(), request.generation_id());
    Do([&](TableOutput* out) { table_->Sync(call, request, Now(), out); });
  }
  std::optional<v1::ErrorCode> Heartbeat(
      const v1::HeartbeatRequest& request) {
    if (loading_) return std::nullopt;
    const v1::ErrorCode error =
        table_->Heartbeat(request, Now()).error_code();
    if (error == v1::NONE || error == v1::REBALANCE_IN_PROGRESS) {
      watcher_.OnSessionStart(request.member_id(), agenda_->now_ms());
      const bool rebalances =
          group()->state() == GroupState::kPreparingRebalance;
      EXPECT_EQ(error == v1::REBALANCE_IN_PROGRESS, rebalances);
    }
    ArmTimer();
    return error;
  }
  void Leave(const v1::LeaveGroupRequest& request) {
    if (loading_) return;
    Do([&](TableOutput* out) { table_->Leave(request, Now(), out); });
  }
  void Commit(const v1::OffsetCommitRequest& request, CommitDone done) {
    if (loading_) return;
    const bool may = MayCommit(request);
    if (may) watcher_.OnCall(request.member_id(), agenda_->now_ms());
    const CallId call = ++next_call_;
    checker_->OnCall(call);
    commits_[call] = [this, request, done](v1::OffsetCommitResponse r) {
      if (r.error_code() == v1::NONE) ExpectInLog(request);
      done(std::move(r));
    };
    const size_t appended = log_.size();
    CommitInput input;
    input.call = call;
    input.request = &request;
    Do([&](TableOutput* out) { table_->Commit(input, Now(), out); });
    if (log_.size() > appended) {
      EXPECT_TRUE(may) << "a commit was taken from who must not";
      watcher_.OnSessionStart(request.member_id(), agenda_->now_ms());
    }
  }

  // Another broker takes over; what was not committed may be gone.
  void Failover() {
    ++epoch_;
    loading_ = true;
    Do([&](TableOutput* out) {
      table_->Drop(ErrorCode::NOT_COORDINATOR, out);
      out->writes.clear();
    });
    const int64_t unsure = static_cast<int64_t>(log_.size()) - committed_;
    log_.resize(committed_ + random_->Below(unsure + 1));
    committed_ = static_cast<int64_t>(log_.size());
    last_commit_at_ms_ = 0;
    timer_at_ms_ = kNoDeadlineMs;
    agenda_->After(random_->Below(400), [this, epoch = epoch_] {
      if (epoch != epoch_) return;
      table_ = Replayed();
      loading_ = false;
      new_ids_.clear();
      syncing_.clear();
      BeginAnew();
      ArmTimer();
    });
  }

  // The log's committed part says the same as the table.
  void CheckReplay() {
    if (loading_) return;
    const std::unique_ptr<GroupTable> replayed = Replayed();
    v1::OffsetFetchRequest all;
    all.set_group_id(kGroup);
    all.set_all_partitions(true);
    EXPECT_EQ(table_->FetchOffsets(all).SerializeAsString(),
              replayed->FetchOffsets(all).SerializeAsString());
    const Group* now = table_->FindGroup(kGroup);
    if (now == nullptr || now->state() != GroupState::kStable ||
        now->has_pending_write() || now->generation() == unsure_generation_) {
      return;
    }
    const Group* then = replayed->FindGroup(kGroup);
    ASSERT_NE(then, nullptr);
    EXPECT_EQ(now->Describe().SerializeAsString(),
              then->Describe().SerializeAsString());
    EXPECT_EQ(then->generation(), now->generation());
    EXPECT_EQ(then->leader(), now->leader());
    ++compared;
  }

  void CheckMembers() const {
    if (!loading_ && group() != nullptr) {
      watcher_.Check(*group(), agenda_->now_ms());
    }
  }
  // How many offsets of a topic the group has.
  int CountOffsets(const std::string& topic) const {
    v1::OffsetFetchRequest all;
    all.set_group_id(kGroup);
    all.set_all_partitions(true);
    int count = 0;
    const v1::OffsetFetchResponse response = table_->FetchOffsets(all);
    for (const auto& offset : response.offsets()) {
      count += offset.topic() == topic;
    }
    return count;
  }

  const Group* group() const { return table_->FindGroup(kGroup); }
  bool loading() const { return loading_; }
  int compared = 0;

 private:
  struct LogRecord {
    std::string key;
    std::optional<std::string> value;
  };

  std::map<std::string, GroupMember> Members() const {
    return group() == nullptr ? std::map<std::string, GroupMember>()
                              : group()->members();
  }

  GroupTime Now() const {
    return {agenda_->now_ms(), 1'000'000 + agenda_->now_ms()};
  }

  std::unique_ptr<GroupTable> Replayed() const {
    auto table = std::make_unique<GroupTable>(&options_);
    for (int64_t i = 0; i < committed_; ++i) {
      ReplayedRecord record;
      record.offset = Offset(i);
      record.key = log_[i].key;
      if (log_[i].value.has_value()) record.value = *log_[i].value;
      table->Replay(record);
    }
    table->OnLoaded(Now());
    return table;
  }

  template <typename Act>
  void Do(const Act& act) {
    TableOutput out;
    act(&out);
    Carry(std::move(out));
    ArmTimer();
    ExpectNobodyWaitsForNothing();
  }

  void Carry(TableOutput out) {
    for (const auto& [id, event] : out.events) {
      watcher_.OnEvent(event, agenda_->now_ms());
    }
    for (TableWrite& write : out.writes) Append(std::move(write));
    WatchJoins(out);
    for (auto& [call, r] : out.joins) Answer(call, r, joins_);
    for (auto& [call, r] : out.syncs) {
      watcher_.OnCall(syncing_[call], agenda_->now_ms());
      if (r.error_code() == v1::NONE) {
        watcher_.OnSessionStart(syncing_[call], agenda_->now_ms());
        EXPECT_EQ(NewestInLog().generation, group()->generation())
            << "an assignment was given out that is not in the log";
      }
      syncing_.erase(call);
      Answer(call, r, syncs_);
    }
    for (auto& [call, r] : out.commits) Answer(call, r, commits_);
  }

  void WatchJoins(const TableOutput& out) {
    std::set<std::string> joined;
    for (const auto& [call, r] : out.joins) {
      const auto node = new_ids_.extract(call);
      if (r.error_code() != v1::NONE) {
        if (!node.empty() && !loading_ && group() != nullptr) {
          EXPECT_EQ(group()->members().count(node.mapped()), 0u)
              << "a refused member is in the group";
        }
        continue;
      }
      checker_->OnJoined(epoch_, r);
      watcher_.OnSessionStart(r.member_id(), agenda_->now_ms());
      joined.insert(r.member_id());
      if (!node.empty() && group()->state() == GroupState::kStable) {
        EXPECT_TRUE(IsInLog(r.member_id()))
            << "a static member's new id is given out and not in the log";
      }
    }
    const Group* now = group();
    if (joined.empty() || now->state() != GroupState::kCompletingRebalance ||
        now->generation() == begun_) {
      return;
    }
    begun_ = now->generation();
    watcher_.OnGenerationBegun(*now, joined, agenda_->now_ms());
  }

  // When all are there, the generation begins; only the first rebalance of a
  // group may wait for more.
  void ExpectNobodyWaitsForNothing() const {
    const Group* now = loading_ ? nullptr : group();
    if (now == nullptr || options_.initial_rebalance_delay_ms > 0 ||
        now->state() != GroupState::kPreparingRebalance ||
        now->pending_member_count() > 0) {
      return;
    }
    EXPECT_TRUE(std::any_of(
        now->members().begin(), now->members().end(),
        [](const auto& member) { return !member.second.awaiting_join(); }));
  }

  bool MayCommit(const v1::OffsetCommitRequest& request) const {
    const Group* now = group();
    if (request.generation_id() < 0) {
      return now == nullptr || now->state() == GroupState::kEmpty;
    }
    return now != nullptr && now->generation() == request.generation_id() &&
           now->members().count(request.member_id()) > 0 &&
           now->state() != GroupState::kCompletingRebalance;
  }

  // What was answered as committed is below the high watermark.
  void ExpectInLog(const v1::OffsetCommitRequest& request) const {
    for (const auto& wanted : request.offsets()) {
      const std::string key =
          EncodeOffsetKey(kGroup, wanted.topic(), wanted.partition());
      const auto end = log_.begin() + committed_;
      EXPECT_TRUE(std::any_of(log_.begin(), end, [&](const LogRecord& record) {
        return record.key == key && record.value.has_value() &&
               ParseOffsetValue(*record.value)->offset == wanted.offset();
      }));
    }
  }

  // The group as the log has it below the high watermark.
  GroupValue NewestInLog() const {
    const std::string key = EncodeGroupKey(kGroup);
    for (int64_t i = committed_ - 1; i >= 0; --i) {
      if (log_[i].key == key && log_[i].value.has_value()) {
        return *ParseGroupValue(*log_[i].value);
      }
    }
    return {};
  }
  bool IsInLog(const std::string& member_id) const {
    const GroupValue value = NewestInLog();
    return std::any_of(
        value.members.begin(), value.members.end(),
        [&](const auto& member) { return member.member_id == member_id; });
  }

  template <typename Response, typename Calls>
  void Answer(CallId call, const Response& response, Calls& calls) {
    checker_->OnAnswer(call);
    auto node = calls.extract(call);
    if (!node.empty()) node.mapped()(response);
  }

  void Append(TableWrite write) {
    const uint64_t id = write.id;
    if (trouble && random_->Chance(2)) {  // refused: surely not in the log
      Later(random_->Below(50), [this, id] {
        Reply(id, ErrorCode::COORDINATOR_NOT_AVAILABLE);
        table_->OnSettled(id, kNoOffset);
      });
      return;
    }
    const int64_t base = static_cast<int64_t>(log_.size());
    for (JournalRecord& record : write.records) {
      CheckGenerationInLog(record);
      CheckTombstone(record);
      log_.push_back({std::move(record.key), std::move(record.value)});
    }
    const int64_t end = static_cast<int64_t>(log_.size());
    const bool slow = trouble && random_->Chance(3);
    const int64_t at_ms =
        std::max(last_commit_at_ms_, agenda_->now_ms() +
                                         (slow ? 4'000 + random_->Below(3'000)
                                               : random_->Below(60)));
    last_commit_at_ms_ = at_ms;
    const int64_t delay_ms = at_ms - agenda_->now_ms();
    if (delay_ms > 2'000) {
      Later(2'000, [this, id] {
        if (group() != nullptr) unsure_generation_ = group()->generation();
        Reply(id, ErrorCode::COORDINATOR_NOT_AVAILABLE);
      });
    }
    Later(delay_ms, [this, id, base, end] {
      committed_ = end;
      const bool was_there = group() != nullptr;
      table_->OnSettled(id, Offset(base));
      if (was_there && group() == nullptr) BeginAnew();
      Reply(id, ErrorCode::NONE);
    });
  }

  void BeginAnew() {
    begun_ = -1;
    watcher_.OnLoaded(agenda_->now_ms());
    if (group() == nullptr) checker_->OnForgotten();
  }

  void CheckGenerationInLog(const JournalRecord& record) {
    const auto key = ParseKey(record.key);
    if (!std::holds_alternative<GroupKey>(key) || !record.value) return;
    // A group that was forgotten begins anew.
    for (auto it = log_.rbegin(); it != log_.rend(); ++it) {
      const auto other = ParseKey(it->key);
      if (!std::holds_alternative<GroupKey>(other)) continue;
      if (!it->value.has_value()) return;
      EXPECT_GE(ParseGroupValue(*record.value)->generation,
                ParseGroupValue(*it->value)->generation)
          << "the log's generations go back";
      return;
    }
  }

  // Offsets go only when nobody uses them any more.
  void CheckTombstone(const JournalRecord& record) const {
    const auto key = ParseKey(record.key);
    const auto* offset = std::get_if<OffsetKey>(&key);
    if (offset == nullptr || record.value.has_value()) return;
    if (offset->topic == "t") {
      ASSERT_EQ(group()->state(), GroupState::kEmpty)
          << "an offset in use has expired";
      EXPECT_GE(Now().wall_ms - group()->state_timestamp_ms(), kRetentionMs);
    }
    const CommittedOffsets* offsets = table_->FindOffsets(kGroup);
    const OffsetValue* value =
        offsets->Find({offset->topic, offset->partition});
    ASSERT_NE(value, nullptr);
    EXPECT_GE(Now().wall_ms - value->commit_timestamp_ms, kRetentionMs);
  }

  void ExpireNowAndThen() {
    agenda_->After(5'000, [this] {
      if (!loading_) {
        Do([&](TableOutput* out) { table_->ExpireOffsets(Now(), out); });
      }
      ExpireNowAndThen();
    });
  }

  void Reply(uint64_t id, ErrorCode error) {
    Do([&](TableOutput* out) { table_->OnReply(id, error, Now(), out); });
  }

  // In this leadership only.
  void Later(int64_t delay_ms, std::function<void()> act) {
    agenda_->After(delay_ms, [this, epoch = epoch_, act = std::move(act)] {
      if (epoch == epoch_) act();
    });
  }

  void ArmTimer() {
    const int64_t at_ms = table_->next_deadline_ms();
    if (loading_ || at_ms >= timer_at_ms_) return;
    if (testing::Test::HasFailure()) return;  // it may have no end
    timer_at_ms_ = at_ms;
    Later(std::max<int64_t>(0, at_ms - agenda_->now_ms()), [this] {
      timer_at_ms_ = kNoDeadlineMs;
      TableOutput out;
      table_->OnTime(Now(), &out);
      Carry(std::move(out));
      ASSERT_GT(table_->next_deadline_ms(), agenda_->now_ms())
          << "what is due stays due";
      ArmTimer();
    });
  }

  Agenda* const agenda_;
  Random* const random_;
  Checker* const checker_;
  GroupOptions options_;
  std::unique_ptr<GroupTable> table_;
  int epoch_ = 0;
  bool loading_ = false;
  int64_t timer_at_ms_ = kNoDeadlineMs;
  CallId next_call_ = 0;
  int next_member_ = 0;
  std::map<CallId, JoinDone> joins_;
  std::map<CallId, SyncDone> syncs_;
  std::map<CallId, CommitDone> commits_;
  std::map<CallId, std::string> new_ids_;  // of joins without one
  std::map<CallId, std::string> syncing_;
  Watcher watcher_;
  int32_t begun_ = -1;  // the newest generation that began
  std::vector<LogRecord> log_;
  int64_t committed_ = 0;  // the high watermark
  int64_t last_commit_at_ms_ = 0;
  // Of the last write that was answered "not known": until the next one, log
  // and memory may differ in who sits in a static member's place.
  int32_t unsure_generation_ = -1;
};

}  // namespace sillok::group_sim

#endif  // SILLOK_TEST_BROKER_GROUP_SIMULATION_SERVER_H_
