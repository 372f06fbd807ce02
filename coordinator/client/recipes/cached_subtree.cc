#include "coordinator/client/recipes/cached_subtree.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

#include "coordinator/client/recipes/signal.h"
#include "coordinator/client/recipes/sure_writes.h"

namespace sillok::coord {
namespace {

// Reads under way at a time, in a pass.
constexpr size_t kMaxReads = 256;
constexpr int64_t kRetryMs = 1'000;

}  // namespace

// All but the public face's reads runs on the strand of the session's callbacks.
class CachedSubtree::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(BlockingSession* session, std::string root, Listener listener)
      : session_(session),
        root_(std::move(root)),
        listener_(std::move(listener)) {}

  void Start() {
    state_listener_ = session_->Listen(
        [weak = weak_from_this()](SessionState state) {
          if (auto self = weak.lock()) self->OnState(state);
        });
    // A session that is connected says nothing until that changes. To begin
    // twice does no harm.
    session_->Post([weak = weak_from_this()] {
      if (auto self = weak.lock()) self->Begin();
    });
  }
  // After it the listener is not called.
  void Stop() {
    session_->RunOnStrand([this] {
      state_listener_ = nullptr;
      stopped_ = true;
      if (watcher_ != 0) session_->session().RemoveWatcher(watcher_);
    });
  }

  absl::Status AwaitSync(absl::Duration wait) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, DeadlineIn(wait), [this] {
      return in_sync_ || !trouble_.ok();
    });
    if (in_sync_) return absl::OkStatus();
    if (!trouble_.ok()) return trouble_;
    return absl::UnavailableError("not in sync yet: " + root_);
  }
  bool in_sync() const {
    std::lock_guard lock(mutex_);
    return in_sync_;
  }
  std::shared_ptr<const CachedNode> Get(const std::string& path) const {
    std::lock_guard lock(mutex_);
    auto it = state_.nodes().find(path);
    return it == state_.nodes().end() ? nullptr : it->second;
  }
  std::vector<std::string> Children(const std::string& path) const;
  CachedNodes Snapshot() const {
    std::lock_guard lock(mutex_);
    return state_.nodes();
  }

 private:
  void OnState(SessionState state);
  // Arms the watch where there is none and makes a pass.
  void Begin();
  void OnWatch(uint64_t round, v1::CoordCode code);
  void OnEvent(const v1::WatchEvent& event);
  void BeginPass();
  void Pump();
  void Visit(const std::string& path);
  void Read(const std::string& path, bool of_pass);
  // A read of the pass is over; false when it belongs to an older one, or when
  // its answer ends the pass.
  bool OnPassRead(uint64_t pass, v1::CoordCode code, const std::string& path);
  void OnPassReadDone();
  void EndPass();
  void LoseSync(absl::Status trouble);
  void BeginLater();
  template <typename Change>
  void Apply(Change change);

  BlockingSession* const session_;
  const std::string root_;
  const Listener listener_;
  std::shared_ptr<void> state_listener_;

  // Of the strand.
  uint64_t round_ = 0;  // of Begin: answers of older ones are not looked at
  uint64_t pass_ = 0;
  std::deque<std::string> to_visit_;
  size_t reads_ = 0;  // of this pass, under way
  uint64_t watch_session_ = 0;  // the session that has the watch
  Session::WatcherId watcher_ = 0;
  bool stopped_ = false;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  SubtreeState state_;       // under mutex_
  bool in_sync_ = false;     // under mutex_
  absl::Status trouble_;     // under mutex_; why no pass comes to an end
};

template <typename Change>
void CachedSubtree::Impl::Apply(Change change) {
  if (stopped_) return;
  SubtreeState::Changes changes;
  {
    std::lock_guard lock(mutex_);
    changes = change(state_);
  }
  if (listener_ == nullptr) return;
  for (const SubtreeChange& one : changes) listener_(one);
}

std::vector<std::string> CachedSubtree::Impl::Children(
    const std::string& path) const {
  std::string prefix = path == "/" ? "/" : path + "/";
  std::vector<std::string> names;
  std::lock_guard lock(mutex_);
  for (auto it = state_.nodes().upper_bound(prefix);
       it != state_.nodes().end() &&
       it->first.compare(0, prefix.size(), prefix) == 0;
       ++it) {
    std::string name = it->first.substr(prefix.size());
    if (name.find('/') == std::string::npos) names.push_back(std::move(name));
  }
  return names;
}

void CachedSubtree::Impl::OnState(SessionState state) {
  if (state == SessionState::kConnected) return Begin();
  LoseSync(absl::OkStatus());
}

void CachedSubtree::Impl::LoseSync(absl::Status trouble) {
  ++pass_;  // answers that still come belong to no pass
  bool was = false;
  {
    std::lock_guard lock(mutex_);
    was = std::exchange(in_sync_, false);
    trouble_ = std::move(trouble);
  }
  changed_.notify_all();
  BeginLater();
  if (!was) return;
  Apply([](SubtreeState&) {
    return SubtreeState::Changes{{SubtreeChange::Kind::kOutOfSync, "", nullptr}};
  });
}

// Connected again it begins by itself; a part that may not be read, say, can
// only be tried again.
void CachedSubtree::Impl::BeginLater() {
  session_->PostAfter(kRetryMs, [weak = weak_from_this(), pass = pass_] {
    auto self = weak.lock();
    if (self != nullptr && self->pass_ == pass &&
        self->session_->state() == SessionState::kConnected) {
      self->Begin();
    }
  });
}

void CachedSubtree::Impl::Begin() {
  if (stopped_) return;
  uint64_t session_id = session_->session().session_id();
  uint64_t round = ++round_;
  if (session_id != 0 && watch_session_ == session_id) return BeginPass();
  // One whose call was lost on the way is not armed, but may be about to be.
  if (watcher_ != 0) session_->session().RemoveWatcher(watcher_);
  watcher_ = session_->session().AddWatch(
      root_, v1::PERSISTENT_RECURSIVE_WATCH,
      [weak = weak_from_this()](const v1::WatchEvent& event) {
        if (auto self = weak.lock()) self->OnEvent(event);
      },
      [weak = weak_from_this(), round](v1::CoordCode code) {
        if (auto self = weak.lock()) self->OnWatch(round, code);
      });
}

void CachedSubtree::Impl::OnWatch(uint64_t round, v1::CoordCode code) {
  if (round != round_) return;
  if (code == v1::OK) {
    watch_session_ = session_->session().session_id();
    return BeginPass();
  }
  bool comes_back = IsLinkTrouble(code) || code == v1::SESSION_EXPIRED;
  LoseSync(comes_back ? absl::OkStatus() : RecipeStatus(code, root_));
}

void CachedSubtree::Impl::OnEvent(const v1::WatchEvent& event) {
  if (event.type() == v1::NODE_DELETED) {
    Apply([&](SubtreeState& state) { return state.OnGone(event.path()); });
    return;
  }
  Read(event.path(), /*of_pass=*/false);
}

void CachedSubtree::Impl::BeginPass() {
  ++pass_;
  reads_ = 0;
  to_visit_ = {root_};
  Apply([](SubtreeState& state) {
    state.BeginPass();
    return SubtreeState::Changes();
  });
  Pump();
}

void CachedSubtree::Impl::Pump() {
  while (!to_visit_.empty() && reads_ < kMaxReads) {
    std::string path = std::move(to_visit_.front());
    to_visit_.pop_front();
    Visit(path);
  }
  if (to_visit_.empty() && reads_ == 0) EndPass();
}

// The list of children comes with the znode's own Stat, which says whether the
// znode need be read.
void CachedSubtree::Impl::Visit(const std::string& path) {
  ++reads_;
  session_->session().GetChildren(
      path, nullptr,
      [weak = weak_from_this(), path,
       pass = pass_](const ChildrenResult& result) {
        auto self = weak.lock();
        if (self == nullptr || !self->OnPassRead(pass, result.code, path)) {
          return;
        }
        if (result.code == v1::OK) {
          for (const std::string& child : result.children) {
            self->to_visit_.push_back((path == "/" ? "" : path) + "/" + child);
          }
          bool needed = true;
          self->Apply([&](SubtreeState& state) {
            needed = state.NeedsRead(path, result.stat);
            return SubtreeState::Changes();
          });
          if (needed) self->Read(path, /*of_pass=*/true);
        }
        self->OnPassReadDone();
      });
}

void CachedSubtree::Impl::Read(const std::string& path, bool of_pass) {
  if (of_pass) ++reads_;
  session_->session().Get(
      path, nullptr,
      [weak = weak_from_this(), path, of_pass,
       pass = pass_](const GetResult& result) {
        auto self = weak.lock();
        if (self == nullptr) return;
        if (result.code == v1::OK || result.code == v1::NO_NODE) {
          self->Apply([&](SubtreeState& state) {
            return result.code == v1::NO_NODE
                       ? state.OnGone(path)
                       : state.OnRead(path, result.data, result.stat);
          });
        } else if (!of_pass && !IsLinkTrouble(result.code) &&
                   result.code != v1::SESSION_EXPIRED) {
          return self->LoseSync(RecipeStatus(result.code, path));
        } else if (!of_pass && pass == self->pass_) {
          // What the event told was not read: only a pass finds it now.
          return self->LoseSync(absl::OkStatus());
        }
        if (of_pass && self->OnPassRead(pass, result.code, path)) {
          self->OnPassReadDone();
        }
      });
}

bool CachedSubtree::Impl::OnPassRead(uint64_t pass, v1::CoordCode code,
                                     const std::string& path) {
  if (pass != pass_) return false;
  if (code == v1::OK || code == v1::NO_NODE) return true;
  bool comes_back = IsLinkTrouble(code) || code == v1::SESSION_EXPIRED;
  LoseSync(comes_back ? absl::OkStatus() : RecipeStatus(code, path));
  return false;
}

void CachedSubtree::Impl::OnPassReadDone() {
  --reads_;
  Pump();
}

void CachedSubtree::Impl::EndPass() {
  Apply([this](SubtreeState& state) {
    SubtreeState::Changes changes = state.EndPass();
    trouble_ = absl::OkStatus();
    if (!std::exchange(in_sync_, true)) {
      changes.push_back({SubtreeChange::Kind::kInSync, "", nullptr});
    }
    return changes;
  });
  changed_.notify_all();
}

CachedSubtree::CachedSubtree(BlockingSession* session, std::string root,
                             Listener listener)
    : impl_(std::make_shared<Impl>(session, std::move(root),
                                   std::move(listener))) {
  impl_->Start();
}
CachedSubtree::~CachedSubtree() { impl_->Stop(); }

absl::Status CachedSubtree::AwaitSync(absl::Duration wait) {
  return impl_->AwaitSync(wait);
}
bool CachedSubtree::in_sync() const { return impl_->in_sync(); }
std::shared_ptr<const CachedNode> CachedSubtree::Get(
    const std::string& path) const {
  return impl_->Get(path);
}
std::vector<std::string> CachedSubtree::Children(
    const std::string& path) const {
  return impl_->Children(path);
}
CachedNodes CachedSubtree::Snapshot() const { return impl_->Snapshot(); }

}  // namespace sillok::coord
