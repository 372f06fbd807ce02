#include "coordinator/client/session_core.h"

#include <algorithm>
#include <utility>

namespace sillok::coord {
namespace {

using v1::CoordRequest;
using v1::CoordResponse;
using v1::SessionRequest;

// The one path of a read; null for writes.
const std::string* ReadPath(const CoordRequest& request) {
  switch (request.op_case()) {
    case CoordRequest::kExists:
      return &request.exists().path();
    case CoordRequest::kGetData:
      return &request.get_data().path();
    case CoordRequest::kGetChildren:
      return &request.get_children().path();
    default:
      return nullptr;
  }
}

std::string* PathOf(v1::WriteOp* write) {
  switch (write->op_case()) {
    case v1::WriteOp::kCreate:
      return write->mutable_create()->mutable_path();
    case v1::WriteOp::kDelete:
      return write->mutable_delete_()->mutable_path();
    case v1::WriteOp::kSetData:
      return write->mutable_set_data()->mutable_path();
    case v1::WriteOp::kCheck:
      return write->mutable_check()->mutable_path();
    case v1::WriteOp::OP_NOT_SET:
      return nullptr;
  }
  return nullptr;
}

}  // namespace

std::string_view StateName(SessionCore::State state) {
  switch (state) {
    case SessionCore::State::kConnecting:
      return "connecting";
    case SessionCore::State::kConnected:
      return "connected";
    case SessionCore::State::kExpired:
      return "expired";
    case SessionCore::State::kClosed:
      return "closed";
  }
  return "?";
}

SessionCore::SessionCore(const Options& options)
    : options_(options),
      random_state_(options.seed),
      timeout_ms_(options.session_timeout_ms) {
  for (size_t i = 0; i < options_.servers; ++i) server_order_.push_back(i);
  ShuffleServers();
}

void SessionCore::Start(int64_t now_ms) { TryNextServer(now_ms); }

void SessionCore::Call(CallId id, CoordRequest request, WatcherId watcher,
                       int64_t now_ms) {
  PendingCall call{id, std::move(request), watcher, now_ms};
  if (closing_ || state_ == State::kExpired || state_ == State::kClosed) {
    Finish(call, v1::SESSION_EXPIRED);
    return;
  }
  if (outstanding() >= options_.max_outstanding) {
    Finish(call, v1::OPERATION_TIMEOUT);
    return;
  }
  AddChroot(&call.request);
  if (attached_) {
    SendCall(std::move(call), now_ms);
  } else {
    waiting_.push_back(std::move(call));
  }
}

void SessionCore::Restart(int64_t now_ms) {
  if (state_ != State::kExpired || closing_) return;
  session_id_ = 0;
  password_.clear();
  timeout_ms_ = options_.session_timeout_ms;
  // last_zxid_ stays: the new session must not see an older tree either.
  failures_in_a_row_ = 0;
  Become(State::kConnecting);
  TryNextServer(now_ms);
}

void SessionCore::Close(int64_t now_ms) {
  if (closing_) return;
  closing_ = true;
  if (state_ == State::kExpired ||
      (session_id_ == 0 && stream_ == 0)) {
    EndClosed(v1::OK);
    return;
  }
  close_deadline_ms_ = now_ms + timeout_ms_;
  if (!attached_) return;  // sent once there is a stream
  SendClose(now_ms);
}

// --- the stream ---

void SessionCore::ShuffleServers() {
  for (size_t i = server_order_.size(); i > 1; --i) {
    std::swap(server_order_[i - 1], server_order_[Random() % i]);
  }
}

void SessionCore::TryNextServer(int64_t now_ms) {
  retry_at_ms_ = -1;
  size_t server = server_order_[next_server_];
  next_server_ = (next_server_ + 1) % server_order_.size();
  stream_ = ++last_stream_;
  attached_ = false;
  opened_ms_ = last_heard_ms_ = now_ms;
  pings_sent_ms_.clear();
  output_.push_back(OpenStream{stream_, server});
  SessionRequest message;
  v1::ConnectRequest* connect = message.mutable_connect();
  connect->set_session_id(session_id_);
  connect->set_password(password_);
  connect->set_timeout_ms(options_.session_timeout_ms);
  connect->set_last_zxid_seen(last_zxid_);
  connect->set_disconnect_timeout_ms(options_.disconnect_timeout_ms);
  SendMessage(std::move(message), now_ms);
}

void SessionCore::LoseStream(int64_t now_ms) {
  output_.push_back(CloseStream{stream_});
  stream_ = 0;
  attached_ = false;
  set_watches_pending_ = 0;
  close_sent_ = false;
  FailSent(v1::CONNECTION_LOSS);
  if (state_ == State::kConnected) Become(State::kConnecting);
  if (state_ != State::kConnecting) return;
  ++failures_in_a_row_;
  // One quick round over all servers (and the one that was just lost), then a
  // pause before each further round.
  size_t servers = server_order_.size();
  if (failures_in_a_row_ <= servers || failures_in_a_row_ % servers != 0) {
    TryNextServer(now_ms);
    return;
  }
  size_t round = std::min<size_t>(failures_in_a_row_ / servers - 1, 20);
  int64_t pause = std::min(options_.backoff_ms << round,
                           options_.backoff_max_ms);
  retry_at_ms_ = now_ms + pause / 2 +
                 static_cast<int64_t>(Random() % (pause / 2 + 1));
}

void SessionCore::OnStreamClosed(StreamId stream, int64_t now_ms) {
  if (stream != stream_) return;
  LoseStream(now_ms);
}

void SessionCore::OnTime(int64_t now_ms) {
  if (closing_ && state_ != State::kClosed && now_ms >= close_deadline_ms_) {
    EndClosed(v1::CONNECTION_LOSS);
    return;
  }
  FailOldWaiting(now_ms);
  if (retry_at_ms_ >= 0) {
    if (now_ms >= retry_at_ms_) TryNextServer(now_ms);
    return;
  }
  if (stream_ == 0) return;
  if (!attached_) {
    // A new server gets its share of the session's time to answer.
    int64_t limit = std::max<int64_t>(
        timeout_ms_ * 2 / 3 / static_cast<int64_t>(server_order_.size()), 1);
    if (now_ms - opened_ms_ >= limit) LoseStream(now_ms);
    return;
  }
  if (now_ms - last_heard_ms_ >= timeout_ms_ * 2 / 3) {
    LoseStream(now_ms);
    return;
  }
  if (now_ms - last_sent_ms_ >= ping_interval_ms()) {
    SessionRequest ping;
    ping.mutable_ping();
    SendMessage(std::move(ping), now_ms);
    pings_sent_ms_.push_back(now_ms);
  }
}

// Three pings in the time after which the ensemble may give the session up.
int64_t SessionCore::ping_interval_ms() const {
  int64_t patience = timeout_ms_;
  if (options_.disconnect_timeout_ms > 0) {
    patience = std::min(patience, options_.disconnect_timeout_ms);
  }
  return std::max<int64_t>(patience / 3, 1);
}

int64_t SessionCore::next_time_ms() const {
  int64_t next = INT64_MAX;
  if (retry_at_ms_ >= 0) {
    next = retry_at_ms_;
  } else if (stream_ != 0 && !attached_) {
    next = opened_ms_ +
           std::max<int64_t>(timeout_ms_ * 2 / 3 /
                                 static_cast<int64_t>(server_order_.size()),
                             1);
  } else if (stream_ != 0) {
    next = std::min(last_heard_ms_ + timeout_ms_ * 2 / 3,
                    last_sent_ms_ + ping_interval_ms());
  }
  if (!waiting_.empty()) {
    next = std::min(next, waiting_.front().issued_ms + timeout_ms_);
  }
  if (closing_ && state_ != State::kClosed) {
    next = std::min(next, close_deadline_ms_);
  }
  return next;
}

// --- what comes in ---

void SessionCore::OnMessage(StreamId stream,
                            const v1::SessionResponse& message,
                            int64_t now_ms) {
  if (stream != stream_) return;
  last_heard_ms_ = now_ms;
  last_zxid_ = std::max(last_zxid_, message.zxid());
  // Only a reply in its turn says that all events up to its zxid have come:
  // others of the same transaction may still follow an event, and a new stream
  // has not been asked for the missed ones when it answers the connect.
  if (message.has_response() || message.has_set_watches()) {
    watch_zxid_ = std::max(watch_zxid_, message.zxid());
  }
  switch (message.kind_case()) {
    case v1::SessionResponse::kConnect:
      OnConnect(message.connect(), now_ms);
      return;
    case v1::SessionResponse::kResponse:
      OnResponse(message.request_id(), message.response());
      return;
    case v1::SessionResponse::kEvent:
      OnEvent(message.event());
      return;
    case v1::SessionResponse::kClose:
      if (closing_) EndClosed(v1::OK);
      return;
    case v1::SessionResponse::kSetWatches:
      if (set_watches_pending_ > 0) --set_watches_pending_;
      return;
    case v1::SessionResponse::kPing:
      if (!pings_sent_ms_.empty()) {
        last_contact_ms_ = std::max(last_contact_ms_, pings_sent_ms_.front());
        pings_sent_ms_.pop_front();
      }
      return;
    case v1::SessionResponse::KIND_NOT_SET:
      return;
  }
}

void SessionCore::OnConnect(const v1::ConnectResponse& response,
                            int64_t now_ms) {
  if (attached_) return;
  if (response.code() != v1::OK) {
    if (closing_) {
      EndClosed(v1::OK);  // there is no session left to close
    } else {
      Expire();
    }
    return;
  }
  session_id_ = response.session_id();
  password_ = response.password();
  timeout_ms_ = std::max<int64_t>(response.timeout_ms(), 1);
  attached_ = true;
  last_contact_ms_ = std::max(last_contact_ms_, opened_ms_);
  failures_in_a_row_ = 0;
  Become(State::kConnected);
  SendSetWatches(now_ms);
  while (!waiting_.empty()) {
    PendingCall call = std::move(waiting_.front());
    waiting_.pop_front();
    SendCall(std::move(call), now_ms);
  }
  if (closing_ && !close_sent_) SendClose(now_ms);
}

void SessionCore::OnResponse(uint64_t request_id,
                             const CoordResponse& response) {
  // Replies come in the order of the requests; anything else means that the
  // member and this client disagree about what was asked.
  if (sent_.empty() || sent_.front().first != request_id) {
    LoseStream(last_heard_ms_);
    return;
  }
  PendingCall call = std::move(sent_.front().second);
  sent_.pop_front();
  if (response.code() == v1::SESSION_EXPIRED) {
    Finish(call, v1::SESSION_EXPIRED);
    if (!closing_) Expire();
    return;
  }
  if (response.code() == v1::SESSION_MOVED) {
    // Another stream of this session took over; come back as the newest.
    Finish(call, v1::CONNECTION_LOSS);
    LoseStream(last_heard_ms_);
    return;
  }
  last_contact_ms_ = std::max(last_contact_ms_, call.issued_ms);
  Complete complete{call.id, response};
  StripChroot(&complete.response);
  if (call.watcher != kNoWatcher) {
    if (!ArmWatch(call, response.code())) complete.dropped = call.watcher;
  }
  output_.push_back(std::move(complete));
}

bool SessionCore::ArmWatch(const PendingCall& call, v1::CoordCode code) {
  const std::string* path = ReadPath(call.request);
  if (path == nullptr) return false;
  WatchMap* watches = nullptr;
  if (code == v1::OK) {
    watches = call.request.has_get_children() ? &child_watches_
                                              : &data_watches_;
  } else if (code == v1::NO_NODE && call.request.has_exists()) {
    watches = &exists_watches_;
  }
  if (watches == nullptr) return false;
  (*watches)[*path].push_back(call.watcher);
  return true;
}

void SessionCore::OnEvent(const v1::WatchEvent& event) {
  FireWatch fire;
  auto take = [&](WatchMap& watches) {
    auto it = watches.find(event.path());
    if (it == watches.end()) return;
    fire.watchers.insert(fire.watchers.end(), it->second.begin(),
                         it->second.end());
    watches.erase(it);
  };
  switch (event.type()) {
    case v1::NODE_CREATED:
    case v1::NODE_DATA_CHANGED:
      take(data_watches_);
      take(exists_watches_);
      break;
    case v1::NODE_DELETED:
      take(data_watches_);
      take(exists_watches_);
      take(child_watches_);
      break;
    case v1::NODE_CHILDREN_CHANGED:
      take(child_watches_);
      break;
    default:
      return;
  }
  if (fire.watchers.empty()) return;
  fire.event = event;
  fire.event.set_path(FromServer(event.path()));
  output_.push_back(std::move(fire));
}

// --- what goes out ---

void SessionCore::SendSetWatches(int64_t now_ms) {
  SessionRequest message;
  size_t bytes = 0;
  auto flush = [&] {
    if (!message.has_set_watches()) return;
    message.set_request_id(next_request_id_++);
    message.mutable_set_watches()->set_last_zxid_seen(watch_zxid_);
    ++set_watches_pending_;
    SendMessage(std::move(message), now_ms);
    message.Clear();
    bytes = 0;
  };
  auto add = [&](const WatchMap& watches, auto append) {
    for (const auto& [path, watchers] : watches) {
      append(message.mutable_set_watches(), path);
      bytes += path.size() + 8;
      if (bytes >= options_.set_watches_bytes) flush();
    }
  };
  add(data_watches_, [](v1::SetWatchesRequest* request,
                        const std::string& path) { request->add_data(path); });
  add(exists_watches_,
      [](v1::SetWatchesRequest* request, const std::string& path) {
        request->add_exists(path);
      });
  add(child_watches_,
      [](v1::SetWatchesRequest* request, const std::string& path) {
        request->add_children(path);
      });
  flush();
}

void SessionCore::SendClose(int64_t now_ms) {
  SessionRequest message;
  message.set_request_id(next_request_id_++);
  message.mutable_close();
  close_sent_ = true;
  SendMessage(std::move(message), now_ms);
}

void SessionCore::SendCall(PendingCall call, int64_t now_ms) {
  SessionRequest message;
  message.set_request_id(next_request_id_++);
  uint64_t id = message.request_id();
  if (call.watcher != kNoWatcher) {
    // Arming needs kind and path later; the payload of writes is not needed.
    *message.mutable_request() = call.request;
  } else {
    *message.mutable_request() = std::move(call.request);
    call.request.Clear();
  }
  sent_.emplace_back(id, std::move(call));
  SendMessage(std::move(message), now_ms);
}

void SessionCore::SendMessage(SessionRequest message, int64_t now_ms) {
  last_sent_ms_ = now_ms;
  output_.push_back(Send{stream_, std::move(message)});
}

// --- how things end ---

void SessionCore::Finish(const PendingCall& call, v1::CoordCode code) {
  Complete complete{call.id, {}, call.watcher};
  complete.response.set_code(code);
  output_.push_back(std::move(complete));
}

void SessionCore::FailSent(v1::CoordCode code) {
  while (!sent_.empty()) {
    Finish(sent_.front().second, code);
    sent_.pop_front();
  }
}

void SessionCore::FailWaiting(v1::CoordCode code) {
  while (!waiting_.empty()) {
    Finish(waiting_.front(), code);
    waiting_.pop_front();
  }
}

void SessionCore::FailOldWaiting(int64_t now_ms) {
  while (!waiting_.empty() &&
         now_ms - waiting_.front().issued_ms >= timeout_ms_) {
    Finish(waiting_.front(), v1::OPERATION_TIMEOUT);
    waiting_.pop_front();
  }
}

void SessionCore::Expire() {
  FailSent(v1::SESSION_EXPIRED);
  FailWaiting(v1::SESSION_EXPIRED);
  if (stream_ != 0) output_.push_back(CloseStream{stream_});
  stream_ = 0;
  attached_ = false;
  retry_at_ms_ = -1;
  set_watches_pending_ = 0;
  session_id_ = 0;
  password_.clear();
  data_watches_.clear();
  exists_watches_.clear();
  child_watches_.clear();
  Become(State::kExpired);
}

void SessionCore::EndClosed(v1::CoordCode code) {
  // What was sent before the close and not answered by now never will be.
  FailSent(v1::CONNECTION_LOSS);
  FailWaiting(v1::OPERATION_TIMEOUT);
  if (stream_ != 0) output_.push_back(CloseStream{stream_});
  stream_ = 0;
  attached_ = false;
  retry_at_ms_ = -1;
  session_id_ = 0;
  data_watches_.clear();
  exists_watches_.clear();
  child_watches_.clear();
  Become(State::kClosed);
  output_.push_back(Closed{code});
}

void SessionCore::Become(State state) {
  if (state_ == state) return;
  state_ = state;
  output_.push_back(ChangeState{state});
}

std::vector<SessionCore::Action> SessionCore::TakeOutput() {
  return std::exchange(output_, {});
}

size_t SessionCore::armed_watches() const {
  size_t count = 0;
  for (const WatchMap* map :
       {&data_watches_, &exists_watches_, &child_watches_}) {
    for (const auto& [path, watchers] : *map) count += watchers.size();
  }
  return count;
}

// --- chroot ---

std::string SessionCore::ToServer(const std::string& path) const {
  if (options_.chroot.empty()) return path;
  if (path == "/") return options_.chroot;
  return options_.chroot + path;
}

std::string SessionCore::FromServer(const std::string& path) const {
  const std::string& root = options_.chroot;
  if (root.empty() || path.compare(0, root.size(), root) != 0) return path;
  if (path.size() == root.size()) return "/";
  return path.substr(root.size());
}

void SessionCore::AddChroot(CoordRequest* request) const {
  if (options_.chroot.empty()) return;
  auto add = [this](std::string* path) {
    if (path != nullptr) *path = ToServer(*path);
  };
  switch (request->op_case()) {
    case CoordRequest::kWrite:
      return add(PathOf(request->mutable_write()));
    case CoordRequest::kMulti:
      for (v1::WriteOp& op : *request->mutable_multi()->mutable_ops()) {
        add(PathOf(&op));
      }
      return;
    case CoordRequest::kExists:
      return add(request->mutable_exists()->mutable_path());
    case CoordRequest::kGetData:
      return add(request->mutable_get_data()->mutable_path());
    case CoordRequest::kGetChildren:
      return add(request->mutable_get_children()->mutable_path());
    case CoordRequest::kSync:
      return add(request->mutable_sync()->mutable_path());
    case CoordRequest::OP_NOT_SET:
      return;
  }
}

void SessionCore::StripChroot(CoordResponse* response) const {
  if (options_.chroot.empty()) return;
  auto strip = [this](v1::WriteResult* result) {
    if (!result->path().empty()) {
      result->set_path(FromServer(result->path()));
    }
  };
  if (response->has_write()) strip(response->mutable_write());
  for (v1::WriteResult& result : *response->mutable_multi()) strip(&result);
}

uint64_t SessionCore::Random() {
  // SplitMix64.
  uint64_t z = (random_state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace sillok::coord
