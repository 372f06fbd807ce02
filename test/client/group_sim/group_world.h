// Consumers' group members (the client's core) in one group (the broker's core),
// on a virtual clock, from a seed: joins, crashes, applications that are slow,
// lost requests and answers, static members that restart, subscriptions and
// topics that change. What must hold is checked after every event.
#ifndef SILLOK_TEST_CLIENT_GROUP_SIM_GROUP_WORLD_H_
#define SILLOK_TEST_CLIENT_GROUP_SIM_GROUP_WORLD_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "broker/group/group.h"
#include "client/internal/group_member.h"
#include "test/sim/event_queue.h"

namespace sillok::client::group_sim {

struct WorldOptions {
  // Of each member, in turn.
  std::vector<std::vector<std::string>> assignors = {{"range"}};
  GroupMemberFaults faults;
  bool same_subscriptions = false;
  int64_t trouble_ms = 60'000;
};

// One application with its member.
struct Process {
  explicit Process(const GroupMemberOptions& options,
                   const GroupMemberFaults& faults)
      : member(options, faults), instance(options.instance_id) {}

  GroupMember member;
  std::string instance;
  std::vector<std::string> topics;
  std::vector<GroupMember::Event> events;  // not handled yet
  std::set<TopicPartition> held;           // what the application reads
  bool alive = true;
  bool busy = false;  // inside a listener, or not polling
  int revoked = 0;    // partitions taken by kRevoked, so far
  int64_t timer_ms = INT64_MAX;
};

class GroupWorld {
 public:
  GroupWorld(uint64_t seed, const WorldOptions& options);

  // Trouble, then calm until nobody has anything to do. False when something
  // broke; `failure` says what.
  bool Run();
  const std::string& failure() const { return failure_; }

 private:
  using Ptr = std::shared_ptr<Process>;

  // --- the world's hand
  void Misbehave();
  Ptr Start(const std::string& instance);
  void Crash(const Ptr& process) { process->alive = false; }
  std::vector<std::string> SomeTopics();
  void RunUntil(int64_t ms);
  void After(int64_t ms, std::function<void()> what) {
    agenda_.After(ms, std::move(what));
  }
  int64_t Now() const { return agenda_.now(); }
  int64_t Draw(int64_t below) {
    return static_cast<int64_t>(random_() % static_cast<uint64_t>(below));
  }
  bool Chance(int percent) { return trouble_ && Draw(100) < percent; }

  // --- a process
  void Pump(const Ptr& process);
  void Poll(const Ptr& process);
  void HandleEvents(const Ptr& process);
  void Send(const Ptr& process, const GroupMember::Step& step);
  void RefreshMetadata(const Ptr& process);
  // Runs `arrive` at the server with what answers; or neither.
  using Reply = std::function<void(std::function<void(ErrorCode)>)>;
  void Call(const Ptr& process, std::function<void(ErrorCode)> answered,
            std::function<void(std::function<void(ErrorCode)>)> arrive);

  // --- the coordinator
  GroupTime Time() const { return {Now(), 1'000'000 + Now()}; }
  void Carry(GroupOutput* out);
  void ArmServer();

  // --- what must hold
  void Check();
  void CheckNoTwoOwners();
  void CheckQuiet(const std::string& when);
  void CheckNewcomer();
  void Fail(const std::string& what);
  std::vector<Ptr> Alive() const;

  const WorldOptions options_;
  std::mt19937_64 random_;
  sim::EventQueue<std::function<void()>> agenda_;
  std::map<std::string, int> counts_ = {{"a", 3}, {"b", 5}, {"c", 4}};
  std::vector<Ptr> processes_;
  bool trouble_ = true;
  std::string failure_;

  GroupOptions group_options_;
  std::unique_ptr<Group> group_;
  std::map<CallId, std::function<void(const v1::JoinGroupResponse&)>> joins_;
  std::map<CallId, std::function<void(const v1::SyncGroupResponse&)>> syncs_;
  CallId next_call_ = 1;
  int next_id_ = 1;
  int64_t server_timer_ms_ = INT64_MAX;
};

}  // namespace sillok::client::group_sim

#endif  // SILLOK_TEST_CLIENT_GROUP_SIM_GROUP_WORLD_H_
