#include "test/client/group_sim/group_world.h"

#include <algorithm>
#include <utility>

namespace sillok::client::group_sim {
namespace {

constexpr int64_t kSessionMs = 3'000;
constexpr int64_t kMaxPollMs = 4'000;
constexpr int64_t kCallTimeoutMs = 1'500;
constexpr int64_t kCalmMs = 60'000;
constexpr size_t kMostProcesses = 7;

ErrorCode CodeOf(v1::ErrorCode code) {
  return ErrorCodeFromNumber(static_cast<int>(code));
}

}  // namespace

GroupWorld::GroupWorld(uint64_t seed, const WorldOptions& options)
    : options_(options), random_(seed) {
  group_ = std::make_unique<Group>("g", &group_options_, Time());
}

void GroupWorld::Fail(const std::string& what) {
  if (failure_.empty()) {
    failure_ = "at " + std::to_string(Now()) + " ms: " + what;
  }
}

std::vector<GroupWorld::Ptr> GroupWorld::Alive() const {
  std::vector<Ptr> alive;
  for (const Ptr& process : processes_) {
    if (process->alive) alive.push_back(process);
  }
  return alive;
}

// ---- the world's hand

bool GroupWorld::Run() {
  for (int i = 0; i < 3; ++i) Start("");
  Start("static-1");
  Start("static-2");
  After(500, [this] { Misbehave(); });
  RunUntil(options_.trouble_ms);
  trouble_ = false;
  RunUntil(options_.trouble_ms + kCalmMs);
  CheckQuiet("after the trouble");
  if (failure_.empty()) CheckNewcomer();
  return failure_.empty();
}

void GroupWorld::RunUntil(int64_t ms) {
  while (failure_.empty() && !agenda_.empty() && agenda_.next_time() <= ms) {
    agenda_.Pop()();
    Check();
  }
}

std::vector<std::string> GroupWorld::SomeTopics() {
  if (options_.same_subscriptions) return {"a", "b", "c"};
  std::vector<std::string> topics;
  for (const auto& [topic, count] : counts_) {
    if (Draw(100) < 65) topics.push_back(topic);
  }
  if (topics.empty()) topics.push_back("b");
  return topics;
}

GroupWorld::Ptr GroupWorld::Start(const std::string& instance) {
  GroupMemberOptions options;
  options.group_id = "g";
  options.client_id = "c";
  options.instance_id = instance;
  options.session_timeout_ms = kSessionMs;
  options.heartbeat_interval_ms = 500;
  options.max_poll_interval_ms = kMaxPollMs;
  options.retry_backoff_ms = 50;
  options.assignors =
      options_.assignors[processes_.size() % options_.assignors.size()];
  auto process = std::make_shared<Process>(options, options_.faults);
  processes_.push_back(process);
  process->topics = SomeTopics();
  process->member.Subscribe(process->topics, Now());
  Pump(process);
  Poll(process);
  RefreshMetadata(process);
  return process;
}

void GroupWorld::Misbehave() {
  if (!trouble_) return;
  std::vector<Ptr> alive = Alive();
  Ptr victim = alive[static_cast<size_t>(
      Draw(static_cast<int64_t>(alive.size())))];
  switch (Draw(8)) {
    case 0:
    case 1:
      if (alive.size() < kMostProcesses) Start("");
      break;
    case 2:
      if (alive.size() > 2) Crash(victim);
      break;
    case 3:
      if (alive.size() > 2) {
        victim->member.Unsubscribe();
        victim->held.clear();
        Pump(victim);
        Crash(victim);
      }
      break;
    case 4:  // restarted, with or without the old process being dead
      if (!victim->instance.empty()) {
        if (Draw(100) < 70) Crash(victim);
        Start(victim->instance);
      }
      break;
    case 5:
      victim->topics = SomeTopics();
      victim->member.Subscribe(victim->topics, Now());
      Pump(victim);
      break;
    case 6:
      victim->member.EnforceRebalance("for fun");
      Pump(victim);
      break;
    case 7:
      if (counts_["b"] < 9) ++counts_["b"];
      break;
  }
  After(100 + Draw(4'000), [this] { Misbehave(); });
}

// ---- a process

void GroupWorld::Pump(const Ptr& process) {
  GroupMember& member = process->member;
  while (auto step = member.Next(Now())) Send(process, *step);
  while (auto event = member.TakeEvent()) {
    process->events.push_back(std::move(*event));
  }
  while (member.TakeTrouble()) {
  }
  // A new incarnation took its name: this one has to end.
  if (!member.failure().ok()) {
    if (ErrorCodeOf(member.failure()) != ErrorCode::FENCED_INSTANCE_ID) {
      Fail("a member failed: " + std::string(member.failure().message()));
    }
    process->held.clear();
    Crash(process);
  }
  int64_t next_ms = std::max(member.NextMs(), Now() + 1);
  if (next_ms >= process->timer_ms && process->timer_ms > Now()) return;
  if (next_ms == INT64_MAX) return;
  process->timer_ms = next_ms;
  agenda_.At(next_ms, [this, process, next_ms] {
    if (!process->alive || process->timer_ms != next_ms) return;
    process->timer_ms = INT64_MAX;
    Pump(process);
  });
}

void GroupWorld::Poll(const Ptr& process) {
  if (!process->alive) return;
  process->busy = false;
  process->member.OnPoll(Now());
  HandleEvents(process);
  Pump(process);
  if (process->busy) return;  // a listener goes on
  // Now and then an application is away for longer than it may.
  int64_t away_ms = Chance(3) ? kMaxPollMs + Draw(6'000) : 20 + Draw(200);
  process->busy = true;
  After(away_ms, [this, process] { Poll(process); });
}

void GroupWorld::HandleEvents(const Ptr& process) {
  while (!process->events.empty()) {
    GroupMember::Event event = process->events.front();
    process->events.erase(process->events.begin());
    if (event.kind == GroupMember::Event::kAssigned) {
      for (const TopicPartition& id : event.partitions) {
        if (!process->held.insert(id).second) {
          Fail(id.ToString() + " was assigned to who has it");
        }
      }
      continue;
    }
    // The listener takes its time; what goes is held until it returns.
    process->busy = true;
    After(Draw(300), [this, process, event] {
      if (!process->alive) return;
      for (const TopicPartition& id : event.partitions) {
        if (process->held.erase(id) == 0) {
          Fail(id.ToString() + " was taken from who does not have it");
        }
      }
      if (event.kind == GroupMember::Event::kRevoked) {
        process->revoked += static_cast<int>(event.partitions.size());
      }
      process->member.OnReleased(Now());
      Poll(process);
    });
    return;
  }
}

void GroupWorld::RefreshMetadata(const Ptr& process) {
  if (!process->alive) return;
  if (process->member.stable() && process->member.is_leader()) {
    process->member.OnPartitionCounts(counts_, Now());
    Pump(process);
  }
  After(700 + Draw(600), [this, process] { RefreshMetadata(process); });
}

void GroupWorld::Call(const Ptr& process,
                      std::function<void(ErrorCode)> answered,
                      std::function<void(std::function<void(ErrorCode)>)> arrive) {
  auto done = std::make_shared<bool>(false);
  auto deliver = [this, process, answered, done](ErrorCode code) {
    if (*done || !process->alive) return;
    *done = true;
    answered(code);
    Pump(process);
  };
  bool lost = Chance(4);
  bool answer_lost = Chance(4);
  if (lost || answer_lost) {
    After(kCallTimeoutMs,
          [deliver] { deliver(ErrorCode::NETWORK_EXCEPTION); });
  }
  if (lost) return;
  After(1 + Draw(20), [this, arrive, deliver, answer_lost] {
    if (Chance(2)) {
      After(1, [deliver] { deliver(ErrorCode::NOT_COORDINATOR); });
      return;
    }
    arrive([this, deliver, answer_lost](ErrorCode code) {
      if (answer_lost) return;
      After(1 + Draw(20), [deliver, code] { deliver(code); });
    });
    ArmServer();
  });
}

void GroupWorld::Send(const Ptr& process, const GroupMember::Step& step) {
  using Step = GroupMember::Step;
  GroupMember& member = process->member;
  switch (step.kind) {
    case Step::kFindCoordinator:
      After(1 + Draw(10), [this, process] {
        if (!process->alive) return;
        process->member.OnCoordinator(ErrorCode::NONE, Now());
        Pump(process);
      });
      break;
    case Step::kPartitionCounts:
      After(1 + Draw(30), [this, process] {
        if (!process->alive) return;
        process->member.OnPartitionCounts(counts_, Now());
        Pump(process);
      });
      break;
    case Step::kJoin: {
      auto response = std::make_shared<v1::JoinGroupResponse>();
      Call(
          process,
          [this, &member, process, round = step.round, response](ErrorCode c) {
            member.OnJoin(round, c, *response, Now());
          },
          [this, request = step.join, response](auto reply) {
            CallId call = next_call_++;
            joins_[call] = [response,
                            reply](const v1::JoinGroupResponse& answer) {
              *response = answer;
              reply(CodeOf(answer.error_code()));
            };
            JoinInput input;
            input.call = call;
            input.request = &request;
            input.supports_skip_assignment = true;
            input.new_member_id = "m-" + std::to_string(next_id_++);
            GroupOutput out;
            group_->Join(input, Time(), &out);
            Carry(&out);
          });
      break;
    }
    case Step::kSync: {
      auto response = std::make_shared<v1::SyncGroupResponse>();
      Call(
          process,
          [this, &member, process, round = step.round, response](ErrorCode c) {
            member.OnSync(round, c, *response, Now());
          },
          [this, request = step.sync, response](auto reply) {
            CallId call = next_call_++;
            syncs_[call] = [response,
                            reply](const v1::SyncGroupResponse& answer) {
              *response = answer;
              reply(CodeOf(answer.error_code()));
            };
            GroupOutput out;
            group_->Sync(call, request, Time(), &out);
            Carry(&out);
          });
      break;
    }
    case Step::kHeartbeat:
      Call(
          process,
          [this, &member, process, round = step.round](ErrorCode code) {
            member.OnHeartbeat(round, code, Now());
          },
          [this, request = step.heartbeat](auto reply) {
            reply(group_->Heartbeat(request, Time()));
          });
      break;
    case Step::kLeave:
      Call(
          process, [](ErrorCode) {},
          [this, request = step.leave](auto reply) {
            GroupOutput out;
            ErrorCode code = group_->Leave(request.members(0), Time(), &out);
            Carry(&out);
            reply(code);
          });
      break;
  }
}

// ---- the coordinator

void GroupWorld::Carry(GroupOutput* out) {
  for (auto& [call, response] : out->joins) {
    auto answer = std::move(joins_.extract(call).mapped());
    answer(response);
  }
  for (auto& [call, response] : out->syncs) {
    auto answer = std::move(syncs_.extract(call).mapped());
    answer(response);
  }
  for (const GroupWrite& write : out->writes) {
    ErrorCode fate =
        Chance(3) ? ErrorCode::COORDINATOR_NOT_AVAILABLE : ErrorCode::NONE;
    After(1 + Draw(15), [this, token = write.token, fate] {
      GroupOutput more;
      group_->OnWritten(token, fate, Time(), &more);
      Carry(&more);
      ArmServer();
    });
  }
}

void GroupWorld::ArmServer() {
  int64_t due_ms = group_->next_deadline_ms();
  if (due_ms == kNoDeadlineMs) return;
  due_ms = std::max(due_ms, Now());
  if (server_timer_ms_ <= due_ms && server_timer_ms_ > Now()) return;
  server_timer_ms_ = due_ms;
  agenda_.At(due_ms, [this] {
    server_timer_ms_ = INT64_MAX;
    GroupOutput out;
    group_->OnTime(Time(), &out);
    Carry(&out);
    if (group_->next_deadline_ms() <= Now()) {
      After(1, [this] { ArmServer(); });
    } else {
      ArmServer();
    }
  });
}

// ---- what must hold

void GroupWorld::Check() { CheckNoTwoOwners(); }

// Members that the coordinator still counts in, of its present generation.
// Others may be zombies that have not heard of their fate.
void GroupWorld::CheckNoTwoOwners() {
  std::map<TopicPartition, const Process*> owners;
  for (const Ptr& process : processes_) {
    const GroupMember& member = process->member;
    if (!process->alive || process->held.empty() ||
        member.generation() != group_->generation() ||
        group_->members().count(member.member_id()) == 0) {
      continue;
    }
    for (const TopicPartition& id : process->held) {
      auto [other, first] = owners.try_emplace(id, process.get());
      if (first) continue;
      Fail(id.ToString() + " has two owners in generation " +
           std::to_string(group_->generation()) + ": " + member.member_id() +
           " and " + other->second->member.member_id());
    }
  }
}

// Everybody stable in one generation; every wanted partition has one reader.
void GroupWorld::CheckQuiet(const std::string& when) {
  std::set<TopicPartition> wanted;
  std::map<TopicPartition, int> readers;
  size_t least = SIZE_MAX;
  size_t most = 0;
  for (const Ptr& process : Alive()) {
    if (!process->member.stable() || !process->events.empty() ||
        process->member.generation() != group_->generation()) {
      Fail(when + ": member " + process->member.member_id() +
           " is not at rest");
    }
    for (const std::string& topic : process->topics) {
      for (int p = 0; p < counts_[topic]; ++p) wanted.insert({topic, p});
    }
    for (const TopicPartition& id : process->held) {
      ++readers[id];
      if (std::count(process->topics.begin(), process->topics.end(),
                     id.topic) == 0) {
        Fail(when + ": " + id.ToString() + " is with who did not ask for it");
      }
    }
    least = std::min(least, process->held.size());
    most = std::max(most, process->held.size());
  }
  for (const TopicPartition& id : wanted) {
    if (readers[id] != 1) {
      Fail(when + ": " + id.ToString() + " has " +
           std::to_string(readers[id]) + " readers");
    }
  }
  bool even = options_.same_subscriptions &&
              options_.assignors.front().front() != "range";
  if (even && most > least + 1) Fail(when + ": the division is not even");
}

// One more member: under cooperative rebalancing only what it gets is taken from
// others; and when it leaves nothing is taken from anybody.
void GroupWorld::CheckNewcomer() {
  bool all_cooperative = std::all_of(
      options_.assignors.begin(), options_.assignors.end(),
      [](const auto& list) {
        return list == std::vector<std::string>{"cooperative-sticky"};
      });
  auto revoked = [this] {
    int sum = 0;
    for (const Ptr& process : processes_) sum += process->revoked;
    return sum;
  };
  int before = revoked();
  Ptr newcomer = Start("");
  RunUntil(Now() + kCalmMs);
  CheckQuiet("after one more joined");
  int taken = revoked() - before;
  if (all_cooperative && options_.same_subscriptions &&
      taken != static_cast<int>(newcomer->held.size())) {
    Fail("the newcomer got " + std::to_string(newcomer->held.size()) +
         " partitions and " + std::to_string(taken) + " were revoked");
  }
  newcomer->member.Unsubscribe();
  newcomer->held.clear();
  Pump(newcomer);
  before = revoked();
  // It stays alive until its leave is out.
  RunUntil(Now() + 1'000);
  Crash(newcomer);
  RunUntil(Now() + kCalmMs);
  CheckQuiet("after it left");
  if (all_cooperative && options_.same_subscriptions && revoked() != before) {
    Fail("partitions were revoked although only one member left");
  }
}

}  // namespace sillok::client::group_sim
