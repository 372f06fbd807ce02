// A member without a quorum that serves reads to those who ask for that: it
// shows what was committed when it last knew, decides nothing, and numbers
// nothing. Its streams end when it is part of a quorum again.
#include <algorithm>
#include <utility>

#include "coordinator/server/member.h"

namespace sillok::coord {

void Member::UpdateReadOnly(Now now) {
  const bool alone = options_.read_only_mode && !serving_ && !loading_ &&
                     !resigned_ && fatal_.empty() &&
                     role_.role == zab::Role::kLooking;
  if (alone) {
    if (!alone_since_ms_) alone_since_ms_ = now.monotonic_ms;
    // Most elections are over sooner.
    read_only_ = now.monotonic_ms - *alone_since_ms_ >= options_.tick_ms;
    return;
  }
  alone_since_ms_.reset();
  if (std::exchange(read_only_, false)) {
    EndAllStreams(StreamEnd::kUnavailable);
  }
}

void Member::OnReadOnlyRequest(ConnectionId id, Connection& connection,
                               const v1::SessionRequest& request, Now now) {
  if (connection.state == Connection::State::kNew) {
    if (!request.has_connect()) return EndStream(id, StreamEnd::kBadRequest);
    return OnReadOnlyConnect(id, connection, request.connect());
  }
  v1::SessionResponse answer;
  switch (request.kind_case()) {
    case v1::SessionRequest::kPing:
      answer.mutable_ping();
      return Send(id, std::move(answer));
    case v1::SessionRequest::kAuth:
      return OnAuth(id, connection, request);
    case v1::SessionRequest::kClose:
      // The session itself, if the ensemble knows it, runs into its timeout.
      answer.set_request_id(request.request_id());
      answer.mutable_close();
      Send(id, std::move(answer));
      return EndStream(id, StreamEnd::kDone);
    case v1::SessionRequest::kRequest:
      if (IsForLeader(request.request())) {
        answer.set_request_id(request.request_id());
        answer.mutable_response()->set_code(v1::NOT_READ_ONLY);
        return Send(id, std::move(answer));
      }
      [[fallthrough]];
    case v1::SessionRequest::kSetWatches:
      return ExecuteNow(id, request, now);
    case v1::SessionRequest::kConnect:
    case v1::SessionRequest::KIND_NOT_SET:
      return EndStream(id, StreamEnd::kBadRequest);
  }
}

// A session is taken at its word as far as this member knows of it. One it does
// not know may be younger than its state, so it is not called expired.
void Member::OnReadOnlyConnect(ConnectionId id, Connection& connection,
                               const v1::ConnectRequest& request) {
  if (!request.read_only()) return EndStream(id, StreamEnd::kUnavailable);
  if (request.last_zxid_seen() > tree_->applied().value()) {
    return EndStream(id, StreamEnd::kTooNew);
  }
  SessionId session(request.session_id());
  std::string password = request.password();
  int64_t timeout_ms =
      std::clamp(request.timeout_ms(), options_.min_session_timeout_ms,
                 options_.max_session_timeout_ms);
  if (session.value() == 0) {
    // Of this stream alone; the ensemble never hears of it.
    session = SessionId(next_session_id_++);
    password = options_.new_password();
  } else if (tree_->sessions().Authenticate(session, password)) {
    timeout_ms = tree_->sessions().Find(session)->timeout_ms;
  } else {
    return EndStream(id, StreamEnd::kUnavailable);
  }
  auto old = by_session_.find(session);
  if (old != by_session_.end()) {
    EndStream(old->second, StreamEnd::kSessionGone);
  }
  by_session_[session] = id;
  connection.session = session;
  connection.state = Connection::State::kOpen;
  connection.facts.timeout_ms = timeout_ms;
  v1::SessionResponse message;
  v1::ConnectResponse* connect = message.mutable_connect();
  connect->set_code(v1::OK);
  connect->set_session_id(session.value());
  connect->set_password(std::move(password));
  connect->set_timeout_ms(timeout_ms);
  connect->set_member_id(self_.value());
  connect->set_read_only(true);
  Send(id, std::move(message));
}

}  // namespace sillok::coord
