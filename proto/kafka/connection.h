// How a connection begins: ApiVersions (18), SaslHandshake (17),
// SaslAuthenticate (36).
#ifndef SILLOK_PROTO_KAFKA_CONNECTION_H_
#define SILLOK_PROTO_KAFKA_CONNECTION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "proto/kafka/message.h"

namespace sillok::kafka {

// Its answer to a version we do not know is v0 with error 35.
struct ApiVersionsRequest {
  static constexpr MessageInfo kInfo{"ApiVersionsRequest", 18, 0, 4, 3};

  std::string client_software_name;
  std::string client_software_version;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("client_software_name", m.client_software_name, {.since = 3});
    v.Field("client_software_version", m.client_software_version, {.since = 3});
  }
};

struct ApiVersionsResponse {
  static constexpr MessageInfo kInfo{"ApiVersionsResponse", 18, 0, 4, 3};

  struct ApiVersion {
    int16_t api_key = 0;
    int16_t min_version = 0;
    int16_t max_version = 0;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("api_key", m.api_key);
      v.Field("min_version", m.min_version);
      v.Field("max_version", m.max_version);
    }
  };

  struct SupportedFeatureKey {
    std::string name;
    int16_t min_version = 0;
    int16_t max_version = 0;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("min_version", m.min_version);
      v.Field("max_version", m.max_version);
    }
  };

  struct FinalizedFeatureKey {
    std::string name;
    int16_t max_version_level = 0;
    int16_t min_version_level = 0;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("max_version_level", m.max_version_level);
      v.Field("min_version_level", m.min_version_level);
    }
  };

  int16_t error_code = 0;
  std::vector<ApiVersion> api_keys;
  int32_t throttle_time_ms = 0;
  std::vector<SupportedFeatureKey> supported_features;
  int64_t finalized_features_epoch = -1;
  std::vector<FinalizedFeatureKey> finalized_features;
  bool zk_migration_ready = false;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("error_code", m.error_code);
    v.Field("api_keys", m.api_keys);
    v.Field("throttle_time_ms", m.throttle_time_ms, {.since = 1});
    v.Tagged(0, "supported_features", m.supported_features, {.since = 3});
    v.Tagged(1, "finalized_features_epoch", m.finalized_features_epoch,
             {.since = 3}, -1);
    v.Tagged(2, "finalized_features", m.finalized_features, {.since = 3});
    v.Tagged(3, "zk_migration_ready", m.zk_migration_ready, {.since = 3});
  }
};

// After v0 the tokens follow as raw frames, after v1 in SaslAuthenticate.
struct SaslHandshakeRequest {
  static constexpr MessageInfo kInfo{"SaslHandshakeRequest", 17, 0, 1, kNever};

  std::string mechanism;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("mechanism", m.mechanism);
  }
};

struct SaslHandshakeResponse {
  static constexpr MessageInfo kInfo{"SaslHandshakeResponse", 17, 0, 1, kNever};

  int16_t error_code = 0;
  std::vector<std::string> mechanisms;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("error_code", m.error_code);
    v.Field("mechanisms", m.mechanisms);
  }
};

struct SaslAuthenticateRequest {
  static constexpr MessageInfo kInfo{"SaslAuthenticateRequest", 36, 0, 2, 2};

  Bytes auth_bytes;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("auth_bytes", m.auth_bytes);
  }
};

struct SaslAuthenticateResponse {
  static constexpr MessageInfo kInfo{"SaslAuthenticateResponse", 36, 0, 2, 2};

  int16_t error_code = 0;
  std::optional<std::string> error_message{""};
  Bytes auth_bytes;
  int64_t session_lifetime_ms = 0;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("error_code", m.error_code);
    v.Field("error_message", m.error_message, {.nullable_since = 0});
    v.Field("auth_bytes", m.auth_bytes);
    v.Field("session_lifetime_ms", m.session_lifetime_ms, {.since = 1});
  }
};

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_CONNECTION_H_
