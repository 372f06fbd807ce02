// Offsets and sizes of partitions' logs, for client::Admin (which says what each
// call means). Thread-safe.
#ifndef SILLOK_CLIENT_INTERNAL_LOG_ADMIN_H_
#define SILLOK_CLIENT_INTERNAL_LOG_ADMIN_H_

#include <map>
#include <string>
#include <vector>

#include "client/admin.h"
#include "client/internal/admin_calls.h"

namespace sillok::client {

class LogAdmin {
 public:
  explicit LogAdmin(AdminCalls& calls) : calls_(calls) {}

  absl::StatusOr<std::map<TopicPartition, ListedOffset>> ListOffsets(
      const std::map<TopicPartition, int64_t>& times, IsolationLevel isolation);
  absl::StatusOr<std::map<TopicPartition, TrimmedPartition>> DeleteRecords(
      const std::map<TopicPartition, int64_t>& before_offsets);
  absl::StatusOr<std::vector<ReplicaLogInfo>> DescribeLogDirs(
      const std::vector<std::string>& topics);

 private:
  AdminCalls& calls_;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_LOG_ADMIN_H_
