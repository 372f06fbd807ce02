// How a group's leader divides partitions among members. Pure; the results are
// those of Kafka's assignors of the same names, so that it does not matter who
// leads a group of different clients.
#ifndef SILLOK_CLIENT_INTERNAL_ASSIGNOR_H_
#define SILLOK_CLIENT_INTERNAL_ASSIGNOR_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"

namespace sillok::client {

struct SubscribedMember {
  std::string member_id;
  std::string instance_id;  // "" = dynamic
  std::vector<std::string> topics;
  // What it says it holds, or held last, and in which generation it was told so
  // (-1 = it does not know). Only the sticky assignors look at these.
  std::vector<TopicPartition> owned;
  int32_t generation = -1;
};

// By member id; every member has an entry. Topics without an entry in
// `partition_counts` do not exist.
using GroupAssignment = std::map<std::string, std::vector<TopicPartition>>;

// `range`: topic by topic in runs. `roundrobin`: all partitions dealt out in
// turn. `sticky`: as even as can be, then with as few moves as can be.
// `cooperative-sticky`: the same, but a partition that moves is given to nobody
// until the member that has it has let go (it is missing in the result, and
// given out in the rebalance that its release brings about; KIP-429).
// False for another name.
bool AssignPartitions(std::string_view assignor,
                      std::vector<SubscribedMember> members,
                      const std::map<std::string, int>& partition_counts,
                      GroupAssignment* assignment);

bool IsAssignor(std::string_view name);
// Its members may keep their partitions while they join.
bool IsCooperative(std::string_view assignor);

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_ASSIGNOR_H_
