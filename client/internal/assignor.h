// How a group's leader divides partitions among members. Pure; the results are
// those of Kafka's assignors of the same names.
#ifndef SILLOK_CLIENT_INTERNAL_ASSIGNOR_H_
#define SILLOK_CLIENT_INTERNAL_ASSIGNOR_H_

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
};

// By member id; every member has an entry. Topics without an entry in
// `partition_counts` do not exist.
using GroupAssignment = std::map<std::string, std::vector<TopicPartition>>;

// `range` or `roundrobin`; false for another name. Topic by topic in runs
// (range), or all partitions dealt out in turn (roundrobin).
bool AssignPartitions(std::string_view assignor,
                      std::vector<SubscribedMember> members,
                      const std::map<std::string, int>& partition_counts,
                      GroupAssignment* assignment);

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_ASSIGNOR_H_
