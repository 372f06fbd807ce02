#include "coordinator/client/session.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <random>
#include <unordered_map>
#include <utility>
#include <variant>

#include "base/clock.h"
#include "base/rpc/channel.h"
#include "coordinator/client/session_core.h"
#include "glog/logging.h"
#include "proto/coordinator.grpc.pb.h"

namespace sillok::coord {
namespace {

SessionState PublicState(SessionCore::State state) {
  switch (state) {
    case SessionCore::State::kConnecting:
      return SessionState::kConnecting;
    case SessionCore::State::kConnected:
      return SessionState::kConnected;
    case SessionCore::State::kExpired:
      return SessionState::kExpired;
    case SessionCore::State::kClosed:
      return SessionState::kClosed;
    case SessionCore::State::kAuthFailed:
      return SessionState::kAuthFailed;
  }
  return SessionState::kConnecting;
}

}  // namespace

// Everything but the destructor runs on `strand_`, which is entered with
// Dispatch: on a quiet session a call goes out on the caller's thread and a
// reply is decided on gRPC's, without a hop.
class Session::Impl : public std::enable_shared_from_this<Session::Impl> {
 public:
  using Done = std::function<void(const v1::CoordResponse&)>;

  Impl(SessionOptions options, Executor* executor, Timer* timer,
       Strand* callbacks, StateCallback on_state);

  void Start() {
    Enter([](Impl& impl, int64_t now) { impl.core_.Start(now); });
  }
  void Restart() {
    Enter([](Impl& impl, int64_t now) { impl.core_.Restart(now); });
  }
  void Close(std::function<void(v1::CoordCode)> done);
  WatcherId Call(v1::CoordRequest request, Watcher watcher, Done done);
  void AddAuth(AuthInfo auth, std::function<void(v1::CoordCode)> done);
  void RemoveWatcher(WatcherId id) {
    Enter([id](Impl& impl, int64_t now) { impl.core_.RemoveWatcher(id, now); });
  }
  // The owner is gone: nothing is called any more.
  void Abandon();

  std::atomic<uint64_t> session_id{0};
  std::atomic<int64_t> timeout_ms;
  std::atomic<int64_t> last_contact_ms{-1};

 private:
  class Stream;
  using Input = std::function<void(Impl&, int64_t now_ms)>;

  void Enter(Input input);
  void CarryOut();
  void CarryOut(SessionCore::OpenStream& open);
  void CarryOut(SessionCore::Send& send);
  void CarryOut(SessionCore::CloseStream& close);
  void CarryOut(SessionCore::Complete& complete);
  void CarryOut(SessionCore::FireWatch& fire);
  void CarryOut(SessionCore::ForgetWatchers& forget);
  void CarryOut(SessionCore::ChangeState& change);
  void CarryOut(SessionCore::AuthDone& auth);
  void CarryOut(SessionCore::Closed& closed);
  void ArmTimer();
  void PostCallback(Task task);
  // A stream is over. It must not be destroyed here, on gRPC's thread: with the
  // last channel gRPC joins its threads, this one among them.
  void Bury(std::shared_ptr<Stream> stream);
  void DestroyDead();

  const SessionOptions options_;
  Executor* const executor_;
  Timer* const timer_;
  Strand strand_;
  Strand* const callbacks_;
  const StateCallback on_state_;
  std::atomic<bool> abandoned_{false};

  SessionCore core_;
  std::atomic<SessionCore::CallId> next_id_{1};  // of calls and watchers
  std::unordered_map<SessionCore::CallId, Done> calls_;
  // Shared: a lasting one is in calls that are queued.
  std::unordered_map<SessionCore::WatcherId, std::shared_ptr<Watcher>>
      watchers_;
  std::unordered_map<SessionCore::CallId, std::function<void(v1::CoordCode)>>
      auths_;
  std::function<void(v1::CoordCode)> on_closed_;
  std::shared_ptr<Stream> stream_;

  std::mutex streams_mutex_;
  std::condition_variable stream_died_;
  int live_streams_ = 0;                       // under streams_mutex_
  std::vector<std::shared_ptr<Stream>> dead_;  // under streams_mutex_
  int64_t timer_due_ms_ = INT64_MAX;  // of the earliest timer set
};

// One gRPC stream. gRPC's reactions come on its threads and enter the strand.
// Lives until OnDone through `self_`.
class Session::Impl::Stream
    : public grpc::ClientBidiReactor<v1::SessionRequest, v1::SessionResponse> {
 public:
  Stream(std::shared_ptr<Impl> impl, SessionCore::StreamId id,
         const std::string& server)
      : impl_(std::move(impl)),
        id_(id),
        // A fresh channel for each attempt: it fails at once when nobody
        // listens, instead of sitting out the backoff of one that failed.
        channel_(rpc::NewChannel(server)),
        stub_(v1::Coordinator::NewStub(channel_)) {}

  // On the strand, all three.
  void Open() {
    self_ = std::static_pointer_cast<Stream>(shared_self());
    stub_->async()->Session(&context_, this);
    AddHold();  // for writes, which start outside reactions
    StartRead(&incoming_);
    StartCall();
  }
  void Write(v1::SessionRequest message) {
    if (ended_) return;
    queue_.push_back(std::move(message));
    if (!writing_) WriteNext();
  }
  void Cancel() {
    if (ended_) return;
    ended_ = true;
    context_.TryCancel();
    RemoveHold();
  }
  void set_shared(const std::shared_ptr<Stream>& self) { weak_ = self; }

 private:
  std::shared_ptr<Stream> shared_self() { return weak_.lock(); }

  void WriteNext() {
    writing_ = true;
    outgoing_ = std::move(queue_.front());
    queue_.pop_front();
    grpc::WriteOptions options;
    // What follows at once goes into the same packet.
    if (!queue_.empty()) options.set_buffer_hint();
    StartWrite(&outgoing_, options);
  }

  void OnReadDone(bool ok) override {
    impl_->Enter([self = self_, ok](Impl& impl, int64_t now) {
      if (self->ended_) return;
      if (!ok) {
        self->ended_ = true;
        self->RemoveHold();  // OnDone may come now
        impl.core_.OnStreamClosed(self->id_, now);
        return;
      }
      impl.core_.OnMessage(self->id_, self->incoming_, now);
      self->StartRead(&self->incoming_);
    });
  }
  void OnWriteDone(bool ok) override {
    impl_->Enter([self = self_, ok](Impl&, int64_t) {
      self->writing_ = false;
      if (ok && !self->ended_ && !self->queue_.empty()) self->WriteNext();
    });
  }
  void OnDone(const grpc::Status& status) override {
    VLOG(1) << "coordinator stream ended: " << status.error_code() << ' '
            << status.error_message();
    Impl* impl = impl_.get();
    impl->Bury(std::move(self_));
  }

  const std::shared_ptr<Impl> impl_;
  const SessionCore::StreamId id_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Coordinator::Stub> stub_;
  grpc::ClientContext context_;
  v1::SessionResponse incoming_;
  v1::SessionRequest outgoing_;
  std::deque<v1::SessionRequest> queue_;
  bool writing_ = false;
  bool ended_ = false;  // cancelled or done
  std::weak_ptr<Stream> weak_;
  std::shared_ptr<Stream> self_;
};

Session::Impl::Impl(SessionOptions options, Executor* executor, Timer* timer,
                    Strand* callbacks, StateCallback on_state)
    : timeout_ms(options.session_timeout_ms),
      options_(std::move(options)),
      executor_(executor),
      timer_(timer),
      strand_(executor),
      callbacks_(callbacks),
      on_state_(std::move(on_state)),
      core_([this] {
        SessionCore::Options core;
        core.servers = options_.servers.size();
        core.chroot = options_.chroot;
        for (const AuthInfo& auth : options_.auth) {
          core.auth.emplace_back();
          core.auth.back().set_scheme(auth.scheme);
          core.auth.back().set_credentials(auth.credentials);
        }
        core.session_timeout_ms = options_.session_timeout_ms;
        core.disconnect_timeout_ms = options_.disconnect_timeout_ms;
        core.max_outstanding = options_.max_outstanding;
        core.backoff_ms = options_.reconnect_backoff_ms;
        core.backoff_max_ms = options_.reconnect_backoff_max_ms;
        core.seed = (uint64_t{std::random_device()()} << 32) |
                    std::random_device()();
        return core;
      }()) {}

void Session::Impl::Enter(Input input) {
  strand_.Dispatch([self = shared_from_this(), input = std::move(input)] {
    if (self->abandoned_) return;
    input(*self, Clock::Real().MonotonicMs());
    self->CarryOut();
  });
}

Session::WatcherId Session::Impl::Call(v1::CoordRequest request,
                                       Watcher watcher, Done done) {
  SessionCore::WatcherId watch =
      watcher == nullptr ? SessionCore::kNoWatcher : next_id_++;
  Enter([request = std::move(request), watch, watcher = std::move(watcher),
         done = std::move(done)](Impl& impl, int64_t now) mutable {
    SessionCore::CallId call = impl.next_id_++;
    impl.calls_.emplace(call, std::move(done));
    if (watch != SessionCore::kNoWatcher) {
      impl.watchers_.emplace(watch,
                             std::make_shared<Watcher>(std::move(watcher)));
    }
    impl.core_.Call(call, std::move(request), watch, now);
  });
  return watch;
}

void Session::Impl::AddAuth(AuthInfo auth,
                            std::function<void(v1::CoordCode)> done) {
  Enter([auth = std::move(auth), done = std::move(done)](
            Impl& impl, int64_t now) mutable {
    SessionCore::CallId call = impl.next_id_++;
    impl.auths_.emplace(call, std::move(done));
    v1::AuthRequest request;
    request.set_scheme(std::move(auth.scheme));
    request.set_credentials(std::move(auth.credentials));
    impl.core_.AddAuth(call, std::move(request), now);
  });
}

void Session::Impl::Close(std::function<void(v1::CoordCode)> done) {
  Enter([done = std::move(done)](Impl& impl, int64_t now) mutable {
    if (impl.core_.state() == SessionCore::State::kClosed) {
      impl.PostCallback([done = std::move(done)] { done(v1::OK); });
      return;
    }
    impl.on_closed_ = std::move(done);
    impl.core_.Close(now);
  });
}

void Session::Impl::Abandon() {
  // Waits for the strand: what it uses (timer, callbacks) may go right after.
  std::promise<void> done;
  strand_.Dispatch([this, &done] {
    abandoned_ = true;
    if (stream_ != nullptr) stream_->Cancel();
    stream_ = nullptr;
    calls_.clear();
    watchers_.clear();
    auths_.clear();
    on_closed_ = nullptr;
    done.set_value();
  });
  done.get_future().wait();
  std::unique_lock lock(streams_mutex_);
  stream_died_.wait(lock, [this] { return live_streams_ == 0; });
  lock.unlock();
  DestroyDead();
}

void Session::Impl::Bury(std::shared_ptr<Stream> stream) {
  // Under the lock, so that the executor is still there: its owner waits in
  // Abandon until the count is down.
  std::lock_guard lock(streams_mutex_);
  dead_.push_back(std::move(stream));
  if (!abandoned_) {
    executor_->Post([self = shared_from_this()] { self->DestroyDead(); });
  }
  --live_streams_;
  stream_died_.notify_all();
}

void Session::Impl::DestroyDead() {
  std::vector<std::shared_ptr<Stream>> dead;  // outlives the lock
  std::lock_guard lock(streams_mutex_);
  dead.swap(dead_);
}

void Session::Impl::CarryOut() {
  // First: who is called back must find them.
  session_id = core_.session_id();
  timeout_ms = core_.timeout_ms();
  last_contact_ms = core_.last_contact_ms();
  for (SessionCore::Action& action : core_.TakeOutput()) {
    std::visit([this](auto& what) { CarryOut(what); }, action);
  }
  ArmTimer();
}

void Session::Impl::CarryOut(SessionCore::OpenStream& open) {
  const std::string& server = options_.servers[open.server];
  VLOG(1) << options_.client_name << ": connecting to coordinator " << server;
  stream_ = std::make_shared<Stream>(shared_from_this(), open.stream, server);
  stream_->set_shared(stream_);
  {
    std::lock_guard lock(streams_mutex_);
    ++live_streams_;
  }
  stream_->Open();
}

void Session::Impl::CarryOut(SessionCore::Send& send) {
  if (stream_ != nullptr) stream_->Write(std::move(send.message));
}

void Session::Impl::CarryOut(SessionCore::CloseStream& close) {
  if (stream_ != nullptr) stream_->Cancel();
  stream_ = nullptr;
}

void Session::Impl::CarryOut(SessionCore::Complete& complete) {
  if (complete.dropped != SessionCore::kNoWatcher) {
    watchers_.erase(complete.dropped);
  }
  auto it = calls_.find(complete.call);
  PostCallback([done = std::move(it->second),
                response = std::move(complete.response)] { done(response); });
  calls_.erase(it);
}

void Session::Impl::CarryOut(SessionCore::FireWatch& fire) {
  auto call = [&](SessionCore::WatcherId id) {
    auto it = watchers_.find(id);
    PostCallback([watcher = it->second, event = fire.event] {
      (*watcher)(event);
    });
    return it;
  };
  for (SessionCore::WatcherId id : fire.watchers) watchers_.erase(call(id));
  for (SessionCore::WatcherId id : fire.lasting) call(id);
}

void Session::Impl::CarryOut(SessionCore::ForgetWatchers& forget) {
  for (SessionCore::WatcherId id : forget.watchers) watchers_.erase(id);
}

void Session::Impl::CarryOut(SessionCore::AuthDone& auth) {
  auto it = auths_.find(auth.call);
  PostCallback([done = std::move(it->second), code = auth.code] {
    if (done != nullptr) done(code);
  });
  auths_.erase(it);
}

void Session::Impl::CarryOut(SessionCore::ChangeState& change) {
  SessionState state = PublicState(change.state);
  LOG_IF(INFO, !options_.client_name.empty())
            << "coordinator session client=" << options_.client_name
            << " session=" << std::hex << core_.session_id() << std::dec
            << " state=" << state;
  if (state != SessionState::kConnecting &&
      state != SessionState::kConnected) {
    watchers_.clear();
  }
  PostCallback([on_state = on_state_, state] {
    if (on_state != nullptr) on_state(state);
  });
}

void Session::Impl::CarryOut(SessionCore::Closed& closed) {
  if (on_closed_ == nullptr) return;
  PostCallback([done = std::exchange(on_closed_, nullptr),
                code = closed.code] { done(code); });
}

void Session::Impl::PostCallback(Task task) {
  callbacks_->Post([self = shared_from_this(), task = std::move(task)] {
    if (!self->abandoned_) task();
  });
}

void Session::Impl::ArmTimer() {
  int64_t due = core_.next_time_ms();
  if (due >= timer_due_ms_) return;
  timer_due_ms_ = due;
  // A timer that was set for later still comes and finds nothing to do.
  timer_->After(due - Clock::Real().MonotonicMs(),
                [weak = weak_from_this(), due] {
                  auto self = weak.lock();
                  if (self == nullptr) return;
                  self->Enter([due](Impl& impl, int64_t now) {
                    if (impl.timer_due_ms_ == due) {
                      impl.timer_due_ms_ = INT64_MAX;
                    }
                    impl.core_.OnTime(now);
                  });
                });
}

// --- the public face ---

Session::Session(SessionOptions options, Executor* executor, Timer* timer,
                 Strand* callbacks, StateCallback on_state)
    : impl_(std::make_shared<Impl>(std::move(options), executor, timer,
                                   callbacks, std::move(on_state))) {
  impl_->Start();
}

Session::~Session() { impl_->Abandon(); }

void Session::Restart() { impl_->Restart(); }
void Session::Close(std::function<void(v1::CoordCode)> done) {
  impl_->Close(std::move(done));
}
uint64_t Session::session_id() const { return impl_->session_id; }
int64_t Session::session_timeout_ms() const { return impl_->timeout_ms; }
int64_t Session::last_contact_ms() const { return impl_->last_contact_ms; }

void Session::AddAuth(AuthInfo auth, std::function<void(v1::CoordCode)> done) {
  impl_->AddAuth(std::move(auth), std::move(done));
}

Session::WatcherId Session::Call(v1::CoordRequest request, Watcher watcher,
                                 Callback<v1::CoordResponse> done) {
  return impl_->Call(std::move(request), std::move(watcher), std::move(done));
}

void Session::RemoveWatcher(WatcherId id) { impl_->RemoveWatcher(id); }

std::string_view SessionStateName(SessionState state) {
  switch (state) {
    case SessionState::kConnecting:
      return "connecting";
    case SessionState::kConnected:
      return "connected";
    case SessionState::kExpired:
      return "expired";
    case SessionState::kClosed:
      return "closed";
    case SessionState::kAuthFailed:
      return "auth failed";
  }
  return "?";
}

absl::StatusOr<SessionOptions> ParseConnectString(const std::string& text) {
  SessionOptions options;
  std::string hosts = text.substr(0, text.find('/'));
  if (hosts.size() < text.size()) options.chroot = text.substr(hosts.size());
  if (options.chroot == "/") options.chroot.clear();
  if (!options.chroot.empty() &&
      (options.chroot.back() == '/' ||
       options.chroot.find("//") != std::string::npos)) {
    return absl::InvalidArgumentError(
        "'" + text + "': the part after the hosts must be a path like /a/b");
  }
  for (size_t start = 0; start <= hosts.size();) {
    size_t end = std::min(hosts.find(',', start), hosts.size());
    std::string server = hosts.substr(start, end - start);
    size_t colon = server.rfind(':');
    if (colon == 0 || colon == std::string::npos ||
        colon + 1 == server.size() ||
        server.find_first_not_of("0123456789", colon + 1) !=
            std::string::npos) {
      return absl::InvalidArgumentError(
          "'" + text + "': '" + server +
          "' is not host:port (expected host:port,host:port[/path])");
    }
    options.servers.push_back(std::move(server));
    start = end + 1;
  }
  return options;
}

}  // namespace sillok::coord
