// The sticky division of partitions (KIP-54): first as even as the subscriptions
// allow, then with as few partitions as possible going to another member than
// the one that had them. Pure. Same members, same owners: same result, the one
// Kafka's assignor gives.
#ifndef SILLOK_CLIENT_INTERNAL_STICKY_ASSIGNOR_H_
#define SILLOK_CLIENT_INTERNAL_STICKY_ASSIGNOR_H_

#include <map>
#include <string>
#include <vector>

#include "client/internal/assignor.h"

namespace sillok::client {

// Adds to `assignment`. Of several members that claim a partition, the one with
// the latest generation counts as its owner; with equal generations none does.
void AssignSticky(const std::vector<SubscribedMember>& members,
                  const std::map<std::string, int>& partition_counts,
                  GroupAssignment* assignment);

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_STICKY_ASSIGNOR_H_
