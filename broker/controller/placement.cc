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

// The brokers in the order of placement.
struct Ring {
  std::vector<PlacementBroker> brokers;
  size_t rack_count = 0;  // 0: racks do not count
};

Ring MakeRing(const std::vector<PlacementBroker>& brokers) {
  const bool rack_aware =
      std::all_of(brokers.begin(), brokers.end(),
                  [](const PlacementBroker& b) { return !b.rack.empty(); });
  // Without racks every broker is as good as any: one rack, never needed.
  if (!rack_aware) return {brokers, 0};
  std::set<std::string> racks;
  for (const PlacementBroker& broker : brokers) racks.insert(broker.rack);
  return {AlternateRacks(brokers), racks.size()};
}

// Partitions `from` .. `to` - 1 of a topic that begins at `start`.
std::vector<std::vector<int32_t>> Place(const Ring& ring, int32_t from,
                                        int32_t to, int32_t replication_factor,
                                        uint64_t start, uint64_t start_shift) {
  std::vector<std::vector<int32_t>> result;
  result.reserve(to - from);
  const size_t n = ring.brokers.size();
  for (int32_t p = from; p < to; ++p) {
    const size_t leader = (start % n + p) % n;
    const uint64_t shift = start_shift % n + p / n;
    result.push_back(PlacePartition(ring.brokers, ring.rack_count,
                                    replication_factor, leader, shift));
  }
  return result;
}

// Where in the ring the broker stands; its size when it does not.
size_t Find(const Ring& ring, int32_t id) {
  auto it = std::find_if(ring.brokers.begin(), ring.brokers.end(),
                         [&](const auto& broker) { return broker.id == id; });
  return it - ring.brokers.begin();
}

}  // namespace

std::vector<std::vector<int32_t>> PlaceReplicas(
    const std::vector<PlacementBroker>& brokers, int32_t partitions,
    int32_t replication_factor, uint64_t start, uint64_t start_shift) {
  return Place(MakeRing(brokers), 0, partitions, replication_factor, start,
               start_shift);
}

std::vector<std::vector<int32_t>> PlaceMoreReplicas(
    const std::vector<PlacementBroker>& brokers,
    const std::vector<int32_t>& first, int32_t existing, int32_t more) {
  const Ring ring = MakeRing(brokers);
  const size_t n = ring.brokers.size();
  const size_t leader = Find(ring, first.front());
  const uint64_t start = leader < n ? leader : 0;
  uint64_t shift = 0;
  if (first.size() > 1 && n > 1) {
    // What took partition 0 from its leader to the second replica.
    const size_t second = Find(ring, first[1]);
    if (second < n && second != start) shift = (second + n - start - 1) % n;
  }
  return Place(ring, existing, existing + more,
               static_cast<int32_t>(first.size()), start, shift);
}

}  // namespace sillok
