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

// Replica lists of `more` partitions after the `existing` ones of a topic,
// going on with its pattern: as if all had been placed at once from where
// `first` (the replicas of partition 0) begins. Where a broker of `first` is not
// among `brokers` the pattern begins anew.
std::vector<std::vector<int32_t>> PlaceMoreReplicas(
    const std::vector<PlacementBroker>& brokers,
    const std::vector<int32_t>& first, int32_t existing, int32_t more);

}  // namespace sillok

#endif  // SILLOK_BROKER_CONTROLLER_PLACEMENT_H_
