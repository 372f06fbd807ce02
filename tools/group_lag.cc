#include "tools/group_lag.h"

#include "base/error.h"
#include "base/status_macros.h"

namespace sillok::tools {

absl::StatusOr<GroupRows> CollectRows(client::Admin& admin,
                                      const client::GroupInfo& group) {
  GroupRows rows;
  ASSIGN_OR_RETURN(auto committed, admin.ListGroupOffsets(group.group_id));
  for (const auto& [id, position] : committed) {
    rows[id].committed = position.offset;
  }
  for (const client::GroupMemberInfo& member : group.members) {
    for (const TopicPartition& id : member.assignment) {
      rows[id].member = &member;
    }
  }
  std::map<TopicPartition, int64_t> times;
  for (const auto& [id, row] : rows) times[id] = -1;
  ASSIGN_OR_RETURN(auto ends, admin.ListOffsets(times));
  for (const auto& [id, end] : ends) {
    if (end.status.ok()) rows[id].end = end.offset;
  }
  return rows;
}

absl::Status LookAt(client::Admin& admin, const std::string& group,
                    GroupPicture* picture) {
  ASSIGN_OR_RETURN(picture->info, admin.DescribeGroup(group));
  ASSIGN_OR_RETURN(picture->rows, CollectRows(admin, picture->info));
  if (picture->info.state == "Dead" && picture->rows.empty()) {
    return ErrorStatus(ErrorCode::GROUP_ID_NOT_FOUND,
                       "group '" + group + "' does not exist");
  }
  for (const auto& [id, row] : picture->rows) {
    picture->total_lag += std::max<int64_t>(row.lag(), 0);
    picture->max_lag = std::max(picture->max_lag, row.lag());
  }
  return absl::OkStatus();
}

}  // namespace sillok::tools
