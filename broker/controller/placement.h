// Where the replicas of a new topic go. Pure.
#ifndef SILLOK_BROKER_CONTROLLER_PLACEMENT_H_
#define SILLOK_BROKER_CONTROLLER_PLACEMENT_H_

#include <cstdint>
#include <string>
#include <vector>

namespace sillok {

struct PlacementBroker {
  int32_t id = 0;
  std::string rack;  // "" = unknown
};

// Replica lists of `partitions` partitions, the first of each is its preferred
// leader. Kafka's scheme: leaders go around the brokers from `start`; a
// partition's other replicas follow at a distance that grows by one each time
// around, so that the followers of one broker's partitions are spread over all
// others. When every broker has a rack, brokers of the racks take turns, and a
// partition has two replicas in one rack only when all racks have one.
//
// `brokers` by id; replication_factor is 1 .. brokers.size().
std::vector<std::vector<int32_t>> PlaceReplicas(
    const std::vector<PlacementBroker>& brokers, int32_t partitions,
    int32_t replication_factor, uint64_t start, uint64_t start_shift);

}  // namespace sillok

#endif  // SILLOK_BROKER_CONTROLLER_PLACEMENT_H_
