#include "broker/controller/placement.h"

#include <algorithm>
#include <map>
#include <set>

namespace sillok {
namespace {

// One broker of each rack in turn, so that neighbours are in different racks.
std::vector<PlacementBroker> AlternateRacks(
    const std::vector<PlacementBroker>& brokers) {
  std::map<std::string, std::vector<PlacementBroker>> racks;
  for (const PlacementBroker& broker : brokers) {
    racks[broker.rack].push_back(broker);
  }
  std::vector<PlacementBroker> ring;
  for (size_t turn = 0; ring.size() < brokers.size(); ++turn) {
    for (const auto& [rack, members] : racks) {
      if (turn < members.size()) ring.push_back(members[turn]);
    }
  }
  return ring;
}

// Takes candidates in ring order after the leader, `shift` further on; those in
// a rack that has a replica already wait until every rack has one.
std::vector<int32_t> PlacePartition(const std::vector<PlacementBroker>& ring,
                                    size_t rack_count,
                                    int32_t replication_factor, size_t leader,
                                    uint64_t shift) {
  const size_t n = ring.size();
  std::vector<int32_t> replicas{ring[leader].id};
  std::set<std::string> racks{ring[leader].rack};
  std::set<size_t> used{leader};
  while (replicas.size() < static_cast<size_t>(replication_factor)) {
    const bool need_new_rack = racks.size() < rack_count;
    for (size_t k = 0; k + 1 < n; ++k) {
      const size_t at = (leader + 1 + (shift + k) % (n - 1)) % n;
      if (used.count(at) != 0) continue;
      if (need_new_rack && racks.count(ring[at].rack) != 0) continue;
      used.insert(at);
      racks.insert(ring[at].rack);
      replicas.push_back(ring[at].id);
      break;
    }
  }
  return replicas;
}

}  // namespace

std::vector<std::vector<int32_t>> PlaceReplicas(
    const std::vector<PlacementBroker>& brokers, int32_t partitions,
    int32_t replication_factor, uint64_t start, uint64_t start_shift) {
  const bool rack_aware =
      std::all_of(brokers.begin(), brokers.end(),
                  [](const PlacementBroker& b) { return !b.rack.empty(); });
  const std::vector<PlacementBroker> ring =
      rack_aware ? AlternateRacks(brokers) : brokers;
  // Without racks every broker is as good as any: one rack, never needed.
  std::set<std::string> racks;
  for (const PlacementBroker& broker : ring) racks.insert(broker.rack);
  const size_t rack_count = rack_aware ? racks.size() : 0;

  std::vector<std::vector<int32_t>> result;
  result.reserve(partitions);
  const size_t n = ring.size();
  for (int32_t p = 0; p < partitions; ++p) {
    const size_t leader = (start % n + p) % n;
    const uint64_t shift = start_shift % n + p / n;
    result.push_back(
        PlacePartition(ring, rack_count, replication_factor, leader, shift));
  }
  return result;
}

}  // namespace sillok
