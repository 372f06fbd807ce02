// Many consumers, one group, a bad network, crashes, zombies, failed writes and
// failovers of the coordinator, from a seed. What must hold is checked as it
// happens; at the end the trouble stops and everybody must agree.
//
// A failure names its seed: --gtest_filter=*/<seed>.
#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "broker/group/group_table.h"

namespace sillok {
namespace {

constexpr int kPartitions = 12;
constexpr char kGroup[] = "g";
constexpr int64_t kTroubleMs = 150'000;
constexpr int64_t kCalmMs = 90'000;

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  int64_t Below(int64_t n) {
    return std::uniform_int_distribution<int64_t>(0, n - 1)(engine_);
  }
  bool Chance(int percent) { return Below(100) < percent; }

 private:
  std::mt19937 engine_;
};

// Things to come, in the order of time.
class Agenda {
 public:
  int64_t now_ms() const { return now_ms_; }
  void After(int64_t delay_ms, std::function<void()> act) {
    events_.emplace(std::make_pair(now_ms_ + delay_ms, next_++),
                    std::move(act));
  }
  void RunUntil(int64_t end_ms) {
    while (!events_.empty() && events_.begin()->first.first <= end_ms) {
      auto node = events_.extract(events_.begin());
      now_ms_ = node.key().first;
      node.mapped()();
    }
    now_ms_ = end_ms;
  }

 private:
  int64_t now_ms_ = 1'000;
  uint64_t next_ = 0;
  std::map<std::pair<int64_t, uint64_t>, std::function<void()>> events_;
};

// What must always be true of the answers, whatever the coordinator does.
class Checker {
 public:
  // A member was told its partitions.
  void OnAssigned(int32_t generation, const std::string& who,
                  const std::string& assignment) {
    std::istringstream in(assignment);
    for (int partition; in >> partition;) {
      const auto [it, first] =
          owners_.try_emplace({generation, partition}, who);
      EXPECT_EQ(it->second, who) << "two owners of partition " << partition
                                 << " in generation " << generation;
    }
    newest_assigned_ = std::max(newest_assigned_, generation);
  }
  // A rebalance was completed by one coordinator.
  void OnGeneration(int epoch, int32_t generation) {
    int32_t& newest = newest_joined_[epoch];
    EXPECT_GE(generation, newest) << "a generation went back";
    newest = generation;
    EXPECT_GE(generation, newest_assigned_)
        << "a generation that had been given out was used again";
  }
  void OnCall(CallId call) { open_.insert(call); }
  void OnAnswer(CallId call) {
    EXPECT_EQ(open_.erase(call), 1u) << "answered twice: call " << call;
  }
  void ExpectNoOpenCalls() const { EXPECT_TRUE(open_.empty()); }

  int32_t newest_assigned() const { return newest_assigned_; }
  size_t assigned() const { return owners_.size(); }

 private:
  std::map<std::pair<int32_t, int>, std::string> owners_;
  int32_t newest_assigned_ = 0;
  std::map<int, int32_t> newest_joined_;
  std::set<CallId> open_;
};

// The coordinator: the real table, and a journal whose log may lose its
// uncommitted end in a failover.
class Server {
 public:
  Server(Agenda* agenda, Random* random, Checker* checker)
      : agenda_(agenda), random_(random), checker_(checker) {
    options_.initial_rebalance_delay_ms = 100;
    options_.min_session_timeout_ms = 1'000;
    table_ = std::make_unique<GroupTable>(&options_);
  }

  bool trouble = true;
  using JoinDone = std::function<void(v1::JoinGroupResponse)>;
  using SyncDone = std::function<void(v1::SyncGroupResponse)>;
  using CommitDone = std::function<void(v1::OffsetCommitResponse)>;

  void Join(const v1::JoinGroupRequest& request, JoinDone done) {
    if (loading_) return;  // the client asks again
    JoinInput input;
    input.call = ++next_call_;
    input.request = &request;
    input.new_member_id =
        request.client_id() + "." + std::to_string(++next_member_);
    checker_->OnCall(input.call);
    joins_[input.call] = std::move(done);
    Do([&](TableOutput* out) { table_->Join(input, Now(), out); });
  }
  void Sync(const v1::SyncGroupRequest& request, SyncDone done) {
    if (loading_) return;
    const CallId call = ++next_call_;
    checker_->OnCall(call);
    syncs_[call] = std::move(done);
    Do([&](TableOutput* out) { table_->Sync(call, request, Now(), out); });
  }
  std::optional<v1::ErrorCode> Heartbeat(
      const v1::HeartbeatRequest& request) {
    if (loading_) return std::nullopt;
    const auto response = table_->Heartbeat(request, Now());
    ArmTimer();
    return response.error_code();
  }
  void Leave(const v1::LeaveGroupRequest& request) {
    if (loading_) return;
    Do([&](TableOutput* out) { table_->Leave(request, Now(), out); });
  }
  void Commit(const v1::OffsetCommitRequest& request, CommitDone done) {
    if (loading_) return;
    const Group* group = table_->FindGroup(kGroup);
    const bool may = group != nullptr &&
                     group->generation() == request.generation_id() &&
                     group->members().count(request.member_id()) > 0;
    const CallId call = ++next_call_;
    checker_->OnCall(call);
    commits_[call] = std::move(done);
    const size_t appended = log_.size();
    CommitInput input;
    input.call = call;
    input.request = &request;
    Do([&](TableOutput* out) { table_->Commit(input, Now(), out); });
    if (log_.size() > appended) {
      EXPECT_TRUE(may) << "a commit from another generation was taken";
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

  const Group* group() const { return table_->FindGroup(kGroup); }
  bool loading() const { return loading_; }
  int compared = 0;

 private:
  struct LogRecord {
    std::string key;
    std::optional<std::string> value;
  };

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
  }

  void Carry(TableOutput out) {
    for (TableWrite& write : out.writes) Append(std::move(write));
    for (auto& [call, r] : out.joins) {
      if (r.error_code() == v1::NONE) {
        checker_->OnGeneration(epoch_, r.generation_id());
      }
      Answer(call, r, joins_);
    }
    for (auto& [call, r] : out.syncs) Answer(call, r, syncs_);
    for (auto& [call, r] : out.commits) Answer(call, r, commits_);
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
      table_->OnSettled(id, Offset(base));
      Reply(id, ErrorCode::NONE);
    });
  }

  void CheckGenerationInLog(const JournalRecord& record) {
    const auto key = ParseKey(record.key);
    if (!std::holds_alternative<GroupKey>(key) || !record.value) return;
    for (auto it = log_.rbegin(); it != log_.rend(); ++it) {
      const auto other = ParseKey(it->key);
      if (!std::holds_alternative<GroupKey>(other) || !it->value) continue;
      EXPECT_GE(ParseGroupValue(*record.value)->generation,
                ParseGroupValue(*it->value)->generation)
          << "the log's generations go back";
      return;
    }
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
    timer_at_ms_ = at_ms;
    Later(std::max<int64_t>(0, at_ms - agenda_->now_ms()), [this] {
      timer_at_ms_ = kNoDeadlineMs;
      Do([&](TableOutput* out) { table_->OnTime(Now(), out); });
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
  std::vector<LogRecord> log_;
  int64_t committed_ = 0;  // the high watermark
  int64_t last_commit_at_ms_ = 0;
  // Of the last write that was answered "not known": until the next one, log
  // and memory may differ in who sits in a static member's place.
  int32_t unsure_generation_ = -1;
};

// A consumer as clients are: joins, syncs, heartbeats, commits, tries again.
class Client : public std::enable_shared_from_this<Client> {
 public:
  Client(std::string name, std::string instance, Server* server,
         Agenda* agenda, Random* random, Checker* checker)
      : name_(std::move(name)),
        instance_(std::move(instance)),
        server_(server),
        agenda_(agenda),
        random_(random),
        checker_(checker) {}

  bool alive() const { return alive_; }
  bool stable() const { return stable_; }
  int32_t generation() const { return generation_; }
  const std::string& instance() const { return instance_; }
  const std::string& member_id() const { return member_id_; }
  const std::string& assignment() const { return assignment_; }

  void Crash() { alive_ = false; }
  void LeaveAndStop() {
    v1::LeaveGroupRequest request;
    request.set_group_id(kGroup);
    v1::LeavingMember* member = request.add_members();
    member->set_member_id(member_id_);
    member->set_group_instance_id(instance_);
    alive_ = false;
    Send([server = server_, request] { server->Leave(request); });
  }

  void Join() {
    if (!alive_) return;
    stable_ = false;
    const uint64_t turn = ++turn_;
    v1::JoinGroupRequest request;
    request.set_group_id(kGroup);
    request.set_client_id(name_);
    request.set_member_id(member_id_);
    request.set_group_instance_id(instance_);
    request.set_protocol_type("consumer");
    request.set_session_timeout_ms(6'000);
    request.set_rebalance_timeout_ms(9'000);
    request.add_protocols()->set_name("range");
    Send([self = shared_from_this(), request, turn] {
      self->server_->Join(request, [self, turn](v1::JoinGroupResponse r) {
        self->Receive(turn, [self, r] { self->OnJoined(r); });
      });
    });
    RetryAfter(12'000, turn);
  }

 private:
  void OnJoined(const v1::JoinGroupResponse& r) {
    switch (r.error_code()) {
      case v1::NONE:
        member_id_ = r.member_id();
        generation_ = r.generation_id();
        Sync(r);
        return;
      case v1::MEMBER_ID_REQUIRED:
        member_id_ = r.member_id();
        Join();
        return;
      default:
        OnError(r.error_code());
    }
  }

  void Sync(const v1::JoinGroupResponse& joined) {
    const uint64_t turn = ++turn_;
    v1::SyncGroupRequest request;
    request.set_group_id(kGroup);
    request.set_member_id(member_id_);
    request.set_group_instance_id(instance_);
    request.set_generation_id(generation_);
    if (joined.leader() == member_id_) {
      // Disjoint by making: partition p goes to member p mod n.
      const int members = joined.members_size();
      for (int i = 0; i < members; ++i) {
        std::string partitions;
        for (int p = i; p < kPartitions; p += members) {
          partitions += std::to_string(p) + " ";
        }
        v1::MemberAssignment* given = request.add_assignments();
        given->set_member_id(joined.members(i).member_id());
        given->set_assignment(partitions);
      }
    }
    Send([self = shared_from_this(), request, turn] {
      self->server_->Sync(request, [self, turn](v1::SyncGroupResponse r) {
        self->Receive(turn, [self, r] { self->OnSynced(r); });
      });
    });
    RetryAfter(12'000, turn);
  }

  void OnSynced(const v1::SyncGroupResponse& r) {
    if (r.error_code() != v1::NONE) return OnError(r.error_code());
    ++turn_;
    stable_ = true;
    assignment_ = r.assignment();
    checker_->OnAssigned(generation_,
                         instance_.empty() ? member_id_ : instance_,
                         assignment_);
    Beat(turn_);
  }

  void Beat(uint64_t turn) {
    if (!alive_ || turn != turn_) return;
    v1::HeartbeatRequest request;
    request.set_group_id(kGroup);
    request.set_member_id(member_id_);
    request.set_group_instance_id(instance_);
    request.set_generation_id(generation_);
    Send([self = shared_from_this(), request, turn] {
      const auto error = self->server_->Heartbeat(request);
      if (!error.has_value() || *error == v1::NONE) return;
      self->Receive(turn, [self, error] { self->OnError(*error); });
    });
    if (random_->Chance(50)) Commit();
    agenda_->After(1'000, [self = shared_from_this(), turn] {
      self->Beat(turn);
    });
  }

  void Commit() {
    std::istringstream owned(assignment_);
    int partition = -1;
    if (!(owned >> partition)) return;
    v1::OffsetCommitRequest request;
    request.set_group_id(kGroup);
    request.set_member_id(member_id_);
    request.set_group_instance_id(instance_);
    request.set_generation_id(generation_);
    v1::CommittedOffset* offset = request.add_offsets();
    offset->set_topic("t");
    offset->set_partition(partition);
    offset->set_offset(agenda_->now_ms());
    Send([self = shared_from_this(), request, turn = turn_] {
      self->server_->Commit(
          request, [self, turn](v1::OffsetCommitResponse r) {
            if (r.error_code() == v1::NONE ||
                r.error_code() == v1::COORDINATOR_NOT_AVAILABLE) {
              return;
            }
            self->Receive(turn, [self, r] { self->OnError(r.error_code()); });
          });
    });
  }

  void OnError(v1::ErrorCode error) {
    stable_ = false;
    if (error == v1::FENCED_INSTANCE_ID) {
      alive_ = false;  // another process has its place
      return;
    }
    if (error == v1::UNKNOWN_MEMBER_ID) member_id_.clear();
    const uint64_t turn = ++turn_;
    agenda_->After(100, [self = shared_from_this(), turn] {
      if (turn == self->turn_) self->Join();
    });
  }

  // To the server, late, never, or twice.
  void Send(std::function<void()> deliver) {
    if (!server_->trouble) return agenda_->After(5, std::move(deliver));
    if (random_->Chance(3)) return;
    if (random_->Chance(2)) agenda_->After(random_->Below(20'000), deliver);
    agenda_->After(random_->Below(random_->Chance(3) ? 15'000 : 200),
                   std::move(deliver));
  }
  // From the server; only if it is still waited for.
  void Receive(uint64_t turn, std::function<void()> act) {
    if (server_->trouble && random_->Chance(2)) return;
    agenda_->After(random_->Below(50),
                   [self = shared_from_this(), turn, act = std::move(act)] {
                     if (self->alive_ && turn == self->turn_) act();
                   });
  }
  void RetryAfter(int64_t delay_ms, uint64_t turn) {
    agenda_->After(delay_ms, [self = shared_from_this(), turn] {
      if (self->alive_ && turn == self->turn_) self->Join();
    });
  }

  const std::string name_;
  const std::string instance_;
  Server* const server_;
  Agenda* const agenda_;
  Random* const random_;
  Checker* const checker_;
  bool alive_ = true;
  bool stable_ = false;
  std::string member_id_;
  int32_t generation_ = -1;
  std::string assignment_;
  uint64_t turn_ = 0;  // what it waits for; older answers are ignored
};

class World {
 public:
  explicit World(uint32_t seed)
      : random_(seed), server_(&agenda_, &random_, &checker_) {}

  void Run() {
    for (int i = 0; i < 4; ++i) Start("");
    Start("static-1");
    Start("static-2");
    Misbehave();
    agenda_.RunUntil(kTroubleMs);
    server_.trouble = false;
    agenda_.RunUntil(kTroubleMs + kCalmMs);
    CheckAgreement();
    // What was on its way when the time was up is answered too.
    for (const auto& client : clients_) client->Crash();
    agenda_.RunUntil(kTroubleMs + kCalmMs + 1'000);
    checker_.ExpectNoOpenCalls();
  }

 private:
  void Start(const std::string& instance) {
    clients_.push_back(std::make_shared<Client>(
        "c" + std::to_string(clients_.size()), instance, &server_, &agenda_,
        &random_, &checker_));
    clients_.back()->Join();
  }

  void Misbehave() {
    if (!server_.trouble) return;
    std::shared_ptr<Client> victim =
        clients_[random_.Below(static_cast<int64_t>(clients_.size()))];
    switch (random_.Below(10)) {
      case 0:
      case 1:
        if (LiveCount() < 8) Start("");
        break;
      case 2:
        if (LiveCount() > 2) victim->Crash();
        break;
      case 3:
        if (LiveCount() > 2 && victim->alive()) victim->LeaveAndStop();
        break;
      case 4:  // restarted, with or without the old process being dead
        if (!victim->instance().empty()) {
          if (random_.Chance(60)) victim->Crash();
          Start(victim->instance());
        }
        break;
      case 5:
        server_.Failover();
        break;
      default:
        break;
    }
    server_.CheckReplay();
    agenda_.After(300 + random_.Below(4'000), [this] { Misbehave(); });
  }

  int LiveCount() const {
    int live = 0;
    for (const auto& client : clients_) live += client->alive();
    return live;
  }

  void CheckAgreement() {
    ASSERT_FALSE(server_.loading());
    const Group* group = server_.group();
    ASSERT_NE(group, nullptr);
    server_.CheckReplay();
    EXPECT_EQ(group->state(), GroupState::kStable);
    std::set<std::string> live;
    std::map<int, std::string> owners;
    for (const auto& client : clients_) {
      if (!client->alive()) continue;
      live.insert(client->member_id());
      EXPECT_TRUE(client->stable()) << client->member_id();
      EXPECT_EQ(client->generation(), group->generation());
      std::istringstream in(client->assignment());
      for (int partition; in >> partition;) {
        EXPECT_TRUE(owners.emplace(partition, client->member_id()).second);
      }
    }
    std::set<std::string> members;
    for (const auto& [id, member] : group->members()) members.insert(id);
    EXPECT_EQ(members, live);
    EXPECT_EQ(owners.size(), static_cast<size_t>(kPartitions));
    // The run was one: something happened in it.
    EXPECT_GT(checker_.newest_assigned(), 5);
    EXPECT_GT(server_.compared, 0);
  }

  Agenda agenda_;
  Random random_;
  Checker checker_;
  Server server_;
  std::vector<std::shared_ptr<Client>> clients_;
};

class GroupSimulationTest : public testing::TestWithParam<int> {};

TEST_P(GroupSimulationTest, LiveMembersAgreeAndNothingCommittedIsLost) {
  World world(GetParam());
  world.Run();
}

INSTANTIATE_TEST_SUITE_P(Seeds, GroupSimulationTest, testing::Range(1, 151),
                         [](const auto& info) {
                           return std::to_string(info.param);
                         });

}  // namespace
}  // namespace sillok
