// Consumer groups and their offsets, for client::Admin (which says what each call
// means). Thread-safe.
#ifndef SILLOK_CLIENT_INTERNAL_GROUP_ADMIN_H_
#define SILLOK_CLIENT_INTERNAL_GROUP_ADMIN_H_

#include <map>
#include <string>
#include <vector>

#include "client/admin.h"
#include "client/internal/admin_calls.h"

namespace sillok::client {

class GroupAdmin {
 public:
  explicit GroupAdmin(AdminCalls& calls) : calls_(calls) {}

  absl::StatusOr<std::vector<GroupListing>> List();
  absl::StatusOr<GroupInfo> Describe(const std::string& group);
  absl::StatusOr<std::map<TopicPartition, CommittedPosition>> ListOffsets(
      const std::string& group);
  absl::Status SetOffsets(const std::string& group,
                          const std::map<TopicPartition, int64_t>& offsets);
  absl::StatusOr<std::map<TopicPartition, absl::Status>> DeleteOffsets(
      const std::string& group, const std::vector<TopicPartition>& partitions);
  std::vector<GroupOutcome> Delete(const std::vector<std::string>& groups);

 private:
  AdminCalls& calls_;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_GROUP_ADMIN_H_
