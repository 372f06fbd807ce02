// The life of a group member: FindCoordinator (10), JoinGroup (11), Heartbeat
// (12), LeaveGroup (13), SyncGroup (14).
#ifndef SILLOK_PROTO_KAFKA_GROUP_MEMBERSHIP_H_
#define SILLOK_PROTO_KAFKA_GROUP_MEMBERSHIP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "proto/kafka/message.h"

namespace sillok::kafka {

struct FindCoordinatorRequest {
  static constexpr MessageInfo kInfo{"FindCoordinatorRequest", 10, 0, 4, 3};

  std::string key;
  int8_t key_type = 0;
  std::vector<std::string> coordinator_keys;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("key", m.key, {.until = 3});
    v.Field("key_type", m.key_type, {.since = 1});
    v.Field("coordinator_keys", m.coordinator_keys, {.since = 4});
  }
};

struct FindCoordinatorResponse {
  static constexpr MessageInfo kInfo{"FindCoordinatorResponse", 10, 0, 4, 3};

  struct Coordinator {
    std::string key;
    int32_t node_id = 0;
    std::string host;
    int32_t port = 0;
    int16_t error_code = 0;
    std::optional<std::string> error_message{""};

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("key", m.key);
      v.Field("node_id", m.node_id);
      v.Field("host", m.host);
      v.Field("port", m.port);
      v.Field("error_code", m.error_code);
      v.Field("error_message", m.error_message, {.nullable_since = 0});
    }
  };

  int32_t throttle_time_ms = 0;
  int16_t error_code = 0;
  std::optional<std::string> error_message{""};
  int32_t node_id = 0;
  std::string host;
  int32_t port = 0;
  std::vector<Coordinator> coordinators;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms, {.since = 1});
    v.Field("error_code", m.error_code, {.until = 3});
    v.Field("error_message", m.error_message,
            {.since = 1, .until = 3, .nullable_since = 0});
    v.Field("node_id", m.node_id, {.until = 3});
    v.Field("host", m.host, {.until = 3});
    v.Field("port", m.port, {.until = 3});
    v.Field("coordinators", m.coordinators, {.since = 4});
  }
};

struct JoinGroupRequest {
  static constexpr MessageInfo kInfo{"JoinGroupRequest", 11, 0, 9, 6};

  struct JoinGroupRequestProtocol {
    std::string name;
    Bytes metadata;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("name", m.name);
      v.Field("metadata", m.metadata);
    }
  };

  std::string group_id;
  int32_t session_timeout_ms = 0;
  // v0 has none: the session timeout stands for it.
  int32_t rebalance_timeout_ms = -1;
  std::string member_id;
  std::optional<std::string> group_instance_id;
  std::string protocol_type;
  std::vector<JoinGroupRequestProtocol> protocols;
  std::optional<std::string> reason;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("group_id", m.group_id);
    v.Field("session_timeout_ms", m.session_timeout_ms);
    v.Field("rebalance_timeout_ms", m.rebalance_timeout_ms, {.since = 1});
    v.Field("member_id", m.member_id);
    v.Field("group_instance_id", m.group_instance_id,
            {.since = 5, .nullable_since = 0});
    v.Field("protocol_type", m.protocol_type);
    v.Field("protocols", m.protocols);
    v.Field("reason", m.reason, {.since = 8, .nullable_since = 0});
  }
};

struct JoinGroupResponse {
  static constexpr MessageInfo kInfo{"JoinGroupResponse", 11, 0, 9, 6};

  struct JoinGroupResponseMember {
    std::string member_id;
    std::optional<std::string> group_instance_id;
    Bytes metadata;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("member_id", m.member_id);
      v.Field("group_instance_id", m.group_instance_id,
              {.since = 5, .nullable_since = 0});
      v.Field("metadata", m.metadata);
    }
  };

  int32_t throttle_time_ms = 0;
  int16_t error_code = 0;
  int32_t generation_id = -1;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol_name{""};
  std::string leader;
  bool skip_assignment = false;
  std::string member_id;
  std::vector<JoinGroupResponseMember> members;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms, {.since = 2});
    v.Field("error_code", m.error_code);
    v.Field("generation_id", m.generation_id);
    v.Field("protocol_type", m.protocol_type,
            {.since = 7, .nullable_since = 0});
    v.Field("protocol_name", m.protocol_name, {.nullable_since = 7});
    v.Field("leader", m.leader);
    v.Field("skip_assignment", m.skip_assignment, {.since = 9});
    v.Field("member_id", m.member_id);
    v.Field("members", m.members);
  }
};

struct HeartbeatRequest {
  static constexpr MessageInfo kInfo{"HeartbeatRequest", 12, 0, 4, 4};

  std::string group_id;
  int32_t generation_id = 0;
  std::string member_id;
  std::optional<std::string> group_instance_id;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("group_id", m.group_id);
    v.Field("generation_id", m.generation_id);
    v.Field("member_id", m.member_id);
    v.Field("group_instance_id", m.group_instance_id,
            {.since = 3, .nullable_since = 0});
  }
};

struct HeartbeatResponse {
  static constexpr MessageInfo kInfo{"HeartbeatResponse", 12, 0, 4, 4};

  int32_t throttle_time_ms = 0;
  int16_t error_code = 0;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms, {.since = 1});
    v.Field("error_code", m.error_code);
  }
};

struct LeaveGroupRequest {
  static constexpr MessageInfo kInfo{"LeaveGroupRequest", 13, 0, 5, 4};

  struct MemberIdentity {
    std::string member_id;
    std::optional<std::string> group_instance_id;
    std::optional<std::string> reason;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("member_id", m.member_id);
      v.Field("group_instance_id", m.group_instance_id, {.nullable_since = 0});
      v.Field("reason", m.reason, {.since = 5, .nullable_since = 0});
    }
  };

  std::string group_id;
  std::string member_id;
  std::vector<MemberIdentity> members;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("group_id", m.group_id);
    v.Field("member_id", m.member_id, {.until = 2});
    v.Field("members", m.members, {.since = 3});
  }
};

struct LeaveGroupResponse {
  static constexpr MessageInfo kInfo{"LeaveGroupResponse", 13, 0, 5, 4};

  struct MemberResponse {
    std::string member_id;
    std::optional<std::string> group_instance_id{""};
    int16_t error_code = 0;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("member_id", m.member_id);
      v.Field("group_instance_id", m.group_instance_id, {.nullable_since = 0});
      v.Field("error_code", m.error_code);
    }
  };

  int32_t throttle_time_ms = 0;
  int16_t error_code = 0;
  std::vector<MemberResponse> members;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms, {.since = 1});
    v.Field("error_code", m.error_code);
    v.Field("members", m.members, {.since = 3});
  }
};

struct SyncGroupRequest {
  static constexpr MessageInfo kInfo{"SyncGroupRequest", 14, 0, 5, 4};

  struct SyncGroupRequestAssignment {
    std::string member_id;
    Bytes assignment;

    template <typename M, typename V>
    static void Describe(M& m, V& v) {
      v.Field("member_id", m.member_id);
      v.Field("assignment", m.assignment);
    }
  };

  std::string group_id;
  int32_t generation_id = 0;
  std::string member_id;
  std::optional<std::string> group_instance_id;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol_name;
  std::vector<SyncGroupRequestAssignment> assignments;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("group_id", m.group_id);
    v.Field("generation_id", m.generation_id);
    v.Field("member_id", m.member_id);
    v.Field("group_instance_id", m.group_instance_id,
            {.since = 3, .nullable_since = 0});
    v.Field("protocol_type", m.protocol_type,
            {.since = 5, .nullable_since = 0});
    v.Field("protocol_name", m.protocol_name,
            {.since = 5, .nullable_since = 0});
    v.Field("assignments", m.assignments);
  }
};

struct SyncGroupResponse {
  static constexpr MessageInfo kInfo{"SyncGroupResponse", 14, 0, 5, 4};

  int32_t throttle_time_ms = 0;
  int16_t error_code = 0;
  std::optional<std::string> protocol_type;
  std::optional<std::string> protocol_name;
  Bytes assignment;

  template <typename M, typename V>
  static void Describe(M& m, V& v) {
    v.Field("throttle_time_ms", m.throttle_time_ms, {.since = 1});
    v.Field("error_code", m.error_code);
    v.Field("protocol_type", m.protocol_type,
            {.since = 5, .nullable_since = 0});
    v.Field("protocol_name", m.protocol_name,
            {.since = 5, .nullable_since = 0});
    v.Field("assignment", m.assignment);
  }
};

}  // namespace sillok::kafka

#endif  // SILLOK_PROTO_KAFKA_GROUP_MEMBERSHIP_H_
