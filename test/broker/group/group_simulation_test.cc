// Many consumers, one group, a bad network, crashes, zombies, failed writes and
// failovers of the coordinator, from a seed. What must hold is checked as it
// happens; at the end the trouble stops and everybody must agree.
//
// A failure names its seed: --gtest_filter=*/<seed>.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "test/broker/group/simulation/agenda.h"
#include "test/broker/group/simulation/checker.h"
#include "test/broker/group/simulation/client.h"
#include "test/broker/group/simulation/server.h"

namespace sillok::group_sim {
namespace {

constexpr int64_t kTroubleMs = 150'000;
constexpr int64_t kCalmMs = 90'000;

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
      case 6:
        CommitAsNobody();
        break;
      default:
        break;
    }
    server_.CheckReplay();
    server_.CheckMembers();
    agenda_.After(300 + random_.Below(4'000), [this] { Misbehave(); });
  }

  // Someone who assigns its partitions itself, under the group's id.
  void CommitAsNobody() {
    v1::OffsetCommitRequest request;
    request.set_group_id(kGroup);
    request.set_generation_id(-1);
    v1::CommittedOffset* offset = request.add_offsets();
    offset->set_topic("t");
    offset->set_offset(agenda_.now_ms());
    server_.Commit(request, [](v1::OffsetCommitResponse) {});
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
    server_.CheckMembers();
    EXPECT_EQ(server_.CountOffsets("other"), 0) << "they did not expire";
    EXPECT_GT(server_.CountOffsets("t"), 0);
    EXPECT_EQ(group->pending_member_count(), 0u);
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
}  // namespace sillok::group_sim
