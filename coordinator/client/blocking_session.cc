#include "coordinator/client/blocking_session.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

namespace sillok::coord {
namespace {

// Runs an asynchronous call and waits for what it gives.
template <typename Result, typename Issue>
Result Wait(Issue issue) {
  auto promise = std::make_shared<std::promise<Result>>();
  std::future<Result> future = promise->get_future();
  issue([promise](const Result& result) { promise->set_value(result); });
  return future.get();
}

}  // namespace

BlockingSession::BlockingSession() = default;

absl::StatusOr<std::unique_ptr<BlockingSession>> BlockingSession::Connect(
    SessionOptions options, int64_t wait_ms) {
  std::string servers;
  for (const std::string& server : options.servers) {
    servers += (servers.empty() ? "" : ",") + server;
  }
  std::unique_ptr<BlockingSession> blocking(new BlockingSession());
  BlockingSession* self = blocking.get();
  self->disconnect_timeout_ms_ = options.disconnect_timeout_ms;
  self->session_ = std::make_unique<Session>(
      std::move(options), &self->executor_, &self->timer_, &self->strand_,
      [self](SessionState state) { self->OnState(state); });
  std::unique_lock lock(self->mutex_);
  bool connected = self->changed_.wait_for(
      lock, std::chrono::milliseconds(wait_ms),
      [self] { return self->state_ == SessionState::kConnected; });
  lock.unlock();
  if (!connected) {
    self->closed_ = true;  // no session to wait for at the end
    return absl::UnavailableError("no coordinator serves at " + servers +
                                  " (waited " + std::to_string(wait_ms) +
                                  " ms)");
  }
  return blocking;
}

BlockingSession::~BlockingSession() {
  if (session_ == nullptr) return;
  if (!closed_) {
    auto done = std::make_shared<std::promise<void>>();
    session_->Close([done](v1::CoordCode) { done->set_value(); });
    done->get_future().wait_for(std::chrono::seconds(1));
  }
  // The session goes on its callbacks' strand, so that none of them runs after.
  RunOnStrand([this] { session_ = nullptr; });
}

CreateResult BlockingSession::Create(std::string path, std::string data,
                                     v1::CreateMode mode) {
  return Wait<CreateResult>([&](auto done) {
    session_->Create(std::move(path), std::move(data), mode, done);
  });
}

CreateResult BlockingSession::Create(std::string path, NewZnode znode) {
  return Wait<CreateResult>([&](auto done) {
    session_->Create(std::move(path), std::move(znode), done);
  });
}

v1::CoordResponse BlockingSession::Call(v1::CoordRequest request,
                                        Watcher watcher) {
  return Wait<v1::CoordResponse>([&](auto done) {
    session_->Call(std::move(request), std::move(watcher), done);
  });
}

v1::WriteResult BlockingSession::Write(v1::WriteOp op) {
  return Wait<v1::WriteResult>(
      [&](auto done) { session_->Write(std::move(op), done); });
}

StatResult BlockingSession::SetAcl(std::string path, std::vector<v1::Acl> acl,
                                   int32_t version) {
  return Wait<StatResult>([&](auto done) {
    session_->SetAcl(std::move(path), std::move(acl), version, done);
  });
}

AclResult BlockingSession::GetAcl(std::string path) {
  return Wait<AclResult>(
      [&](auto done) { session_->GetAcl(std::move(path), done); });
}

v1::CoordCode BlockingSession::AddAuth(AuthInfo auth) {
  return Wait<v1::CoordCode>(
      [&](auto done) { session_->AddAuth(std::move(auth), done); });
}

v1::CoordCode BlockingSession::Delete(std::string path, int32_t version) {
  return Wait<v1::CoordCode>([&](auto done) {
    session_->Delete(std::move(path), version, done);
  });
}

StatResult BlockingSession::SetData(std::string path, std::string data,
                                    int32_t version) {
  return Wait<StatResult>([&](auto done) {
    session_->SetData(std::move(path), std::move(data), version, done);
  });
}

GetResult BlockingSession::Get(std::string path, Watcher watcher) {
  return Wait<GetResult>([&](auto done) {
    session_->Get(std::move(path), std::move(watcher), done);
  });
}

StatResult BlockingSession::Exists(std::string path, Watcher watcher) {
  return Wait<StatResult>([&](auto done) {
    session_->Exists(std::move(path), std::move(watcher), done);
  });
}

ChildrenResult BlockingSession::GetChildren(std::string path,
                                            Watcher watcher) {
  return Wait<ChildrenResult>([&](auto done) {
    session_->GetChildren(std::move(path), std::move(watcher), done);
  });
}

MultiResult BlockingSession::Multi(std::vector<v1::WriteOp> ops) {
  return Wait<MultiResult>(
      [&](auto done) { session_->Multi(std::move(ops), done); });
}

v1::CoordCode BlockingSession::Sync(std::string path) {
  return Wait<v1::CoordCode>(
      [&](auto done) { session_->Sync(std::move(path), done); });
}

v1::CoordCode BlockingSession::Close() {
  closed_ = true;
  return Wait<v1::CoordCode>([&](auto done) { session_->Close(done); });
}

void BlockingSession::PostAfter(int64_t delay_ms, Task task) {
  timer_.After(delay_ms, [this, task = std::move(task)]() mutable {
    strand_.Post(std::move(task));
  });
}

void BlockingSession::RunOnStrand(const Task& task) {
  if (strand_.RunningHere()) return task();
  std::promise<void> done;
  strand_.Post([&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

bool BlockingSession::Restart(int64_t wait_ms) {
  {
    std::lock_guard lock(mutex_);
    if (state_ == SessionState::kClosed) return false;
    if (state_ != SessionState::kConnected) state_ = SessionState::kConnecting;
  }
  session_->Restart();
  return AwaitConnected(std::chrono::steady_clock::now() +
                        std::chrono::milliseconds(wait_ms)) ==
         SessionState::kConnected;
}

v1::CoordCode BlockingSession::CreateParents(const std::string& path,
                                             v1::CreateMode mode) {
  if (path.empty() || path == "/") return v1::OK;
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    v1::CoordCode code = Create(path.substr(0, end), "", mode).code;
    if (code != v1::OK && code != v1::NODE_EXISTS) return code;
    if (end == std::string::npos) return v1::OK;
  }
}

SessionState BlockingSession::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

SessionState BlockingSession::AwaitConnected(
    std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [this] {
    return state_ != SessionState::kConnecting;
  });
  return state_;
}

bool BlockingSession::Trusted() const {
  SessionState now = state();
  return (now == SessionState::kConnected ||
          now == SessionState::kConnecting) &&
         std::chrono::steady_clock::now() < TrustedUntil();
}

std::chrono::steady_clock::time_point BlockingSession::TrustedUntil() const {
  int64_t heard = session_->last_contact_ms();
  if (heard < 0) return {};
  int64_t patience = session_->session_timeout_ms();
  if (disconnect_timeout_ms_ > 0) {
    patience = std::min(patience, disconnect_timeout_ms_);
  }
  return std::chrono::steady_clock::time_point(
      std::chrono::milliseconds(heard + patience));
}

std::shared_ptr<void> BlockingSession::Listen(StateListener listener) {
  auto kept = std::make_shared<StateListener>(std::move(listener));
  std::lock_guard lock(mutex_);
  std::erase_if(listeners_, [](const auto& weak) { return weak.expired(); });
  listeners_.push_back(kept);
  return kept;
}

void BlockingSession::OnState(SessionState state) {
  std::vector<std::shared_ptr<StateListener>> told;
  {
    std::lock_guard lock(mutex_);
    state_ = state;
    for (const auto& weak : listeners_) {
      if (auto listener = weak.lock()) told.push_back(std::move(listener));
    }
  }
  changed_.notify_all();
  for (const auto& listener : told) (*listener)(state);
  if (state == SessionState::kExpired && restart_when_expired_) {
    session_->Restart();
  }
}

std::string CodeName(v1::CoordCode code) {
  std::string name = v1::CoordCode_Name(code);
  return name.empty() ? std::to_string(static_cast<int>(code)) : name;
}

absl::Status CodeToStatus(v1::CoordCode code, const std::string& what) {
  std::string text = CodeName(code) + ": " + what;
  switch (code) {
    case v1::OK:
      return absl::OkStatus();
    case v1::NO_NODE:
      return absl::NotFoundError(text);
    case v1::NODE_EXISTS:
      return absl::AlreadyExistsError(text);
    case v1::CONNECTION_LOSS:
    case v1::OPERATION_TIMEOUT:
      return absl::UnavailableError(text);
    case v1::NO_AUTH:
    case v1::AUTH_FAILED:
      return absl::PermissionDeniedError(text);
    case v1::BAD_ARGUMENTS:
    case v1::INVALID_ACL:
    case v1::MARSHALLING_ERROR:
      return absl::InvalidArgumentError(text);
    default:
      return absl::FailedPreconditionError(text);
  }
}

}  // namespace sillok::coord
