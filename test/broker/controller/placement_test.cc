#include "broker/controller/placement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace sillok {
namespace {

using Placed = std::vector<std::vector<int32_t>>;

std::vector<PlacementBroker> Brokers(int n, int racks = 0) {
  std::vector<PlacementBroker> brokers;
  for (int i = 0; i < n; ++i) {
    brokers.push_back({i, racks ? "r" + std::to_string(i % racks) : ""});
  }
  return brokers;
}

TEST(PlacementTest, GoesAroundAsKafkaDoes) {
  // The worked example that Kafka's documentation of the scheme gives.
  EXPECT_EQ(PlaceReplicas(Brokers(5), 10, 3, 0, 0),
            (Placed{{0, 1, 2}, {1, 2, 3}, {2, 3, 4}, {3, 4, 0}, {4, 0, 1},
                    {0, 2, 3}, {1, 3, 4}, {2, 4, 0}, {3, 0, 1}, {4, 1, 2}}));
}

TEST(PlacementTest, IsBalancedAndHasNoBrokerTwice) {
  for (int n = 1; n <= 7; ++n) {
    for (int factor = 1; factor <= n; ++factor) {
      for (int racks : {0, 2, 3}) {
        for (uint64_t start : {uint64_t{0}, uint64_t{3}, ~uint64_t{0}}) {
          const int partitions = 6 * n;
          Placed placed =
              PlaceReplicas(Brokers(n, racks), partitions, factor, start, start);
          ASSERT_EQ(placed.size(), static_cast<size_t>(partitions));
          std::map<int32_t, int> leads;
          for (const auto& replicas : placed) {
            EXPECT_EQ(replicas.size(), static_cast<size_t>(factor));
            EXPECT_EQ(std::set<int32_t>(replicas.begin(), replicas.end()).size(),
                      replicas.size());
            ++leads[replicas.front()];
          }
          for (const auto& [id, count] : leads) EXPECT_EQ(count, 6);
          EXPECT_EQ(leads.size(), static_cast<size_t>(n));
        }
      }
    }
  }
}

TEST(PlacementTest, ReplicasAreInDifferentRacksWhileThereAreAny) {
  for (uint64_t start = 0; start < 6; ++start) {
    for (const auto& replicas :
         PlaceReplicas(Brokers(6, 3), 18, 3, start, start)) {
      std::set<int32_t> racks;
      for (int32_t id : replicas) racks.insert(id % 3);
      EXPECT_EQ(racks.size(), 3u);
    }
    for (const auto& replicas :
         PlaceReplicas(Brokers(6, 2), 12, 3, start, start)) {
      std::set<int32_t> racks;
      for (int32_t id : replicas) racks.insert(id % 2);
      EXPECT_EQ(racks.size(), 2u);
    }
  }
}

TEST(PlacementTest, FollowersOfOneLeaderAreSpread) {
  std::map<int32_t, int> followers;
  for (const auto& replicas : PlaceReplicas(Brokers(5), 100, 2, 0, 0)) {
    if (replicas[0] == 0) ++followers[replicas[1]];
  }
  EXPECT_EQ(followers.size(), 4u);
  for (const auto& [id, count] : followers) EXPECT_EQ(count, 5);
}

TEST(PlacementTest, MoreIsAsIfAllHadBeenPlacedAtOnce) {
  for (int n = 1; n <= 6; ++n) {
    for (int factor = 1; factor <= n; ++factor) {
      for (int racks : {0, 2}) {
        for (uint64_t start = 0; start < 6; ++start) {
          const Placed all = PlaceReplicas(Brokers(n, racks), 3 * n, factor,
                                           start, start * 5 + 1);
          for (int existing = 1; existing < 3 * n; ++existing) {
            Placed more = PlaceMoreReplicas(Brokers(n, racks), all.front(),
                                            existing, 3 * n - existing);
            // Racks leave out candidates, and with them where the pattern was:
            // leaders go on around in any case.
            for (size_t i = 0; i < more.size(); ++i) {
              EXPECT_EQ(more[i].front(), all[existing + i].front());
              EXPECT_EQ(more[i].size(), static_cast<size_t>(factor));
              if (racks == 0 && factor > 1) {
                EXPECT_EQ(more[i], all[existing + i]);
              }
            }
          }
        }
      }
    }
  }
}

TEST(PlacementTest, MoreOnOtherBrokersBeginsAnew) {
  std::vector<PlacementBroker> brokers = Brokers(3);  // 0, 1, 2
  Placed more = PlaceMoreReplicas(brokers, {7, 1}, 4, 3);
  std::set<int32_t> leaders;
  for (const auto& replicas : more) {
    EXPECT_EQ(replicas.size(), 2u);
    EXPECT_NE(replicas[0], replicas[1]);
    leaders.insert(replicas[0]);
  }
  EXPECT_EQ(leaders.size(), 3u);
}

}  // namespace
}  // namespace sillok
