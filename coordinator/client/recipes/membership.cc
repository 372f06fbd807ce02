#include "coordinator/client/recipes/membership.h"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "coordinator/client/recipes/signal.h"
#include "coordinator/client/recipes/sure_writes.h"

namespace sillok::coord {
namespace {

Members MembersOf(const std::string& path, const CachedNodes& nodes) {
  Members members;
  std::string prefix = path == "/" ? path : path + "/";
  for (const auto& [child, node] : nodes) {
    if (child.size() <= prefix.size() || child.compare(0, prefix.size(), prefix)) {
      continue;
    }
    std::string name = child.substr(prefix.size());
    if (name.find('/') == std::string::npos) members[name] = node->data;
  }
  return members;
}

}  // namespace

// Keeps one znode there. Runs on the strand of the session's callbacks.
class GroupMembership::Joining
    : public std::enable_shared_from_this<GroupMembership::Joining> {
 public:
  Joining(BlockingSession* session, std::string parent, std::string path,
          std::string data)
      : session_(session),
        parent_(std::move(parent)),
        path_(std::move(path)),
        data_(std::move(data)) {}

  void Start() {
    listener_ = session_->Listen([weak = weak_from_this()](SessionState state) {
      auto self = weak.lock();
      if (self == nullptr) return;
      if (state == SessionState::kExpired) self->Set(false, absl::OkStatus());
      if (state == SessionState::kConnected) self->Try();
    });
    session_->Post([self = shared_from_this()] { self->Try(); });
  }
  void Stop() {
    session_->RunOnStrand([this] {
      listener_ = nullptr;
      stopped_ = true;
    });
  }

  absl::Status Await(TimePoint deadline) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, deadline,
                        [this] { return joined_ || !refusal_.ok(); });
    if (joined_) return absl::OkStatus();
    if (!refusal_.ok()) return refusal_;
    return taken_ ? absl::DeadlineExceededError("another session has " + path_)
                  : absl::UnavailableError(
                        "no connection to the coordinators: " + path_);
  }
  bool joined() const {
    std::lock_guard lock(mutex_);
    return joined_;
  }
  const std::string& path() const { return path_; }

 private:
  void Set(bool joined, absl::Status refusal) {
    std::lock_guard lock(mutex_);
    joined_ = joined;
    refusal_ = std::move(refusal);
    changed_.notify_all();
  }

  void Try() {
    if (stopped_ || trying_) return;
    trying_ = true;
    session_->session().Create(
        path_, NewZnode{data_, v1::EPHEMERAL},
        [self = shared_from_this()](const CreateResult& result) {
          self->trying_ = false;
          self->OnCreated(result.code);
        });
  }

  void OnCreated(v1::CoordCode code) {
    switch (code) {
      case v1::OK:
        Set(true, absl::OkStatus());
        // Left meanwhile: the znode must not stay.
        if (stopped_) DeleteSurely(*session_, path_, nullptr);
        return;
      case v1::NODE_EXISTS:
        return LookWhose();
      case v1::NO_NODE:
        return MakeParents(1);
      case v1::CONNECTION_LOSS:
      case v1::OPERATION_TIMEOUT:
        return Try();  // waits for a connection by itself
      case v1::SESSION_EXPIRED:
        return;  // on with the next session
      default:
        return Set(false, RecipeStatus(code, path_));
    }
  }

  // It may be ours, of a create whose answer was lost.
  void LookWhose() {
    session_->session().Exists(
        path_,
        [weak = weak_from_this()](const v1::WatchEvent& event) {
          auto self = weak.lock();
          if (self == nullptr || event.type() != v1::NODE_DELETED) return;
          self->Set(false, absl::OkStatus());
          self->Try();  // also when somebody deleted it under us
        },
        [self = shared_from_this()](const StatResult& result) {
          if (result.code != v1::OK) {
            if (result.code != v1::SESSION_EXPIRED) self->Try();
            return;
          }
          bool ours = result.stat.ephemeral_owner() ==
                      self->session_->session().session_id();
          if (ours) self->Set(true, absl::OkStatus());
          std::lock_guard lock(self->mutex_);
          self->taken_ = !ours;
        });
  }

  // Path by path from the top, as containers.
  void MakeParents(size_t from) {
    size_t end = parent_.find('/', from);
    session_->session().Create(
        parent_.substr(0, end), NewZnode{"", v1::CONTAINER},
        [self = shared_from_this(), end](const CreateResult& result) {
          bool made = result.code == v1::OK || result.code == v1::NODE_EXISTS;
          if (made && end != std::string::npos) {
            return self->MakeParents(end + 1);
          }
          if (made || IsLinkTrouble(result.code)) return self->Try();
          if (result.code == v1::SESSION_EXPIRED) return;
          self->Set(false, RecipeStatus(result.code, self->parent_));
        });
  }

  BlockingSession* const session_;
  const std::string parent_;
  const std::string path_;
  const std::string data_;
  std::shared_ptr<void> listener_;
  bool trying_ = false;   // of the strand
  bool stopped_ = false;  // of the strand

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool joined_ = false;
  bool taken_ = false;  // by another session
  absl::Status refusal_;
};

GroupMembership::GroupMembership(BlockingSession* session, std::string path,
                                 Listener listener)
    : session_(session),
      path_(std::move(path)),
      listener_(std::move(listener)),
      view_(session, path_,
            [this](const SubtreeChange& change) { OnChange(change); }) {}

GroupMembership::~GroupMembership() {
  if (joining_ == nullptr) return;
  joining_->Stop();
  if (joining_->joined()) DeleteSurely(*session_, joining_->path(), nullptr);
}

absl::Status GroupMembership::Join(const std::string& name, std::string data,
                                   absl::Duration wait) {
  if (joining_ != nullptr) {
    return absl::FailedPreconditionError("joined already: " + path_);
  }
  joining_ = std::make_shared<Joining>(session_, path_, path_ + "/" + name,
                                       std::move(data));
  joining_->Start();
  absl::Status status = joining_->Await(DeadlineIn(wait));
  bool refused = !status.ok() && !absl::IsUnavailable(status) &&
                 !absl::IsDeadlineExceeded(status);
  if (refused) {
    joining_->Stop();
    joining_ = nullptr;
  }
  return status;
}

absl::Status GroupMembership::Leave() {
  if (joining_ == nullptr) return absl::OkStatus();
  std::shared_ptr<Joining> was = std::exchange(joining_, nullptr);
  was->Stop();
  if (!was->joined()) return absl::OkStatus();
  absl::Status status = DeleteAndWait(
      *session_, was->path(),
      DeadlineIn(absl::Milliseconds(session_->session().session_timeout_ms())));
  return absl::IsAborted(status) ? absl::OkStatus() : status;
}

bool GroupMembership::joined() const {
  return joining_ != nullptr && joining_->joined();
}

Members GroupMembership::List() const {
  return MembersOf(path_, view_.Snapshot());
}

void GroupMembership::OnChange(const SubtreeChange& change) {
  if (listener_ == nullptr) return;
  // Until it is in sync, what changes is the copy that is being made.
  bool now_in_sync = change.kind == SubtreeChange::Kind::kInSync;
  if (!now_in_sync && !view_.in_sync()) return;
  Members members = List();
  if (told_any_ && members == told_) return;
  told_any_ = true;
  told_ = members;
  listener_(members);
}

}  // namespace sillok::coord
