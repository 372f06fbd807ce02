// One member of the ensemble, without I/O: ZAB, the tree, the leader's desk and
// the client streams of this member, put together.
//
// Pure: no thread, clock, disk, network or randomness; time comes with each
// input. The node (node.h) drives it from one loop: inputs, then TakeOutput
// once for all that was waiting, then carries the output out in its order.
#ifndef SILLOK_COORDINATOR_SERVER_MEMBER_H_
#define SILLOK_COORDINATOR_SERVER_MEMBER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "coordinator/server/member_faults.h"
#include "coordinator/server/pending_requests.h"
#include "coordinator/server/sequencer.h"
#include "coordinator/server/stream_facts.h"
#include "coordinator/tree/acl.h"
#include "coordinator/tree/reaper.h"
#include "coordinator/tree/watch_table.h"
#include "coordinator/tree/znode_tree.h"
#include "coordinator/zab/zab.h"
#include "proto/coordinator.pb.h"
#include "proto/coordinator_admin.pb.h"
#include "proto/forward.pb.h"
#include "proto/txn.pb.h"

namespace sillok::coord {

struct MemberOptions {
  // `membership_of` and `membership` are filled in from the tree.
  zab::Options zab;
  // The members of the configuration file, which count until a reconfiguration
  // has been applied; empty: nobody could find this one, it stays alone.
  std::vector<v1::EnsembleMember> ensemble;
  int64_t tick_ms = 2'000;                  // tickTime
  int64_t min_session_timeout_ms = 4'000;   // minSessionTimeout
  int64_t max_session_timeout_ms = 40'000;  // maxSessionTimeout
  PrepareOptions prepare;  // jute.maxbuffer, skipACL, enforceQuota
  ReaperOptions reaper;    // znode.container.*
  // "user:base64(sha1(user:password))": whoever proves to be it may do anything.
  // Empty: nobody.
  std::string super_digest;
  // Without a quorum, reads are served to clients that ask for it
  // (readonlymode.enabled). What they see may be as old as the split.
  bool read_only_mode = false;
  // Unanswered requests; at the limit no more are read from the stream, or from
  // any stream.
  size_t max_requests_per_connection = 1'000;
  size_t max_requests = 20'000;  // globalOutstandingLimit
  size_t max_request_bytes = 64 << 20;  // in those requests, of all streams
  // Answers made since the last TakeOutput at which no more requests are read:
  // a small request may have a large answer.
  size_t max_output_bytes = 4 << 20;
  // Where this incarnation starts to count. Must not meet the numbers of an
  // earlier one: random, or time.
  uint64_t first_ticket = 1;
  uint64_t first_session_id = 1;
  // 16 random bytes.
  std::function<std::string()> new_password;
  MemberFaults faults;
};

// How a client's stream ends.
enum class StreamEnd {
  kDone,         // its session was closed
  kUnavailable,  // this member does not serve: try another one
  kTooNew,       // the client has seen what this member has not applied yet
  kSessionGone,  // expired, or another stream has taken the session over
  kBadRequest,   // not the protocol
  kAuthFailed,   // it gave an identity that it could not prove
};

// What became of the wish that a session end.
enum class KillStart {
  kStarted,     // its close is proposed
  kNotLeading,  // this member does not serve as leader
  kNoSession,
  kBusy,        // too much is in flight
};

// What became of a hand-over of the lead.
struct TransferEnd {
  bool ok = false;
  // Who leads now, and in which epoch; -1 and 0 if that is not known.
  MemberId leader{-1};
  uint32_t epoch = 0;
};

// To one client: a message, or the end of its stream. Nothing follows an end.
struct ClientAction {
  ConnectionId connection;
  std::optional<v1::SessionResponse> message;
  StreamEnd end = StreamEnd::kDone;  // when there is no message
};

struct MemberOutput {
  // To storage, in this order: all of `persist`, then `rows`.
  std::vector<zab::Persist> persist;
  std::optional<TreeRows> rows;
  // The leader's epoch that `forwards` and `forward_replies` belong to.
  uint32_t epoch = 0;
  // To peers, in order. ZAB's may be lost; if one of the others is, OnLinkReset
  // must follow.
  std::vector<zab::Message> zab_messages;
  std::vector<std::pair<MemberId, v1::ForwardBatch>> forwards;
  std::vector<std::pair<MemberId, v1::ForwardReplyBatch>> forward_replies;
  std::vector<ClientAction> clients;  // in order
  std::vector<zab::SnapshotSend> snapshots;
  bool discard_snapshot = false;
  // Set when it has changed. `serving`: clients are served.
  std::optional<zab::RoleState> role;
  // A hand-over that was started is over.
  std::optional<TransferEnd> transfer;
  // See zab::Output: the membership in force, whom this member may have to talk
  // to, and that the ensemble goes on without it.
  std::optional<zab::Membership> membership;
  std::optional<std::vector<zab::EnsembleMember>> contacts;
  bool removed = false;
  // Not empty: stop the process, and say this.
  std::string fatal;
};

class Member {
 public:
  // `tree` is what storage holds; `log` must outlive this.
  Member(MemberOptions options, zab::HardState hard_state,
         std::unique_ptr<ZnodeTree> tree, const zab::LogView* log);
  ~Member();

  // --- from peers ---
  void OnZabMessage(zab::Message message, Now now);
  void OnForward(MemberId from, uint32_t epoch, v1::ForwardBatch batch,
                 Now now);
  void OnForwardReply(MemberId from, uint32_t epoch,
                      v1::ForwardReplyBatch batch, Now now);
  // Messages to or from `peer` may have been lost.
  void OnLinkReset(MemberId peer);
  // `peer` has closed the connection or refused one: it is probably gone.
  void OnPeerLost(MemberId peer) { zab_.OnPeerLost(peer); }

  // --- from clients; ids are the shell's, never used again ---
  // `client_ip`: the peer's address without the port; the stream's first identity.
  void OnConnection(ConnectionId id, std::string client_ip, Now now);
  void OnRequest(ConnectionId id, v1::SessionRequest request, Now now);
  void OnDisconnect(ConnectionId id, Now now);
  // The stream may be read on. False also when it is over.
  bool WantsRequests(ConnectionId id) const;

  // --- from storage ---
  void OnPersisted(uint64_t token) { zab_.OnPersisted(token); }
  // `ensemble_row`: the image's, "" if it has none (SnapshotWriter).
  void OnSnapshotReceived(MemberId from, uint32_t epoch, Zxid zxid,
                          std::string_view ensemble_row = {});
  void OnSnapshotSent(MemberId to, uint32_t epoch, Zxid zxid, bool ok) {
    zab_.OnSnapshotSent(to, epoch, zxid, ok);
  }
  // The image that a Persist installed, loaded. Until then nothing is applied.
  void OnTreeLoaded(std::unique_ptr<ZnodeTree> tree, Now now);

  // --- time ---
  // One ZAB tick has passed.
  void Tick(Now now);
  // Gives the lead to `to`, or if that is nobody to the most up-to-date voter.
  // If it is started its end comes in MemberOutput::transfer, in 5 s at most;
  // see zab::Zab::TransferTo. Writes wait meanwhile.
  zab::TransferStart TransferLeadership(std::optional<MemberId> to, Now now);
  // Closes a session, whoever has it: as if it had expired.
  KillStart KillSession(SessionId session, Now now);
  // Ends the term in an orderly way; clients are sent away.
  void Resign(Now now);

  MemberOutput TakeOutput(Now now);

  void FillStatus(v1::MemberStatusResponse* status) const;

  // --- for operators; each costs what it lists ---
  // By id.
  std::vector<StreamFacts> DescribeStreams(Now now) const;
  // Of all streams since the start or the last reset.
  const Traffic& traffic() const { return traffic_; }
  // Sets the counters of the member, or of all its streams, to 0.
  void ResetTraffic() { traffic_ = {}; }
  void ResetStreamTraffic();
  WatchCounts CountWatches() const;
  std::map<std::string, std::set<SessionId>> WatchesByPath() const;
  std::map<SessionId, std::set<std::string>> WatchesBySession() const;
  // Of the whole ensemble, as applied here.
  std::map<SessionId, std::set<std::string>> EphemeralsBySession() const;
  void FillSessions(v1::ListSessionsResponse* response) const;

  const ZnodeTree& tree() const { return *tree_; }
  const zab::Zab& zab() const { return zab_; }
  // Null until this member has served for the first time.
  const Sequencer* sequencer() const { return sequencer_.get(); }
  bool serving() const { return serving_; }
  // Not serving, but reads; see MemberOptions::read_only_mode.
  bool read_only() const { return read_only_; }
  size_t connections() const { return connections_.size(); }
  size_t outstanding() const { return tickets_.size(); }

 private:
  using Ticket = PendingRequests::Ticket;

  struct Connection {
    enum class State { kNew, kConnecting, kOpen };
    State state = State::kNew;
    SessionId session;
    PendingRequests pending;
    bool touched = false;
    bool closing = false;  // the client has asked for it; the answer ends it
    int64_t since_ms = 0;
    // Who the client is: its address, and what it has proved to be.
    IdentityList identities;
    StreamFacts facts;  // its address, its traffic
    // Of the ConnectRequest.
    uint64_t last_zxid_seen = 0;
    std::string password;
    int64_t disconnect_timeout_ms = 0;
  };
  enum class TicketKind { kRequest, kCreateSession, kAttach, kClose };
  struct TicketInfo {
    ConnectionId connection;
    uint64_t request_id = 0;  // the client's
    TicketKind kind = TicketKind::kRequest;
    size_t bytes = 0;
    int64_t since_ms = 0;
  };

  void OnConnect(ConnectionId id, Connection& connection,
                 const v1::ConnectRequest& request, Now now);
  void OnOpenRequest(ConnectionId id, Connection& connection,
                     v1::SessionRequest request, Now now);
  // Carries out a local request with nothing before it.
  void ExecuteNow(ConnectionId id, const v1::SessionRequest& request, Now now);
  // What the leader decides, as a write or a sync.
  static bool IsForLeader(const v1::CoordRequest& request);
  void UpdateReadOnly(Now now);
  void OnReadOnlyRequest(ConnectionId id, Connection& connection,
                         const v1::SessionRequest& request, Now now);
  void OnReadOnlyConnect(ConnectionId id, Connection& connection,
                         const v1::ConnectRequest& request);
  void NoteRequest(Connection& connection, const v1::SessionRequest& request,
                   Now now);
  void NoteAnswer(Connection& connection, const v1::SessionResponse& message);
  void NoteLatency(Connection& connection, int64_t since_ms);
  void Touch(ConnectionId id, Connection& connection);
  void OnAuth(ConnectionId id, Connection& connection,
              const v1::SessionRequest& request);
  void Submit(ConnectionId id, TicketInfo info, v1::ForwardRequest request,
              Now now);
  void CreateSession(ConnectionId id, Connection& connection,
                     int64_t timeout_ms, Now now);

  static MemberOptions WithEnsemble(MemberOptions options,
                                    const ZnodeTree& tree);
  void TakeZabOutput(MemberOutput* output, Now now);
  void OnRole(const zab::RoleState& role, Now now);
  void UpdateServing(Now now);
  std::optional<TransferEnd> CheckTransfer(Now now);
  void Apply(const zab::Entry& entry, Now now);
  void OnReply(const v1::ForwardReply& reply);
  void ReleaseReplies();
  // The answer to `ticket` is due.
  void Answer(Ticket ticket, const v1::CoordResponse& response,
              int64_t timeout_ms);
  void AnswerConnect(const TicketInfo& info, v1::CoordCode code,
                     int64_t timeout_ms);
  // Carries out a request that this member answers by itself.
  void Execute(ConnectionId id, const v1::SessionRequest& request,
               int64_t since_ms, PendingRequests::Messages* messages);
  void Read(ConnectionId id, const Connection& connection,
            const v1::CoordRequest& request, v1::CoordResponse* response);
  Requester RequesterOf(const Connection& connection) const;
  void SendEvents(Zxid zxid, const std::vector<TreeChange>& changes);
  void Flush(ConnectionId id, Connection& connection);
  void SendTouches(Now now);
  // Ends streams that never got a session.
  void DropIdlers(Now now);
  void DropSessions(const std::vector<SessionId>& sessions);
  // Those of which the leader says that they are not ours, or not at all.
  void DropUnknownSessions(const std::vector<SessionId>& sessions);

  void Send(ConnectionId id, v1::SessionResponse message);
  void EndStream(ConnectionId id, StreamEnd end);
  void EndAllStreams(StreamEnd end);
  void Forget(ConnectionId id);
  void DropTicket(std::unordered_map<Ticket, TicketInfo>::iterator it);

  const MemberOptions options_;
  const MemberId self_;
  zab::Zab zab_;
  std::unique_ptr<ZnodeTree> tree_;
  WatchTable watches_;
  std::unique_ptr<Sequencer> sequencer_;

  zab::RoleState role_;
  bool role_changed_ = false;
  struct Transfer {
    std::optional<MemberId> to;
    uint32_t epoch = 0;  // of the term that is to end
    int64_t deadline_ms = 0;
  };
  std::optional<Transfer> transfer_;
  bool serving_ = false;
  bool resigned_ = false;
  bool read_only_ = false;
  std::optional<int64_t> alone_since_ms_;
  // A leader serves once its tree has applied the history up to here.
  std::optional<Zxid> term_starts_at_;
  // An installed snapshot is being loaded; what is committed waits.
  bool loading_ = false;
  std::vector<zab::Entry> deferred_;
  // Requests of followers that came before the term began here.
  std::vector<std::pair<MemberId, v1::ForwardBatch>> early_;

  std::unordered_map<ConnectionId, Connection> connections_;
  std::unordered_map<SessionId, ConnectionId> by_session_;
  std::unordered_map<Ticket, TicketInfo> tickets_;
  size_t ticket_bytes_ = 0;  // of all in tickets_
  Ticket next_ticket_;
  uint64_t next_session_id_;
  // Answers for which more must be applied first.
  std::multimap<Zxid, v1::ForwardReply> waiting_replies_;
  int64_t next_touch_ms_ = 0;
  // Connections whose `touched` is set since the last report (or gone since).
  std::vector<ConnectionId> touched_;
  // All connections whose time to get a session may not be over, by age.
  std::deque<std::pair<int64_t, ConnectionId>> newcomers_;
  Traffic traffic_;
  int64_t now_ms_ = 0;  // of the input at hand

  v1::ForwardBatch forward_;  // to the leader, of this turn
  std::map<MemberId, v1::ForwardReplyBatch> reply_batches_;
  std::vector<ClientAction> client_actions_;
  size_t output_bytes_ = 0;  // in them, about
  std::vector<v1::SessionResponse> scratch_;
  std::string fatal_;
};

}  // namespace sillok::coord

#endif  // SILLOK_COORDINATOR_SERVER_MEMBER_H_
