// Configuration of topics and brokers, for client::Admin (which says what each
// call means). Thread-safe.
#ifndef SILLOK_CLIENT_INTERNAL_CONFIG_ADMIN_H_
#define SILLOK_CLIENT_INTERNAL_CONFIG_ADMIN_H_

#include <vector>

#include "client/admin.h"
#include "client/internal/admin_calls.h"

namespace sillok::client {

class ConfigAdmin {
 public:
  explicit ConfigAdmin(AdminCalls& calls) : calls_(calls) {}

  absl::StatusOr<std::vector<ConfigValue>> Describe(
      const ConfigResource& resource);
  absl::Status Alter(const ConfigResource& resource,
                     const std::vector<ConfigChange>& changes,
                     bool validate_only);

 private:
  // A broker answers for itself only; everything else any broker knows.
  absl::Status Ask(const ConfigResource& resource,
                   const v1::DescribeConfigsRequest& request,
                   AdminCalls::TimePoint deadline,
                   v1::DescribeConfigsResponse* response);

  AdminCalls& calls_;
};

}  // namespace sillok::client

#endif  // SILLOK_CLIENT_INTERNAL_CONFIG_ADMIN_H_
