// Who leads a partition and who is in sync, as the controller decided it.
#ifndef SILLOK_BROKER_REPLICATION_PARTITION_STATE_H_
#define SILLOK_BROKER_REPLICATION_PARTITION_STATE_H_

#include <vector>

#include "base/ids.h"

namespace sillok {

// One version of a partition's state znode. A higher `leader_epoch` is newer;
// with the same leader epoch, a higher `partition_epoch` is.
struct PartitionAssignment {
  BrokerId leader = kNoBroker;  // -1 = none can be elected
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  PartitionEpoch partition_epoch{-1};
  std::vector<BrokerId> isr;
  std::vector<BrokerId> replicas;  // the first is preferred
  // The replica was created with this state: an empty log is right.
  bool is_new = false;

  friend bool operator==(const PartitionAssignment&,
                         const PartitionAssignment&) = default;
};

// An in-sync member as the leader knows it: the broker epoch of its last fetch
// lets the controller refuse a replica that has rebooted since (KIP-903).
struct IsrMemberEpoch {
  BrokerId broker;
  BrokerEpoch broker_epoch{-1};  // -1 = unchecked

  friend bool operator==(const IsrMemberEpoch&,
                         const IsrMemberEpoch&) = default;
};

// An ISR that a leader wants, based on the state with `partition_epoch`.
struct AlterIsr {
  LeaderEpoch leader_epoch;
  PartitionEpoch partition_epoch;
  std::vector<IsrMemberEpoch> isr;

  friend bool operator==(const AlterIsr&, const AlterIsr&) = default;
};

}  // namespace sillok

#endif  // SILLOK_BROKER_REPLICATION_PARTITION_STATE_H_
