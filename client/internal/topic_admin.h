// Topics, their partitions and who leads them, for client::Admin (which says what
// each call means). Thread-safe.
#ifndef SILLOK_CLIENT_INTERNAL_TOPIC_ADMIN_H_
#define SILLOK_CLIENT_INTERNAL_TOPIC_ADMIN_H_

#include <map>
#include <string>
#include <vector>

#include "client/admin.h"
#include "client/internal/admin_calls.h"

namespace sillok::client {

class TopicAdmin {
 public:
  explicit TopicAdmin(AdminCalls& calls) : calls_(calls) {}

  absl::StatusOr<std::vector<TopicOutcome>> CreateTopics(
      const std::vector<TopicSpec>& topics, bool validate_only);
  absl::StatusOr<std::vector<TopicOutcome>> DeleteTopics(
      const std::vector<std::string>& names);
  absl::StatusOr<std::vector<TopicOutcome>> CreatePartitions(
      const std::vector<PartitionsSpec>& topics, bool validate_only);
  absl::StatusOr<std::vector<TopicInfo>> ListTopics();
  absl::StatusOr<std::vector<TopicInfo>> DescribeTopics(
      const std::vector<std::string>& names);
  absl::StatusOr<std::map<TopicPartition, absl::Status>> ElectLeaders(
      ElectionType type, const std::vector<TopicPartition>& partitions);

 private:
  // Asks again for the topics whose answer was "not here".
  template <typename Request, typename Response, typename Fill>
  absl::StatusOr<std::vector<TopicOutcome>> ChangeTopics(
      size_t count, AdminCalls::Method<Request, Response> method,
      ErrorCode already_done, const Fill& fill);

  AdminCalls& calls_;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_TOPIC_ADMIN_H_
