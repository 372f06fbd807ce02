#include "coordinator/zookeeper/wire_session.h"

#include <algorithm>

#include "coordinator/zookeeper/answer_writer.h"
#include "proto/jute/records.h"

namespace sillok::coord {
namespace {

// ZooKeeper's own answer to a type it does not know.
constexpr int64_t kNoZxid = -1;

}  // namespace

std::optional<v1::SessionRequest> WireSession::OnFrame(
    std::string_view frame) {
  if (ended_ || closes_) return std::nullopt;
  if (!connect_asked_) return OnConnectRequest(frame);
  jute::RequestHeader header;
  if (!jute::Decode(frame, &header)) {
    Fail("a request without a whole header");
    return std::nullopt;
  }
  v1::SessionRequest request;
  AskedFor asked;
  std::optional<Refusal> refusal =
      ReadRequest(header.type, frame.substr(jute::RequestHeader::kBytes),
                  &request, &asked);
  if (refusal.has_value()) {
    Refuse(header.xid, *refusal);
    return std::nullopt;
  }
  // What an answer is matched by is its place; the number is for operators.
  request.set_request_id(static_cast<uint32_t>(header.xid));
  if (request.has_auth()) {
    auth_xids_.push_back(header.xid);
  } else if (!request.has_ping()) {
    unanswered_.push_back({header.xid, std::move(asked), std::nullopt});
  }
  return request;
}

std::optional<v1::SessionRequest> WireSession::OnConnectRequest(
    std::string_view frame) {
  connect_asked_ = true;
  jute::ConnectRequest record;
  if (!jute::DecodeConnectRequest(frame, &record)) {
    Fail("the first frame is no connect request");
    return std::nullopt;
  }
  with_read_only_ = record.has_read_only;
  v1::SessionRequest request;
  v1::ConnectRequest* connect = request.mutable_connect();
  connect->set_session_id(static_cast<uint64_t>(record.session_id));
  connect->set_password(record.password.bytes.data(),
                        record.password.bytes.size());
  connect->set_timeout_ms(record.timeout_ms);
  connect->set_last_zxid_seen(
      static_cast<uint64_t>(std::max<int64_t>(record.last_zxid_seen, 0)));
  connect->set_read_only(record.read_only);
  return request;
}

void WireSession::OnOversizeFrame(std::string_view beginning) {
  if (ended_ || closes_) return;
  jute::RequestHeader header;
  if (!connect_asked_ || !jute::Decode(beginning, &header)) {
    return Fail("the length of a frame is out of bounds");
  }
  Refuse(header.xid, {v1::BAD_ARGUMENTS, true});
  why_ = "a request is longer than jute.maxbuffer";
}

void WireSession::Refuse(int32_t xid, Refusal refusal) {
  Unanswered entry;
  entry.xid = xid;
  entry.refusal = refusal;
  unanswered_.push_back(std::move(entry));
  closes_ = refusal.close;
  if (closes_) why_ = "a request that is not answered";
  AnswerRefused();
}

void WireSession::AnswerRefused() {
  while (!ended_ && !unanswered_.empty() &&
         unanswered_.front().refusal.has_value()) {
    const Unanswered& first = unanswered_.front();
    AppendHeader(first.xid,
                 first.refusal->code == v1::UNIMPLEMENTED ? kNoZxid
                                                          : last_zxid_,
                 first.refusal->code, &bytes_);
    ended_ = first.refusal->close;
    unanswered_.pop_front();
  }
}

void WireSession::Fail(std::string why) {
  ended_ = true;
  why_ = std::move(why);
}

std::optional<WireSession::Unanswered> WireSession::TakeFirst() {
  if (unanswered_.empty()) return std::nullopt;
  Unanswered first = std::move(unanswered_.front());
  unanswered_.pop_front();
  return first;
}

void WireSession::OnMessage(const v1::SessionResponse& message) {
  if (ended_) return;
  last_zxid_ =
      std::max(last_zxid_, static_cast<int64_t>(message.zxid()));
  const auto zxid = static_cast<int64_t>(message.zxid());
  switch (message.kind_case()) {
    case v1::SessionResponse::kConnect:
      connected_ = true;
      AppendConnected(message.connect(), with_read_only_, &bytes_);
      return;
    case v1::SessionResponse::kPing:
      return AppendHeader(jute::kPingXid, zxid, v1::OK, &bytes_);
    case v1::SessionResponse::kEvent:
      return AppendEvent(message.event(), &bytes_);
    case v1::SessionResponse::kAuth: {
      if (auth_xids_.empty()) return Fail("an answer to no auth packet");
      AppendHeader(auth_xids_.front(), 0, message.auth().code(), &bytes_);
      auth_xids_.pop_front();
      return;
    }
    case v1::SessionResponse::kResponse:
    case v1::SessionResponse::kSetWatches:
    case v1::SessionResponse::kClose:
      return OnAnswer(message);
    case v1::SessionResponse::KIND_NOT_SET:
      return Fail("an empty answer");
  }
}

void WireSession::OnAnswer(const v1::SessionResponse& message) {
  std::optional<Unanswered> first = TakeFirst();
  if (!first.has_value() || first->refusal.has_value() ||
      message.request_id() != static_cast<uint32_t>(first->xid)) {
    return Fail("an answer out of turn");
  }
  const auto zxid = static_cast<int64_t>(message.zxid());
  if (!message.has_response()) {
    AppendHeader(first->xid, zxid, v1::OK, &bytes_);
  } else if (message.response().code() == v1::SESSION_MOVED) {
    // The session lives on elsewhere: only this connection is of no more use.
    return Fail("the session has moved to another member");
  } else {
    AppendAnswer(first->xid, zxid, first->asked, message.response(), &bytes_);
  }
  AnswerRefused();
}

}  // namespace sillok::coord
