#include "coordinator/client/recipes/lock.h"

#include <algorithm>
#include <utility>

#include "coordinator/client/recipes/protected_name.h"
#include "coordinator/client/recipes/sure_writes.h"

namespace sillok::coord {

DistributedLock::DistributedLock(BlockingSession* session, std::string path,
                                 std::string data, LockKind kind)
    : session_(session),
      path_(std::move(path)),
      data_(std::move(data)),
      kind_(kind),
      listener_(session->Listen(
          [signal = signal_](SessionState) { signal->Raise(); })) {}

DistributedLock::~DistributedLock() { Release().IgnoreError(); }

Watcher DistributedLock::MakeWatcher() const {
  return [signal = signal_](const v1::WatchEvent&) { signal->Raise(); };
}

absl::Status DistributedLock::Acquire(absl::Duration wait) {
  if (!name_.empty()) {
    return absl::FailedPreconditionError("acquired already: " + path_);
  }
  if (cancelled_.exchange(false)) return absl::CancelledError(path_);
  TimePoint deadline = DeadlineIn(wait);
  uint64_t session_id = session_->session().session_id();
  NewZnode znode{data_, v1::EPHEMERAL_SEQUENTIAL};
  // A look alone takes a few calls, and each its time.
  TimePoint calls_deadline = std::max(
      deadline, DeadlineIn(absl::Milliseconds(
                    session_->session().session_timeout_ms())));
  absl::StatusOr<CreateResult> made =
      CreateProtected(*session_, path_, MakeGuid(),
                      std::string(LockStem(kind_)), std::move(znode),
                      calls_deadline, &cancelled_);
  if (!made.ok()) {
    if (absl::IsCancelled(made.status())) cancelled_ = false;
    return made.status();
  }
  name_ = made->path.substr(path_.size() + 1);
  token_ = made->stat.czxid();
  absl::Status turn = AwaitTurn(deadline);
  if (!turn.ok()) return GiveUp(turn);
  if (session_->session().session_id() != session_id) {
    return GiveUp(absl::AbortedError("the session is over: " + path_));
  }
  held_by_session_ = session_id;
  return absl::OkStatus();
}

absl::Status DistributedLock::AwaitTurn(TimePoint deadline) {
  while (true) {
    ChildrenResult line = session_->GetChildren(path_);
    if (IsLinkTrouble(line.code)) {
      if (AwaitLink(*session_, deadline, &cancelled_)) continue;
      if (cancelled_.exchange(false)) return absl::CancelledError(path_);
      if (!HasPassed(deadline)) continue;  // the session is over
      return RecipeStatus(line.code, "children of " + path_);
    }
    if (line.code == v1::NO_NODE) line.code = v1::OK;  // with all in it
    if (line.code != v1::OK) return RecipeStatus(line.code, path_);
    LockPlace place = FindLockPlace(line.children, name_, kind_);
    if (place.state == LockPlace::State::kHeld) return absl::OkStatus();
    if (place.state == LockPlace::State::kGone) {
      return absl::AbortedError("the znode was deleted: " + path_ + "/" +
                                name_);
    }
    // Get and not Exists: on a znode that is gone it leaves no watch behind.
    GetResult before =
        session_->Get(path_ + "/" + place.wait_for, MakeWatcher());
    if (before.code == v1::NO_NODE || IsLinkTrouble(before.code)) continue;
    if (before.code != v1::OK) return RecipeStatus(before.code, path_);
    bool raised = signal_->Await(deadline);
    if (cancelled_.exchange(false)) return absl::CancelledError(path_);
    if (!raised) return absl::DeadlineExceededError("others hold " + path_);
  }
}

absl::Status DistributedLock::GiveUp(absl::Status status) {
  Release().IgnoreError();
  return status;
}

absl::Status DistributedLock::Release() {
  held_by_session_ = 0;
  if (name_.empty()) return absl::OkStatus();
  std::string path = path_ + "/" + std::exchange(name_, "");
  absl::Status status = DeleteAndWait(
      *session_, path,
      DeadlineIn(absl::Milliseconds(session_->session().session_timeout_ms())));
  // With its session the znode goes too.
  return absl::IsAborted(status) ? absl::OkStatus() : status;
}

void DistributedLock::Cancel() {
  cancelled_ = true;
  signal_->Raise();
}

bool DistributedLock::Held() const {
  uint64_t session_id = held_by_session_;
  return session_id != 0 && session_->Trusted() &&
         session_->session().session_id() == session_id;
}

bool DistributedLock::AwaitLoss(absl::Duration wait, absl::Duration margin) {
  TimePoint deadline = DeadlineIn(wait);
  auto margin_ms = absl::ToChronoMilliseconds(margin);
  bool watched = false;
  while (Held()) {
    TimePoint trusted = session_->TrustedUntil() - margin_ms;
    if (HasPassed(trusted)) break;
    // Armed again by the session after each reconnect.
    if (!watched && session_->state() == SessionState::kConnected) {
      v1::CoordCode code =
          session_->Get(path_ + "/" + name_, MakeWatcher()).code;
      if (code == v1::NO_NODE) break;
      watched = code == v1::OK;
      continue;
    }
    bool raised = signal_->Await(std::min(deadline, trusted));
    if (cancelled_.exchange(false)) return false;
    if (raised) watched = false;  // it may have been the znode's
    if (!raised && HasPassed(deadline)) return false;
  }
  held_by_session_ = 0;
  return true;
}

}  // namespace sillok::coord
