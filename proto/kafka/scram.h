// DescribeUserScramCredentials (50), AlterUserScramCredentials (51).
#ifndef SILLOK_PROTO_KAFKA_SCRAM_H_
#define SILLOK_PROTO_KAFKA_SCRAM_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "proto/kafka/message.h"

namespace sillok::kafka {

struct DescribeUserScramCredentialsRequest {
  static constexpr MessageInfo kInfo{"DescribeUserScramCredentialsRequest", 50,
                                     0, 0, 0};

  struct UserName {
    std::string name;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
    }
  };

  std::optional<std::vector<UserName>> users{std::in_place};

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("users", m.users, {.nullable_since = 0});
  }
};

struct DescribeUserScramCredentialsResponse {
  static constexpr MessageInfo kInfo{"DescribeUserScramCredentialsResponse", 50,
                                     0, 0, 0};

  struct DescribeUserScramCredentialsResult {
    struct CredentialInfo {
      int8_t mechanism = 0;
      int32_t iterations = 0;

      template <typename M, typename V>
      static void Describe(M& m, V& v) {
        v.Field("mechanism", m.mechanism);
        v.Field("iterations", m.iterations);
      }
    };

    std::string user;
    int16_t error_code = 0;
    std::optional<std::string> error_message{""};
    std::vector<CredentialInfo> credential_infos;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("user", m.user);
      v.Field("error_code", m.error_code);
      v.Field("error_message", m.error_message, {.nullable_since = 0});
      v.Field("credential_infos", m.credential_infos);
    }
  };

  int32_t throttle_time_ms = 0;
  int16_t error_code = 0;
  std::optional<std::string> error_message{""};
  std::vector<DescribeUserScramCredentialsResult> results;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("error_code", m.error_code);
    v.Field("error_message", m.error_message, {.nullable_since = 0});
    v.Field("results", m.results);
  }
};

struct AlterUserScramCredentialsRequest {
  static constexpr MessageInfo kInfo{"AlterUserScramCredentialsRequest", 51, 0,
                                     0, 0};

  struct ScramCredentialDeletion {
    std::string name;
    int8_t mechanism = 0;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("mechanism", m.mechanism);
    }
  };

  struct ScramCredentialUpsertion {
    std::string name;
    int8_t mechanism = 0;
    int32_t iterations = 0;
    Bytes salt;
    Bytes salted_password;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("mechanism", m.mechanism);
      v.Field("iterations", m.iterations);
      v.Field("salt", m.salt);
      v.Field("salted_password", m.salted_password);
    }
  };

  std::vector<ScramCredentialDeletion> deletions;
  std::vector<ScramCredentialUpsertion> upsertions;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("deletions", m.deletions);
    v.Field("upsertions", m.upsertions);
  }
};

struct AlterUserScramCredentialsResponse {
  static constexpr MessageInfo kInfo{"AlterUserScramCredentialsResponse", 51, 0,
                                     0, 0};

  struct AlterUserScramCredentialsResult {
    std::string user;
    int16_t error_code = 0;
    std::optional<std::string> error_message{""};

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("user", m.user);
      v.Field("error_code", m.error_code);
      v.Field("error_message", m.error_message, {.nullable_since = 0});
    }
  };

  int32_t throttle_time_ms = 0;
  std::vector<AlterUserScramCredentialsResult> results;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms);
    v.Field("results", m.results);
  }
};

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_SCRAM_H_
