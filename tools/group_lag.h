// What is known of a group's partitions, and how far behind it is.
#ifndef SILLOK_TOOLS_GROUP_LAG_H_
#define SILLOK_TOOLS_GROUP_LAG_H_

#include <algorithm>
#include <cstdint>
#include <map>

#include "absl/status/statusor.h"
#include "base/ids.h"
#include "client/admin.h"

namespace sillok::tools {

struct GroupRow {
  int64_t committed = -1;
  int64_t end = -1;  // -1 = not known
  const client::GroupMemberInfo* member = nullptr;  // of the GroupInfo asked

  // -1 = not known.
  int64_t lag() const {
    return committed < 0 || end < 0 ? -1
                                    : std::max<int64_t>(end - committed, 0);
  }
};
using GroupRows = std::map<TopicPartition, GroupRow>;

// Partitions with a committed offset or a member.
absl::StatusOr<GroupRows> CollectRows(client::Admin& admin,
                                      const client::GroupInfo& group);

// GROUP_ID_NOT_FOUND for a group that the coordinator has never heard of.
struct GroupPicture {
  client::GroupInfo info;
  GroupRows rows;
  int64_t total_lag = 0;
  int64_t max_lag = 0;
};
// `picture->rows` point into `picture->info`.
absl::Status LookAt(client::Admin& admin, const std::string& group,
                    GroupPicture* picture);

}  // namespace sillok::tools

#endif  // SILLOK_TOOLS_GROUP_LAG_H_
