// DescribeAcls (29), CreateAcls (30), DeleteAcls (31).
#ifndef SILLOK_PROTO_KAFKA_ACLS_H_
#define SILLOK_PROTO_KAFKA_ACLS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "proto/kafka/message.h"

namespace sillok::kafka {

struct DescribeAclsRequest {
  static constexpr MessageInfo kInfo{"DescribeAclsRequest", 29, 0, 3, 2};

  int8_t resource_type_filter = 0;
  std::optional<std::string> resource_name_filter{""};
  int8_t pattern_type_filter = 3;
  std::optional<std::string> principal_filter{""};
  std::optional<std::string> host_filter{""};
  int8_t operation = 0;
  int8_t permission_type = 0;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("resource_type_filter", m.resource_type_filter);
    v.Field("resource_name_filter", m.resource_name_filter,
            {.nullable_since = 0});
    v.Field("pattern_type_filter", m.pattern_type_filter, {.since = 1});
    v.Field("principal_filter", m.principal_filter, {.nullable_since = 0});
    v.Field("host_filter", m.host_filter, {.nullable_since = 0});
    v.Field("operation", m.operation);
    v.Field("permission_type", m.permission_type);
  }
};

struct DescribeAclsResponse {
  static constexpr MessageInfo kInfo{"DescribeAclsResponse", 29, 0, 3, 2};

  struct DescribeAclsResource {
    struct AclDescription {
      std::string principal;
      std::string host;
      int8_t operation = 0;
      int8_t permission_type = 0;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("principal", m.principal);
        v.Field("host", m.host);
        v.Field("operation", m.operation);
        v.Field("permission_type", m.permission_type);
      }
    };

    int8_t resource_type = 0;
    std::string resource_name;
    int8_t pattern_type = 3;
    std::vector<AclDescription> acls;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("resource_type", m.resource_type);
      v.Field("resource_name", m.resource_name);
      v.Field("pattern_type", m.pattern_type, {.since = 1});
      v.Field("acls", m.acls);
    }
  };

  int32_t throttle_time_ms = 0;
  int16_t error_code = 0;
  std::optional<std::string> error_message{""};
  std::vector<DescribeAclsResource> resources;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("error_code", m.error_code);
    v.Field("error_message", m.error_message, {.nullable_since = 0});
    v.Field("resources", m.resources);
  }
};

struct CreateAclsRequest {
  static constexpr MessageInfo kInfo{"CreateAclsRequest", 30, 0, 3, 2};

  struct AclCreation {
    int8_t resource_type = 0;
    std::string resource_name;
    int8_t resource_pattern_type = 3;
    std::string principal;
    std::string host;
    int8_t operation = 0;
    int8_t permission_type = 0;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("resource_type", m.resource_type);
      v.Field("resource_name", m.resource_name);
      v.Field("resource_pattern_type", m.resource_pattern_type, {.since = 1});
      v.Field("principal", m.principal);
      v.Field("host", m.host);
      v.Field("operation", m.operation);
      v.Field("permission_type", m.permission_type);
    }
  };

  std::vector<AclCreation> creations;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("creations", m.creations);
  }
};

struct CreateAclsResponse {
  static constexpr MessageInfo kInfo{"CreateAclsResponse", 30, 0, 3, 2};

  struct AclCreationResult {
    int16_t error_code = 0;
    std::optional<std::string> error_message{""};

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("error_code", m.error_code);
      v.Field("error_message", m.error_message, {.nullable_since = 0});
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<AclCreationResult> results;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("results", m.results);
  }
};

struct DeleteAclsRequest {
  static constexpr MessageInfo kInfo{"DeleteAclsRequest", 31, 0, 3, 2};

  struct DeleteAclsFilter {
    int8_t resource_type_filter = 0;
    std::optional<std::string> resource_name_filter{""};
    int8_t pattern_type_filter = 3;
    std::optional<std::string> principal_filter{""};
    std::optional<std::string> host_filter{""};
    int8_t operation = 0;
    int8_t permission_type = 0;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("resource_type_filter", m.resource_type_filter);
      v.Field("resource_name_filter", m.resource_name_filter,
              {.nullable_since = 0});
      v.Field("pattern_type_filter", m.pattern_type_filter, {.since = 1});
      v.Field("principal_filter", m.principal_filter, {.nullable_since = 0});
      v.Field("host_filter", m.host_filter, {.nullable_since = 0});
      v.Field("operation", m.operation);
      v.Field("permission_type", m.permission_type);
    }
  };

  std::vector<DeleteAclsFilter> filters;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("filters", m.filters);
  }
};

struct DeleteAclsResponse {
  static constexpr MessageInfo kInfo{"DeleteAclsResponse", 31, 0, 3, 2};

  struct DeleteAclsFilterResult {
    struct DeleteAclsMatchingAcl {
      int16_t error_code = 0;
      std::optional<std::string> error_message{""};
      int8_t resource_type = 0;
      std::string resource_name;
      int8_t pattern_type = 3;
      std::string principal;
      std::string host;
      int8_t operation = 0;
      int8_t permission_type = 0;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("error_code", m.error_code);
        v.Field("error_message", m.error_message, {.nullable_since = 0});
        v.Field("resource_type", m.resource_type);
        v.Field("resource_name", m.resource_name);
        v.Field("pattern_type", m.pattern_type, {.since = 1});
        v.Field("principal", m.principal);
        v.Field("host", m.host);
        v.Field("operation", m.operation);
        v.Field("permission_type", m.permission_type);
      }
    };

    int16_t error_code = 0;
    std::optional<std::string> error_message{""};
    std::vector<DeleteAclsMatchingAcl> matching_acls;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("error_code", m.error_code);
      v.Field("error_message", m.error_message, {.nullable_since = 0});
      v.Field("matching_acls", m.matching_acls);
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<DeleteAclsFilterResult> filter_results;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("filter_results", m.filter_results);
  }
};

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_ACLS_H_
