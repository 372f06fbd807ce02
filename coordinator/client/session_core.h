// The decisions of a client session, without I/O: what to send to whom, what
// ends how when the stream breaks, which watches to re-arm, when to ping, to
// give up on a server, to wait.
//
// A plain state machine: inputs with the time in, `TakeOutput` gives what the
// shell has to do, in order. Not thread-safe; one owner.
#ifndef SILLOK_COORDINATOR_CLIENT_SESSION_CORE_H_
#define SILLOK_COORDINATOR_CLIENT_SESSION_CORE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "coordinator/client/chroot.h"
#include "coordinator/client/client_watches.h"
#include "proto/coordinator.pb.h"

namespace sillok::coord {

class SessionCore {
 public:
  using CallId = uint64_t;
  using WatcherId = ClientWatches::WatcherId;
  using StreamId = uint64_t;
  static constexpr WatcherId kNoWatcher = 0;

  struct Options {
    size_t servers = 1;      // they are named by index
    std::string chroot;      // "" or "/a"
    std::vector<v1::AuthRequest> auth;  // as if given to AddAuth before Start
    int64_t session_timeout_ms = 18'000;
    int64_t disconnect_timeout_ms = 0;  // of the ConnectRequest
    size_t max_outstanding = 16'384;
    // With several servers: how long one gets to take the session at first. Each
    // time that it has let that run out doubles it, up to its share of the
    // session's time.
    int64_t first_attempt_ms = 200;
    // With several servers, while calls wait: a server that has said nothing for
    // `probe_after_ms` is pinged, and left if it then says nothing for
    // `silence_ms`.
    int64_t probe_after_ms = 200;
    int64_t silence_ms = 400;
    int64_t backoff_ms = 50;
    int64_t backoff_max_ms = 1'000;
    uint64_t seed = 1;       // of the order of servers and the jitter
    // A set_watches message holds paths up to about this many bytes.
    size_t set_watches_bytes = 64 << 10;
  };

  enum class State { kConnecting, kConnected, kExpired, kClosed, kAuthFailed };

  // --- what the shell has to do, in order ---
  struct OpenStream {
    StreamId stream;
    size_t server;
  };
  struct Send {
    StreamId stream;
    v1::SessionRequest message;
  };
  // The stream is of no more use; events that still come from it are ignored.
  struct CloseStream {
    StreamId stream;
  };
  // The call is over. Paths are without the chroot. Exactly once for each call.
  struct Complete {
    CallId call;
    v1::CoordResponse response;
    // The call's watcher will not be armed: forget it.
    WatcherId dropped = kNoWatcher;
  };
  struct FireWatch {
    std::vector<WatcherId> watchers;  // each is now disarmed
    std::vector<WatcherId> lasting;   // of persistent watches: stay armed
    v1::WatchEvent event;
  };
  // Watchers that were removed: they will not fire any more.
  struct ForgetWatchers {
    std::vector<WatcherId> watchers;
  };
  struct ChangeState {
    State state;
    // kExpired, kClosed, kAuthFailed: all armed watchers are gone.
  };
  // The answer to AddAuth. Exactly once for each.
  struct AuthDone {
    CallId call;
    v1::CoordCode code;
  };
  // The answer to Close().
  struct Closed {
    v1::CoordCode code;
  };
  using Action =
      std::variant<OpenStream, Send, CloseStream, Complete, FireWatch,
                   ForgetWatchers, ChangeState, AuthDone, Closed>;

  explicit SessionCore(const Options& options);

  // --- inputs ---
  void Start(int64_t now_ms);
  // Issues a call; `watcher` is armed when the reply says so. Ids are the
  // shell's, unique.
  void Call(CallId call, v1::CoordRequest request, WatcherId watcher,
            int64_t now_ms);
  // Adds an identity to this stream and to each one after it, where it goes out
  // before anything else that needs it. An identity that a member refuses ends
  // the session's use: kAuthFailed.
  void AddAuth(CallId call, v1::AuthRequest auth, int64_t now_ms);
  // Disarms one watcher of a persistent watch, or drops the call that would arm
  // it once that is answered. The member is told when no other is left there.
  void RemoveWatcher(WatcherId watcher, int64_t now_ms);
  void OnMessage(StreamId stream, const v1::SessionResponse& message,
                 int64_t now_ms);
  // Also when opening it failed.
  void OnStreamClosed(StreamId stream, int64_t now_ms);
  void OnTime(int64_t now_ms);
  void Restart(int64_t now_ms);
  void Close(int64_t now_ms);

  // When OnTime wants to be called next, at the latest.
  int64_t next_time_ms() const;
  std::vector<Action> TakeOutput();

  State state() const { return state_; }
  uint64_t session_id() const { return session_id_; }
  int64_t timeout_ms() const { return timeout_ms_; }
  // When the newest message was sent of those that the session has answered, or
  // an earlier time: the ensemble had not expired the session by then. -1 = none.
  int64_t last_contact_ms() const { return last_contact_ms_; }
  size_t outstanding() const { return sent_.size() + waiting_.size(); }
  size_t armed_watches() const { return watches_.size(); }

 private:
  struct PendingCall {
    CallId id;  // 0 = the core's own: nobody is told how it ended
    v1::CoordRequest request;  // once sent only what the answer needs
    WatcherId watcher;
    int64_t issued_ms;
    v1::CoordRequest::OpCase op = v1::CoordRequest::OP_NOT_SET;
  };
  struct Identity {
    v1::AuthRequest auth;
    CallId call;  // who waits for the answer; 0 = nobody any more
    int64_t issued_ms;
  };

  void ShuffleServers();
  void TryNextServer(int64_t now_ms);
  // Ends the stream, in-flight calls with it; tries the next server.
  void LoseStream(int64_t now_ms);
  void FailSent(v1::CoordCode code);
  void FailWaiting(v1::CoordCode code);
  void Finish(const PendingCall& call, v1::CoordCode code);
  void FailOldWaiting(int64_t now_ms);
  void Expire();
  void FailAuth(uint64_t request_id);
  void EndClosed(v1::CoordCode code);
  // The session is of no more use: stream, id and watches go.
  void DropSession();

  void OnConnect(const v1::ConnectResponse& response, int64_t now_ms);
  void OnResponse(uint64_t request_id, const v1::CoordResponse& response,
                  int64_t now_ms);
  void OnEvent(const v1::WatchEvent& event);
  void OnAuth(uint64_t request_id, v1::CoordCode code);
  // False when the answer arms nothing.
  bool ArmWatch(const PendingCall& call, v1::CoordCode code, int64_t now_ms);
  // Tells the member that nobody wants the persistent watch any more, unless
  // somebody does.
  void EndPersistentWatch(v1::AddWatchMode mode, const std::string& path,
                          int64_t now_ms);
  void SendAuth(size_t identity, int64_t now_ms);
  void FinishAuth(Identity& identity, v1::CoordCode code);
  void FinishAllAuth(v1::CoordCode code);
  void SendSetWatches(int64_t now_ms);
  void SendClose(int64_t now_ms);
  void SendCall(PendingCall call, int64_t now_ms);
  void SendMessage(v1::SessionRequest message, int64_t now_ms);
  void Become(State state);
  // Looks whether the server still is there, for those who wait. False: it is
  // not, and the stream is lost.
  bool Probe(int64_t now_ms);
  void Ping(int64_t now_ms);
  int64_t ping_interval_ms() const;
  int64_t attempt_ms() const;
  int64_t probe_due_ms() const;

  uint64_t Random();

  const Options options_;
  const Chroot chroot_;
  State state_ = State::kConnecting;
  uint64_t random_state_;

  uint64_t session_id_ = 0;
  std::string password_;
  int64_t timeout_ms_;
  uint64_t last_zxid_ = 0;   // the state must never be older than this
  uint64_t watch_zxid_ = 0;  // all events up to here have come

  std::vector<size_t> server_order_;
  size_t next_server_ = 0;       // index into server_order_
  size_t failures_in_a_row_ = 0; // attempts since the last good connection
  int64_t retry_at_ms_ = -1;     // >= 0: pausing until then
  size_t server_ = 0;            // of stream_
  // By server: how often in a row it did not take the session in its time.
  std::vector<int> ran_out_;

  StreamId stream_ = 0;          // 0 = none; ids are never used twice
  StreamId last_stream_ = 0;
  bool attached_ = false;        // connect was answered with OK on stream_
  int64_t opened_ms_ = 0;
  int64_t last_sent_ms_ = 0;
  int64_t last_heard_ms_ = 0;
  int64_t probed_ms_ = -1;  // >= 0: a ping of Probe went out, and nothing came
  int64_t last_contact_ms_ = -1;
  std::deque<int64_t> pings_sent_ms_;  // not answered yet, on stream_

  uint64_t next_request_id_ = 1;
  std::deque<std::pair<uint64_t, PendingCall>> sent_;  // by request id
  std::deque<PendingCall> waiting_;                    // for a connection
  uint64_t set_watches_pending_ = 0;

  std::vector<Identity> identities_;       // all go out on each stream
  std::map<uint64_t, size_t> auth_sent_;   // on stream_: request id -> index
  // Persistent watchers removed before the call that arms them was answered.
  std::set<WatcherId> unwanted_;

  bool closing_ = false;
  bool close_sent_ = false;
  int64_t close_deadline_ms_ = 0;

  ClientWatches watches_;
  std::vector<Action> output_;
};

std::string_view StateName(SessionCore::State state);

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_CLIENT_SESSION_CORE_H_
