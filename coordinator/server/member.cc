#include "coordinator/server/member.h"

#include <algorithm>
#include <utility>

#include "coordinator/tree/auth.h"

namespace sillok::coord {
namespace {

// Until then the successor of a leader has to serve.
constexpr int64_t kTransferMs = 5'000;

// Of what can be large: cheap, since it is asked for every message.
size_t ApproximateBytes(const v1::CoordResponse& response) {
  size_t bytes = 100 + response.data().size();
  for (const std::string& child : response.children()) {
    bytes += child.size() + 32;
  }
  for (const v1::CoordResponse& read : response.reads()) {
    bytes += ApproximateBytes(read);
  }
  return bytes;
}
size_t ApproximateBytes(const v1::SessionResponse& message) {
  return message.has_response() ? ApproximateBytes(message.response()) : 100;
}

}  // namespace

Member::Member(MemberOptions options, zab::HardState hard_state,
               std::unique_ptr<ZnodeTree> tree, const zab::LogView* log)
    : options_(std::move(options)),
      self_(options_.zab.self),
      zab_(options_.zab, hard_state, tree->applied(), log),
      tree_(std::move(tree)),
      next_ticket_(options_.first_ticket),
      next_session_id_(options_.first_session_id) {}

Member::~Member() = default;

bool Member::IsForLeader(const v1::CoordRequest& request) {
  return request.has_write() || request.has_multi() ||
         request.has_reconfig() || request.has_sync();
}

// --- peers ---

void Member::OnZabMessage(zab::Message message, Now now) {
  zab_.Step(std::move(message));
}

void Member::OnForward(MemberId from, uint32_t epoch, v1::ForwardBatch batch,
                       Now now) {
  if (role_.role != zab::Role::kLeading || role_.epoch != epoch) return;
  if (sequencer_ == nullptr || !sequencer_->in_term()) {
    early_.emplace_back(from, std::move(batch));
    return;
  }
  if (batch.touched_sessions_size() > 0) {
    std::vector<SessionId> touched;
    for (uint64_t session : batch.touched_sessions()) {
      touched.push_back(SessionId(session));
    }
    for (SessionId gone : sequencer_->Touch(from, touched, now)) {
      reply_batches_[from].add_moved_sessions(gone.value());
    }
  }
  for (const v1::BrokenSession& broken : batch.broken_sessions()) {
    sequencer_->OnBroken(from, SessionId(broken.session_id()),
                         broken.disconnect_timeout_ms(), now);
  }
  for (v1::ForwardRequest& request : *batch.mutable_requests()) {
    sequencer_->Submit(from, std::move(request), now);
  }
}

void Member::OnForwardReply(MemberId from, uint32_t epoch,
                            v1::ForwardReplyBatch batch, Now now) {
  if (from != role_.leader || epoch != role_.epoch) return;
  now_ms_ = now.monotonic_ms;
  for (const v1::ForwardReply& reply : batch.replies()) OnReply(reply);
  std::vector<SessionId> moved;
  for (uint64_t session : batch.moved_sessions()) {
    moved.push_back(SessionId(session));
  }
  DropSessions(moved);
}

void Member::OnLinkReset(MemberId peer) {
  if (role_.role != zab::Role::kFollowing || role_.leader != peer) return;
  // Requests on their way to the leader, or its answers, may be lost: what
  // became of them is unknown, which a broken stream tells the client.
  std::vector<ConnectionId> uncertain;
  for (const auto& [ticket, info] : tickets_) {
    uncertain.push_back(info.connection);
  }
  for (ConnectionId id : uncertain) EndStream(id, StreamEnd::kUnavailable);
  forward_.Clear();
}

// --- clients ---

void Member::OnConnection(ConnectionId id, std::string client_ip, Now now) {
  Connection& connection = connections_[id];
  connection.since_ms = now.monotonic_ms;
  connection.identities = FirstIdentities(client_ip);
  connection.facts.client_ip = std::move(client_ip);
  newcomers_.emplace_back(now.monotonic_ms, id);
}

bool Member::WantsRequests(ConnectionId id) const {
  auto it = connections_.find(id);
  if (it == connections_.end()) return false;
  const Connection& connection = it->second;
  return connection.state != Connection::State::kConnecting &&
         connection.pending.size() < options_.max_requests_per_connection &&
         tickets_.size() < options_.max_requests &&
         ticket_bytes_ < options_.max_request_bytes &&
         output_bytes_ < options_.max_output_bytes;
}

void Member::OnRequest(ConnectionId id, v1::SessionRequest request, Now now) {
  auto it = connections_.find(id);
  if (it == connections_.end()) return;
  Connection& connection = it->second;
  NoteRequest(connection, request, now);
  if (read_only_) return OnReadOnlyRequest(id, connection, request, now);
  if (!serving_) return EndStream(id, StreamEnd::kUnavailable);
  switch (connection.state) {
    case Connection::State::kNew:
      if (!request.has_connect()) return EndStream(id, StreamEnd::kBadRequest);
      return OnConnect(id, connection, request.connect(), now);
    case Connection::State::kConnecting:
      return EndStream(id, StreamEnd::kBadRequest);
    case Connection::State::kOpen:
      return OnOpenRequest(id, connection, std::move(request), now);
  }
}

void Member::OnConnect(ConnectionId id, Connection& connection,
                       const v1::ConnectRequest& request, Now now) {
  connection.last_zxid_seen = request.last_zxid_seen();
  connection.disconnect_timeout_ms =
      std::clamp<int64_t>(request.disconnect_timeout_ms(), 0,
                          options_.max_session_timeout_ms);
  if (request.session_id() == 0) {
    if (connection.last_zxid_seen > tree_->applied().value()) {
      return EndStream(id, StreamEnd::kTooNew);
    }
    CreateSession(id, connection,
                  std::clamp(request.timeout_ms(),
                             options_.min_session_timeout_ms,
                             options_.max_session_timeout_ms),
                  now);
    return;
  }
  connection.state = Connection::State::kConnecting;
  connection.session = SessionId(request.session_id());
  connection.password = request.password();
  v1::ForwardRequest forward;
  forward.set_session_id(request.session_id());
  forward.mutable_attach()->set_password(request.password());
  Submit(id, {id, 0, TicketKind::kAttach}, std::move(forward), now);
}

void Member::CreateSession(ConnectionId id, Connection& connection,
                           int64_t timeout_ms, Now now) {
  connection.state = Connection::State::kConnecting;
  connection.session = SessionId(next_session_id_++);
  connection.password = options_.new_password();
  v1::ForwardRequest forward;
  forward.set_session_id(connection.session.value());
  forward.mutable_create_session()->set_password(connection.password);
  forward.mutable_create_session()->set_timeout_ms(timeout_ms);
  Submit(id, {id, 0, TicketKind::kCreateSession}, std::move(forward), now);
}

void Member::OnOpenRequest(ConnectionId id, Connection& connection,
                           v1::SessionRequest request, Now now) {
  Touch(id, connection);
  v1::ForwardRequest forward;
  TicketInfo info{id, request.request_id(), TicketKind::kRequest};
  switch (request.kind_case()) {
    case v1::SessionRequest::kPing: {
      v1::SessionResponse pong;
      pong.mutable_ping();
      return Send(id, std::move(pong));
    }
    case v1::SessionRequest::kAuth:
      return OnAuth(id, connection, request);
    case v1::SessionRequest::kClose:
      forward.mutable_close_session();
      info.kind = TicketKind::kClose;
      break;
    case v1::SessionRequest::kRequest:
      if (request.request().has_sync()) {
        forward.mutable_sync();
        break;
      }
      if (IsForLeader(request.request())) {
        *forward.mutable_write() = std::move(*request.mutable_request());
        *forward.mutable_identities() = connection.identities;
        break;
      }
      [[fallthrough]];
    case v1::SessionRequest::kSetWatches:
      if (!connection.pending.empty()) {
        return connection.pending.AddLocal(std::move(request),
                                           now.monotonic_ms);
      }
      return ExecuteNow(id, request, now);
    case v1::SessionRequest::kConnect:
    case v1::SessionRequest::KIND_NOT_SET:
      return EndStream(id, StreamEnd::kBadRequest);
  }
  forward.set_session_id(connection.session.value());
  Submit(id, info, std::move(forward), now);
}

void Member::OnAuth(ConnectionId id, Connection& connection,
                    const v1::SessionRequest& request) {
  const bool proved =
      Authenticate(request.auth().scheme(), request.auth().credentials(),
                   options_.super_digest, &connection.identities);
  v1::SessionResponse answer;
  answer.set_request_id(request.request_id());
  answer.mutable_auth()->set_code(proved ? v1::OK : v1::AUTH_FAILED);
  Send(id, std::move(answer));
  if (!proved) EndStream(id, StreamEnd::kAuthFailed);
}

void Member::Submit(ConnectionId id, TicketInfo info,
                    v1::ForwardRequest request, Now now) {
  Ticket ticket = next_ticket_++;
  if (ticket == 0) ticket = next_ticket_++;
  request.set_ticket(ticket);
  info.bytes = request.ByteSizeLong();
  info.since_ms = now.monotonic_ms;
  ticket_bytes_ += info.bytes;
  tickets_.emplace(ticket, info);
  connections_.at(id).pending.AddForwarded(ticket);
  if (role_.role == zab::Role::kLeading) {
    sequencer_->Submit(self_, std::move(request), now);
  } else {
    *forward_.add_requests() = std::move(request);
  }
}

void Member::OnDisconnect(ConnectionId id, Now now) {
  auto it = connections_.find(id);
  // A connection that this member ended itself is forgotten already, and one
  // that the session has left for another says nothing of the session.
  if (it != connections_.end() && serving_ &&
      it->second.state == Connection::State::kOpen &&
      it->second.disconnect_timeout_ms > 0) {
    const SessionId session = it->second.session;
    const int64_t within_ms = it->second.disconnect_timeout_ms;
    auto current = by_session_.find(session);
    if (current == by_session_.end() || current->second != id) {
      // Another connection of this member has it.
    } else if (role_.role == zab::Role::kLeading) {
      sequencer_->OnBroken(self_, session, within_ms, now);
    } else {
      v1::BrokenSession* broken = forward_.add_broken_sessions();
      broken->set_session_id(session.value());
      broken->set_disconnect_timeout_ms(within_ms);
    }
  }
  Forget(id);
}

// --- answers ---

void Member::OnReply(const v1::ForwardReply& reply) {
  if (Zxid(reply.after_zxid()) > tree_->applied() &&
      !options_.faults.answer_before_applied) {
    waiting_replies_.emplace(Zxid(reply.after_zxid()), reply);
    return;
  }
  Answer(reply.ticket(), reply.response(), reply.timeout_ms());
}

void Member::ReleaseReplies() {
  while (!waiting_replies_.empty() &&
         waiting_replies_.begin()->first <= tree_->applied()) {
    v1::ForwardReply reply =
        std::move(waiting_replies_.begin()->second);
    waiting_replies_.erase(waiting_replies_.begin());
    Answer(reply.ticket(), reply.response(), reply.timeout_ms());
  }
}

void Member::Answer(Ticket ticket, const v1::CoordResponse& response,
                    int64_t timeout_ms) {
  auto it = tickets_.find(ticket);
  if (it == tickets_.end()) return;  // its stream has ended
  TicketInfo info = it->second;
  DropTicket(it);
  Connection& connection = connections_.at(info.connection);
  NoteLatency(connection, info.since_ms);
  if (info.kind == TicketKind::kCreateSession ||
      info.kind == TicketKind::kAttach) {
    return AnswerConnect(info, response.code(), timeout_ms);
  }
  v1::SessionResponse message;
  message.set_request_id(info.request_id);
  if (info.kind == TicketKind::kClose && response.code() == v1::OK) {
    message.mutable_close();
  } else {
    *message.mutable_response() = response;
  }
  bool over = info.kind == TicketKind::kClose ||
              response.code() == v1::SESSION_EXPIRED ||
              response.code() == v1::SESSION_MOVED;
  connection.pending.Resolve(ticket, std::move(message));
  Flush(info.connection, connection);
  if (!over) return;
  EndStream(info.connection, info.kind == TicketKind::kClose
                                 ? StreamEnd::kDone
                                 : StreamEnd::kSessionGone);
}

void Member::AnswerConnect(const TicketInfo& info, v1::CoordCode code,
                           int64_t timeout_ms) {
  ConnectionId id = info.connection;
  Connection& connection = connections_.at(id);
  // It was the one request of this stream.
  connection.pending = PendingRequests();
  v1::SessionResponse message;
  v1::ConnectResponse* connect = message.mutable_connect();
  if (info.kind == TicketKind::kCreateSession && code != v1::OK) {
    return EndStream(id, StreamEnd::kUnavailable);  // the id was in use
  }
  if (code != v1::OK) {
    connect->set_code(v1::SESSION_EXPIRED);
    Send(id, std::move(message));
    return EndStream(id, StreamEnd::kSessionGone);
  }
  if (connection.last_zxid_seen > tree_->applied().value() &&
      !options_.faults.answer_before_applied) {
    return EndStream(id, StreamEnd::kTooNew);
  }
  auto old = by_session_.find(connection.session);
  if (old != by_session_.end()) {
    EndStream(old->second, StreamEnd::kSessionGone);
  }
  by_session_[connection.session] = id;
  connection.state = Connection::State::kOpen;
  connection.facts.timeout_ms = timeout_ms;
  Touch(id, connection);
  connect->set_code(v1::OK);
  connect->set_session_id(connection.session.value());
  connect->set_password(std::exchange(connection.password, {}));
  connect->set_timeout_ms(timeout_ms);
  connect->set_member_id(self_.value());
  Send(id, std::move(message));
}

Requester Member::RequesterOf(const Connection& connection) const {
  return {connection.session, &connection.identities,
          options_.prepare.skip_acl};
}

void Member::Execute(ConnectionId id, const v1::SessionRequest& request,
                     int64_t since_ms, PendingRequests::Messages* messages) {
  Connection& connection = connections_.at(id);
  NoteLatency(connection, since_ms);
  const size_t before = messages->size();
  if (request.has_set_watches()) {
    for (v1::WatchEvent& event :
         watches_.SetWatches(id, request.set_watches(), *tree_,
                             RequesterOf(connection))) {
      *messages->emplace_back().mutable_event() = std::move(event);
    }
    messages->emplace_back().mutable_set_watches();
  } else {
    Read(id, connection, request.request(),
         messages->emplace_back().mutable_response());
  }
  messages->back().set_request_id(request.request_id());
  for (size_t i = before; i < messages->size(); ++i) {
    (*messages)[i].set_zxid(tree_->applied().value());
  }
}

void Member::Read(ConnectionId id, const Connection& connection,
                  const v1::CoordRequest& request,
                  v1::CoordResponse* response) {
  switch (request.op_case()) {
    case v1::CoordRequest::kAddWatch:
      return response->set_code(watches_.AddWatch(id, request.add_watch()));
    case v1::CoordRequest::kRemoveWatches:
      return response->set_code(
          watches_.Remove(id, request.remove_watches()));
    case v1::CoordRequest::kWhoAmI:
      *response->mutable_identities() =
          DescribeIdentities(connection.identities);
      return;
    default:
      tree_->Read(request, RequesterOf(connection), response);
      watches_.AddForRead(id, request, response->code());
  }
}

void Member::ExecuteNow(ConnectionId id, const v1::SessionRequest& request,
                        Now now) {
  scratch_.clear();
  Execute(id, request, now.monotonic_ms, &scratch_);
  for (v1::SessionResponse& message : scratch_) Send(id, std::move(message));
}

void Member::Flush(ConnectionId id, Connection& connection) {
  scratch_.clear();
  connection.pending.Flush(
      [&](const v1::SessionRequest& request, int64_t since_ms,
          PendingRequests::Messages* messages) {
        Execute(id, request, since_ms, messages);
      },
      &scratch_);
  for (v1::SessionResponse& message : scratch_) Send(id, std::move(message));
}

void Member::Send(ConnectionId id, v1::SessionResponse message) {
  if (message.zxid() == 0) message.set_zxid(tree_->applied().value());
  NoteAnswer(connections_.at(id), message);
  output_bytes_ += ApproximateBytes(message);
  client_actions_.push_back({id, std::move(message)});
}

// --- the end of streams ---

void Member::EndStream(ConnectionId id, StreamEnd end) {
  if (connections_.count(id) == 0) return;
  Forget(id);
  client_actions_.push_back({id, std::nullopt, end});
}

void Member::EndAllStreams(StreamEnd end) {
  std::vector<ConnectionId> ids;
  for (const auto& [id, connection] : connections_) {
    // One that has not said anything yet gets its answer when it does.
    if (connection.state != Connection::State::kNew) ids.push_back(id);
  }
  for (ConnectionId id : ids) EndStream(id, end);
  waiting_replies_.clear();
}

void Member::Forget(ConnectionId id) {
  auto it = connections_.find(id);
  if (it == connections_.end()) return;
  Connection& connection = it->second;
  for (Ticket ticket : connection.pending.Undecided()) {
    auto ticket_it = tickets_.find(ticket);
    if (ticket_it != tickets_.end()) DropTicket(ticket_it);
  }
  auto by_session = by_session_.find(connection.session);
  if (by_session != by_session_.end() && by_session->second == id) {
    by_session_.erase(by_session);
  }
  watches_.RemoveConnection(id);
  connections_.erase(it);
}

void Member::DropTicket(std::unordered_map<Ticket, TicketInfo>::iterator it) {
  ticket_bytes_ -= it->second.bytes;
  tickets_.erase(it);
}

void Member::DropSessions(const std::vector<SessionId>& sessions) {
  for (SessionId session : sessions) {
    auto it = by_session_.find(session);
    if (it != by_session_.end()) {
      EndStream(it->second, StreamEnd::kSessionGone);
    }
  }
}

// --- time ---

void Member::Tick(Now now) {
  zab_.Tick();
  UpdateReadOnly(now);
  if (serving_) sequencer_->OnTime(now);
  if (now.monotonic_ms < next_touch_ms_) return;
  next_touch_ms_ =
      now.monotonic_ms + std::max<int64_t>(options_.tick_ms / 2, 1);
  if (serving_) SendTouches(now);
  DropIdlers(now);
}

void Member::DropIdlers(Now now) {
  while (!newcomers_.empty() &&
         now.monotonic_ms - newcomers_.front().first >=
             options_.max_session_timeout_ms) {
    const ConnectionId id = newcomers_.front().second;
    newcomers_.pop_front();
    const auto it = connections_.find(id);
    if (it != connections_.end() &&
        it->second.state != Connection::State::kOpen) {
      EndStream(id, StreamEnd::kUnavailable);
    }
  }
}

// A sign of life; the leader hears of it with the next report.
void Member::Touch(ConnectionId id, Connection& connection) {
  if (std::exchange(connection.touched, true)) return;
  touched_.push_back(id);
}

void Member::SendTouches(Now now) {
  std::vector<SessionId> touched;
  for (const ConnectionId id : std::exchange(touched_, {})) {
    const auto it = connections_.find(id);
    if (it == connections_.end()) continue;
    it->second.touched = false;
    touched.push_back(it->second.session);
  }
  if (touched.empty()) return;
  if (role_.role == zab::Role::kLeading) {
    DropSessions(sequencer_->Touch(self_, touched, now));
    return;
  }
  for (SessionId session : touched) {
    forward_.add_touched_sessions(session.value());
  }
}

zab::TransferStart Member::TransferLeadership(std::optional<MemberId> to,
                                              Now now) {
  if (!serving_ || role_.role != zab::Role::kLeading) {
    return zab::TransferStart::kNotLeading;
  }
  zab::TransferStart start = zab_.TransferTo(to);
  if (start == zab::TransferStart::kStarted) {
    transfer_ = {to, role_.epoch, now.monotonic_ms + kTransferMs};
  }
  return start;
}

std::optional<TransferEnd> Member::CheckTransfer(Now now) {
  if (!transfer_.has_value()) return std::nullopt;
  const bool still_leads = role_.role == zab::Role::kLeading &&
                           role_.epoch == transfer_->epoch &&
                           !zab_.transferring();
  const bool next_leads = role_.epoch > transfer_->epoch && role_.serving;
  if (!still_leads && !next_leads &&
      now.monotonic_ms < transfer_->deadline_ms) {
    return std::nullopt;
  }
  TransferEnd end{false, role_.leader, role_.epoch};
  end.ok = next_leads && role_.leader != self_ &&
           role_.leader == transfer_->to.value_or(role_.leader);
  transfer_.reset();
  return end;
}

void Member::Resign(Now now) {
  EndAllStreams(StreamEnd::kUnavailable);
  serving_ = false;
  resigned_ = true;
  role_changed_ = true;
  if (sequencer_ != nullptr) sequencer_->EndTerm();
  zab_.Resign();
}

// --- what ZAB says ---

MemberOutput Member::TakeOutput(Now now) {
  now_ms_ = now.monotonic_ms;
  MemberOutput output;
  // What one output causes (a barrier's answer, a term that begins) may make the
  // next one; the bound leaves the rest to the next turn.
  for (int round = 0; round < 8; ++round) {
    if (sequencer_ != nullptr) {
      sequencer_->EndTurn(now);
      for (auto& [to, reply] : sequencer_->TakeReplies()) {
        if (to == self_) {
          OnReply(reply);
        } else {
          *reply_batches_[to].add_replies() = std::move(reply);
        }
      }
    }
    if (!zab_.HasOutput()) break;
    TakeZabOutput(&output, now);
  }
  if (!loading_ && tree_->has_rows()) output.rows = tree_->TakeRows();
  if (forward_.requests_size() + forward_.touched_sessions_size() +
          forward_.broken_sessions_size() >
      0) {
    output.forwards.emplace_back(role_.leader, std::move(forward_));
    forward_.Clear();
  }
  for (auto& [to, batch] : reply_batches_) {
    output.forward_replies.emplace_back(to, std::move(batch));
  }
  reply_batches_.clear();
  output.epoch = role_.epoch;
  output.clients = std::exchange(client_actions_, {});
  output_bytes_ = 0;
  if (std::exchange(role_changed_, false)) {
    output.role = role_;
    output.role->serving = serving_;
  }
  output.transfer = CheckTransfer(now);
  output.fatal = fatal_;
  return output;
}

void Member::TakeZabOutput(MemberOutput* output, Now now) {
  zab::Output zab = zab_.TakeOutput();
  for (zab::Persist& persist : zab.persist) {
    if (persist.install_snapshot.has_value()) {
      EndAllStreams(StreamEnd::kUnavailable);
      loading_ = true;
    }
    output->persist.push_back(std::move(persist));
  }
  for (zab::Message& message : zab.send) {
    output->zab_messages.push_back(std::move(message));
  }
  for (zab::Entry& entry : zab.committed) {
    if (loading_) {
      deferred_.push_back(std::move(entry));
    } else {
      Apply(entry, now);
    }
  }
  for (const zab::BarrierResult& barrier : zab.barriers) {
    if (sequencer_ != nullptr) sequencer_->OnBarrier(barrier);
  }
  for (const zab::SnapshotSend& send : zab.snapshots) {
    output->snapshots.push_back(send);
  }
  output->discard_snapshot |= zab.discard_snapshot;
  if (!zab.fatal.empty()) fatal_ = zab.fatal;
  if (zab.role.has_value()) OnRole(*zab.role, now);
  UpdateServing(now);
}

void Member::OnRole(const zab::RoleState& role, Now now) {
  bool same_term = role.role == role_.role && role.leader == role_.leader &&
                   role.epoch == role_.epoch;
  if (!same_term || !role.serving) {
    EndAllStreams(StreamEnd::kUnavailable);
    forward_.Clear();
    early_.clear();
    if (sequencer_ != nullptr) sequencer_->EndTerm();
    term_starts_at_.reset();
    serving_ = false;
  }
  if (role.role == zab::Role::kLeading && role.serving &&
      !term_starts_at_.has_value()) {
    term_starts_at_ = zab_.last_logged();
  }
  role_ = role;
  role_changed_ = true;
}

void Member::UpdateServing(Now now) {
  bool ready = role_.serving && !loading_ && !resigned_ &&
               (role_.role == zab::Role::kFollowing ||
                (term_starts_at_.has_value() &&
                 tree_->applied() >= *term_starts_at_));
  if (ready == serving_) return UpdateReadOnly(now);
  serving_ = ready;
  role_changed_ = true;
  UpdateReadOnly(now);
  if (!serving_) return EndAllStreams(StreamEnd::kUnavailable);
  if (sequencer_ == nullptr) {
    sequencer_ = std::make_unique<Sequencer>(
        Sequencer::Options{self_, options_.tick_ms, options_.prepare,
                           options_.reaper, options_.faults},
        *tree_, &zab_);
  }
  next_touch_ms_ = now.monotonic_ms;
  if (role_.role != zab::Role::kLeading) return;
  sequencer_->StartTerm(now);
  for (auto& [from, batch] : std::exchange(early_, {})) {
    OnForward(from, role_.epoch, std::move(batch), now);
  }
}

void Member::Apply(const zab::Entry& entry, Now now) {
  if (!fatal_.empty()) return;
  v1::Txn txn;
  if (!txn.ParseFromString(*entry.txn)) {
    fatal_ = "the transaction at zxid " + std::to_string(entry.zxid.value()) +
             " cannot be read";
    return;
  }
  TicketInfo* mine = nullptr;
  Ticket ticket = txn.origin().request_id();
  if (txn.origin().member_id() == self_.value() && ticket != 0) {
    auto it = tickets_.find(ticket);
    if (it != tickets_.end()) mine = &it->second;
  }
  if (mine != nullptr) {
    ConnectionId id = mine->connection;
    connections_.at(id).pending.ExecuteBefore(
        ticket,
        [&](const v1::SessionRequest& request, int64_t since_ms,
            PendingRequests::Messages* messages) {
          Execute(id, request, since_ms, messages);
        });
  }
  absl::StatusOr<ApplyResult> result = tree_->Apply(entry.zxid, txn);
  if (!result.ok()) {
    fatal_ = "this member's state differs from the leader's: " +
             result.status().ToString();
    return;
  }
  if (sequencer_ != nullptr) {
    sequencer_->OnApplied(entry.zxid, txn, *result, now);
  }
  if (mine != nullptr && options_.faults.answer_before_events) {
    Answer(std::exchange(ticket, 0), result->response, 0);
  }
  SendEvents(entry.zxid, result->changes);
  if (mine != nullptr) {
    Answer(ticket, result->response,
           txn.has_create_session() ? txn.create_session().timeout_ms() : 0);
  }
  // Its own close was answered above, which ended the stream.
  if (result->session_closed.has_value()) {
    DropSessions({*result->session_closed});
  }
  ReleaseReplies();
}

void Member::SendEvents(Zxid zxid, const std::vector<TreeChange>& changes) {
  for (WatchNotice& notice : watches_.Trigger(zxid, changes)) {
    auto it = connections_.find(notice.connection);
    if (it == connections_.end()) continue;
    Connection& connection = it->second;
    if (!IsAllowed(notice.acl, kReadPermission, RequesterOf(connection)) &&
        !options_.faults.events_for_all) {
      continue;
    }
    v1::SessionResponse message;
    message.set_zxid(zxid.value());
    *message.mutable_event() = std::move(notice.event);
    scratch_.clear();
    connection.pending.AddEvent(std::move(message), &scratch_);
    for (v1::SessionResponse& now_due : scratch_) {
      Send(notice.connection, std::move(now_due));
    }
  }
}

void Member::OnTreeLoaded(std::unique_ptr<ZnodeTree> tree, Now now) {
  // The desk looks at the tree it was made with.
  sequencer_.reset();
  tree_ = std::move(tree);
  loading_ = false;
  for (const zab::Entry& entry : std::exchange(deferred_, {})) {
    if (entry.zxid > tree_->applied()) Apply(entry, now);
  }
  UpdateServing(now);
}

}  // namespace sillok::coord
