// The client streams of a Member: what comes in on them, in which order it is
// answered, and how they end.
#include <algorithm>
#include <utility>

#include "coordinator/server/member.h"
#include "coordinator/tree/auth.h"

namespace sillok::coord {
namespace {

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

bool Member::IsForLeader(const v1::CoordRequest& request) {
  return request.has_write() || request.has_multi() ||
         request.has_reconfig() || request.has_sync();
}

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
      connection.closing = true;
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
  connection.pending.Resolve(ticket, tree_->applied(), std::move(message));
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
         watches_.SetWatches(id, request.set_watches(), *tree_)) {
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

void Member::DropUnknownSessions(const std::vector<SessionId>& sessions) {
  std::vector<SessionId> gone;
  for (SessionId session : sessions) {
    auto it = by_session_.find(session);
    // Who closes is no longer known to the leader before the answer is here.
    if (it != by_session_.end() && !connections_.at(it->second).closing) {
      gone.push_back(session);
    }
  }
  DropSessions(gone);
}

void Member::DropSessions(const std::vector<SessionId>& sessions) {
  for (SessionId session : sessions) {
    auto it = by_session_.find(session);
    if (it != by_session_.end()) {
      EndStream(it->second, StreamEnd::kSessionGone);
    }
  }
}

}  // namespace sillok::coord
