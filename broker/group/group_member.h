// A member of a consumer group, and the small words that the group cores share.
#ifndef SILLOK_BROKER_GROUP_GROUP_MEMBER_H_
#define SILLOK_BROKER_GROUP_GROUP_MEMBER_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "proto/broker.pb.h"

namespace sillok {

// A call that waits for its answer; given out by the shell, never reused.
using CallId = uint64_t;

inline constexpr int64_t kNoDeadlineMs = std::numeric_limits<int64_t>::max();

// Timeouts go by the first, timestamps in records and retention by the second.
struct GroupTime {
  int64_t now_ms = 0;   // Clock::MonotonicMs
  int64_t wall_ms = 0;  // Clock::WallMs
};

inline v1::ErrorCode AsProto(ErrorCode code) {
  return static_cast<v1::ErrorCode>(code);
}

struct MemberProtocol {
  std::string name;      // of an assignor
  std::string metadata;  // opaque: the subscription

  friend bool operator==(const MemberProtocol&,
                         const MemberProtocol&) = default;
};

struct GroupMember {
  std::string id;
  std::string instance_id;  // "" = dynamic
  std::string client_id;
  std::string client_host;
  int32_t rebalance_timeout_ms = 0;
  int32_t session_timeout_ms = 0;
  std::vector<MemberProtocol> protocols;  // preferred first
  std::string assignment;                 // of the last complete rebalance

  // Its parked calls. A member with one is alive whatever its session says.
  std::optional<CallId> join_call;
  std::optional<CallId> sync_call;
  // Has never been answered a join: nobody can heartbeat for it, so that its
  // session runs even while its join waits.
  bool is_new = false;
  // Was told a generation and has not synced in it.
  bool pending_sync = false;
  int64_t session_deadline_ms = kNoDeadlineMs;

  bool is_static() const { return !instance_id.empty(); }
  bool awaiting_join() const { return join_call.has_value(); }
  const std::string* FindMetadata(const std::string& protocol) const {
    for (const MemberProtocol& p : protocols) {
      if (p.name == protocol) return &p.metadata;
    }
    return nullptr;
  }
};

}  // namespace sillok

#endif  // SILLOK_BROKER_GROUP_GROUP_MEMBER_H_
