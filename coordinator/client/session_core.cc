#include "coordinator/client/session_core.h"

#include <algorithm>
#include <utility>

namespace sillok::coord {
namespace {

using v1::CoordRequest;
using v1::CoordResponse;
using v1::SessionRequest;

// A member that has more calls of a stream to answer may not read on, and so
// does not see a ping.
constexpr size_t kMostSentForProbe = 500;

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
    case SessionCore::State::kAuthFailed:
      return "auth failed";
  }
  return "?";
}

SessionCore::SessionCore(const Options& options)
    : options_(options),
      chroot_(options.chroot),
      random_state_(options.seed),
      timeout_ms_(options.session_timeout_ms),
      ran_out_(options.servers) {
  for (size_t i = 0; i < options_.servers; ++i) server_order_.push_back(i);
  for (const v1::AuthRequest& auth : options_.auth) {
    identities_.push_back({auth, 0, 0});
  }
  ShuffleServers();
}

void SessionCore::Start(int64_t now_ms) { TryNextServer(now_ms); }

void SessionCore::Call(CallId id, CoordRequest request, WatcherId watcher,
                       int64_t now_ms) {
  PendingCall call{id, std::move(request), watcher, now_ms};
  call.op = call.request.op_case();
  if (closing_ || state_ == State::kExpired || state_ == State::kClosed) {
    Finish(call, v1::SESSION_EXPIRED);
    return;
  }
  if (state_ == State::kAuthFailed) {
    Finish(call, v1::AUTH_FAILED);
    return;
  }
  if (outstanding() >= options_.max_outstanding) {
    Finish(call, v1::OPERATION_TIMEOUT);
    return;
  }
  chroot_.AddTo(&call.request);
  if (attached_) {
    SendCall(std::move(call), now_ms);
  } else {
    waiting_.push_back(std::move(call));
  }
}

void SessionCore::AddAuth(CallId call, v1::AuthRequest auth, int64_t now_ms) {
  if (closing_ || state_ == State::kExpired || state_ == State::kClosed) {
    output_.push_back(AuthDone{call, v1::SESSION_EXPIRED});
    return;
  }
  if (state_ == State::kAuthFailed) {
    output_.push_back(AuthDone{call, v1::AUTH_FAILED});
    return;
  }
  identities_.push_back({std::move(auth), call, now_ms});
  if (attached_) SendAuth(identities_.size() - 1, now_ms);
}

void SessionCore::RemoveWatcher(WatcherId watcher, int64_t now_ms) {
  if (auto found = watches_.TakeWatcher(watcher)) {
    output_.push_back(ForgetWatchers{{watcher}});
    EndPersistentWatch(found->mode, found->path, now_ms);
    return;
  }
  auto arms = [watcher](const PendingCall& call) {
    return call.watcher == watcher && call.op == CoordRequest::kAddWatch;
  };
  bool pending = std::any_of(waiting_.begin(), waiting_.end(), arms);
  for (const auto& [id, call] : sent_) pending = pending || arms(call);
  if (pending) unwanted_.insert(watcher);
}

void SessionCore::EndPersistentWatch(v1::AddWatchMode mode,
                                     const std::string& path, int64_t now_ms) {
  // A new stream is only asked for what is still wanted.
  if (watches_.HasPersistent(mode, path) || !attached_) return;
  for (const auto& [id, call] : sent_) {
    // The member would take the remove for later than that add.
    if (call.op == CoordRequest::kAddWatch &&
        call.request.add_watch().path() == path &&
        call.request.add_watch().mode() == mode &&
        unwanted_.count(call.watcher) == 0) {
      return;
    }
  }
  PendingCall call{0, {}, kNoWatcher, now_ms, CoordRequest::kRemoveWatches};
  v1::RemoveWatchesOp* remove = call.request.mutable_remove_watches();
  remove->set_path(path);
  remove->set_type(mode == v1::PERSISTENT_RECURSIVE_WATCH
                       ? v1::PERSISTENT_RECURSIVE_WATCHER
                       : v1::PERSISTENT_WATCHER);
  SendCall(std::move(call), now_ms);
}

void SessionCore::Restart(int64_t now_ms) {
  if (closing_) return;
  if (state_ != State::kExpired && state_ != State::kAuthFailed) return;
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
  if (state_ == State::kAuthFailed) {
    EndClosed(v1::CONNECTION_LOSS);  // left to expire
    return;
  }
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
  server_ = server_order_[next_server_];
  next_server_ = (next_server_ + 1) % server_order_.size();
  stream_ = ++last_stream_;
  attached_ = false;
  opened_ms_ = last_heard_ms_ = now_ms;
  probed_ms_ = -1;
  pings_sent_ms_.clear();
  output_.push_back(OpenStream{stream_, server_});
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
  auth_sent_.clear();
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
    if (now_ms - opened_ms_ < attempt_ms()) return;
    ++ran_out_[server_];
    LoseStream(now_ms);
    return;
  }
  if (now_ms - last_heard_ms_ >= timeout_ms_ * 2 / 3) {
    LoseStream(now_ms);
    return;
  }
  if (!Probe(now_ms)) return;
  if (now_ms - last_sent_ms_ >= ping_interval_ms()) Ping(now_ms);
}

void SessionCore::Ping(int64_t now_ms) {
  SessionRequest ping;
  ping.mutable_ping();
  SendMessage(std::move(ping), now_ms);
  pings_sent_ms_.push_back(now_ms);
}

bool SessionCore::Probe(int64_t now_ms) {
  if (now_ms < probe_due_ms()) return true;
  // Much later than it was due it is this process that stood still: what the
  // server has said may not have been read yet.
  if (probed_ms_ >= 0 && now_ms < probe_due_ms() + options_.silence_ms) {
    LoseStream(now_ms);
    return false;
  }
  Ping(now_ms);
  probed_ms_ = now_ms;
  return true;
}

int64_t SessionCore::probe_due_ms() const {
  if (options_.servers < 2 || sent_.empty() ||
      sent_.size() > kMostSentForProbe) {
    return INT64_MAX;
  }
  if (probed_ms_ >= 0) return probed_ms_ + options_.silence_ms;
  return std::max(last_heard_ms_, sent_.front().second.issued_ms) +
         options_.probe_after_ms;
}

int64_t SessionCore::attempt_ms() const {
  const int64_t share = std::max<int64_t>(
      timeout_ms_ * 2 / 3 / static_cast<int64_t>(options_.servers), 1);
  if (options_.servers < 2) return share;
  return std::min(share, options_.first_attempt_ms
                             << std::min(ran_out_[server_], 10));
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
    next = opened_ms_ + attempt_ms();
  } else if (stream_ != 0) {
    next = std::min(last_heard_ms_ + timeout_ms_ * 2 / 3,
                    last_sent_ms_ + ping_interval_ms());
    next = std::min(next, probe_due_ms());
  }
  if (!waiting_.empty()) {
    next = std::min(next, waiting_.front().issued_ms + timeout_ms_);
  }
  for (const Identity& identity : identities_) {
    if (identity.call != 0) {
      next = std::min(next, identity.issued_ms + timeout_ms_);
    }
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
  probed_ms_ = -1;
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
      OnResponse(message.request_id(), message.response(), now_ms);
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
    case v1::SessionResponse::kAuth:
      OnAuth(message.request_id(), message.auth().code());
      return;
    case v1::SessionResponse::KIND_NOT_SET:
      return;
  }
}

void SessionCore::OnAuth(uint64_t request_id, v1::CoordCode code) {
  auto it = auth_sent_.find(request_id);
  if (it == auth_sent_.end()) return;
  size_t index = it->second;
  auth_sent_.erase(it);
  FinishAuth(identities_[index], code);
  if (code == v1::OK) return;
  // Not again: the member would refuse it again.
  identities_.erase(identities_.begin() + static_cast<std::ptrdiff_t>(index));
  FailAuth(request_id);
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
  ran_out_[server_] = 0;
  Become(State::kConnected);
  for (size_t i = 0; i < identities_.size(); ++i) SendAuth(i, now_ms);
  SendSetWatches(now_ms);
  while (!waiting_.empty()) {
    PendingCall call = std::move(waiting_.front());
    waiting_.pop_front();
    SendCall(std::move(call), now_ms);
  }
  if (closing_ && !close_sent_) SendClose(now_ms);
}

void SessionCore::OnResponse(uint64_t request_id,
                             const CoordResponse& response, int64_t now_ms) {
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
  if (call.id == 0) return;
  Complete complete{call.id, response};
  chroot_.TakeFrom(call.op, &complete.response);
  if (call.watcher != kNoWatcher) {
    if (!ArmWatch(call, response.code(), now_ms)) {
      complete.dropped = call.watcher;
    }
  } else if (call.op == CoordRequest::kRemoveWatches &&
             response.code() == v1::OK) {
    const v1::RemoveWatchesOp& removed = call.request.remove_watches();
    if (!removed.check_only()) {
      output_.push_back(ForgetWatchers{watches_.TakeRemoved(removed)});
    }
  }
  output_.push_back(std::move(complete));
}

bool SessionCore::ArmWatch(const PendingCall& call, v1::CoordCode code,
                           int64_t now_ms) {
  bool unwanted = unwanted_.erase(call.watcher) != 0;
  if (!unwanted) return watches_.Arm(call.request, code, call.watcher);
  if (code == v1::OK) {
    const v1::AddWatchOp& added = call.request.add_watch();
    EndPersistentWatch(added.mode(), added.path(), now_ms);
  }
  return false;
}

void SessionCore::OnEvent(const v1::WatchEvent& event) {
  ClientWatches::Fired fired = watches_.Fire(event);
  if (fired.once.empty() && fired.lasting.empty()) return;
  FireWatch fire{std::move(fired.once), std::move(fired.lasting), event};
  fire.event.set_path(chroot_.FromServer(event.path()));
  output_.push_back(std::move(fire));
}

// --- what goes out ---

void SessionCore::SendSetWatches(int64_t now_ms) {
  for (v1::SetWatchesRequest& request :
       watches_.ToRequests(options_.set_watches_bytes)) {
    request.set_last_zxid_seen(watch_zxid_);
    SessionRequest message;
    message.set_request_id(next_request_id_++);
    *message.mutable_set_watches() = std::move(request);
    ++set_watches_pending_;
    SendMessage(std::move(message), now_ms);
  }
}

void SessionCore::SendAuth(size_t identity, int64_t now_ms) {
  SessionRequest message;
  message.set_request_id(next_request_id_++);
  *message.mutable_auth() = identities_[identity].auth;
  auth_sent_[message.request_id()] = identity;
  SendMessage(std::move(message), now_ms);
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
  if (call.watcher != kNoWatcher || call.op == CoordRequest::kRemoveWatches) {
    // What is armed or removed must be known when the answer comes; the payload
    // of writes is not needed.
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
  unwanted_.erase(call.watcher);
  if (call.id == 0) return;
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
  for (Identity& identity : identities_) {
    if (now_ms - identity.issued_ms >= timeout_ms_) {
      FinishAuth(identity, v1::OPERATION_TIMEOUT);
    }
  }
}

void SessionCore::FinishAuth(Identity& identity, v1::CoordCode code) {
  if (identity.call == 0) return;
  output_.push_back(AuthDone{std::exchange(identity.call, 0), code});
}

void SessionCore::FinishAllAuth(v1::CoordCode code) {
  for (Identity& identity : identities_) FinishAuth(identity, code);
}

void SessionCore::Expire() {
  FailSent(v1::SESSION_EXPIRED);
  FailWaiting(v1::SESSION_EXPIRED);
  FinishAllAuth(v1::SESSION_EXPIRED);
  DropSession();
  Become(State::kExpired);
}

void SessionCore::FailAuth(uint64_t request_id) {
  // What became of those before it is unknown; those behind it were not read.
  while (!sent_.empty()) {
    bool before = sent_.front().first < request_id;
    Finish(sent_.front().second,
           before ? v1::CONNECTION_LOSS : v1::AUTH_FAILED);
    sent_.pop_front();
  }
  if (closing_) {
    EndClosed(v1::CONNECTION_LOSS);
    return;
  }
  FailWaiting(v1::AUTH_FAILED);
  FinishAllAuth(v1::AUTH_FAILED);
  DropSession();
  Become(State::kAuthFailed);
}

void SessionCore::EndClosed(v1::CoordCode code) {
  // What was sent before the close and not answered by now never will be.
  FailSent(v1::CONNECTION_LOSS);
  FailWaiting(v1::OPERATION_TIMEOUT);
  FinishAllAuth(v1::SESSION_EXPIRED);
  DropSession();
  Become(State::kClosed);
  output_.push_back(Closed{code});
}

void SessionCore::DropSession() {
  if (stream_ != 0) output_.push_back(CloseStream{stream_});
  stream_ = 0;
  attached_ = false;
  retry_at_ms_ = -1;
  set_watches_pending_ = 0;
  auth_sent_.clear();
  session_id_ = 0;
  password_.clear();
  watches_.Clear();
}

void SessionCore::Become(State state) {
  if (state_ == state) return;
  state_ = state;
  output_.push_back(ChangeState{state});
}

std::vector<SessionCore::Action> SessionCore::TakeOutput() {
  return std::exchange(output_, {});
}

uint64_t SessionCore::Random() {
  // SplitMix64.
  uint64_t z = (random_state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace sillok::coord
