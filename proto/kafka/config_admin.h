// DescribeConfigs (32), AlterConfigs (33), IncrementalAlterConfigs (44).
#ifndef SILLOK_PROTO_KAFKA_CONFIG_ADMIN_H_
#define SILLOK_PROTO_KAFKA_CONFIG_ADMIN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/kafka/message.h"

namespace sillok::kafka {

struct DescribeConfigsRequest {
  static constexpr MessageInfo kInfo{"DescribeConfigsRequest", 32, 0, 4, 4};

  struct DescribeConfigsResource {
    int8_t resource_type = 0;
    std::string resource_name;
    std::optional<std::vector<std::string>> configuration_keys{std::in_place};

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("resource_type", m.resource_type);
      v.Field("resource_name", m.resource_name);
      v.Field("configuration_keys", m.configuration_keys,
              {.nullable_since = 0});
    }
  };

  std::vector<DescribeConfigsResource> resources;
  bool include_synonyms = false;
  bool include_documentation = false;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("resources", m.resources);
    v.Field("include_synonyms", m.include_synonyms, {.since = 1});
    v.Field("include_documentation", m.include_documentation, {.since = 3});
  }
};

struct DescribeConfigsResponse {
  static constexpr MessageInfo kInfo{"DescribeConfigsResponse", 32, 0, 4, 4};

  struct DescribeConfigsResult {
    struct DescribeConfigsResourceResult {
      struct DescribeConfigsSynonym {
        std::string name;
        std::optional<std::string> value{""};
        int8_t source = 0;

        template <typename M, typename V>
        static void Describe(M& m, V& v) {
          v.Field("name", m.name);
          v.Field("value", m.value, {.nullable_since = 0});
          v.Field("source", m.source);
        }
      };

      std::string name;
      std::optional<std::string> value{""};
      bool read_only = false;
      bool is_default = false;
      int8_t config_source = -1;
      bool is_sensitive = false;
      std::vector<DescribeConfigsSynonym> synonyms;
      int8_t config_type = 0;
      std::optional<std::string> documentation{""};

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("name", m.name);
        v.Field("value", m.value, {.nullable_since = 0});
        v.Field("read_only", m.read_only);
        v.Field("is_default", m.is_default, {.until = 0});
        v.Field("config_source", m.config_source, {.since = 1});
        v.Field("is_sensitive", m.is_sensitive);
        v.Field("synonyms", m.synonyms, {.since = 1});
        v.Field("config_type", m.config_type, {.since = 3});
        v.Field("documentation", m.documentation,
                {.since = 3, .nullable_since = 0});
      }
    };

    int16_t error_code = 0;
    std::optional<std::string> error_message{""};
    int8_t resource_type = 0;
    std::string resource_name;
    std::vector<DescribeConfigsResourceResult> configs;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("error_code", m.error_code);
      v.Field("error_message", m.error_message, {.nullable_since = 0});
      v.Field("resource_type", m.resource_type);
      v.Field("resource_name", m.resource_name);
      v.Field("configs", m.configs);
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<DescribeConfigsResult> results;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("results", m.results);
  }
};

struct AlterConfigsRequest {
  static constexpr MessageInfo kInfo{"AlterConfigsRequest", 33, 0, 2, 2};

  struct AlterConfigsResource {
    struct AlterableConfig {
      std::string name;
      std::optional<std::string> value{""};

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("name", m.name);
        v.Field("value", m.value, {.nullable_since = 0});
      }
    };

    int8_t resource_type = 0;
    std::string resource_name;
    std::vector<AlterableConfig> configs;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("resource_type", m.resource_type);
      v.Field("resource_name", m.resource_name);
      v.Field("configs", m.configs);
    }
  };

  std::vector<AlterConfigsResource> resources;
  bool validate_only = false;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("resources", m.resources);
    v.Field("validate_only", m.validate_only);
  }
};

struct AlterConfigsResponse {
  static constexpr MessageInfo kInfo{"AlterConfigsResponse", 33, 0, 2, 2};

  struct AlterConfigsResourceResponse {
    int16_t error_code = 0;
    std::optional<std::string> error_message{""};
    int8_t resource_type = 0;
    std::string resource_name;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("error_code", m.error_code);
      v.Field("error_message", m.error_message, {.nullable_since = 0});
      v.Field("resource_type", m.resource_type);
      v.Field("resource_name", m.resource_name);
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<AlterConfigsResourceResponse> responses;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("responses", m.responses);
  }
};

struct IncrementalAlterConfigsRequest {
  static constexpr MessageInfo kInfo{"IncrementalAlterConfigsRequest", 44, 0, 1,
                                     1};

  struct AlterConfigsResource {
    struct AlterableConfig {
      std::string name;
      int8_t config_operation = 0;
      std::optional<std::string> value{""};

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("name", m.name);
        v.Field("config_operation", m.config_operation);
        v.Field("value", m.value, {.nullable_since = 0});
      }
    };

    int8_t resource_type = 0;
    std::string resource_name;
    std::vector<AlterableConfig> configs;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("resource_type", m.resource_type);
      v.Field("resource_name", m.resource_name);
      v.Field("configs", m.configs);
    }
  };

  std::vector<AlterConfigsResource> resources;
  bool validate_only = false;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("resources", m.resources);
    v.Field("validate_only", m.validate_only);
  }
};

struct IncrementalAlterConfigsResponse {
  static constexpr MessageInfo kInfo{"IncrementalAlterConfigsResponse", 44, 0,
                                     1, 1};

  struct AlterConfigsResourceResponse {
    int16_t error_code = 0;
    std::optional<std::string> error_message{""};
    int8_t resource_type = 0;
    std::string resource_name;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("error_code", m.error_code);
      v.Field("error_message", m.error_message, {.nullable_since = 0});
      v.Field("resource_type", m.resource_type);
      v.Field("resource_name", m.resource_name);
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<AlterConfigsResourceResponse> responses;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("responses", m.responses);
  }
};

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_CONFIG_ADMIN_H_
