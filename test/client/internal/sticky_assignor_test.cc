// What the golden rows do not have: members that own something already.
#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "client/internal/assignor.h"
#include "gtest/gtest.h"

namespace sillok::client {
namespace {

using Counts = std::map<std::string, int>;

SubscribedMember Member(const std::string& id, std::vector<std::string> topics,
                        std::vector<TopicPartition> owned = {},
                        int32_t generation = 1) {
  SubscribedMember member;
  member.member_id = id;
  member.topics = std::move(topics);
  member.owned = std::move(owned);
  member.generation = generation;
  return member;
}

GroupAssignment Assign(const std::string& assignor,
                       const std::vector<SubscribedMember>& members,
                       const Counts& counts) {
  GroupAssignment assignment;
  EXPECT_TRUE(AssignPartitions(assignor, members, counts, &assignment));
  return assignment;
}

// The members as they stand after an assignment.
std::vector<SubscribedMember> After(std::vector<SubscribedMember> members,
                                    const GroupAssignment& assignment,
                                    int32_t generation) {
  for (SubscribedMember& member : members) {
    member.owned = assignment.at(member.member_id);
    member.generation = generation;
  }
  return members;
}

// Partitions that somebody had and somebody else has now.
int Moved(const std::vector<SubscribedMember>& before,
          const GroupAssignment& after) {
  std::map<TopicPartition, std::string> owner;
  for (const auto& member : before) {
    for (const auto& id : member.owned) owner[id] = member.member_id;
  }
  int moved = 0;
  for (const auto& [member, partitions] : after) {
    for (const auto& id : partitions) {
      auto found = owner.find(id);
      moved += found != owner.end() && found->second != member ? 1 : 0;
    }
  }
  return moved;
}

TEST(StickyAssignorTest, ANewcomerTakesOnlyItsShare) {
  std::vector<SubscribedMember> members = {Member("a", {"t"}),
                                           Member("b", {"t"})};
  auto first = Assign("sticky", members, {{"t", 9}});
  members = After(members, first, 1);
  members.push_back(Member("c", {"t"}));
  auto second = Assign("sticky", members, {{"t", 9}});
  EXPECT_EQ(second["c"].size(), 3u);
  EXPECT_EQ(Moved(members, second), 3);
}

TEST(StickyAssignorTest, WhenOneLeavesTheOthersKeepAll) {
  std::vector<SubscribedMember> members = {
      Member("a", {"t"}), Member("b", {"t"}), Member("c", {"t"})};
  members = After(members, Assign("sticky", members, {{"t", 8}}), 1);
  members.erase(members.begin());
  auto after = Assign("sticky", members, {{"t", 8}});
  EXPECT_EQ(Moved(members, after), 0);
  EXPECT_EQ(after["b"].size(), 4u);
  EXPECT_EQ(after["c"].size(), 4u);
}

TEST(StickyAssignorTest, OfTwoWhoClaimAPartitionTheLaterGenerationHasIt) {
  auto got = Assign("sticky",
                    {Member("a", {"t"}, {{"t", 0}}, 4),
                     Member("b", {"t"}, {{"t", 0}, {"t", 1}}, 5)},
                    {{"t", 2}});
  // b keeps as many as it may, the first ones; a gets the other.
  EXPECT_EQ(got["b"], (std::vector<TopicPartition>{{"t", 0}}));
  EXPECT_EQ(got["a"], (std::vector<TopicPartition>{{"t", 1}}));
}

TEST(StickyAssignorTest, WhatIsGoneOrUnwantedIsNotKept) {
  auto got = Assign("sticky",
                    {Member("a", {"t"}, {{"gone", 0}, {"t", 7}, {"u", 0}}),
                     Member("b", {"t", "u"}, {{"t", -3}})},
                    {{"t", 2}, {"u", 1}});
  size_t all = got["a"].size() + got["b"].size();
  EXPECT_EQ(all, 3u);
  EXPECT_EQ(std::count(got["b"].begin(), got["b"].end(),
                       TopicPartition{"u", 0}),
            1);
}

TEST(CooperativeAssignorTest, AMoveTakesTwoRounds) {
  std::vector<SubscribedMember> members = {
      Member("a", {"t"}, {{"t", 0}, {"t", 1}}), Member("b", {"t"})};
  auto first = Assign("cooperative-sticky", members, {{"t", 2}});
  EXPECT_EQ(first["a"], (std::vector<TopicPartition>{{"t", 0}}));
  EXPECT_TRUE(first["b"].empty()) << "a still has t-1";
  members = After(members, first, 2);
  auto second = Assign("cooperative-sticky", members, {{"t", 2}});
  EXPECT_EQ(second["a"], (std::vector<TopicPartition>{{"t", 0}}));
  EXPECT_EQ(second["b"], (std::vector<TopicPartition>{{"t", 1}}));
}

TEST(CooperativeAssignorTest, AClaimOfAnOldGenerationHoldsAPartitionBackToo) {
  // a may not know yet that it lost t-0: nobody gets it until a says so.
  auto got = Assign("cooperative-sticky",
                    {Member("a", {"t"}, {{"t", 0}}, 1), Member("b", {"t"}),
                     Member("c", {"t"}, {{"t", 1}}, 2)},
                    {{"t", 2}});
  EXPECT_EQ(got["a"].size() + got["b"].size() + got["c"].size(), 2u);
  EXPECT_EQ(std::count(got["b"].begin(), got["b"].end(),
                       TopicPartition{"t", 0}),
            0);
}

// Random groups through random changes: all is given out once, to who wants it,
// evenly where that can be, and a second look changes nothing.
TEST(StickyAssignorTest, WhateverHappensItIsFairAndStable) {
  for (uint32_t seed = 1; seed <= 150; ++seed) {
    std::mt19937 random(seed);
    auto draw = [&](uint32_t below) { return random() % below; };
    bool same = draw(2) == 0;
    Counts counts;
    for (uint32_t t = 0; t <= draw(4); ++t) {
      counts["t" + std::to_string(t)] = static_cast<int>(1 + draw(8));
    }
    std::vector<SubscribedMember> members;
    int next = 0;
    for (int32_t round = 1; round <= 6; ++round) {
      for (uint32_t joins = draw(3); joins > 0; --joins) {
        std::vector<std::string> topics;
        for (const auto& [topic, count] : counts) {
          if (same || draw(3) != 0) topics.push_back(topic);
        }
        members.push_back(Member("m" + std::to_string(next++), topics));
      }
      if (!members.empty() && draw(2) == 0) {
        members.erase(members.begin() +
                      draw(static_cast<uint32_t>(members.size())));
      }
      auto got = Assign("sticky", members, counts);
      std::map<TopicPartition, int> given;
      size_t least = SIZE_MAX;
      size_t most = 0;
      for (const auto& member : members) {
        const auto& mine = got.at(member.member_id);
        least = std::min(least, mine.size());
        most = std::max(most, mine.size());
        for (const auto& id : mine) {
          ++given[id];
          EXPECT_EQ(std::count(member.topics.begin(), member.topics.end(),
                               id.topic),
                    1);
        }
      }
      for (const auto& [topic, count] : counts) {
        bool wanted = std::any_of(
            members.begin(), members.end(), [&, &t = topic](const auto& m) {
              return std::count(m.topics.begin(), m.topics.end(), t) != 0;
            });
        for (int p = 0; p < count; ++p) {
          EXPECT_EQ((given[{topic, p}]), wanted ? 1 : 0) << "seed " << seed;
        }
      }
      if (same && !members.empty()) {
        EXPECT_LE(most, least + 1) << "seed " << seed;
      }
      members = After(members, got, round);
      EXPECT_EQ(Assign("sticky", members, counts), got)
          << "seed " << seed << " round " << round;
    }
  }
}

}  // namespace
}  // namespace sillok::client
