// A client's session with the coordinator ensemble: znodes, watches, ephemerals.
//
// Place: the one door through which brokers and tools reach the ensemble. It
// keeps one stream to one member, pings, moves to another member when that one
// is gone (same session, watches re-armed), and reports when the session is
// over. Nothing is retried behind the caller's back: a call whose outcome is not
// known ends with CONNECTION_LOSS.
//
// Threads: every method may be called from any thread and returns at once.
// All callbacks run on the strand given at construction, one after another, in
// ZooKeeper's order: replies in the order of the calls, and a watch event before
// the reply that first shows its change. Never inside a call.
#ifndef SILLOK_COORDINATOR_CLIENT_SESSION_H_
#define SILLOK_COORDINATOR_CLIENT_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/strand.h"
#include "base/timer.h"
#include "proto/coordinator.pb.h"

namespace sillok::coord {

// Who a session is to the ACLs. Scheme digest: credentials "user:password".
struct AuthInfo {
  std::string scheme;
  std::string credentials;
};

struct SessionOptions {
  // host:port of members; tried in random order.
  std::vector<std::string> servers;
  // As if given to AddAuth before anything else.
  std::vector<AuthInfo> auth;
  // All paths are below it: "" or "/a/b". It must exist (see CreateParents).
  std::string chroot;
  // Wanted; the ensemble clamps it to 2..20 of its ticks.
  int64_t session_timeout_ms = 18'000;
  // > 0: the ensemble drops the session this long after its stream broke, if it
  // is not back on another one, so that the end of this process is noticed at
  // once. Pings then go three times in that time.
  int64_t disconnect_timeout_ms = 0;
  // Shown in the log lines of this process; "" = no log lines.
  std::string client_name;
  // Calls that wait for an answer or for a connection. One more fails at once
  // with OPERATION_TIMEOUT.
  size_t max_outstanding = 16'384;
  // Pauses between rounds over all servers, doubled from min to max, jittered.
  int64_t reconnect_backoff_ms = 50;
  int64_t reconnect_backoff_max_ms = 1'000;
};

// "h1:2180,h2:2180/chroot" -> servers and chroot (what coordinator.connect
// holds). InvalidArgument names what is wrong.
absl::StatusOr<SessionOptions> ParseConnectString(const std::string& text);

enum class SessionState {
  kConnecting,  // no stream; the session, if any, lives on at the ensemble
  kConnected,
  kExpired,     // the ensemble dropped the session and its ephemerals
  kClosed,      // Close() is done
  // A member refused an identity. Calls fail with AUTH_FAILED; the session is
  // left to expire.
  kAuthFailed,
};
std::string_view SessionStateName(SessionState state);
inline std::ostream& operator<<(std::ostream& out, SessionState state) {
  return out << SessionStateName(state);
}

// Codes the library itself makes:
//   CONNECTION_LOSS    sent, but the stream broke first: it may have happened
//   OPERATION_TIMEOUT  never sent (no member reachable for a session timeout, or
//                      too many outstanding): it did not happen
//   SESSION_EXPIRED    the session is over: it did not happen, if it was issued
//                      after kExpired was reported; else it may have
//   AUTH_FAILED        the session is over because of an identity: not done

// What a new znode is to be, for Create.
struct NewZnode {
  std::string data;
  v1::CreateMode mode = v1::PERSISTENT;
  std::vector<v1::Acl> acl;  // empty: everybody everything
  int64_t ttl_ms = 0;        // of the TTL modes
  bool null_data = false;    // no data, which is not the same as empty data
};

struct CreateResult {
  v1::CoordCode code = v1::OK;
  std::string path;  // final path (sequential names), without the chroot
  v1::Stat stat;
};
struct StatResult {
  v1::CoordCode code = v1::OK;
  v1::Stat stat;
};
struct GetResult {
  v1::CoordCode code = v1::OK;
  std::string data;
  v1::Stat stat;
  bool null_data = false;  // there is none; `data` is empty
};
struct ChildrenResult {
  v1::CoordCode code = v1::OK;
  std::vector<std::string> children;  // names, sorted
  v1::Stat stat;
};
struct MultiResult {
  v1::CoordCode code = v1::OK;  // OK: all happened; else none did
  // One per operation (empty when the ensemble did not answer). Paths are
  // without the chroot.
  std::vector<v1::WriteResult> results;
};

struct AclResult {
  v1::CoordCode code = v1::OK;
  std::vector<v1::Acl> acl;
  v1::Stat stat;
};
struct PathsResult {
  v1::CoordCode code = v1::OK;
  std::vector<std::string> paths;  // without the chroot, sorted
};
struct CountResult {
  v1::CoordCode code = v1::OK;
  int64_t count = 0;
};
struct IdentitiesResult {
  v1::CoordCode code = v1::OK;
  std::vector<v1::Identity> identities;
};

// Of a read: called once at most. Of AddWatch: called again and again. Watches
// that have not fired die with the session, without a call.
using Watcher = std::function<void(const v1::WatchEvent&)>;

class Session {
 public:
  using StateCallback = std::function<void(SessionState)>;
  template <typename Result>
  using Callback = std::function<void(const Result&)>;

  // `callbacks` runs all callbacks, `executor` and `timer` the inner work; all
  // three must outlive the session. Starts connecting.
  // `on_state` is told each change: kConnecting and kConnected alternate;
  // kExpired (or kAuthFailed) once, after the watches and calls of the session have ended.
  Session(SessionOptions options, Executor* executor, Timer* timer,
          Strand* callbacks, StateCallback on_state);
  // Drops the stream and leaves the session to expire, as a crash would. After
  // it returns no callback starts, if it is called on `callbacks` or when that
  // strand is idle; pending calls end without one.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // A new session after kExpired or kAuthFailed (else no effect): new id, no
  // watches, no ephemerals; the identities stay, without one that was refused.
  void Restart();
  // Ends the session at the ensemble: its ephemerals are gone when `done` runs
  // with OK. CONNECTION_LOSS: no member was reached for a session timeout, so it
  // will expire by itself. Later calls fail with SESSION_EXPIRED.
  void Close(std::function<void(v1::CoordCode)> done);

  // 0 while there is none. The id is that of ephemeral_owner in Stats.
  uint64_t session_id() const;
  // Negotiated; before the first connection what was asked for.
  int64_t session_timeout_ms() const;
  // Clock::MonotonicMs at which the newest message was sent that the session has
  // had an answer to; -1 = none. Until about a session timeout after it the
  // ensemble cannot have expired the session.
  int64_t last_contact_ms() const;

  // Another identity for the ACLs, now and after each reconnect, where it goes
  // out before the watches are re-armed. `done` with OPERATION_TIMEOUT: no member
  // was reached yet; it will be told when one is. AUTH_FAILED: see kAuthFailed.
  void AddAuth(AuthInfo auth, std::function<void(v1::CoordCode)> done);

  // Any request, as the protocol has it; all below are made of this. Arms
  // `watcher` (may be null) if the request asks for a watch.
  using WatcherId = uint64_t;
  WatcherId Call(v1::CoordRequest request, Watcher watcher,
                 Callback<v1::CoordResponse> done);

  void Create(std::string path, std::string data, v1::CreateMode mode,
              Callback<CreateResult> done);
  void Create(std::string path, NewZnode znode, Callback<CreateResult> done);
  // version -1 = any, here and below.
  void Delete(std::string path, int32_t version,
              std::function<void(v1::CoordCode)> done);
  void SetData(std::string path, std::string data, int32_t version,
               Callback<StatResult> done);
  // The watcher is armed only when the read succeeds; for Exists also when it
  // says NO_NODE. nullptr = no watch.
  void Get(std::string path, Watcher watcher, Callback<GetResult> done);
  void Exists(std::string path, Watcher watcher, Callback<StatResult> done);
  void GetChildren(std::string path, Watcher watcher,
                   Callback<ChildrenResult> done);
  // Paths of `ops` are below the chroot, as everywhere.
  void Multi(std::vector<v1::WriteOp> ops, Callback<MultiResult> done);
  // One operation, with all that its message can say.
  void Write(v1::WriteOp op, Callback<v1::WriteResult> done);
  // Reads issued after it see all that was committed before it.
  void Sync(std::string path, std::function<void(v1::CoordCode)> done);

  // The version is that of the ACL (Stat.aversion).
  void SetAcl(std::string path, std::vector<v1::Acl> acl, int32_t version,
              Callback<StatResult> done);
  void GetAcl(std::string path, Callback<AclResult> done);
  // Of this session, whose paths begin with `prefix`.
  void GetEphemerals(std::string prefix, Callback<PathsResult> done);
  void CountDescendants(std::string path, Callback<CountResult> done);
  void WhoAmI(Callback<IdentitiesResult> done);
  // get_data and get_children requests, all answered from one state; each answer
  // has a code of its own.
  void MultiRead(std::vector<v1::CoordRequest> reads,
                 Callback<v1::CoordResponse> done);

  // A watch that stays until it is removed, armed again after a reconnect. What
  // happened while there was no stream is not told: who needs to know it reads
  // again after kConnected (CachedSubtree does). The path may be missing.
  // The id is for RemoveWatcher.
  WatcherId AddWatch(std::string path, v1::AddWatchMode mode, Watcher watcher,
                     std::function<void(v1::CoordCode)> done);
  // That watcher alone. Calls that are queued on the strand already still come.
  void RemoveWatcher(WatcherId id);
  // All of this session's watches of that type on the path. NO_WATCHER: none.
  void RemoveWatches(std::string path, v1::WatcherType type,
                     std::function<void(v1::CoordCode)> done);

  // Changes the ensemble's members. With OK `data` is the new configuration, as
  // text.
  void Reconfig(v1::ReconfigOp change, Callback<GetResult> done);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

// Operations for Multi.
v1::WriteOp CreateOp(std::string path, std::string data,
                     v1::CreateMode mode = v1::PERSISTENT);
v1::WriteOp DeleteOp(std::string path, int32_t version = -1);
v1::WriteOp SetDataOp(std::string path, std::string data, int32_t version = -1);
v1::WriteOp CheckOp(std::string path, int32_t version = -1);
v1::WriteOp SetAclOp(std::string path, std::vector<v1::Acl> acl,
                     int32_t version = -1);
v1::WriteOp CreateOp(std::string path, NewZnode znode);

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_SESSION_H_
