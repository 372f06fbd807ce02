// One simulated client of the coordinator: what it asks, what it was told, and
// whether that can be true.
#ifndef SILLOK_TEST_SIM_MEMBER_CLIENT_H_
#define SILLOK_TEST_SIM_MEMBER_CLIENT_H_

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/ids.h"
#include "coordinator/server/member.h"
#include "test/sim/tree_reference.h"
#include "test/sim/zab_checkers.h"

namespace sillok::sim {

// How often clients saw what.
struct ClientReached {
  uint64_t acknowledged = 0;
  uint64_t refused = 0;
  uint64_t unknown = 0;  // writes whose stream broke
  uint64_t reads = 0;
  uint64_t syncs = 0;
  uint64_t events = 0;
  uint64_t sessions = 0;
  uint64_t reattached = 0;
  uint64_t expired = 0;
  uint64_t turned_away = 0;
  uint64_t reconfigured = 0;
  uint64_t reconfigs_refused = 0;
};

// The super user of the simulated ensemble: credentials and what members know.
inline constexpr char kSuperUser[] = "super:simulated";
inline constexpr char kSuperDigest[] = "super:zrXrxaZP8CK5kY02I8ZGDJ9brAs=";

// Follows the protocol and checks every answer against TreeReference: its order,
// its zxid, its contents. Moves when told; carries nothing itself.
class MemberClient {
 public:
  enum class State { kAway, kConnecting, kOpen };

  MemberClient(int id, const TreeReference* reference, Violation* violation,
               ClientReached* reached)
      : id_(id),
        reference_(reference),
        violation_(violation),
        reached_(reached) {}

  // What to send first on a new stream to some member.
  v1::SessionRequest Connect(int64_t timeout_ms, int64_t now_ms);
  // The next request; `random` picks it. `committed`: the last transaction that
  // any member has applied by now.
  v1::SessionRequest Ask(uint64_t random, Zxid committed);
  v1::SessionRequest Ping() const;
  // A change of the members. `mark`: ReconfigMark of it, "" if it gives nobody a
  // port. Needs the rights of the super user on this stream: see TakeRights.
  v1::SessionRequest Reconfigure(v1::ReconfigOp change, std::string mark,
                                 Zxid committed);
  // What to send once on a stream before that, if it was not.
  std::optional<v1::SessionRequest> TakeRights();

  // From the stream that is open. False when the client closes it.
  bool OnMessage(const v1::SessionResponse& message, int64_t now_ms);
  void OnEnd(coord::StreamEnd end);
  // The client lets go of its stream.
  void Leave();

  State state() const { return state_; }
  size_t outstanding() const { return pending_.size(); }
  int64_t heard_ms() const { return heard_ms_; }
  int64_t timeout_ms() const { return timeout_ms_; }
  // Writes that were acknowledged.
  uint64_t acknowledged() const { return acknowledged_; }
  std::string DescribeLast() const { return last_; }

 private:
  struct Pending {
    uint64_t request_id = 0;
    v1::CoordRequest request;
    std::string mark;  // of a write
    std::string path;
    Zxid committed;    // when it was asked
    bool root_watch = false;
  };

  void Check(const Pending& asked, const v1::CoordResponse& response,
             Zxid zxid);
  void CheckWrite(const Pending& asked, const v1::CoordResponse& response,
                  Zxid zxid);
  void CheckRead(const Pending& asked, const v1::CoordResponse& response,
                 Zxid zxid);
  void CheckReconfig(const Pending& asked, const v1::CoordResponse& response,
                     Zxid zxid);
  void CheckRefusal(const Pending& asked, v1::CoordCode code, Zxid zxid);
  void CheckWatches(Zxid zxid);
  void OnEvent(const v1::WatchEvent& event, Zxid zxid);
  template <typename... Parts>
  void Report(const char* invariant, const Parts&... parts) {
    violation_->Report(invariant, "client ", id_, ": ", parts...);
  }
  void Reset();

  const int id_;
  const TreeReference* reference_;
  Violation* violation_;
  ClientReached* reached_;

  State state_ = State::kAway;
  uint64_t session_ = 0;
  std::string password_;
  int64_t timeout_ms_ = 0;
  int64_t heard_ms_ = 0;
  // The latest state it has been shown, in any session.
  Zxid seen_;
  uint64_t next_mark_ = 0;
  uint64_t next_request_ = 1;
  uint64_t acknowledged_ = 0;
  std::deque<Pending> pending_;
  // What is watched on this stream and since which state.
  std::map<std::string, Zxid> data_watches_;
  std::optional<Zxid> root_watch_;
  bool has_rights_ = false;
  // Of the last answer on this stream.
  Zxid answered_;
  std::string last_;
};

}  // namespace sillok::sim

#endif  // SILLOK_TEST_SIM_MEMBER_CLIENT_H_
