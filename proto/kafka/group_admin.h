// Groups as an administrator sees them: DescribeGroups (15), ListGroups (16),
// DeleteGroups (42).
#ifndef SILLOK_PROTO_KAFKA_GROUP_ADMIN_H_
#define SILLOK_PROTO_KAFKA_GROUP_ADMIN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "proto/kafka/message.h"

namespace sillok::kafka {

struct DescribeGroupsRequest {
  static constexpr MessageInfo kInfo{"DescribeGroupsRequest", 15, 0, 5, 5};

  std::vector<std::string> groups;
  bool include_authorized_operations = false;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("groups", m.groups);
    v.Field("include_authorized_operations", m.include_authorized_operations,
            {.since = 3});
  }
};

struct DescribeGroupsResponse {
  static constexpr MessageInfo kInfo{"DescribeGroupsResponse", 15, 0, 5, 5};

  struct DescribedGroup {
    struct DescribedGroupMember {
      std::string member_id;
      std::optional<std::string> group_instance_id;
      std::string client_id;
      std::string client_host;
      Bytes member_metadata;
      Bytes member_assignment;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("member_id", m.member_id);
        v.Field("group_instance_id", m.group_instance_id,
                {.since = 4, .nullable_since = 0});
        v.Field("client_id", m.client_id);
        v.Field("client_host", m.client_host);
        v.Field("member_metadata", m.member_metadata);
        v.Field("member_assignment", m.member_assignment);
      }
    };

    int16_t error_code = 0;
    std::string group_id;
    std::string group_state;
    std::string protocol_type;
    std::string protocol_data;
    std::vector<DescribedGroupMember> members;
    int32_t authorized_operations = INT32_MIN;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("error_code", m.error_code);
      v.Field("group_id", m.group_id);
      v.Field("group_state", m.group_state);
      v.Field("protocol_type", m.protocol_type);
      v.Field("protocol_data", m.protocol_data);
      v.Field("members", m.members);
      v.Field("authorized_operations", m.authorized_operations, {.since = 3});
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<DescribedGroup> groups;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms, {.since = 1});
    v.Field("groups", m.groups);
  }
};

struct ListGroupsRequest {
  static constexpr MessageInfo kInfo{"ListGroupsRequest", 16, 0, 5, 3};

  std::vector<std::string> states_filter;
  std::vector<std::string> types_filter;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("states_filter", m.states_filter, {.since = 4});
    v.Field("types_filter", m.types_filter, {.since = 5});
  }
};

struct ListGroupsResponse {
  static constexpr MessageInfo kInfo{"ListGroupsResponse", 16, 0, 5, 3};

  struct ListedGroup {
    std::string group_id;
    std::string protocol_type;
    std::string group_state;
    std::string group_type;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("group_id", m.group_id);
      v.Field("protocol_type", m.protocol_type);
      v.Field("group_state", m.group_state, {.since = 4});
      v.Field("group_type", m.group_type, {.since = 5});
    }
  };

  int32_t throttle_time_ms = 0;
  int16_t error_code = 0;
  std::vector<ListedGroup> groups;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms, {.since = 1});
    v.Field("error_code", m.error_code);
    v.Field("groups", m.groups);
  }
};

struct DeleteGroupsRequest {
  static constexpr MessageInfo kInfo{"DeleteGroupsRequest", 42, 0, 2, 2};

  std::vector<std::string> groups_names;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("groups_names", m.groups_names);
  }
};

struct DeleteGroupsResponse {
  static constexpr MessageInfo kInfo{"DeleteGroupsResponse", 42, 0, 2, 2};

  struct DeletableGroupResult {
    std::string group_id;
    int16_t error_code = 0;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("group_id", m.group_id);
      v.Field("error_code", m.error_code);
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<DeletableGroupResult> results;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("results", m.results);
  }
};

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_GROUP_ADMIN_H_
